package needle

import (
	"context"
	"hash/fnv"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/runners"
)

// fakeModel reads bytes. It answers by searching its context for the fact. A blind one answers from
// a hash of its context.
type fakeModel struct {
	runners.Instance
	arch    runners.Arch
	blind   bool
	forkErr error

	open, most int // sequences
	computed   int // tokens appended
	forks      int
	stepErr    error
}

type fakeSequence struct {
	m        *fakeModel
	text     []byte
	capacity int
}

func fakeConfig(arch runners.Arch) runners.Config {
	return runners.Shape{Name: "fake", Dim: 8, Layers: 2, FFN: 8, Vocab: 256, Heads: 1, KVHeads: 1, HeadDim: 8,
		RopeTheta: 1e4, NormEps: 1e-5, Tokenizer: "bytes"}.As(arch, 1, 24).Config()
}

func (m *fakeModel) Config() runners.Config {
	if m.arch == "" {
		return fakeConfig(runners.YOCOGatedRetention)
	}
	return fakeConfig(m.arch)
}

func (m *fakeModel) Vocab() int        { return 256 }
func (m *fakeModel) CanTruncate() bool { return m.Config().CanTruncate() }

func (m *fakeModel) opened(s *fakeSequence) *fakeSequence {
	m.open++
	m.most = max(m.most, m.open)
	return s
}

func (m *fakeModel) NewSequence(capacity int) (runners.Sequence, error) {
	return m.opened(&fakeSequence{m: m, capacity: capacity}), nil
}

func (m *fakeModel) Prefill(_ context.Context, s runners.Sequence, tokens []int) error {
	q := s.(*fakeSequence)
	for _, t := range tokens {
		q.text = append(q.text, byte(t))
	}
	m.computed += len(tokens)
	return nil
}

func (m *fakeModel) Step(_ context.Context, ss []runners.Sequence, tokens []int, logits [][]float32) error {
	if m.stepErr != nil {
		return m.stepErr
	}
	for i, s := range ss {
		q := s.(*fakeSequence)
		q.text = append(q.text, byte(tokens[i]))
		m.logits(q.text, logits[i])
	}
	m.computed++
	return nil
}

func (m *fakeModel) Score(_ context.Context, s runners.Sequence, tokens []int, emit func(int, float32)) error {
	q := s.(*fakeSequence)
	l := make([]float32, 256)
	for i, t := range tokens {
		if i > 0 {
			m.logits(q.text, l)
			sum := 0.0
			for _, v := range l {
				sum += math.Exp(float64(v))
			}
			emit(len(q.text), l[t]-float32(math.Log(sum)))
		}
		q.text = append(q.text, byte(t))
	}
	return nil
}

func (m *fakeModel) logits(text []byte, out []float32) {
	if m.blind {
		h := fnv.New64a()
		h.Write(text)
		x := h.Sum64()
		for i := range out {
			x = (x ^ x>>29) * 0xbf58476d1ce4e5b9
			out[i] = float32(x>>40) / (1 << 22)
			if i >= '0' && i <= '9' {
				out[i] += 2
			}
		}
		return
	}
	clear(out)
	out[lookUp(string(text))] = 20
}

func (s *fakeSequence) Len() int      { return len(s.text) }
func (s *fakeSequence) Capacity() int { return s.capacity }
func (s *fakeSequence) Fork() (runners.Sequence, error) {
	if s.m.forkErr != nil {
		return nil, s.m.forkErr
	}
	s.m.forks++
	return s.m.opened(&fakeSequence{m: s.m, text: slices.Clone(s.text), capacity: s.capacity}), nil
}
func (s *fakeSequence) Truncate(_ context.Context, n int) error {
	s.text = s.text[:n]
	return nil
}
func (s *fakeSequence) Close() error {
	s.m.open--
	return nil
}

// askForm is the form of a question: the text before and after the key.
type askForm struct{ fact, before, after string }

var forms = askForms()

func askForms() (out []askForm) {
	for _, t := range Templates() {
		for _, ask := range []string{t.AskText, t.AskAllText} {
			// "pass-code" contains its key twice; the last one counts.
			i := strings.LastIndex(ask, "{key}")
			out = append(out, askForm{t.FactText, ask[:i], ask[i+len("{key}"):]})
		}
	}
	return out
}

var answerSoFar = regexp.MustCompile(`[0-9, ]*$`)

// lookUp returns the next byte of the answer to the question at the end of a text.
func lookUp(text string) byte {
	tail := text[max(0, len(text)-400):]
	best, bestLen := "", -1
	for _, f := range forms {
		for from := len(tail); from > 0; { // every occurrence of the words after the key, from the end
			from = strings.LastIndex(tail[:from], f.after)
			if from < 0 {
				break
			}
			said := tail[from+len(f.after):]
			if answerSoFar.FindString(said) != said {
				break
			}
			before := f.before
			if k := strings.LastIndex(before, "{key}"); k >= 0 {
				before = before[k+len("{key}"):]
			}
			k := strings.LastIndex(tail[:from], before)
			if before == "" { // the key is at the start of the line
				k = strings.LastIndex(tail[:from], "\n") + 1
			}
			if k < 0 {
				continue
			}
			key := tail[k+len(before) : from]
			if key == "" || strings.ContainsAny(key, "\n") || len(before)+len(f.after) < bestLen {
				continue
			}
			if want, ok := answerTo(text, f.fact, key); ok && strings.HasPrefix(want, said) {
				best, bestLen = want[len(said):], len(before)+len(f.after)
			}
		}
	}
	if best == "" {
		return '\n'
	}
	return best[0]
}

// answerTo returns the values of a key, or of keys joined by ", ".
func answerTo(text, fact, keys string) (string, bool) {
	var values []string
	for _, key := range strings.Split(keys, ", ") {
		if !strings.Contains(text, strings.ReplaceAll(fact[:strings.Index(fact, "{value}")], "{key}", key)) {
			continue
		}
		form := regexp.QuoteMeta(fact)
		form = strings.ReplaceAll(form, `\{key\}`, regexp.QuoteMeta(key))
		form = strings.ReplaceAll(form, `\{value\}`, `([0-9]+)`)
		for _, m := range regexp.MustCompile(form).FindAllStringSubmatch(text, -1) {
			if !slices.Contains(values, m[1]) {
				values = append(values, m[1])
			}
		}
	}
	return strings.Join(values, ", "), len(values) > 0
}
