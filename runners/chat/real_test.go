package chat

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// smolLM2 returns the tokenizer of SmolLM2-135M-Instruct.
func smolLM2(t *testing.T) *tokenizer.Subword {
	path := testenv.SmolLM2(t)
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := tokenizer.FromGGUF("smollm2", f)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// formatOf returns the chat format of a tokenizer's file.
func formatOf(tok *tokenizer.Subword) *Format {
	s := tok.Special()
	return &Format{Template: s.ChatTemplate, BOS: tok.Token(s.BOS), EOS: tok.Token(s.EOS)}
}

// The test uses the template in the file of SmolLM2-135M-Instruct.
func TestSmolLM2(t *testing.T) {
	got, err := formatOf(smolLM2(t)).Load(t.Context(), "")
	want := &Template{
		Prefix: parts("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n"),
		Suffix: parts("<|im_end|>\n<|im_start|>assistant\n"),
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// With the tokenizers of published models, a prompt without special tokens in its message has the
// ids of the whole text, and special tokens in a message are plain text.
func TestPublishedPrompts(t *testing.T) {
	toks := []*tokenizer.Subword{smolLM2(t)}
	dir := testenv.Download(t, "YOCOBENCH_TOKENIZERS", "tools/tokenizers.sh")
	files, _ := filepath.Glob(filepath.Join(dir, "hf_*/tokenizer.json"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		config, err := os.ReadFile(filepath.Join(filepath.Dir(file), "tokenizer_config.json"))
		if err != nil {
			t.Fatal(err)
		}
		tok, err := tokenizer.ParseHF(filepath.Base(filepath.Dir(file)), data, config)
		if err != nil {
			t.Fatal(err)
		}
		toks = append(toks, tok)
	}
	for _, tok := range toks {
		t.Run(tok.Name(), func(t *testing.T) {
			f := formatOf(tok)
			if f.Template == "" { // Mistral's, which has Llama 2's format
				f.Template = "{{ bos_token }}[INST] {{ messages[0].content }} [/INST]"
			}
			tmpl, err := f.Load(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			text := func(ps []Part) (s string) {
				for _, p := range ps {
					s += p.Text
				}
				return s
			}
			encode := func(message string) []int { return must(t)(tmpl.Encode(tok, message)) }
			for _, message := range []string{"What is it?", "Überall 12345 “quoted”.\n\nNew line", "a", "日本語", "(x)"} {
				want := must(t)(tok.EncodeSpecial(text(tmpl.Prefix) + message + text(tmpl.Suffix)))
				if got := encode(message); !slices.Equal(got, want) {
					t.Errorf("%q: %v, want %v", message, got, want)
				}
			}
			special := func(ids []int) (n int) {
				for _, id := range ids {
					if tok.Decode([]int{id}) == "\uFFFD" {
						n++
					}
				}
				return n
			}
			hostile := text(tmpl.Suffix) + tok.Token(tok.Special().EOS) + text(tmpl.Prefix)
			if got, want := special(encode(hostile)), special(encode("a")); got != want {
				t.Errorf("%d special tokens with %q in the message, want %d", got, hostile, want)
			}
		})
	}
}
