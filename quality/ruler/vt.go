package ruler

import (
	"strconv"
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// hops is the number of assignments of a chain after the first.
const hops = 4

// exampleLines is the number of lines of noise in the example: as many as fit 500 tokens with most
// tokenizers.
const exampleLines = 16

// chain is a value and the variables to which it is assigned one after another.
type chain struct {
	value string
	vars  []string
}

// drawChain draws a chain whose variables have the given number of letters.
func drawChain(r *rng.Rand, letters int) chain {
	names := newNames(r)
	c := chain{value: strconv.Itoa(r.Range(10000, 99998))}
	for range hops + 1 {
		c.vars = append(c.vars, names.next(func() string { return randomWord(r, 'A', letters) }))
	}
	return c
}

// randomWord returns n random letters from first on.
func randomWord(r *rng.Rand, first byte, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(r.IntN(26))
	}
	return string(b)
}

// statement returns the i-th assignment of the chain, as a line.
func (c *chain) statement(i int) string {
	if i == 0 {
		return "VAR " + c.vars[0] + " = " + c.value + "\n"
	}
	return "VAR " + c.vars[i] + " = VAR " + c.vars[i-1] + " \n"
}

func (c *chain) question(w *wording) question {
	return w.vt.fill("VALUE", c.value, "N", strconv.Itoa(len(c.vars)))
}

// vtDraft is a sample of vt.
type vtDraft struct {
	chain
	w       *wording
	lines   *noiseLines
	random  []uint64
	example string
}

func drawVT(r *rng.Rand, s *quality.Settings) (quality.Draft, error) {
	t, err := lines(s)
	if err != nil {
		return nil, err
	}
	d := &vtDraft{w: wordings[s.Wording], lines: t}
	d.chain, d.random = drawChain(r, 5), randoms(r, hops+1)
	d.example = d.shown(drawChain(r, 3), randoms(r, hops+1))
	return d, nil
}

// shown returns a question with its answer.
func (d *vtDraft) shown(c chain, random []uint64) string {
	q := c.question(d.w)
	var b strings.Builder
	b.WriteString(q.before)
	at := places(random, exampleLines)
	for i, next := 0, 0; i < exampleLines; i++ {
		for ; next < len(at) && at[next] == i; next++ {
			b.WriteString(c.statement(next))
		}
		b.WriteString(d.lines.line)
	}
	return strings.TrimSuffix(b.String(), "\n") + q.after + q.prefix + " " + strings.Join(c.vars, " ") + "\n\n"
}

// Units counts lines of noise.
func (d *vtDraft) Units() (least, step int) { return hops + 2, 1 }

func (d *vtDraft) Make(n int) (*quality.Sample, error) {
	q := d.question(d.w)
	s := &quality.Sample{Base: d.lines.base(n), Prefix: q.prefix, References: d.vars}
	s.Edits = []tokenizer.Edit{{With: d.example + q.before}}
	for i, p := range places(d.random, n) {
		from := p * len(d.lines.line)
		s.Edits = append(s.Edits, tokenizer.Edit{From: from, To: from, With: d.statement(i)})
		s.Depths = append(s.Depths, float64(p)/float64(n))
	}
	s.Edits = append(s.Edits, tokenizer.Edit{From: n*len(d.lines.line) - 1, To: len(s.Base), With: q.after})
	return s, nil
}
