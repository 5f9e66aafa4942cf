package chat

import (
	"os"
	"reflect"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
)

// The template of SmolLM2-135M-Instruct, out of its file.
func TestSmolLM2(t *testing.T) {
	path := os.Getenv("YOCOBENCH_SMOLLM2")
	if path == "" {
		testenv.Missing(t, "YOCOBENCH_SMOLLM2 is not set to the file that tools/smollm2.sh prints")
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	source, ok, err := f.String("tokenizer.chat_template")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	got, err := (&Format{Template: source, BOS: "<|im_start|>", EOS: "<|im_end|>"}).Load(t.Context(), "")
	want := &Template{
		Prefix: parts("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n"),
		Suffix: parts("<|im_end|>\n<|im_start|>assistant\n"),
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
