package tokenizer

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// spModelBytes returns a SentencePiece model of a kind: 1 Unigram, 2 BPE.
func spModelBytes(kind byte, merge bool) []byte {
	field := func(b []byte, number int, data []byte) []byte {
		b = binary.AppendUvarint(b, uint64(number)<<3|2)
		return append(binary.AppendUvarint(b, uint64(len(data))), data...)
	}
	piece := func(name string, score float32, kind byte) []byte {
		b := field(nil, 1, []byte(name))
		b = append(b, 2<<3|5)
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(score))
		return append(b, 3<<3, kind)
	}
	var file []byte
	for _, p := range [][]byte{
		piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3), piece("▁", -3, 1), piece("a", -4, 1), piece("b", -5, 1), piece("▁a", -1, 1), piece("ab", -2, 1), piece("<user>", 0, 4),
	} {
		file = field(file, 1, p)
	}
	file = field(file, 2, []byte{3 << 3, kind})
	flag := byte(0)
	if merge {
		flag = 1
	}
	return field(file, 3, []byte{3 << 3, 1, 4 << 3, flag})
}

func TestSentencePiece(t *testing.T) {
	tok, err := ParseSentencePiece("t.model", spModelBytes(2, true))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int{
		"":         {},
		"  ":       {},
		"a":        {6},
		" a  b ":   {6, 3, 5},
		"ab":       {6, 5}, // ▁a has the highest score
		"cc a":     {3, 0, 6},
		"<s>":      {3, 0}, // a control token is not found in text
		"b<user>b": {3, 5, 8, 5},
	} {
		if got := tok.Encode(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if s := tok.Special(); s.BOS != 1 || s.EOS != 2 || !s.AddBOS || s.AddEOS || !slices.Equal(s.End, []int{2}) {
		t.Errorf("special tokens %+v", s)
	}
	if tok, err = ParseSentencePiece("t.model", spModelBytes(1, false)); err != nil {
		t.Fatal(err)
	}
	if got := tok.Encode("a  b"); !slices.Equal(got, []int{6, 3, 3, 5}) {
		t.Errorf("Unigram gives %v", got)
	}
	file := spModelBytes(2, true)
	for n := range file {
		if _, err := ParseSentencePiece("t.model", file[:n]); err == nil {
			t.Errorf("%d of %d bytes accepted", n, len(file))
		}
	}
	for _, tt := range []struct {
		file []byte
		want string
	}{
		{nil, "no pieces"},
		{spModelBytes(3, true), "model_type is 3"},
		{[]byte("IQ== 0\n"), "t.model: not a SentencePiece model"},
	} {
		if _, err := ParseSentencePiece("t.model", tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("the error %v, want %q in it", err, tt.want)
		}
	}
}

// rankLines returns a tiktoken file with all bytes and a few longer tokens.
func rankLines() (lines []string) {
	add := func(s string) {
		lines = append(lines, fmt.Sprintf("%s %d", base64.StdEncoding.EncodeToString([]byte(s)), len(lines)))
	}
	for b := range 256 {
		add(string([]byte{byte(b)}))
	}
	for _, s := range []string{"ab", "bc", "abc", " a"} {
		add(s)
	}
	return lines
}

func TestRanks(t *testing.T) {
	file := []byte(strings.Join(rankLines(), "\n"))
	tok, err := ParseRanks("r", file, CL100K())
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Encode("abc ab<|endoftext|>"); !slices.Equal(got[:4], []int{258, ' ', 256, '<'}) {
		t.Errorf("%v", got)
	}
	ids, err := tok.EncodeSpecial("ab<|endoftext|>")
	if err != nil || !slices.Equal(ids, []int{256, 100257}) {
		t.Errorf("%v, %v", ids, err)
	}
	// The reference YOCO has four tokens before all others.
	if tok, err = ParseRanks("r", file, YOCO()); err != nil {
		t.Fatal(err)
	}
	ids, err = tok.EncodeSpecial("ab<fim_prefix><|endoftext|><s>")
	if err != nil || !slices.Equal(ids, []int{260, 100268, 100261, '<' + 4, 's' + 4, '>' + 4}) {
		t.Errorf("%v, %v", ids, err)
	}
	if s := tok.Special(); s.BOS != 0 || s.EOS != 2 || tok.Token(1) != "<pad>" || tok.Token(3) != "<unk>" || tok.Vocab() != 100286 {
		t.Errorf("special tokens %+v, %q, %d ids", s, tok.Token(1), tok.Vocab())
	}
	for _, tt := range []struct{ file, want string }{
		{"", "no tokens"},
		{"IQ==", "r:1: want a token"},
		{"IQ== 0\nIg== 0", "r:2: the rank 0 occurs twice"},
		{"IQ== 0\nIQ== 1", "occurs twice"},
		{"!! 0", "r:1: the token"},
		{"IQ== -1", "the rank"},
		{"IQ== 99999999", "the rank"},
		{"IQ== 0", "is no token"},
	} {
		if _, err := ParseRanks("r", []byte(tt.file), CL100K()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: the error %v, want %q in it", tt.file, err, tt.want)
		}
	}
}

// Unsupported settings of a GGUF file are errors that name the setting.
func TestGGUFRefused(t *testing.T) {
	good := func() metadata {
		return metadata{ggml + "model": "gpt2", ggml + "pre": "smollm", ggml + "tokens": []string{"a", "b", "ab"}, ggml + "merges": []string{"a b"}}
	}
	if tok, err := FromGGUF("f.gguf", good()); err != nil || !slices.Equal(tok.Encode("abb"), []int{2, 1}) {
		t.Fatal(tok, err)
	}
	for _, tt := range []struct {
		key   string
		value any
		want  string
	}{
		{"model", "bert", "bert (WordPiece), which is not supported"},
		{"model", "rwkv", `"rwkv", which is not supported`},
		{"model", nil, "tokenizer.ggml.model is missing"},
		{"pre", "new-model", `tokenizer.ggml.pre is "new-model", which is not supported`},
		{"tokens", nil, "tokenizer.ggml.tokens is missing"},
		{"tokens", []string{"a", "a"}, "occurs twice"},
		{"merges", nil, "tokenizer.ggml.merges is missing"},
		{"merges", []string{"ab"}, "not of two parts"},
		{"merges", []string{"a c"}, "merge 0"},
		{"token_type", []uint64{1}, "token_type has 1 values for 3 tokens"},
		{"scores", []float64{1}, "scores has 1 values for 3 tokens"},
		{"scores", []float64{1, math.NaN(), 1}, "the score of token 1 is NaN"},
	} {
		m := good()
		if m[ggml+tt.key] = tt.value; tt.value == nil {
			delete(m, ggml+tt.key)
		}
		if _, err := FromGGUF("f.gguf", m); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "f.gguf: ") {
			t.Errorf("%s %v: the error %v, want %q in it", tt.key, tt.value, err, tt.want)
		}
	}
	// A file that does not name its patterns gets llama.cpp's default ones.
	m := good()
	delete(m, ggml+"pre")
	if _, err := FromGGUF("f.gguf", m); err != nil {
		t.Error(err)
	}
}
