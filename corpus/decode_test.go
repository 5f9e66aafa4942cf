package corpus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/yocobench/yocobench/internal/testenv"
)

func utf16Bytes(s string, order binary.AppendByteOrder, mark bool) string {
	var b []byte
	if mark {
		b = order.AppendUint16(b, 0xfeff)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func utf32Bytes(s string, order binary.AppendByteOrder) string {
	b := order.AppendUint32(nil, 0xfeff)
	for _, r := range s {
		b = order.AppendUint32(b, uint32(r))
	}
	return string(b)
}

const lfsPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

func TestDecodeText(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	const english, german, chinese = "A line.\nAnother one.\n", "Schöne Grüße, 🙂\n", "这是一个很长的中文句子。\n"
	latin1 := strings.Repeat("plain words ", 5) + "sch\xf6ne Gr\xfc\xdfe \x96 done"
	random := make([]byte, 9000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(1 + r.IntN(255))
	}
	for name, c := range map[string]struct {
		raw, want string
		note, err string // substrings
	}{
		"plain":            {english, english, "", ""},
		"UTF-8":            {german + chinese, german + chinese, "", ""},
		"UTF-8 mark":       {"\xef\xbb\xbf" + german, german, "", ""},
		"CRLF":             {"a\r\nb\r\n\r\nc", "a\nb\n\nc", "", ""},
		"CR":               {"a\rb\r", "a\nb\n", "", ""},
		"UTF-16 LE":        {utf16Bytes(german, le, true), german, "UTF-16 LE, converted", ""},
		"UTF-16 BE":        {utf16Bytes(chinese, be, true), chinese, "UTF-16 BE, converted", ""},
		"UTF-16 LE CRLF":   {utf16Bytes("a\r\nb", le, true), "a\nb", "UTF-16 LE", ""},
		"no mark LE":       {utf16Bytes(english, le, false), english, "UTF-16 LE without", ""},
		"no mark BE":       {utf16Bytes(german, be, false), german, "UTF-16 BE without", ""},
		"no mark Chinese":  {utf16Bytes(chinese, le, false), chinese, "UTF-16 LE without", ""},
		"UTF-32 LE":        {utf32Bytes(german, le), german, "UTF-32 LE", ""},
		"UTF-32 BE":        {utf32Bytes(german, be), german, "UTF-32 BE", ""},
		"odd byte":         {utf16Bytes(english, le, true) + "x", english + "\ufffd", "1 invalid character", ""},
		"lone surrogate":   {utf16Bytes(english, be, true) + "\xd8\x00\x00a", english + "\ufffda", "1 invalid character", ""},
		"Windows-1252":     {latin1, strings.Repeat("plain words ", 5) + "sch\ufffdne Gr\ufffd\ufffde \ufffd done", "4 bytes are not UTF-8 and were replaced by U+FFFD; the text looks like Windows-1252", ""},
		"broken character": {english + "\xe4\xb8" + english, english + "\ufffd\ufffd" + english, "2 bytes are not UTF-8", ""},
		"GBK":              {strings.Repeat("\xd6\xd0\xb9\xfa", 100), "", "", "not UTF-8"},
		"random":           {string(random), "", "", "not UTF-8"},
		"binary":           {"a\x00b", "", "", "binary"},
		"PCM":              {"\x01\x00\x02\x00\x01\x00\x03\x00\x02\x00", "", "", "binary"},
		"empty":            {"", "", "", "empty"},
		"mark only":        {"\xef\xbb\xbf", "", "", "empty"},
		"PDF":              {"%PDF-1.7\n1 0 obj", "", "", "pdftotext"},
		"gzip":             {"\x1f\x8b\x08abc", "", "", "gzip"},
		"pointer":          {lfsPointer, "", "", "a Git LFS pointer"},
	} {
		text, note, err := DecodeText([]byte(c.raw))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", name, err, c.err)
			continue
		}
		if string(text) != c.want || (c.note == "") != (note == "") || !strings.Contains(note, c.note) {
			t.Errorf("%s: %q, note %q; want %q, note %q", name, text, note, c.want, c.note)
		}
	}
}

// TestFilesInCommonEncodings checks that a file gives the same text in any encoding, and that there
// is a notice for each skipped file.
func TestFilesInCommonEncodings(t *testing.T) {
	const text = "A line of words.\nAnother one, schön.\n"
	open := func(files map[string]string, paths ...string) (Source, error) {
		return Open(Spec{Kind: KindFiles, Paths: paths}, tree(t, files))
	}
	plain, err := open(map[string]string{"a.txt": text}, "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"UTF-16": utf16Bytes(text, binary.LittleEndian, true), "mark": "\xef\xbb\xbf" + text, "CRLF": strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		s, err := open(map[string]string{"a.txt": raw}, "a.txt")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s.Fingerprint() != plain.Fingerprint() {
			t.Errorf("%s: the text differs", name)
		}
	}
	s, err := open(map[string]string{"a.txt": text, "b.txt": lfsPointer, "c.pdf": "%PDF-1.4", "d.bin": "\x00\x01", "e.txt": "caf\xe9 and more words here"}, ".")
	if err != nil || len(s.(*documents).docs) != 2 {
		t.Fatalf("%v, %v", s, err)
	}
	notices := strings.Join(s.Notices(), "\n")
	for _, want := range []string{"b.txt: skipped: a Git LFS pointer", "git lfs pull", "c.pdf: skipped: a PDF", "d.bin: binary, skipped", "e.txt: 1 bytes are not UTF-8"} {
		if !strings.Contains(notices, want) {
			t.Errorf("notices %q, want %q", notices, want)
		}
	}
	if _, err := open(map[string]string{"b.txt": lfsPointer}, "b.txt"); !errors.Is(err, ErrNoText) || !strings.Contains(err.Error(), "git lfs pull") {
		t.Errorf("a pointer alone: %v", err)
	}
}

// TestLargeBinary checks that only the first bytes of a large binary file are read.
func TestLargeBinary(t *testing.T) {
	dir := tree(t, map[string]string{"book.txt": "A book.\n", "weights.bin": "\x00\x01", "noise.bin": strings.Repeat("\xff\xfa\x81", 4000)})
	for _, name := range []string{"weights.bin", "noise.bin"} {
		if err := os.Truncate(filepath.Join(dir, name), 3<<30); err != nil {
			testenv.Missing(t, "no sparse files in the temporary folder: %v", err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := Open(Spec{Kind: KindFiles, Paths: []string{dir}}, "")
	runtime.ReadMemStats(&after)
	if err != nil || len(s.(*documents).docs) != 1 || len(s.Notices()) != 2 {
		t.Fatalf("%v, %v", s, err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes taken", n)
	}
}

// TestHaystackOfOneLine checks that seeds give different haystacks of a text without line ends.
func TestHaystackOfOneLine(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": strings.Repeat("这是一个很长的中文句子。", 2000)[:60000] + strings.Repeat("x1 ", 9000)})
	s, err := Open(Spec{Kind: KindFiles, Paths: []string{"a.txt"}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for seed := range uint64(8) {
		h, err := s.Haystack(seed, 30_000)
		if err != nil || !utf8.Valid(h.Text) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		seen[string(h.Text)] = true
	}
	if len(seen) < 4 {
		t.Errorf("%d different haystacks of 8", len(seen))
	}
}

func FuzzDecodeText(f *testing.F) {
	for _, s := range []string{"text\r\n", "\xef\xbb\xbfx", utf16Bytes("Grüße\n", binary.LittleEndian, false), utf16Bytes("🙂\n", binary.BigEndian, true), utf32Bytes("a", binary.BigEndian), lfsPointer, "caf\xe9"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, note, err := DecodeText(bytes.Clone(raw))
		if err != nil {
			if text != nil || note != "" {
				t.Fatalf("%q, note %q with the error %v", text, note, err)
			}
			return
		}
		if len(text) == 0 || !utf8.Valid(text) || bytes.IndexByte(text, '\r') >= 0 {
			t.Fatalf("%q became %q", raw, text)
		}
		if again, note, err := DecodeText(bytes.Clone(text)); err == nil && (note != "" || !bytes.Equal(again, text)) && !bytes.HasPrefix(text, []byte("\ufeff")) {
			t.Fatalf("%q became %q with the note %q", text, again, note)
		}
	})
}
