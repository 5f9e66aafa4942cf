package cleantext

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var evil = "x\x1b[31mred\x1b]0;pwn\a \u202e\u2066\u009b2J\x7f\r\ufeff\u200b\u2028\U000e0001 模型 é\u0301 🦜"

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"plain text":            "plain text",
		"x\x1b[31mred\x1b]0;\a": `x\x1b[31mred\x1b]0;\x07`,
		"a\nb\tc\r":             `a\nb\tc\x0d`,
		"\u202eabc\u2066":       `\u202eabc\u2066`,
		"\u009b\x7f\U000e0001":  `\u009b\u007f\udb40\udc01`,
		"\xff模型":                `\xff模型`,
	} {
		if got := Line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// A Writer gives the same result for a whole text and byte by byte.
func TestWriter(t *testing.T) {
	text := evil + "\n\tline\n\xe6"
	var whole, parts bytes.Buffer
	w := NewWriter(&whole)
	if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
	w.Flush()
	p := NewWriter(&parts)
	for i := range len(text) {
		p.Write([]byte{text[i]})
	}
	p.Flush()
	if whole.String() != parts.String() {
		t.Errorf("whole %q\nparts %q", whole.String(), parts.String())
	}
	if !strings.Contains(whole.String(), "模型 é\u0301 🦜\n\tline\n\\xe6") {
		t.Errorf("text was lost: %q", whole.String())
	}
}

// Cleaning does not change the meaning of a JSON document.
func TestWriterKeepsJSON(t *testing.T) {
	in := map[string]string{"a": evil}
	var buf bytes.Buffer
	if err := json.NewEncoder(NewWriter(&buf)).Encode(in); err != nil {
		t.Fatal(err)
	}
	var out map[string]string
	if err := json.Unmarshal(buf.Bytes(), &out); err != nil || out["a"] != evil {
		t.Errorf("%v: %q", err, out)
	}
}

func FuzzWriter(f *testing.F) {
	f.Add(evil, 3)
	f.Add("\xe6\xa8", 1)
	f.Fuzz(func(t *testing.T, s string, cut int) {
		cut = min(max(cut, 0), len(s))
		var buf bytes.Buffer
		w := NewWriter(&buf)
		w.Write([]byte(s[:cut]))
		w.Write([]byte(s[cut:]))
		w.Flush()
		if buf.String() != clean(s, true) || !utf8.Valid(buf.Bytes()) {
			t.Fatalf("%q in two parts: %q, want %q", s, buf.String(), clean(s, true))
		}
		for _, r := range buf.String() {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Fatalf("%q holds %q", buf.String(), r)
			}
		}
	})
}

func TestWithoutFolders(t *testing.T) {
	for in, want := range map[string]string{
		"open /home/me/ck/config.json: no such file":  "open config.json: no such file",
		`haystack: "files:/data/books/a.txt"`:         `haystack: "files:a.txt"`,
		"[/a/b/c.txt, /d/e]":                          "[c.txt, e]",
		"tokens/s on linux/amd64, see https://x.y/z/": "tokens/s on linux/amd64, see https://x.y/z/",
		"runs/a/b and ./c/d and ../e":                 "runs/a/b and ./c/d and ../e",
		"/数据/模型甲/ck":                                  "ck",
	} {
		if got := WithoutFolders(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
