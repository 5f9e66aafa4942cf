//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
)

// Choice is what was chosen for the products of a kind and size: this project's kernel, or cuBLAS where its
// result was found right and it was faster. It is made once in a process, so that all chunks of a prompt and all
// prompts are computed alike.
type Choice struct {
	// Kernel is the kernel that cuBLAS would replace: gemm_t, gemm_f32 or gemm_add, for Target.
	Kernel string `json:"kernel"`
	Target string `json:"target"`
	DType  string `json:"dtype"`
	// Rows, In and Out are the sizes that were timed: [rows, in] times [out, in]ᵀ. It holds for rows up to twice as many,
	// and for all from 8 Ki on.
	Rows int `json:"rows"`
	In   int `json:"in"`
	Out  int `json:"out"`
	// Ours and CUBLAS are the shortest times in milliseconds of some that were taken in turns.
	Ours   float64 `json:"ours_ms,omitempty"`
	CUBLAS float64 `json:"cublas_ms,omitempty"`
	// Library is the version of cuBLAS, Taken whether it was chosen.
	Library string `json:"library"`
	Taken   bool   `json:"cublas_taken"`
	// Note says what is wrong with cuBLAS's result, in which case nothing is timed.
	Note string `json:"note,omitempty"`
}

// String is the choice in words.
func (c Choice) String() string {
	what := fmt.Sprintf("%s %s %s, %d x %d x %d", c.Kernel, c.Target, c.DType, c.Rows, c.In, c.Out)
	switch {
	case c.Note != "":
		return fmt.Sprintf("%s: ours; %s", what, c.Note)
	case c.Taken:
		return fmt.Sprintf("%s: %s, %.4g ms (ours %.4g ms)", what, c.Library, c.CUBLAS, c.Ours)
	default:
		return fmt.Sprintf("%s: ours, %.4g ms (%s %.4g ms)", what, c.Ours, c.Library, c.CUBLAS)
	}
}

const (
	// raceRuns is how often each is timed.
	raceRuns = 5
	// raceRows is the most rows that are timed.
	raceRows = 8 << 10
	// raceMargin is what cuBLAS's time must be of ours to be chosen: within it, noise would choose.
	raceMargin = 0.98
)

// rowsOf are the rows that are timed for m: so many choices are made, and the same ones whatever comes first.
func rowsOf(m int) int {
	return max(gemvRows+1, min(1<<(bits.Len(uint(m))-1), raceRows))
}

// size is what a model asks for a choice by.
type productSize struct {
	kind    gemmKind
	m, n, k int
}

// chosen is a choice as a model uses it.
type chosen struct {
	Choice
	used bool // since the last call of Choices
}

// made are the choices of the process.
var made = struct {
	sync.Mutex
	choices map[choiceKey]Choice
}{choices: map[choiceKey]Choice{}}

type choiceKey struct {
	gpu, target, library string
	t                    runners.DType
	productSize
}

// byCUBLAS reports whether cuBLAS is to compute a product; the choice is made if it is the first of its size.
func (o *ops) byCUBLAS(g *gemm) bool {
	if o.d.blas == nil || g.m <= gemvRows {
		return false
	}
	size := productSize{g.kind, rowsOf(g.m), g.n, g.k}
	c := o.chosen[size]
	if c == nil {
		choice, err := o.choice(*g, size)
		if err == nil && o.opts.Tier == TierCUBLAS {
			choice.Taken = true
			if choice.Note != "" {
				err = fmt.Errorf("the kernel tier %s: %s", TierCUBLAS, choice.Note)
			}
		}
		if !o.check(err) {
			return false
		}
		c = &chosen{Choice: choice}
		o.chosen[size] = c
	}
	c.used = true
	return c.Taken
}

// choice is the process's choice.
func (o *ops) choice(g gemm, size productSize) (Choice, error) {
	made.Lock()
	defer made.Unlock()
	key := choiceKey{o.d.info.Name, o.d.set.Target, o.d.blas.name, o.t, size}
	if c, ok := made.choices[key]; ok {
		return c, nil
	}
	c, err := o.choose(g)
	if err == nil {
		made.choices[key] = c
	}
	return c, err
}

// choices are those that were used since the last call, in words; or why there are none although cuBLAS is there.
func (o *ops) choices() (lines []string) {
	if o.noCUBLAS != "" {
		lines = append(lines, "all products: ours; "+o.noCUBLAS)
	}
	for _, c := range o.chosen {
		if c.used {
			lines = append(lines, c.String())
			c.used = false
		}
	}
	slices.Sort(lines)
	return lines
}

// choose makes a choice on the operands of a product that is about to be enqueued. It needs no memory of the device: what
// it writes is what the product will overwrite, or is put back as it was. The model's clock stands still.
func (o *ops) choose(g gemm) (c Choice, err error) {
	if err := o.flush(false); err != nil {
		return c, err
	}
	defer o.d.pause()()
	g.m = rowsOf(g.m)
	if g.kind != gemmAdd {
		return o.race(g)
	}
	kept := make([]byte, 4*((g.m-1)*g.ldc+g.n))
	if err := o.st.download(o.d, g.c, int64(len(kept)), func(b []byte, at int64) { copy(kept[at:], b) }); err != nil {
		return c, err
	}
	if c, err = o.race(g); err != nil {
		return c, err
	}
	return c, o.st.upload(o.d, g.c, int64(len(kept)), func(b []byte, at int64) { copy(b, kept[at:]) })
}

// race checks cuBLAS's result of a product, and times it and ours in turns. Both write to c.
func (o *ops) race(g gemm) (Choice, error) {
	c := Choice{Kernel: g.kind.String(), Target: o.d.set.Target, DType: o.t.String(), Rows: g.m, In: g.k, Out: g.n, Library: o.d.blas.name}
	o.theirs(&g)
	theirs := o.c
	o.ours(&g)
	ours := o.c
	var err error
	if c.Note, err = o.wrong(o.d.blas.name, g, func() error { return o.run(&theirs) }); err != nil || c.Note != "" {
		return c, err
	}
	best := [2]float64{math.Inf(1), math.Inf(1)}
	for i := range raceRuns {
		for j, call := range []*kernels.Call{&ours, &theirs} {
			warmup := 0
			if i == 0 {
				warmup = 1
			}
			ms, err := o.times(warmup, 1, nil, func() error { return o.d.launch(call) })
			if err != nil {
				return c, err
			}
			best[j] = min(best[j], ms[0])
		}
		if max(best[0], best[1]) > tooSlow {
			break
		}
	}
	c.Ours, c.CUBLAS = best[0], best[1]
	c.Taken = c.CUBLAS < raceMargin*c.Ours
	return c, nil
}

// run launches a call outside a pass.
func (o *ops) run(c *kernels.Call) error {
	defer o.d.bind()()
	return o.d.launch(c)
}

// wrong runs a product by who and says what is wrong with the result, if anything: of some values, the corners among them, none
// may differ from float64 by more than
//
//	8 sqrt(k) 2^-23 (sum |a b| + |what was there|) + u |value|
//
// where u is half a unit in the last place of c. The first is the error of a sum of k rounded products that holds but for
// chances of no account (Higham and Mary, A new approach to probabilistic rounding error analysis, 2019), with twice float32's
// unit for tensor cores, which cut off instead of rounding. An error is one of the device.
func (o *ops) wrong(who string, g gemm, run func() error) (string, error) {
	places := [][2]int{{0, g.n - 1}, {g.m - 1, 0}, {g.m - 1, g.n - 1}}
	for i := range benchChecks {
		places = append(places, [2]int{spread(i, g.m), spread((7*i)%benchChecks, g.n)})
	}
	t, u := runners.F32, 0x1p-24
	if g.kind == gemmT && o.t == runners.BF16 {
		t, u = runners.BF16, 0x1p-8
	}
	at := func(p [2]int) uint64 { return g.c + uint64((p[0]*g.ldc+p[1])*t.Size()) }
	want, tol := make([]float64, len(places)), make([]float64, len(places))
	for i, p := range places {
		x, err := o.values(g.a+uint64(p[0]*g.lda*o.t.Size()), g.k, o.t)
		if err != nil {
			return "", err
		}
		y, err := o.values(g.b+uint64(p[1]*g.ldb*o.t.Size()), g.k, o.t)
		if err != nil {
			return "", err
		}
		var size float64
		for j := range x {
			v := float64(x[j]) * float64(y[j])
			want[i] += v
			size += math.Abs(v)
		}
		if g.kind == gemmAdd {
			base, err := o.values(at(p), 1, t)
			if err != nil {
				return "", err
			}
			want[i] += float64(base[0])
			size += math.Abs(float64(base[0]))
		}
		tol[i] = 8*math.Sqrt(float64(g.k))*0x1p-23*size + u*math.Abs(want[i])
	}
	if err := run(); err != nil {
		var status cublasStatus
		if errors.As(err, &status) {
			return err.Error(), nil
		}
		return "", err
	}
	for i, p := range places {
		got, err := o.values(at(p), 1, t)
		if err != nil {
			return "", err
		}
		if !(math.Abs(float64(got[0])-want[i]) <= tol[i]) {
			return fmt.Sprintf("%s is wrong: row %d, column %d is %g, not %g", who, p[0], p[1], got[0], want[i]), nil
		}
	}
	return "", nil
}

// values reads n values of type t, after all that was enqueued.
func (o *ops) values(at uint64, n int, t runners.DType) ([]float32, error) {
	v := make([]float32, n)
	err := o.st.download(o.d, at, int64(n*t.Size()), func(b []byte, at int64) { widen(v[int(at)/t.Size():][:len(b)/t.Size()], b, t) })
	return v, err
}
