package exec

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// texted completes texts with the child's own tokenizer.
type texted struct{ m *Model }

// Complete answers prompts.
func (t texted) Complete(ctx context.Context, group []runners.Prompt, _ int, done func(int, []runners.Answer)) ([]string, error) {
	tok := newChildTokenizer(ctx, t.m)
	group = slices.Clone(group)
	for i := range group {
		group[i].Tokens = nil // they are those of an estimate
	}
	c, err := runners.CompleterOf(t.m, tok, true)
	if err != nil {
		return nil, err
	}
	notes, err := c.Complete(ctx, group, 0, func(i int, a []runners.Answer) {
		if tok.err == nil {
			done(i, a)
		}
	})
	return notes, cmp.Or(tok.err, err)
}

// childTokenizer is the child's tokenizer. Its errors are failures of the model: every later call
// fails.
type childTokenizer struct {
	m   *Model
	ctx context.Context
	err error
	// ids are the tokens of short texts, which are asked for again and again.
	ids map[string][]int
}

func newChildTokenizer(ctx context.Context, m *Model) *childTokenizer {
	return &childTokenizer{m: m, ctx: ctx, ids: map[string][]int{}}
}

func (t *childTokenizer) Name() string { return t.m.hello.Name }
func (t *childTokenizer) Vocab() int   { return t.m.hello.Vocab }

func (t *childTokenizer) Special() tokenizer.Special {
	return tokenizer.Special{BOS: t.m.hello.BOS, EOS: -1, AddBOS: t.m.hello.BOS >= 0, End: t.m.hello.EOS}
}

func (t *childTokenizer) Encode(text string) []int {
	if text == "" {
		return nil
	}
	if ids, ok := t.ids[text]; ok {
		return slices.Clone(ids)
	}
	a, err := t.m.call(t.ctx, request{Op: opEncode, Text: &text})
	if err == nil {
		if err = t.m.hello.check("tokens", a.Tokens); err == nil && len(a.Tokens) == 0 {
			err = errors.New("no tokens for a text")
		}
		if err != nil {
			err = t.m.wrong(opEncode, err)
		}
	}
	if err != nil {
		t.fail(err)
		return []int{0}
	}
	if len(text) < 1000 && len(t.ids) < 1000 {
		t.ids[text] = slices.Clone(a.Tokens)
	}
	return a.Tokens
}

func (t *childTokenizer) Decode(ids []int) string {
	if len(ids) == 0 {
		return ""
	}
	a, err := t.m.call(t.ctx, request{Op: opDecode, Tokens: ids})
	if err == nil && a.Text == nil {
		err = t.m.wrong(opDecode, errors.New("no text"))
	}
	if err != nil {
		t.fail(err)
		return ""
	}
	return *a.Text
}

// fail makes every later call fail, so that no answer is made of what could not be encoded.
func (t *childTokenizer) fail(err error) {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	t.err = err
	if t.m.err == nil {
		t.m.err = err
	}
}
