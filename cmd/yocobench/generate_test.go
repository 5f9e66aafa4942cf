package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadPrompt checks that a prompt from a pipe or a file loses the one line end that echo and
// editors add, unless it is read raw.
func TestReadPrompt(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	for name, c := range map[string]struct {
		in, want, note string
		raw            bool
	}{
		"echo":          {in: "Hi\n", want: "Hi"},
		"CRLF":          {in: "Hi\r\nthere\r\n", want: "Hi\nthere"},
		"two line ends": {in: "Hi\n\n", want: "Hi\n"},
		"printf":        {in: "Hi ", want: "Hi "},
		"raw":           {in: "Hi\r\n", want: "Hi\r\n", raw: true},
		"mark":          {in: "\xef\xbb\xbfHi\n", want: "Hi"},
		"UTF-16":        {in: "\xff\xfeH\x00i\x00\r\x00\n\x00", want: "Hi", note: "UTF-16 LE"},
	} {
		if err := os.WriteFile(filepath.Join(home, "prompt.txt"), []byte(c.in), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"", "-", filepath.Join(home, "prompt.txt"), "~/prompt.txt"} {
			got, note, err := readPrompt(nil, file, c.raw, strings.NewReader(c.in))
			if err != nil || got != c.want || !strings.Contains(note, c.note) || (note == "") != (c.note == "") {
				t.Errorf("%s, file %q: %q, note %q, %v; want %q", name, file, got, note, err, c.want)
			}
		}
	}
	if got, _, err := readPrompt([]string{"Hi\n"}, "", false, nil); err != nil || got != "Hi\n" {
		t.Errorf("an argument: %q, %v", got, err)
	}
	for _, in := range []string{"", "a\x00b", "%PDF-1.4"} {
		if got, _, err := readPrompt(nil, "", false, strings.NewReader(in)); err == nil {
			t.Errorf("%q is the prompt %q", in, got)
		}
	}
}
