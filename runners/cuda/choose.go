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

// Choice records which candidate was chosen for an operation of a kind and size: this project's
// kernel with one of its tiles, or cuBLAS. Every candidate except the first must give the right
// result to be considered. A choice is made once per process, so that all chunks of a prompt and
// all prompts are computed in the same way.
type Choice struct {
	// Kernel is the default kernel, Target its target.
	Kernel string `json:"kernel"`
	Target string `json:"target"`
	DType  string `json:"dtype"`
	// Rows, In and Out are the sizes of the product that was timed: [rows, in] times [out, in]ᵀ,
	// for gemm_glu with two such matrices. The choice applies to up to twice as many rows, and
	// from 8 Ki on to any number.
	Rows int `json:"rows"`
	In   int `json:"in,omitempty"`
	Out  int `json:"out,omitempty"`
	// Keys, Heads, KVHeads and HeadDim are the sizes of attention, with Rows queries for the last
	// of Keys keys. The choice applies to up to twice as many keys, and from 16 Ki on to any
	// number.
	Keys    int `json:"keys,omitempty"`
	Heads   int `json:"heads,omitempty"`
	KVHeads int `json:"kv_heads,omitempty"`
	HeadDim int `json:"head_dim,omitempty"`
	// Candidates are the alternatives, Kernel first; Taken is the name of the chosen one.
	Candidates []Candidate `json:"ways"`
	Taken      string      `json:"taken"`

	taken int // index of Taken
}

// Candidate is one implementation of an operation.
type Candidate struct {
	// Name is the name of a kernel, or the version of cuBLAS.
	Name string `json:"name"`
	// Millis is the shortest time in milliseconds of several interleaved runs; 0 if not timed.
	Millis float64 `json:"ms,omitempty"`
	// Note says what is wrong with the result; a wrong candidate is not timed.
	Note string `json:"note,omitempty"`
}

// String describes the choice.
func (c Choice) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s, ", c.Kernel, c.Target, c.DType)
	if c.Keys > 0 {
		fmt.Fprintf(&b, "%d rows, %d keys, %d heads on %d of %d", c.Rows, c.Keys, c.Heads, c.KVHeads, c.HeadDim)
	} else {
		fmt.Fprintf(&b, "%d x %d x %d", c.Rows, c.In, c.Out)
	}
	fmt.Fprintf(&b, ": %s", c.Taken)
	if ms := c.Candidates[c.taken].Millis; ms > 0 {
		fmt.Fprintf(&b, ", %.4g ms", ms)
	}
	var others []string
	for i, w := range c.Candidates {
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
	// raceRuns is the number of timed runs of each candidate.
	raceRuns = 5
	// raceRows and raceKeys are the largest numbers of rows and keys that are timed.
	raceRows = 8 << 10
	raceKeys = 16 << 10
	// raceMargin is the largest ratio of a candidate's time to the first candidate's at which it is
	// chosen: smaller differences may be noise.
	raceMargin = 0.98
)

// rowsOf returns the number of rows that is timed for m rows. It limits the number of choices, and
// makes them independent of which size comes first.
func rowsOf(m int) int { return max(gemvRows+1, min(floor2(m), raceRows)) }

// keysOf returns the number of keys that is timed for n keys, of which rows are queries.
func keysOf(n, rows int) int { return max(rows, min(floor2(n), raceKeys)) }

// floor2 returns the largest power of two up to n, which is at least 1.
func floor2(n int) int { return 1 << (bits.Len(uint(n)) - 1) }

// raceSize is the key of a choice: the kind of kernel and all sizes of a Choice.
type raceSize struct {
	kernel                     string
	rows, in, out              int
	keys, heads, kvHeads, hdim int
}

// chosen is a choice as a model uses it.
type chosen struct {
	Choice
	used bool // used since the last call of AlgorithmLog
	tile int  // index of the kernel's tiles, or byCUBLAS
}

// byCUBLAS replaces the tile index if cuBLAS was chosen.
const byCUBLAS = -1

// made holds the choices of the process.
var made = struct {
	sync.Mutex
	choices map[choiceKey]Choice
}{choices: map[choiceKey]Choice{}}

type choiceKey struct {
	gpu, target, library string
	t                    runners.DType
	raceSize
}

// operation is an operation with several implementations.
type operation interface {
	// candidates calls add with each implementation, the default first.
	candidates(o *ops, add func(name string, c kernels.Call))
	// result returns the memory that every candidate writes to and that is restored afterwards; 0
	// bytes if it need not be restored.
	result(o *ops) (at uint64, bytes int)
	// wrong returns what is wrong with the result of a candidate, or "". An error is an error of
	// the device.
	wrong(o *ops, who string, run func() error) (string, error)
}

// choose makes the choice for a size that this model has not requested before. If it is the first
// in the process, it races the candidates on an operation that is about to be enqueued. It returns
// nil after an error.
func (o *ops) choose(size raceSize, x operation) *chosen {
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
	last := len(c.Candidates) - 1
	library := o.d.blas != nil && c.Candidates[last].Name == o.d.blas.name
	if library && o.opts.Tier == TierCUBLAS {
		if note := c.Candidates[last].Note; note != "" && !o.check(fmt.Errorf("the kernel tier %s: %s", TierCUBLAS, note)) {
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

func (c *Choice) take(i int) { c.taken, c.Taken = i, c.Candidates[i].Name }

// choices describes the choices used since the last call. If cuBLAS is installed but not used, it
// also says why.
func (o *ops) choices() (lines []string) {
	if o.noCUBLAS != "" {
		lines = append(lines, "cuBLAS is not used: "+o.noCUBLAS)
	}
	for _, c := range o.chosen {
		if c.used && len(c.Candidates) > 1 {
			lines = append(lines, c.String())
		}
		c.used = false
	}
	slices.Sort(lines)
	return lines
}

// race checks the results of all candidates except the first, and times the correct ones
// interleaved. It allocates no device memory.
func (o *ops) race(size raceSize, x operation) (c Choice, err error) {
	c = Choice{Target: o.d.set.Target, DType: o.t.String(), Rows: size.rows, In: size.in, Out: size.out,
		Keys: size.keys, Heads: size.heads, KVHeads: size.kvHeads, HeadDim: size.hdim}
	var calls []kernels.Call
	x.candidates(o, func(name string, call kernels.Call) {
		calls = append(calls, call)
		c.Candidates = append(c.Candidates, Candidate{Name: name})
	})
	c.Kernel = c.Candidates[0].Name
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
		w := &c.Candidates[i]
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
			if w := &c.Candidates[i]; run == 0 || ms[0] < w.Millis {
				w.Millis = ms[0]
			}
			slowest = max(slowest, c.Candidates[i].Millis)
		}
		if slowest > tooSlow {
			break
		}
	}
	best := raceMargin * c.Candidates[0].Millis
	for _, i := range right[1:] {
		if ms := c.Candidates[i].Millis; ms < best {
			best = ms
			c.take(i)
		}
	}
	return c, restore()
}

// size is the key of the choice for a product.
func (g *gemm) size() raceSize {
	return raceSize{kernel: g.kind.String(), rows: rowsOf(g.m), in: g.k, out: g.n}
}

// candidates implements operation: smaller tiles if the large ones do not occupy the whole GPU, and
// cuBLAS if it is used.
func (g gemm) candidates(o *ops, add func(string, kernels.Call)) {
	g.m = rowsOf(g.m)
	o.viaKernel(&g, 0)
	first := o.c
	add(first.Kernel.Name, first)
	if int(first.Grid[0]) < o.d.info.Multiprocessors {
		for i, k := range o.k.Tiles(first.Kernel)[1:] {
			if k.Shared > o.d.info.SharedMemory {
				break // tile numbers have no gaps
			}
			o.viaKernel(&g, i+1)
			add(k.Name, o.c)
		}
	}
	if o.d.blas != nil && g.kind != gemmGLU {
		o.viaCUBLAS(&g)
		add(o.d.blas.name, o.c)
	}
}

// result implements operation: only a sum must be restored.
func (g gemm) result(*ops) (at uint64, bytes int) {
	if g.kind != gemmAdd {
		return 0, 0
	}
	return g.c, 4 * ((rowsOf(g.m)-1)*g.ldc + g.n)
}

// wrong implements operation.
func (g gemm) wrong(o *ops, who string, run func() error) (string, error) {
	g.m = rowsOf(g.m)
	return o.wrong(who, g, run)
}

// failed returns the message of an error if it is one of cuBLAS, otherwise the error.
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

// wrong runs the product of a candidate and returns what is wrong with the result, or "". Of some
// values, including the corners, none may differ from float64 by more than
//
//	8 sqrt(k) 2^-23 (sum |a b| + |previous value|) + u |value|
//
// where u is half a unit in the last place of c. For gemmGLU it is the sum of such errors of both
// products, times the slope of the activation, which is below 1.13. The first term bounds the error
// of a sum of k rounded products except with negligible probability (Higham and Mary, A new
// approach to probabilistic rounding error analysis, 2019); it uses twice float32's unit for tensor
// cores, which truncate instead of rounding. An error is an error of the device.
func (o *ops) wrong(who string, g gemm, run func() error) (string, error) {
	places := [][2]int{{0, g.n - 1}, {g.m - 1, 0}, {g.m - 1, g.n - 1}}
	for i := range benchChecks {
		places = append(places, [2]int{spread(i, g.m), spread((7*i)%benchChecks, g.n)})
	}
	t, u := runners.F32, 0x1p-24
	if (g.kind == gemmT || g.kind == gemmGLU) && o.t == runners.BF16 {
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
		case gemmGLU:
			up, e, err := dot(g.n + p[1])
			if err != nil {
				return "", err
			}
			gate := activations[g.act].of(want[i])
			tol[i] = 1.13*tol[i]*math.Abs(up) + math.Abs(gate)*e + 0x1p-20*math.Abs(gate*up)
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

// values reads n values of type t, after everything enqueued.
func (o *ops) values(at uint64, n int, t runners.DType) ([]float32, error) {
	v := make([]float32, n)
	err := o.st.download(o.d, at, int64(n*t.Size()), func(b []byte, at int64) { widen(v[int(at)/t.Size():][:len(b)/t.Size()], b, t) })
	return v, err
}
