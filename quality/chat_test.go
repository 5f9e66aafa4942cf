package quality

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/chat"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites/result"
)

func TestMain(m *testing.M) {
	if os.Args[0] == "yocobench" { // a child of chat.Format.Load
		if err := chat.Child(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// marked is the tokenizer of bytes with two special tokens.
type marked struct{ tokenizer.Bytes }

var special = []string{"<|im_start|>", "<|im_end|>"}

func (marked) Vocab() int { return 258 }

func (m marked) EncodeSpecial(text string) (ids []int, err error) {
next:
	for text != "" {
		for i, s := range special {
			if rest, ok := strings.CutPrefix(text, s); ok {
				ids, text = append(ids, 256+i), rest
				continue next
			}
		}
		ids, text = append(ids, int(text[0])), text[1:]
	}
	return ids, nil
}

// The templates differ in what follows the message: text, or a special token.
const (
	chatML   = `{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}`
	endsMark = `{% for m in messages %}{{ '[' + m.content + ']' }}{% endfor %}<|im_start|>`
	plain    = `{% for m in messages %}{{ 'Q: ' + m.content + ' A:' }}{% endfor %}`
)

// listener ends its turn after the password, and records the prompts.
type listener struct {
	fakeModel
	prompts [][]int
}

func (m *listener) Complete(ctx context.Context, group []runners.Prompt, room int, done func(int, []runners.Answer)) ([]string, error) {
	for i, p := range group {
		m.prompts = append(m.prompts, p.Tokens)
		_, rest, _ := strings.Cut(p.Text, "The password is ")
		password, _, _ := strings.Cut(rest, ".")
		done(i, []runners.Answer{{Tokens: len(p.Tokens), Text: "No. \uFFFD " + password}})
	}
	return nil, ctx.Err()
}

// TestChat compares the tokens of prompts with those of the rendered template.
func TestChat(t *testing.T) {
	for name, template := range map[string]string{"text": chatML, "mark": endsMark, "plain": plain} {
		for _, prefix := range []string{"true", "false"} {
			m := &listener{}
			target := target(m, marked{})
			target.Chat = &chat.Format{Template: template}
			r := records(t, "{lengths: [500], samples: 5, kinds: [shared, separate], chat: true, answer_prefix: "+prefix+"}", target)[0]
			if r.Status != result.OK || r.Params["chat"] == nil || !strings.Contains(r.Label, "chat") {
				t.Fatalf("%s: %s %s, params %v", name, r.Status, r.Reason, r.Params)
			}
			if r.Metrics["score"].Value != 0 || r.Trials[0].Answer != "No. " {
				t.Errorf("%s: text after the model's turn counts: %+v", name, r.Trials[0])
			}
			want, err := marked{}.EncodeSpecial(map[string]string{"text": "<|im_start|>assistant\n", "mark": "<|im_start|>", "plain": " A:"}[name])
			if err != nil {
				t.Fatal(err)
			}
			longest := 0
			for _, p := range m.prompts {
				end := want
				if prefix == "true" {
					end = append(slices.Clone(want), marked{}.Encode(" The password is")...)
					longest = max(longest, len(p)+12)
				}
				if n := len(p) - len(end); n < 0 || !slices.Equal(p[n:], end) || len(p)+12 > 500 {
					t.Errorf("%s: a prompt of %d tokens ends with %q", name, len(p), marked{}.Decode(p[max(0, n):]))
				}
			}
			if prefix == "true" && longest < 480 {
				t.Errorf("%s: the longest prompt has %d tokens with its answer, of 500", name, longest)
			}
		}
	}
	r := records(t, "{lengths: [500], samples: 5, kinds: shared, chat: true}", target(&fakeModel{}, marked{}))[0]
	if r.Status != result.Unsupported || !strings.Contains(r.Reason, "no chat template") {
		t.Errorf("without a template: %s %s", r.Status, r.Reason)
	}
}
