package result

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
)

// three returns the lines of a journal with a header and three records.
func three(t *testing.T) (lines [][]byte) {
	t.Helper()
	for _, v := range []any{Run{Suite: "s", SuiteText: "name: s\n", Cases: 3}, sample("a", 1), sample("b", 0.5), sample("c", 0.25)} {
		l, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

// readable reads a damaged copy of three's journal and returns the number of original lines found.
// Any other line fails the test.
func readable(t *testing.T, what string, b []byte, lines [][]byte) (found int, j *Journal) {
	t.Helper()
	j, err := Read(bytes.NewReader(b), "run/results.jsonl")
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	var got []any
	for _, r := range j.Runs {
		got = append(got, r)
	}
	for _, r := range j.Records {
		got = append(got, r)
	}
	for _, v := range got {
		l, err := Encode(v)
		if err != nil || !slices.ContainsFunc(lines, func(x []byte) bool { return bytes.Equal(x, l) }) {
			t.Fatalf("%s: read a line that was never written (%v):\n%s", what, err, l)
		}
	}
	if len(got) < len(lines) && len(j.Runs) > 0 && j.Notice == "" {
		t.Fatalf("%s: %d of %d lines without a notice", what, len(got), len(lines))
	}
	return len(got), j
}

func TestOneFlippedBitCostsOneLine(t *testing.T) {
	lines := three(t)
	whole := bytes.Join(lines, nil)
	for i := range whole {
		for bit := i % 3; bit < 8; bit += 3 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			if n, _ := readable(t, fmt.Sprintf("bit %d of byte %d (%q)", bit, i, whole[i]), b, lines); n < 3 {
				t.Fatalf("bit %d of byte %d: %d of 4 lines are left", bit, i, n)
			}
		}
	}
}

func TestACutCostsTheLastLineOnly(t *testing.T) {
	lines := three(t)
	whole := bytes.Join(lines, nil)
	path := filepath.Join(t.TempDir(), "results.jsonl")
	for cut := len(lines[0]) - 1; cut <= len(whole); cut++ {
		want := bytes.Count(whole[:cut], []byte("\n"))
		if cut < len(whole) && whole[cut] == '\n' {
			want++ // only the newline is missing
		}
		if n, _ := readable(t, fmt.Sprint("cut at ", cut), append(bytes.Clone(whole[:cut]), "   "[:cut%2]...), lines[:want]); n != want {
			t.Fatalf("cut at %d: %d lines, want %d", cut, n, want)
		}
		if cut%37 > 0 && cut < len(whole)-2 {
			continue
		}
		if err := os.WriteFile(path, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		w, _, err := Reopen(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(sample("d", 1)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if j, err := ReadFile(path); err != nil || len(j.Runs)+len(j.Records) != want+1 || j.Notice != "" {
			t.Fatalf("cut at %d, then appended to: %v, %d lines, want %d, notice %q", cut, err, len(j.Runs)+len(j.Records), want+1, j.Notice)
		}
	}
}

func TestDamageIsNamedAndCostsItselfAlone(t *testing.T) {
	l := three(t)
	chop := func(b []byte) []byte { return bytes.TrimSuffix(b, []byte("\n")) }
	zero := make([]byte, 4096)
	for name, c := range map[string]struct {
		text   []byte
		lines  int
		notice string
	}{
		"CRLF":               {bytes.ReplaceAll(bytes.Join(l, nil), []byte("\n"), []byte("\r\n")), 4, ""},
		"CRLF without end":   {bytes.TrimSuffix(bytes.ReplaceAll(bytes.Join(l, nil), []byte("\n"), []byte("\r\n")), []byte("\n")), 4, ""},
		"no last newline":    {chop(bytes.Join(l, nil)), 4, ""},
		"byte order mark":    {slices.Concat([]byte("\ufeff"), bytes.Join(l, nil)), 4, ""},
		"blank lines":        {bytes.Join(l, []byte("\n\n")), 4, ""},
		"glued":              {slices.Concat(l[0], chop(l[1]), l[2], l[3]), 4, "run/results.jsonl:2: damaged line: several lines without newlines between them"},
		"all glued":          {slices.Concat(chop(l[0]), chop(l[1]), chop(l[2]), chop(l[3])), 4, "run/results.jsonl:1: damaged line: several"},
		"torn and glued":     {slices.Concat(l[0], l[1][:50], l[2], l[3]), 3, "run/results.jsonl:2: damaged line skipped: 50 bytes"},
		"NULs between lines": {slices.Concat(l[0], l[1], zero, l[2], l[3]), 4, ""},
		"a line of NULs":     {slices.Concat(l[0], zero, []byte("\n"), l[1], l[2], l[3]), 4, "run/results.jsonl:2: damaged line skipped: only NUL bytes"},
		"NULs over two":      {slices.Concat(l[0], l[1][:30], zero, l[2][30:], l[3]), 2, "run/results.jsonl:2: damaged line skipped"},
		"NULs at the end":    {slices.Concat(bytes.Join(l, nil), zero), 4, "run/results.jsonl:5: dropped an incomplete last line of 4096 bytes"},
		"no header":          {slices.Concat(l[1], l[2], l[3]), 3, ""},
		"torn header":        {slices.Concat(l[0][:40], []byte("\n"), l[1], l[2], l[3]), 3, "run/results.jsonl:1: damaged line skipped"},
		"newer line":         {slices.Concat(l[0], []byte(`{"type":"case","schema":99}`+"\n"), l[1], l[2], l[3]), 4, "run/results.jsonl:2: damaged line skipped: schema 99"},
		"too long a line":    {slices.Concat(l[0], l[1], bytes.Repeat([]byte("x"), maxLine+2), []byte("\n"), l[2], l[3]), 4, "run/results.jsonl:3: damaged line skipped: longer than 64 MiB"},
		"number changed":     {bytes.Replace(bytes.Join(l, nil), []byte(`"value":0.5`), []byte(`"value":0.7`), 1), 3, "run/results.jsonl:3: damaged line skipped: checksum mismatch"},
		"checksum cut off":   {slices.Concat(l[0], l[1][:len(l[1])-30], []byte("}\n"), l[2], l[3]), 3, "no checksum"},
	} {
		n, j := readable(t, name, c.text, l)
		if n != c.lines || c.notice == "" && j.Notice != "" || !strings.Contains(j.Notice, c.notice) {
			t.Errorf("%s: %d lines, want %d; notice %q, want %q", name, n, c.lines, j.Notice, c.notice)
		}
	}
}

func TestManyDamagedLinesAreCounted(t *testing.T) {
	l := three(t)
	j, err := Read(bytes.NewReader(slices.Concat(l[0], bytes.Repeat([]byte("x\n"), 1000), l[1])), "/home/someone/run/results.jsonl")
	if err != nil || len(j.Damaged) != maxDamaged || len(j.Records) != 1 {
		t.Fatalf("%v, %d damaged lines listed", err, len(j.Damaged))
	}
	if !strings.Contains(j.Notice, "and 997 more damaged lines") || strings.Contains(j.Notice, "someone") {
		t.Errorf("notice %q", j.Notice)
	}
}

// TestOldJournalsOpen checks that journals of schema 1, which have no checksums, can be read.
func TestOldJournalsOpen(t *testing.T) {
	text := `{"type":"run","schema":1,"suite":"s"}` + "\n" + `{"type": "case", "schema": 1, "case": "a", "status": "ok"}` + "\n{]\n" +
		`{"type":"case","schema":1,"case":"b","status":"ok"}{"type":"case","schema":1,"case":"c","status":"ok"}` + "\n" + `{"type":"case","schema":1,"case":"d"}`
	j, err := Read(strings.NewReader(text), "results.jsonl")
	if err != nil || len(j.Runs) != 1 || len(j.Records) != 4 {
		t.Fatalf("%v: %+v", err, j)
	}
	if !strings.Contains(j.Notice, "results.jsonl:3: damaged line skipped: not a journal line") || !strings.Contains(j.Notice, "results.jsonl:4: damaged line: several lines") {
		t.Errorf("notice %q", j.Notice)
	}
}

func TestHeadersDropRecordsAndNameTheirSettings(t *testing.T) {
	one, two := Run{Suite: "s", Env: Env{Threads: 1}}, Run{Suite: "s", Env: Env{Threads: 2}, Dropped: []string{"b"}}
	var b bytes.Buffer
	for _, v := range []any{one, sample("a", 1), sample("b", 1), two, sample("c", 1)} {
		l, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(l)
	}
	j, err := Read(bytes.NewReader(b.Bytes()), "results.jsonl")
	if err != nil || len(j.Records) != 2 || j.Records[0].Case != "a" || j.Records[1].Case != "c" {
		t.Fatalf("%v: %+v", err, j.Records)
	}
	if j.Under(0).Env.Threads != 1 || j.Under(1).Env.Threads != 2 {
		t.Errorf("measured under %d and %d threads", j.Under(0).Env.Threads, j.Under(1).Env.Threads)
	}
	if want := "records were measured under different settings: threads 1 (1 records), 2 (1 records)"; j.Notice != want {
		t.Errorf("notice %q, want %q", j.Notice, want)
	}
	l, _ := Encode(sample("b", 0.5))
	b.Write(l)
	if j, err := Read(&b, "results.jsonl"); err != nil || len(j.Records) != 3 || j.Records[2].Case != "b" {
		t.Errorf("measured again: %v, %+v", err, j.Records)
	}
}

func TestAJournalHasOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if w.Notice() != "" {
		testenv.Missing(t, "no file locks in the temporary folder: %s", w.Notice())
	}
	if err := w.Append(Run{Suite: "s"}); err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	if _, _, err := Reopen(path); !errors.As(err, &locked) || !strings.Contains(err.Error(), fmt.Sprintf("process %d on host ", os.Getpid())) {
		t.Fatalf("a second writer: %v", err)
	}
	if _, err := ReadFile(path); err != nil {
		t.Errorf("a reader: %v", err)
	}
	w.Close()
	w, _, err = Reopen(path)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := os.Stat(writerFile(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the writer's file is left: %v", err)
	}
}

func TestALostJournalIsNoticed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file can be neither moved nor deleted")
	}
	for name, c := range map[string]struct {
		do   func(dir, path string) error
		want string
	}{
		"folder moved":   {func(dir, _ string) error { return os.Rename(dir, dir+"2") }, "was moved to "},
		"journal moved":  {func(_, path string) error { return os.Rename(path, path+"2") }, "was moved to "},
		"folder removed": {func(dir, _ string) error { return os.RemoveAll(dir) }, "was deleted or moved away"},
		"replaced": {func(_, path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o644))
		}, "was replaced by another file"},
		"emptied": {func(_, path string) error { return os.Truncate(path, 0) }, "was changed by another program"},
		"cut":     {func(_, path string) error { return os.Truncate(path, 20) }, "was changed by another program"},
		"longer": {func(_, path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("{}\n")
			return errors.Join(err, f.Close())
		}, "was changed by another program"},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "results.jsonl")
		w, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Append(Run{Suite: "s"}), w.Check(), c.do(dir, path)); err != nil {
			t.Fatal(err)
		}
		var lost *LostError
		if err := w.Check(); !errors.As(err, &lost) || runtime.GOOS == "linux" && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err := w.Append(sample("a", 1)); err != nil {
			t.Errorf("%s: the measured records are lost: %v", name, err)
		}
		w.Close()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAFileWithoutLinesIsNotReadForEver(t *testing.T) {
	if _, err := Read(zeros{}, "j"); err == nil || !strings.Contains(err.Error(), "j:1: no line ends within 256 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestALineIsNotTooLong(t *testing.T) {
	r := sample("a", 1)
	r.Notes = []string{strings.Repeat("x", maxLine)}
	if _, err := Encode(r); err == nil || !strings.Contains(err.Error(), "too long for a journal") {
		t.Errorf("got %v", err)
	}
}
