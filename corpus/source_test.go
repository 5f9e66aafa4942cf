package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yocobench/yocobench/internal/testenv"
)

// tree writes files to a new folder and returns its path.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range sortedKeys(files) {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(files[name]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestParseSpec(t *testing.T) {
	for _, s := range []string{"prose", "prose:train", "go", "go:held-out", "go:all", "files:a/**/*.txt"} {
		sp, err := ParseSpec(s)
		if err != nil || sp.String() != s {
			t.Errorf("%q: have %q, error %v", s, sp, err)
		}
	}
	for _, s := range []string{"", "pros", "prose:dev", "prose:", "go:half", "files:", "files"} {
		if sp, err := ParseSpec(s); err == nil {
			t.Errorf("%q is accepted as %+v", s, sp)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{"prose", "go:all", "files:a b,c", "glob:**/x[a-z]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sp, err := ParseSpec(s)
		if err != nil {
			return
		}
		if again, err := ParseSpec(sp.String()); err != nil || again.String() != sp.String() {
			t.Fatalf("%q became %q and then %q, %v", s, sp, again, err)
		}
	})
}

// TestSourceContract checks that every kind of source implements the contract of Source.
func TestSourceContract(t *testing.T) {
	dir := tree(t, map[string]string{"b.txt": "Bäume.\nÄste äöü.\n", "a.txt": strings.Repeat("Eine Zeile mit Wörtern.\n", 40), "c/d.md": "no newline at the end"})
	goRoot := goTree(t)
	for _, spec := range []Spec{
		{Kind: KindProse}, {Kind: KindProse, Stream: StreamTrain},
		{Kind: KindGo, GOROOT: goRoot}, {Kind: KindGo, GOROOT: goRoot, Split: SplitAll},
		{Kind: KindFiles, Paths: []string{"."}},
	} {
		t.Run(spec.String(), func(t *testing.T) {
			s, err := Open(spec, dir)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Open(spec, dir)
			if err != nil {
				t.Fatal(err)
			}
			if s.Name() == "" || len(s.Fingerprint()) != 64 || s.Fingerprint() != again.Fingerprint() {
				t.Errorf("name %q, fingerprints %s and %s", s.Name(), s.Fingerprint(), again.Fingerprint())
			}
			checkHaystacks(t, s, again)
			checkDocuments(t, s, again)
		})
	}
}

func checkHaystacks(t *testing.T, s, again Source) {
	long, err := s.Haystack(3, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 2, 3, 5, 17, 100, 999, 1000, 1001, 1002, 5000, 20_000} {
		h, err := again.Haystack(3, n)
		if err != nil || len(h.Text) > n || len(h.Text) < n-3 {
			t.Fatalf("asked for %d bytes, have %d, %v", n, len(h.Text), err)
		}
		if !bytes.HasPrefix(long.Text, h.Text) || !utf8.Valid(h.Text) {
			t.Fatalf("the text of %d bytes is not a prefix of that of 20000", n)
		}
		if h.Repeats > long.Repeats {
			t.Errorf("%d bytes repeat %d times, 20000 %d times", n, h.Repeats, long.Repeats)
		}
	}
	other, _ := s.Haystack(4, 20_000)
	if bytes.Equal(other.Text, long.Text) {
		t.Error("two seeds give the same text")
	}
	if _, err := s.Haystack(1, -1); err == nil {
		t.Error("a haystack of -1 bytes")
	}
}

func checkDocuments(t *testing.T, s, again Source) {
	docs, err := s.Documents(5, 4, 300, whole(10))
	if err != nil {
		t.Fatal(err)
	}
	same, _ := again.Documents(5, 4, 300, whole(10))
	names := make(map[string]bool)
	for i, d := range docs {
		if len(d.Text) < 10 || len(d.Text) > 300 || !utf8.Valid(d.Text) || names[d.Name] {
			t.Errorf("document %q of %d bytes", d.Name, len(d.Text))
		}
		names[d.Name] = true
		if same[i].Name != d.Name || !bytes.Equal(same[i].Text, d.Text) {
			t.Errorf("document %d is %q once and %q the next time", i, d.Name, same[i].Name)
		}
	}
	for _, bad := range [][2]int{{0, 2}, {1, 0}, {-1, 1}} {
		if _, err := s.Documents(1, bad[0], bad[1], whole(1)); err == nil {
			t.Errorf("documents %v are accepted", bad)
		}
	}
	if _, err := s.Documents(1, 3, 50, whole(51)); !errors.Is(err, ErrNoText) {
		t.Errorf("no text is long enough, but the error is %v", err)
	}
}

// whole returns a length function that makes a text of at least least bytes one document.
func whole(least int) func([]byte) int {
	return func(text []byte) int {
		if len(text) < least {
			return 0
		}
		return len(cutRune(text, len(text)-1)) // text may end in the middle of a character
	}
}

func TestHaystackRepeats(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": "12345\n12345\n"}) // 13 bytes with the separator
	s, err := Open(Spec{Kind: KindFiles, Paths: []string{"a.txt"}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ n, repeats int }{{13, 0}, {26, 1}, {39, 2}, {130, 9}} {
		if h, _ := s.Haystack(0, c.n); h.Repeats != c.repeats {
			t.Errorf("%d bytes: %d repeats, want %d", c.n, h.Repeats, c.repeats)
		}
	}
}

func TestDocumentsStretches(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": strings.Repeat("123456789\n", 100), "b.txt": "short\n"})
	s, err := Open(Spec{Kind: KindFiles, Paths: []string{dir}}, "")
	if err != nil {
		t.Fatal(err)
	}
	exactly := func(n int) func([]byte) int {
		return func(text []byte) int {
			if len(text) < n {
				return 0
			}
			return n
		}
	}
	docs, err := s.Documents(1, 100, 200, exactly(105))
	if err != nil || len(docs) != 9 {
		t.Fatalf("%d documents, %v", len(docs), err)
	}
	all := ""
	for i, d := range docs {
		all += string(d.Text)
		if d.Stretch != i+1 {
			t.Errorf("%s is stretch %d", d.Name, d.Stretch)
		}
	}
	if all != strings.Repeat("123456789\n", 100)[:9*105] || docs[1].Name != "a.txt#2" {
		t.Errorf("%d bytes in total; the second is %q", len(all), docs[1].Name)
	}
	if docs, err := s.Documents(1, 3, 200, exactly(6)); err != nil || len(docs) != 3 || docs[2].Name != "a.txt#2" {
		t.Errorf("documents %v, %v", docs, err)
	}
	if _, err := s.Documents(1, 1, 3000, exactly(2000)); !errors.Is(err, ErrNoText) {
		t.Errorf("no document is long enough, but the error is %v", err)
	}
}

// goTree creates a small Go source tree with packages in both splits.
func goTree(t *testing.T) string {
	files := map[string]string{
		"VERSION": "go9.9.9\ntime 2020\n", "src/fmt/print.go": "package fmt\n", "src/fmt/testdata/x.go": "package never\n", "src/fmt/README": "no",
	}
	for i := range 40 {
		p := fmt.Sprintf("src/p%d/q", i)
		files[p+"/b.go"] = "package b // " + p + strings.Repeat("\n// text", 50)
		files[p+"/a.go"] = "package a // " + p + strings.Repeat("\n// words", 50) + "\n"
	}
	return tree(t, files)
}

func TestGoSource(t *testing.T) {
	root := goTree(t)
	seen := make(map[string]string)
	for _, split := range []string{SplitHeldOut, SplitTrain} {
		s, err := Open(Spec{Kind: KindGo, GOROOT: root, Split: split}, "")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(s.Name(), "go9.9.9 (") {
			t.Errorf("name %q", s.Name())
		}
		for _, d := range s.(*documents).docs {
			if PackageHeldOut(d.Name) != (split == SplitHeldOut) || seen[d.Name] != "" {
				t.Errorf("%s is in split %s and %q", d.Name, split, seen[d.Name])
			}
			seen[d.Name] = split
			text := string(d.Text)
			if !strings.HasPrefix(text, "// FILE: "+d.Name+"/") || strings.Contains(text, "never") {
				t.Errorf("%s begins %.40q", d.Name, text)
			}
			if d.Name != "fmt" && strings.Index(text, "/a.go\n") > strings.Index(text, "/b.go\n") {
				t.Errorf("%s: files out of order", d.Name)
			}
		}
	}
	if len(seen) != 41 {
		t.Errorf("%d packages in the two splits, want 41", len(seen))
	}
}

func TestGoMissing(t *testing.T) {
	_, err := Open(Spec{Kind: KindGo, GOROOT: t.TempDir()}, "")
	if !errors.Is(err, ErrNoText) || !strings.Contains(err.Error(), "\n  hint: ") {
		t.Errorf("error %v", err)
	}
	if _, err := Open(Spec{Kind: KindGo, Split: "half"}, ""); err == nil {
		t.Error("an unknown split is accepted")
	}
}

func TestGoOnThisMachine(t *testing.T) {
	s, err := Open(Spec{Kind: KindGo}, "")
	if errors.Is(err, ErrNoText) {
		testenv.Missing(t, "no Go source tree: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, d := range s.(*documents).docs {
		total += len(d.Text)
	}
	t.Logf("%s: %d packages, %d bytes", s.Name(), len(s.(*documents).docs), total)
	if len(s.(*documents).docs) < 20 {
		t.Errorf("%d packages held out", len(s.(*documents).docs))
	}
}

func TestFilesErrors(t *testing.T) {
	dir := tree(t, map[string]string{"bin": "a\x00b", "empty": "", "ok.txt": "text", "blank.txt": " \n\u00a0\t\n"})
	s, err := Open(Spec{Kind: KindFiles, Paths: []string{"."}}, dir)
	if err != nil || len(s.Notices()) != 2 || !strings.Contains(s.Notices()[0], "bin: binary") {
		t.Errorf("%v, %v", s, err)
	}
	for _, p := range []string{"nothing", "*.md", "bin", "blank.txt", "no/such/**"} {
		if _, err := Open(Spec{Kind: KindFiles, Paths: []string{p}}, dir); !errors.Is(err, ErrNoText) {
			t.Errorf("%s: error %v", p, err)
		}
	}
	if _, err := Open(Spec{Kind: KindFiles, Paths: []string{"[a"}}, dir); !errors.Is(err, path.ErrBadPattern) {
		t.Errorf("a bad pattern: %v", err)
	}
	if _, err := Open(Spec{Kind: KindFiles}, dir); err == nil {
		t.Error("no paths are accepted")
	}
	if _, err := Open(Spec{Kind: "poem"}, dir); err == nil {
		t.Error("an unknown kind is accepted")
	}
}

func TestOpenFile(t *testing.T) {
	dir := tree(t, map[string]string{"docs/a.jsonl": "{}"})
	for _, name := range []string{"docs/a.jsonl", filepath.Join(dir, "docs", "a.jsonl")} {
		f, err := OpenFile(name, dir)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	for name, want := range map[string]string{
		"docs":                        "docs is a folder",
		os.DevNull:                    filepath.Base(os.DevNull) + " is not a regular file", // as a pipe, which would block
		"docs/b.jsonl":                "docs/b.jsonl: no such file",
		filepath.Join(dir, "b.jsonl"): "b.jsonl: no such file",
		"docs/a.jsonl/b":              "docs/a.jsonl/b: ",
	} {
		if f, err := OpenFile(name, dir); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %s", name, f, err, want)
		}
	}
}

// TestFilesFingerprint checks that the fingerprint depends on contents and names, but not on the
// location of the folder.
func TestFilesFingerprint(t *testing.T) {
	print := func(files map[string]string, paths ...string) string {
		s, err := Open(Spec{Kind: KindFiles, Paths: paths}, tree(t, files))
		if err != nil {
			t.Fatal(err)
		}
		return s.Fingerprint()
	}
	base := print(map[string]string{"x/a": "1", "x/b": "2"}, "x")
	if base != print(map[string]string{"x/a": "1", "x/b": "2"}, "x/b", "x/*") {
		t.Error("moving the files changes the fingerprint")
	}
	if base == print(map[string]string{"x/a": "1", "x/b": "3"}, "x") || base == print(map[string]string{"x/a": "1", "x/c": "2"}, "x") {
		t.Error("different content has the same fingerprint")
	}
}

// TestHome checks that a path with ~ is relative to the home folder, and that reports contain no
// folder of the machine.
func TestHome(t *testing.T) {
	home := tree(t, map[string]string{"books/a.txt": "text\n", "we[i]rd/a.txt": "more\n"})
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	suite := tree(t, map[string]string{"~x/a.txt": "here\n"})
	for path, want := range map[string]string{
		"~/books/a.txt": "files: a.txt", "~/books/*.txt": "files: *.txt", "~/books": "files: books",
		filepath.Join(home, "books", "a.txt"): "files: a.txt", "~x/a.txt": "files: ~x/a.txt", "~": "files: ~",
	} {
		s, err := Open(Spec{Kind: KindFiles, Paths: []string{path}}, suite)
		if err != nil || s.Name() != want {
			t.Errorf("%s: %v, %v; want %q", path, s, err, want)
		}
	}
	t.Setenv("HOME", filepath.Join(home, "we[i]rd"))
	t.Setenv("USERPROFILE", filepath.Join(home, "we[i]rd"))
	if _, err := Open(Spec{Kind: KindFiles, Paths: []string{"~/*.txt"}}, suite); err != nil {
		t.Error(err)
	}
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	if _, err := Open(Spec{Kind: KindFiles, Paths: []string{"~/a.txt"}}, suite); err == nil || !strings.Contains(err.Error(), "the home folder is unknown") {
		t.Errorf("no home: %v", err)
	}
}
