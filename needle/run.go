package needle

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/tokenizer"
	"github.com/yocobench/yocobench/suites/result"
)

// run is a cell under way on a model.
type run struct {
	*cell
	m   runners.Model
	tok tokenizer.Tokenizer
	r   *result.Record
	off misplaced
	// progress counts trials.
	done     int
	progress func(float64)
}

// run measures the cell: haystack by haystack, with all trials of one in turn.
func (c *cell) run(ctx context.Context, m runners.Model, r *result.Record, progress func(float64)) error {
	tok, err := tokenizer.New(m.Config().Tokenizer)
	if err != nil {
		return fmt.Errorf("%w: %w", err, runners.ErrUnsupported)
	}
	u := &run{cell: c, m: m, tok: tok, r: r, progress: progress}
	r.Trials = make([]result.Trial, c.Trials)
	for h := range c.haystacks() {
		var index []int
		var trials []*trial
		for i := h; i < c.Trials; i += c.haystacks() {
			t, err := c.trial(i)
			if err != nil {
				return err
			}
			index, trials = append(index, i), append(trials, t)
		}
		if err := u.group(ctx, h, index, trials); err != nil {
			return err
		}
	}
	r.Notes = append(r.Notes, u.off.notes()...)
	r.Metrics = metrics(r.Trials, c.haystacks())
	return nil
}

// group runs the trials of one haystack.
func (u *run) group(ctx context.Context, number int, index []int, trials []*trial) error {
	h, err := u.haystack(u.tok, u.haystackSeed(number), trials)
	if err != nil {
		return err
	}
	if h.Repeats > 0 {
		u.r.Notes = append(u.r.Notes, fmt.Sprintf("the text is shorter than the haystack: it was repeated %d times", h.Repeats))
	}
	b := &base{m: u.m, capacity: u.length}
	defer b.close()
	if shared := u.common(trials, h.Text); shared > 0 && u.Share {
		if err := b.fill(ctx, trials[0].prompt(u.tok, h.Text)[:shared]); err != nil {
			return err
		}
	}
	for k, t := range trials {
		if u.r.Trials[index[k]], err = u.ask(ctx, b, t, h.Text, k == len(trials)-1); err != nil {
			return err
		}
		u.done++
		u.progress(float64(u.done) / float64(u.Trials))
	}
	if b.lost != nil {
		u.r.Notes = append(u.r.Notes, fmt.Sprintf("every trial was prefilled anew: %v", b.lost))
	}
	return nil
}

// common is the number of tokens with which the prompts of all trials begin, less than any of them; 0 for one trial.
func (u *run) common(trials []*trial, haystack []byte) int {
	if len(trials) < 2 {
		return 0
	}
	first := trials[0].prompt(u.tok, haystack)
	n := len(first) - 1
	for _, t := range trials[1:] {
		p := t.prompt(u.tok, haystack)
		n = min(n, len(p)-1)
		for i := range n {
			if p[i] != first[i] {
				n = i
				break
			}
		}
	}
	return n
}

// base is what trials have in common: one sequence prefilled once. With a fork
// for the trial under way, two sequences are held at most, and one for the last
// trial, which takes the base itself.
type base struct {
	m        runners.Model
	capacity int
	s        runners.Sequence // nil: nothing is shared
	lost     error            // why it could not be shared
}

func (b *base) fill(ctx context.Context, tokens []int) (err error) {
	if b.s, err = b.m.NewSequence(b.capacity); err != nil {
		return err
	}
	return b.m.Prefill(ctx, b.s, tokens)
}

// branch is a sequence for one trial, which the caller closes. It begins with
// what is shared; where the model has no fork or no memory for one, it is empty
// and nothing is shared any more.
func (b *base) branch(last bool) (runners.Sequence, error) {
	if b.s != nil && last {
		s := b.s
		b.s = nil
		return s, nil
	}
	if b.s != nil {
		s, err := b.s.Fork()
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, runners.ErrUnsupported) && !errors.Is(err, runners.ErrOutOfMemory) {
			return nil, err
		}
		b.lost = err
		b.close()
	}
	return b.m.NewSequence(b.capacity)
}

func (b *base) close() {
	if b.s != nil {
		_ = b.s.Close() // the answers do not depend on it
		b.s = nil
	}
}

// ask puts one trial to the model.
func (u *run) ask(ctx context.Context, b *base, t *trial, haystack []byte, last bool) (result.Trial, error) {
	s, err := b.branch(last)
	if err != nil {
		return result.Trial{}, err
	}
	defer s.Close()
	out := result.Trial{}
	where := places(u.tok, t, haystack)
	for _, asked := range []bool{true, false} {
		for i, f := range t.facts {
			if f.asked != asked {
				continue
			}
			u.off.add(f, where[i])
			out.Depths = append(out.Depths, where[i].depth)
			if asked {
				out.Facts = append(out.Facts, f.text)
			} else {
				out.Distractors = append(out.Distractors, f.text)
			}
		}
	}
	prompt := t.prompt(u.tok, haystack)[s.Len():]
	var questions, answers []string
	for i, q := range t.questions {
		out.Tokens = s.Len() + len(prompt)
		a, err := runners.Answer(ctx, u.m, s, prompt, u.tok.Encode(q.expected()), u.most(u.tok, q), u.ended(q))
		if err != nil {
			return result.Trial{}, fmt.Errorf("trial with the fact %q: %w", t.facts[0].text, err)
		}
		text := u.tok.Decode(a.Tokens)
		line, _, _ := strings.Cut(text, "\n")
		questions, answers = append(questions, q.text), append(answers, strings.ToValidUTF8(line, "\uFFFD"))
		out.Expected = append(out.Expected, q.values...)
		out.Exact += exact(line, q)
		out.Contains += contains(line, q)
		out.LogProb += a.LogProb
		if i+1 < len(t.questions) {
			prompt = u.next(a.Tokens, text, t.questions[i+1])
		}
	}
	n := float64(len(t.questions))
	out.Exact, out.Contains, out.LogProb = out.Exact/n, out.Contains/n, out.LogProb/n
	out.Question, out.Answer = strings.Join(questions, "\n"), strings.Join(answers, "\n")
	return out, nil
}

// next is what follows an answer: its last token, which the sequence does not
// hold yet, and the next question on a new line.
func (u *run) next(answer []int, text string, q question) []int {
	prompt := []int{answer[len(answer)-1]}
	if !strings.HasSuffix(text, betweenAnswers) {
		prompt = append(prompt, u.tok.Encode(betweenAnswers)...)
	}
	return append(prompt, u.tok.Encode(q.text)...)
}

// ended reports when nothing more can be learned from an answer: at the end of its line, or one token after it is right, which says
// whether a longer number follows.
func (u *run) ended(q question) func([]int) bool {
	want := q.expected()
	return func(answer []int) bool {
		text := u.tok.Decode(answer)
		rest, right := strings.CutPrefix(strings.TrimLeft(text, " "), want)
		return strings.Contains(text, "\n") || right && rest != ""
	}
}
