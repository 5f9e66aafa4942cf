package tokenizer

import (
	"slices"
	"testing"
)

func TestBytes(t *testing.T) {
	tok, err := New("bytes")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text string
		ids  []int
	}{
		{"", []int{}},
		{"Go", []int{71, 111}},
		{"é\n", []int{0xc3, 0xa9, 10}},
		{"\x00\xff", []int{0, 255}},
	} {
		if got := tok.Encode(tt.text); !slices.Equal(got, tt.ids) {
			t.Errorf("Encode(%q) = %v, want %v", tt.text, got, tt.ids)
		}
		if got := tok.Decode(tt.ids); got != tt.text {
			t.Errorf("Decode(%v) = %q, want %q", tt.ids, got, tt.text)
		}
	}
	if got := tok.Decode([]int{65, 256, -1, 66}); got != "A\uFFFD\uFFFDB" {
		t.Errorf("Decode of ids outside the vocabulary = %q", got)
	}
}

func TestNewRejects(t *testing.T) {
	for _, name := range []string{"", "byte", "bpe"} {
		if _, err := New(name); err == nil {
			t.Errorf("New(%q) accepted", name)
		}
	}
}

// An estimate's limit holds for every tokenizer whose tokens are at least a byte.
func TestAtMost(t *testing.T) {
	for _, text := range []string{"", "123456, 234567", "Ünïcødé"} {
		for _, tok := range []Tokenizer{Estimate{}, Ratio(3.9), Bytes{}} {
			if n := AtMost(tok, text); n != len(text) {
				t.Errorf("%s: at most %d tokens in %q", tok.Name(), n, text)
			}
		}
		if n := AtMost(words{}, text); n != len(words{}.Encode(text)) {
			t.Errorf("words: at most %d tokens in %q", n, text)
		}
	}
	if n := len(Ratio(2.5).Encode("123456")); n != 3 {
		t.Errorf("%d tokens", n)
	}
}
