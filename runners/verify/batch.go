package verify

import (
	"errors"

	"github.com/yocobench/yocobench/runners"
)

// pieces are the prefill sizes of a batch's sequences, used one after another.
var pieces = []int{1, 3, 7, 33, 5, 101, 2, 65}

// together is the number of steps of a batch.
const together = 12

// lane is one sequence of a batch.
type lane struct {
	text  text
	want  tensor
	meter int // index of its check
	s     runners.Sequence
	from  int // the first token to step
	to    int // the end of the tokens to step
}

// batch fills sequences that begin at different depths of the texts, interleaved piece by piece,
// and steps them together. A sequence leaves the batch when its text ends.
func (v *verifier) batch() (err error) {
	var lanes []*lane
	defer func() {
		for _, l := range lanes {
			err = errors.Join(err, l.s.Close())
		}
	}()
	for _, t := range v.texts {
		want, err := t.want("logits")
		if err != nil {
			return err
		}
		v.meter(t, "logits", "chunks+batch")
		n := len(t.ids)
		for i, from := range []int{n - 1, n / 3, max(0, n-together+1)} {
			if i > 0 && from == n-1 {
				continue
			}
			s, err := v.model.NewSequence(n)
			if err != nil {
				return err
			}
			lanes = append(lanes, &lane{t, want, len(v.report.Checks) - 1, s, from, min(from+together, n)})
		}
	}
	if err := v.fill(lanes); err != nil {
		return err
	}
	for round := range together {
		if err := v.stepTogether(lanes, round); err != nil {
			return err
		}
	}
	return nil
}

// fill prefills every lane up to from, one piece of each lane per round.
func (v *verifier) fill(lanes []*lane) error {
	for turn, more := 0, true; more; turn++ {
		more = false
		for i, l := range lanes {
			at := l.s.Len()
			to := min(at+pieces[(turn+i)%len(pieces)], l.from)
			if err := v.prefill(l.s, l.text.ids[at:to]); err != nil {
				return err
			}
			more = more || to < l.from
		}
	}
	return nil
}

// stepTogether steps the remaining lanes, in an order that changes from round to round.
func (v *verifier) stepTogether(lanes []*lane, round int) error {
	var (
		on     []*lane
		ss     []runners.Sequence
		ids    []int
		logits [][]float32
	)
	for i := range lanes {
		l := lanes[(i+round)%len(lanes)]
		if l.s.Len() < l.to {
			on, ss = append(on, l), append(ss, l.s)
			ids = append(ids, l.text.ids[l.s.Len()])
			logits = append(logits, make([]float32, v.model.Config().Vocab))
		}
	}
	if len(on) == 0 {
		return nil
	}
	if err := v.model.Step(v.ctx, ss, ids, logits); err != nil {
		return err
	}
	for i, l := range on {
		pos := l.s.Len() - 1
		meter{&v.report.Checks[l.meter]}.values(pos, logits[i], l.want.row(pos))
	}
	return nil
}
