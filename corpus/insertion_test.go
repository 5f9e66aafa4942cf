package corpus

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestInsertionPoint(t *testing.T) {
	for _, c := range []struct {
		text string // the offset asked for is at the ^, the expected place at the |
		want string // the text with <fact> in place
	}{
		{"^One two. Three.", "<fact>\nOne two. Three."},
		{"O^ne two. Three.", "One two. <fact> Three."},
		{"One two.^ Three.", "One two. <fact> Three."},
		{"One two. ^Three.", "One two. Three. <fact>"},
		{"One? T^wo! Three", "One? Two! <fact> Three"},
		{`He said "S^top." Then`, `He said "Stop." <fact> Then`},
		{`"W^ho?" asked Xen. Then`, `"Who?" asked Xen. <fact> Then`},
		{"S^ee Mr. Smith. Then", "See Mr. Smith. <fact> Then"},
		{"S^ee A. Smith. Then", "See A. Smith. <fact> Then"},
		{"Pi^ is 3.14 now\nnext", "Pi is 3.14 now\n<fact>\nnext"},
		{"x :=^ 1\ny := 2\n", "x := 1\n<fact>\ny := 2\n"},
		{"x := 1\n^y := 2\n", "x := 1\n<fact>\ny := 2\n"},
		{"Aa.^\n\nBb.", "Aa. <fact>\n\nBb."},
		{"Plan B^.\nNext", "Plan B. <fact>\nNext"},
		{"no ^end", "no end\n<fact>"},
		{"line\n^", "line\n<fact>"},
		{"^", "<fact>"},
		{"Ein Sch^luß. Ähnlich.", "Ein Schluß. <fact> Ähnlich."},
	} {
		at := strings.IndexByte(c.text, '^')
		text := []byte(strings.Replace(c.text, "^", "", 1))
		out, begin := Insert(text, InsertionPoint(text, at), "<fact>")
		if string(out) != c.want || !bytes.HasPrefix(out[begin:], []byte("<fact>")) {
			t.Errorf("%q: have %q with the fact at %d, want %q", c.text, out, begin, c.want)
		}
	}
	if p := InsertionPoint([]byte("abc"), 99); p.Pos != 3 {
		t.Errorf("beyond the end: %+v", p)
	}
}

func TestInsertionPointIsNear(t *testing.T) {
	text := Prose(StreamTest, 8, 100_000)
	far := 0
	for at := 0; at < len(text)-2000; at += 37 {
		far = max(far, InsertionPoint(text, at).Pos-at)
	}
	if far > 500 {
		t.Errorf("a place in prose is %d bytes away", far)
	}
}

func TestCutSentence(t *testing.T) {
	for in, want := range map[string]string{
		"One. Two. Thr": "One. Two.", "One.\nTwo": "One.\n", "One": "One", "": "", "One. Mr. Sm": "One.", "Who?": "Who?",
	} {
		if have := CutSentence([]byte(in)); string(have) != want {
			t.Errorf("%q: have %q, want %q", in, have, want)
		}
	}
}

func FuzzInsertionPoint(f *testing.F) {
	f.Add([]byte("One two. \"Three?\" Mr. Four\nfive\n\n"), 4)
	f.Add([]byte(""), 0)
	f.Add([]byte("Schluß. Ähnlich"), 5)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		p := InsertionPoint(text, at)
		if p.Pos < 0 || p.Pos > len(text) || p.Pos < min(at, len(text)) {
			t.Fatalf("place %d for offset %d of %d bytes", p.Pos, at, len(text))
		}
		if utf8.Valid(text) && !utf8.Valid(text[:p.Pos]) {
			t.Fatalf("a character is torn at %d", p.Pos)
		}
		out, begin := Insert(text, p, "fact")
		back := append(append([]byte(nil), out[:begin-len(p.Before)]...), out[begin+len("fact")+len(p.After):]...)
		if !bytes.Equal(back, text) {
			t.Fatalf("inserting changed the text")
		}
		if cut := CutSentence(text); !bytes.HasPrefix(text, cut) {
			t.Fatalf("CutSentence gave %q", cut)
		}
	})
}
