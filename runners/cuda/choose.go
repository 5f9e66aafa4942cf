//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
)

// Choice is what was chosen among the ways to compute an operation of a kind and size: this
// project's kernel with one of its tiles, or cuBLAS. A way other than the first takes part only
// where its result was found right. It is made once in a process, so that all chunks of a prompt
// and all prompts are computed alike.
type Choice struct {
	// Kernel is the kernel that is taken without a choice, for Target.
	Kernel string `json:"kernel"`
	Target string `json:"target"`
	DType  string `json:"dtype"`
	// Rows, In and Out are the sizes of a product that were timed: [rows, in] times [out, in]ᵀ, for
	// gemm_swiglu with two such matrices. It holds for rows up to twice as many, and for all from 8
	// Ki on.
	Rows int `json:"rows"`
	In   int `json:"in,omitempty"`
	Out  int `json:"out,omitempty"`
	// Keys, Heads, KVHeads and HeadDim are the sizes of attention, of Rows queries after the last
	// of Keys keys. It holds for up to twice as many keys, and for all from 16 Ki on.
	Keys    int `json:"keys,omitempty"`
	Heads   int `json:"heads,omitempty"`
	KVHeads int `json:"kv_heads,omitempty"`
	HeadDim int `json:"head_dim,omitempty"`
	// Ways are the ways that there are, Kernel first, and Taken the name of the one that was
	// chosen.
	Ways  []Way  `json:"ways"`
	Taken string `json:"taken"`

	taken int // index of Taken
}

// Way is a way to compute an operation.
type Way struct {
	// Name is a kernel's, or the version of cuBLAS.
	Name string `json:"name"`
	// Millis is the shortest time in milliseconds of some interleaved runs; 0 where nothing
	// was timed.
	Millis float64 `json:"ms,omitempty"`
	// Note says what is wrong with the result, in which case it is not timed.
	Note string `json:"note,omitempty"`
}

// String is the choice in words.
func (c Choice) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s, ", c.Kernel, c.Target, c.DType)
	if c.Keys > 0 {
		fmt.Fprintf(&b, "%d rows, %d keys, %d heads on %d of %d", c.Rows, c.Keys, c.Heads, c.KVHeads, c.HeadDim)
	} else {
		fmt.Fprintf(&b, "%d x %d x %d", c.Rows, c.In, c.Out)
	}
	fmt.Fprintf(&b, ": %s", c.Taken)
	if ms := c.Ways[c.taken].Millis; ms > 0 {
		fmt.Fprintf(&b, ", %.4g ms", ms)
	}
	var others []string
	for i, w := range c.Ways {
		switch {
		case i == c.taken:
		case w.Note != "":
			others = append(others, w.Note)
		case w.Millis > 0:
			others = append(others, fmt.Sprintf("%s %.4g ms", w.Name, w.Millis))
		}
	}
	if len(others) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(others, "; "))
	}
	return b.String()
}

const (
	// raceRuns is how often each way is timed.
	raceRuns = 5
	// raceRows and raceKeys are the most rows and keys that are timed.
	raceRows = 8 << 10
	raceKeys = 16 << 10
	// raceMargin is what a way's time must be of the first's to be chosen: within it, noise would
	// choose.
	raceMargin = 0.98
)

// rowsOf are the rows that are timed for m: so many choices are made, and the same ones whatever
// comes first.
func rowsOf(m int) int { return max(gemvRows+1, min(floor2(m), raceRows)) }

// keysOf are the keys that are timed for n keys of which rows are queries.
func keysOf(n, rows int) int { return max(rows, min(floor2(n), raceKeys)) }

// floor2 is the largest power of two up to n, which is at least 1.
func floor2(n int) int { return 1 << (bits.Len(uint(n)) - 1) }

// raceSize is what a model asks for a choice by: the kind of kernel and all sizes of a Choice.
type raceSize struct {
	kernel                     string
	rows, in, out              int
	keys, heads, kvHeads, hdim int
}

// chosen is a choice as a model uses it.
type chosen struct {
	Choice
	used bool // since the last call of AlgorithmLog
	tile int  // index of the kernels' tiles, or byCUBLAS
}

// byCUBLAS is in the place of a tile where cuBLAS was chosen.
const byCUBLAS = -1

// made are the choices of the process.
var made = struct {
	sync.Mutex
	choices map[choiceKey]Choice
}{choices: map[choiceKey]Choice{}}

type choiceKey struct {
	gpu, target, library string
	t                    runners.DType
	raceSize
}

// contest is an operation that can be computed in several ways.
type contest interface {
	// ways calls add with each way, the one that is taken without a choice first.
	ways(o *ops, add func(name string, c kernels.Call))
	// result is the memory that every way writes to and that is put back after it; no bytes where
	// it may be lost.
	result(o *ops) (at uint64, bytes int)
	// wrong says what is wrong with the result of a way, if anything. An error is one of the
	// device.
	wrong(o *ops, who string, run func() error) (string, error)
}

// choose makes the choice for a size that the model has not asked for yet; on an operation that is
// about to be enqueued, if it is the first in the process. It is nil after an error.
func (o *ops) choose(size raceSize, x contest) *chosen {
	made.Lock()
	defer made.Unlock()
	key := choiceKey{o.d.info.Name, o.d.set.Target, "", o.t, size}
	if o.d.blas != nil {
		key.library = o.d.blas.name
	}
	c, ok := made.choices[key]
	if !ok {
		if !o.check(o.flush(false)) {
			return nil
		}
		resume := o.d.pause()
		var err error
		c, err = o.race(size, x)
		resume()
		if !o.check(err) {
			return nil
		}
		made.choices[key] = c
	}
	last := len(c.Ways) - 1
	library := o.d.blas != nil && c.Ways[last].Name == o.d.blas.name
	if library && o.opts.Tier == TierCUBLAS {
		if note := c.Ways[last].Note; note != "" && !o.check(fmt.Errorf("the kernel tier %s: %s", TierCUBLAS, note)) {
			return nil
		}
		c.take(last)
	}
	one := &chosen{Choice: c, tile: c.taken}
	if library && c.taken == last {
		one.tile = byCUBLAS
	}
	o.chosen[size] = one
	return one
}

func (c *Choice) take(i int) { c.taken, c.Taken = i, c.Ways[i].Name }

// choices are those that were used since the last call, in words; or why there are none with cuBLAS
// although it is there.
func (o *ops) choices() (lines []string) {
	if o.noCUBLAS != "" {
		lines = append(lines, "cuBLAS is not used: "+o.noCUBLAS)
	}
	for _, c := range o.chosen {
		if c.used && len(c.Ways) > 1 {
			lines = append(lines, c.String())
		}
		c.used = false
	}
	slices.Sort(lines)
	return lines
}

// race checks the ways of an operation but the first, and times those that are right interleaved.
// It takes no memory of the device.
func (o *ops) race(size raceSize, x contest) (c Choice, err error) {
	c = Choice{Target: o.d.set.Target, DType: o.t.String(), Rows: size.rows, In: size.in, Out: size.out,
		Keys: size.keys, Heads: size.heads, KVHeads: size.kvHeads, HeadDim: size.hdim}
	var calls []kernels.Call
	x.ways(o, func(name string, call kernels.Call) {
		calls = append(calls, call)
		c.Ways = append(c.Ways, Way{Name: name})
	})
	c.Kernel = c.Ways[0].Name
	c.take(0)
	if len(calls) == 1 {
		return c, nil
	}
	at, bytes := x.result(o)
	kept := make([]byte, bytes)
	if err := o.st.download(o.d, at, int64(bytes), func(b []byte, at int64) { copy(kept[at:], b) }); err != nil {
		return c, err
	}
	restore := func() error {
		return o.st.upload(o.d, at, int64(bytes), func(b []byte, at int64) { copy(b, kept[at:]) })
	}
	right := []int{0}
	for i := 1; i < len(calls); i++ {
		w := &c.Ways[i]
		if w.Note, err = x.wrong(o, w.Name, func() error { return o.run(&calls[i]) }); err == nil {
			err = restore()
		}
		if err != nil {
			return c, err
		}
		if w.Note == "" {
			right = append(right, i)
		}
	}
	if len(right) == 1 {
		return c, nil
	}
	for run := range raceRuns {
		slowest := 0.0
		for _, i := range right {
			warmup := 0
			if run == 0 {
				warmup = 1
			}
			ms, err := o.times(warmup, 1, nil, func() error { return o.d.launch(&calls[i]) })
			if err != nil {
				return c, err
			}
			if w := &c.Ways[i]; run == 0 || ms[0] < w.Millis {
				w.Millis = ms[0]
			}
			slowest = max(slowest, c.Ways[i].Millis)
		}
		if slowest > tooSlow {
			break
		}
	}
	best := raceMargin * c.Ways[0].Millis
	for _, i := range right[1:] {
		if ms := c.Ways[i].Millis; ms < best {
			best = ms
			c.take(i)
		}
	}
	return c, restore()
}

// size is what a product asks for a choice by.
func (g *gemm) size() raceSize {
	return raceSize{kernel: g.kind.String(), rows: rowsOf(g.m), in: g.k, out: g.n}
}

// ways implements contest: smaller tiles where the large ones do not fill the machine, and cuBLAS
// where it is used.
func (g gemm) ways(o *ops, add func(string, kernels.Call)) {
	g.m = rowsOf(g.m)
	o.ours(&g, 0)
	first := o.c
	add(first.Kernel.Name, first)
	if int(first.Grid[0]) < o.d.info.Multiprocessors {
		for i, k := range o.k.Tiles(first.Kernel)[1:] {
			if k.Shared > o.d.info.SharedMemory {
				break // tiles are numbered without a gap
			}
			o.ours(&g, i+1)
			add(k.Name, o.c)
		}
	}
	if o.d.blas != nil && g.kind != gemmSwiGLU {
		o.theirs(&g)
		add(o.d.blas.name, o.c)
	}
}

// result implements contest: all but a sum will be overwritten.
func (g gemm) result(*ops) (at uint64, bytes int) {
	if g.kind != gemmAdd {
		return 0, 0
	}
	return g.c, 4 * ((rowsOf(g.m)-1)*g.ldc + g.n)
}

// wrong implements contest.
func (g gemm) wrong(o *ops, who string, run func() error) (string, error) {
	g.m = rowsOf(g.m)
	return o.wrong(who, g, run)
}

// failed is what a call of cuBLAS says, if that is what an error is, and otherwise the error.
func failed(err error) (string, error) {
	var status cublasStatus
	if errors.As(err, &status) {
		return err.Error(), nil
	}
	return "", err
}

// run launches a call outside a pass.
func (o *ops) run(c *kernels.Call) error {
	defer o.d.bind()()
	return o.d.launch(c)
}

// wrong runs a product by who and says what is wrong with the result, if anything: of some values,
// the corners among them, none may differ from float64 by more than
//
//	8 sqrt(k) 2^-23 (sum |a b| + |what was there|) + u |value|
//
// where u is half a unit in the last place of c; for gemmSwiGLU, of such errors of both products,
// by the slope of silu, which is below 1.1. The first is the error of a sum of k rounded products
// that holds but for chances of no account (Higham and Mary, A new approach to probabilistic
// rounding error analysis, 2019), with twice float32's unit for tensor cores, which cut off instead
// of rounding. An error is one of the device.
func (o *ops) wrong(who string, g gemm, run func() error) (string, error) {
	places := [][2]int{{0, g.n - 1}, {g.m - 1, 0}, {g.m - 1, g.n - 1}}
	for i := range benchChecks {
		places = append(places, [2]int{spread(i, g.m), spread((7*i)%benchChecks, g.n)})
	}
	t, u := runners.F32, 0x1p-24
	if (g.kind == gemmT || g.kind == gemmSwiGLU) && o.t == runners.BF16 {
		t, u = runners.BF16, 0x1p-8
	}
	at := func(p [2]int) uint64 { return g.c + uint64((p[0]*g.ldc+p[1])*t.Size()) }
	want, tol := make([]float64, len(places)), make([]float64, len(places))
	for i, p := range places {
		x, err := o.values(g.a+uint64(p[0]*g.lda*o.t.Size()), g.k, o.t)
		if err != nil {
			return "", err
		}
		dot := func(row int) (sum, e float64, err error) {
			y, err := o.values(g.b+uint64(row*g.ldb*o.t.Size()), g.k, o.t)
			if err != nil {
				return 0, 0, err
			}
			for j := range x {
				v := float64(x[j]) * float64(y[j])
				sum += v
				e += math.Abs(v)
			}
			return sum, 8 * math.Sqrt(float64(g.k)) * 0x1p-23 * e, nil
		}
		if want[i], tol[i], err = dot(p[1]); err != nil {
			return "", err
		}
		switch g.kind {
		case gemmAdd:
			base, err := o.values(at(p), 1, t)
			if err != nil {
				return "", err
			}
			want[i] += float64(base[0])
			tol[i] += 8 * math.Sqrt(float64(g.k)) * 0x1p-23 * math.Abs(float64(base[0]))
		case gemmSwiGLU:
			up, e, err := dot(g.n + p[1])
			if err != nil {
				return "", err
			}
			gate := silu(want[i])
			tol[i] = 1.1*tol[i]*math.Abs(up) + math.Abs(gate)*e + 0x1p-20*math.Abs(gate*up)
			want[i] = gate * up
		}
		tol[i] += u * math.Abs(want[i])
	}
	if err := run(); err != nil {
		return failed(err)
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
