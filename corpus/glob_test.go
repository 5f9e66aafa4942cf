package corpus

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
)

func TestGlob(t *testing.T) {
	dir := tree(t, map[string]string{
		"a.txt": "1", "b.md": "1", ".hidden.txt": "1", "s/a.txt": "1", "s/t/c.txt": "1", "s/t/u/d.txt": "1",
		".git/x.txt": "1", "s/[odd].txt": "1", "z[1]/e.txt": "1",
	})
	if err := os.Symlink(filepath.Join(dir, "a.txt"), filepath.Join(dir, "link.txt")); err != nil {
		testenv.Missing(t, "no symbolic links in the temporary folder: %v", err)
	}
	if err := os.Symlink(filepath.Join(dir, "s"), filepath.Join(dir, "linked")); err != nil {
		testenv.Missing(t, "no symbolic links in the temporary folder: %v", err)
	}
	for _, c := range []struct{ pattern, want string }{
		{"*.txt", "a.txt link.txt"},
		{"**/*.txt", "a.txt link.txt s/[odd].txt s/a.txt s/t/c.txt s/t/u/d.txt z[1]/e.txt"},
		{"s/**/*.txt", "s/[odd].txt s/a.txt s/t/c.txt s/t/u/d.txt"},
		{"s/**", "s/[odd].txt s/a.txt s/t/c.txt s/t/u/d.txt"},
		{"s/*/*.txt", "s/t/c.txt"},
		{"**/t/**/d.txt", "s/t/u/d.txt"},
		{"**/**/d.*", "s/t/u/d.txt"},
		{"s", "s/[odd].txt s/a.txt s/t/c.txt s/t/u/d.txt"},
		{"linked", "linked/[odd].txt linked/a.txt linked/t/c.txt linked/t/u/d.txt"},
		{"a.txt", "a.txt"},
		{"s/[odd].txt", "s/[odd].txt"},
		{"z[1]", "z[1]/e.txt"},
		{`s/\[odd\].txt`, "s/[odd].txt"},
		{"?.md", "b.md"},
		{"[ab].*", "a.txt b.md"},
		{".git/*", ".git/x.txt"},
		{"**/.git/*.txt", ".git/x.txt"},
		{".*", ".hidden.txt"},
		{"nothing/*", ""},
		{"nothing", ""},
	} {
		have, err := Glob(filepath.Join(escapeGlob(dir), c.pattern))
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
		}
		for i := range have {
			have[i] = strings.TrimPrefix(have[i], filepath.ToSlash(dir)+"/")
		}
		if !slices.Equal(have, strings.Fields(c.want)) {
			t.Errorf("%s: have %q, want %q", c.pattern, have, c.want)
		}
	}
	t.Chdir(dir)
	if have, err := Glob("s/*.txt"); err != nil || !slices.Equal(have, []string{"s/[odd].txt", "s/a.txt"}) {
		t.Errorf("relative: %q, %v", have, err)
	}
	if have, err := Glob("./**/d.txt"); err != nil || !slices.Equal(have, []string{"s/t/u/d.txt"}) {
		t.Errorf("relative: %q, %v", have, err)
	}
}

// FuzzMatchNames checks that no folder that contains a match is pruned.
func FuzzMatchNames(f *testing.F) {
	f.Add("s/**/*.txt", "s/t/u/d.txt")
	f.Add("**/.git/*", ".git/x")
	f.Add("**/a/**/b", "a/a/b/b")
	f.Add(strings.Repeat("**/a/", 11)+"b", strings.Repeat("a/", 29)+"a") // exponential for a backtracking matcher
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 60 || len(name) > 60 {
			return
		}
		pt, names := strings.Split(pattern, "/"), strings.Split(name, "/")
		if !matchNames(pt, names) {
			return
		}
		for i := 1; i < len(names); i++ {
			if !couldMatch(pt, names[:i]) {
				t.Fatalf("%q matches %q, but %q is pruned", pattern, name, names[:i])
			}
		}
	})
}
