package checkpoint

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// The tokenizer of a model's folder or of a file, by the files that are there.
func TestOpenTokenizer(t *testing.T) {
	var ranks strings.Builder
	for b := range 256 {
		fmt.Fprintf(&ranks, "%s %d\n", base64.StdEncoding.EncodeToString([]byte{byte(b)}), b)
	}
	const hf = `{"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]},"added_tokens":[{"id":2,"content":"<e>","special":true}]}`
	spm := "\n\x09\n\x05<unk>\x18\x02\n\x05\n\x03▁\n\x03\n\x01a\n\x03\n\x01b\x12\x02\x18\x02\x1a\x00"
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("hf/tokenizer.json", hf)
	write("hf/tokenizer_config.json", `{"eos_token":"<e>"}`)
	write("hf/tokenizer.model", "not read")
	write("chat/tokenizer.json", hf)
	write("chat/tokenizer_config.json", `{"chat_template":"old"}`)
	write("chat/chat_template.jinja", "{{ messages }}\n")
	write("bad-chat/tokenizer.json", hf)
	write("bad-chat/chat_template.jinja", "\xff")
	write("bad-config/tokenizer.json", hf)
	write("bad-config/tokenizer_config.json", `{"eos_token":"<x>"}`)
	write("spm/tokenizer.model", spm)
	write("yoco/cl100k_base.tiktoken", ranks.String())
	write("llama3/tokenizer.model", "IQ== 0\nIg== 1\n")
	write("none/README", "")
	write("x.gguf", "GGUF")
	write("x.tiktoken", ranks.String())
	for _, tt := range []struct {
		path, text string
		want       []int
		err        string
	}{
		{path: "hf", text: "ab", want: []int{0, 1}},
		{path: "hf/tokenizer.json", text: "b", want: []int{1}},
		{path: "spm", text: "ab", want: []int{1, 2, 3}},
		{path: "yoco", text: "a", want: []int{'a' + 4}}, // after the reference's four tokens
		{path: "yoco/cl100k_base.tiktoken", text: "a", want: []int{'a'}},
		{path: "bad-config", err: `the eos_token "<x>" is no token of tokenizer.json`},
		{path: "bad-chat", err: "chat_template.jinja: the text is not valid UTF-8"},
		{path: "llama3", err: "tiktoken ranks, which do not name the special tokens; use the model's tokenizer.json"},
		{path: "none", err: "no tokenizer, want tokenizer.json, tokenizer.model or cl100k_base.tiktoken"},
		{path: "x.gguf", err: "x.gguf: "},
		{path: "x.tiktoken", err: "not a tokenizer"},
		{path: "missing", err: "missing"},
	} {
		tok, err := OpenTokenizer(filepath.Join(dir, tt.path))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || tok != nil {
				t.Errorf("%s: %v, the error %v, want %q in it", tt.path, tok, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		if got := tok.Encode(tt.text); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q has the tokens %v, want %v", tt.path, tt.text, got, tt.want)
		}
	}
	if tok, err := OpenTokenizer(filepath.Join(dir, "chat")); err != nil || tokenizer.SpecialOf(tok).ChatTemplate != "{{ messages }}\n" {
		t.Errorf("chat: %v, %v", tok, err)
	}
	for _, name := range Embedded() {
		if tok, err := OpenTokenizer(name); err != nil || tok.Name() != "bytes" {
			t.Errorf("%s: %v, %v", name, tok, err)
		}
	}
}
