//go:build cuda

package cuda

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/internal/cudasim"
	"github.com/yocobench/yocobench/internal/optest"
	"github.com/yocobench/yocobench/internal/testenv"
	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
)

func TestMain(m *testing.M) {
	if err := Available(); err != nil {
		fmt.Fprintf(os.Stderr, "these tests need a GPU, or the simulated one (make cuda-test): %v\n", err)
		os.Exit(1)
	}
	if i, err := Inspect(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	} else if i.Name == "cudasim" {
		if sim, err = cudasim.Attach(); err != nil {
			fmt.Fprintf(os.Stderr, "the simulated GPU cannot be used: %v\n", err)
			os.Exit(1)
		}
	}
	poison = func(d *device, at cu.DevicePtr, bytes int64) {
		if sim != nil {
			if !sim.Poison(uint64(at), int(bytes)) {
				panic("poison outside the device's memory")
			}
			return
		}
		defer d.bind()()
		if err := cu.MemsetD8Async(at, 0xff, bytes, d.stream); err != nil {
			panic(err)
		}
	}
	ran := map[*kernels.Kernel]bool{}
	launched = func(k *kernels.Kernel) { ran[k] = true }
	code := m.Run()
	// If all tests ran, every kernel of every build and target that the GPU supports must have been
	// launched.
	if all := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""; code == 0 && all {
		for _, k := range shipped() {
			if !ran[k] {
				fmt.Fprintln(os.Stderr, "no test launches the kernel", k.File)
				code = 1
			}
		}
	}
	if now := held(); code == 0 && now != (holding{}) {
		fmt.Fprintf(os.Stderr, "after all tests the driver holds %+v\n", now)
		code = 1
	}
	os.Exit(code)
}

// onSimulator skips a test on a real GPU, because it sets faults or properties of the simulated GPU
// or reads its state.
func onSimulator(t testing.TB) {
	t.Helper()
	if sim == nil {
		testenv.Missing(t, "needs the simulated GPU (make cuda-test)")
	}
}

// shipped lists the kernels that this program has for this GPU.
func shipped() (all []*kernels.Kernel) {
	i, err := Inspect()
	if err != nil {
		panic(err)
	}
	for _, target := range kernels.Targets() {
		for _, build := range []string{"f32", "bf16"} {
			if _, _, err := i.target(target); err != nil {
				continue
			}
			s, err := kernels.Choose(build, target)
			if err != nil {
				panic(err)
			}
			all = append(all, s.All()...)
		}
	}
	return all
}

// sim is the simulated GPU, nil on a real one.
var sim *cudasim.Sim

// holding counts the allocations of the simulated driver. Leaked counts those still on the device
// when the last context ended: blocks, modules, streams and events.
type holding struct{ Contexts, Leaked, Pinned, Graphs, Execs int }

// held returns the current holding; zero on a real GPU.
func held() holding {
	if sim == nil {
		return holding{}
	}
	return holding{sim.Get("contexts"), sim.Get("leaked"), sim.Get("pinned"), sim.Get("graphs"), sim.Get("graph_execs")}
}

// combos lists the builds and targets that the GPU supports.
func combos(t testing.TB) (all []runners.Options) {
	i, err := Inspect()
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"sm_80", "sm_90a"} {
		if _, _, err := i.target(target); err != nil {
			t.Logf("UNTESTED here: %s: %v", target, err)
			continue
		}
		for _, d := range []runners.DType{runners.F32, runners.BF16} {
			all = append(all, runners.Options{Tier: target, Weights: d, KV: d})
		}
	}
	return all
}

func name(o runners.Options) string { return o.Tier + "/" + o.Weights.String() }

// openTest opens ops. At the end of the test no more may be held than before.
func openTest(t testing.TB, opts runners.Options) *ops {
	t.Helper()
	before := held()
	o, err := newOps(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, o, o, before) })
	return o
}

// closed closes c, which is o or a model that owns it, and fails if more is held than before.
func closed(t testing.TB, c io.Closer, o *ops, before holding) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if u := o.Usage(); u.Total() != 0 {
		t.Errorf("%d bytes are held after Close: %+v", u.Total(), u)
	}
	if now := held(); now != before {
		t.Errorf("the driver holds %+v after Close, %+v before", now, before)
	}
}

// tested adapts the device to optest.
func tested(t testing.TB, opts runners.Options) optest.Device {
	d := optest.Device{
		Weights: opts.Weights, KV: opts.KV, Inner: opts.Weights, Chunk: 1, Multiple: 1, Slow: sim != nil,
		Open: func(t testing.TB, budget int64) runners.Ops {
			o := opts
			o.MemoryBudget = budget
			return openTest(t, o)
		},
		Set: func(t testing.TB, o runners.Ops, m runners.Mat, h optest.Host) { set(t, o.(*ops), m, h) },
	}
	if opts.Weights == runners.BF16 {
		d.Multiple = 16
	}
	before := held()
	o, err := newOps(opts)
	if err != nil {
		t.Fatal(err)
	}
	d.Chunk = o.chunk()
	closed(t, o, o, before)
	return d
}

// set writes h into the first rows of a Mat.
func set(t testing.TB, o *ops, m runners.Mat, h optest.Host) {
	t.Helper()
	d, ok := o.mat(m, h.Rows, "set")
	if !ok {
		t.Fatal(o.Sync())
	}
	for r := range h.Rows {
		err := o.st.upload(o.d, d.row(r), int64(h.Cols*d.t.Size()), func(b []byte, at int64) {
			for i := range len(b) / d.t.Size() {
				v := float32(h.At(r, int(at)/d.t.Size()+i))
				if d.t == runners.F32 {
					binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
				} else {
					binary.LittleEndian.PutUint16(b[2*i:], runners.BFloat16(v))
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func each(t *testing.T, f func(*testing.T, optest.Device)) {
	for _, opts := range combos(t) {
		t.Run(name(opts), func(t *testing.T) { f(t, tested(t, opts)) })
	}
}

func TestLinear(t *testing.T)     { each(t, optest.Linear) }
func TestRows(t *testing.T)       { each(t, optest.Rows) }
func TestAttention(t *testing.T)  { each(t, optest.Attention) }
func TestRetain(t *testing.T)     { each(t, optest.Retain) }
func TestVariants(t *testing.T)   { each(t, optest.Variants) }
func TestErrors(t *testing.T)     { each(t, optest.Errors) }
func TestCacheBytes(t *testing.T) { each(t, optest.CacheBytes) }

// TestRopeFar: rotary positions are as accurate at ten million as at ten.
func TestRopeFar(t *testing.T) {
	for _, opts := range combos(t) {
		if opts.Weights != runners.F32 {
			continue
		}
		t.Run(opts.Tier, func(t *testing.T) { ropeFar(t, opts) })
	}
}

func ropeFar(t *testing.T, opts runners.Options) {
	o := openTest(t, opts)
	for _, spec := range []runners.Rope{{HeadDim: 16, Rotary: runners.Rotary{Theta: 1e4, EndPoint: true, Interleaved: true}}, {HeadDim: 16, Rotary: runners.Rotary{Theta: 5e5}}} {
		table := o.Rope(spec)
		for _, pos := range []int{0, 1023, 1024, 1000000, 10000019} {
			r := rand.New(rand.NewPCG(1, 9))
			x := optest.Host{Rows: 3, Cols: 16}
			for range 48 {
				x.V = append(x.V, float64(float32(r.NormFloat64())))
			}
			buf, err := o.Buffer(runners.Inner, 3, 16)
			if err != nil {
				t.Fatal(err)
			}
			set(t, o, runners.All(buf), x)
			o.Begin(&runners.Batch{Spans: []runners.Span{{Len: 3, Pos: pos}}, Rows: 3})
			rt, ok := o.rope(table, 16)
			m, _ := o.inner(runners.All(buf), 3, "")
			if !ok || !o.rotate(m, 3, 1, 16, rt) {
				t.Fatal(o.Sync())
			}
			got := [][]float32{make([]float32, 16), make([]float32, 16), make([]float32, 16)}
			if err := o.Read(runners.All(buf), got); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				for j, want := range optest.Rotated(x, i, 0, spec, pos+i) {
					if !(math.Abs(float64(got[i][j])-want) <= 1e-6) {
						t.Fatalf("%s, position %d: %d is %g, want %g", opts.Tier, pos+i, j, got[i][j], want)
					}
				}
			}
			buf.Close()
		}
	}
}

// TestProducts compares each kind of product in each build, with few rows and with many rows and
// each tile, with float64. In the float32 build the runner uses gemm_t for gemm_f32, because they
// are the same.
func TestProducts(t *testing.T) {
	for _, opts := range combos(t) {
		t.Run(name(opts), func(t *testing.T) {
			b := &bench{o: openTest(t, opts)}
			o := b.o
			for _, kind := range []gemmKind{gemmT, gemmF32, gemmAdd, gemmGLU} {
				for _, rows := range []int{gemvRows, gemvRows + 24} {
					const in, out, ld = 48, 130, 144
					x, err := b.inputs(rows*in, 2*out*in)
					if err != nil {
						t.Fatal(err)
					}
					c, err := b.output(rows*ld, runners.F32)
					if err != nil {
						t.Fatal(err)
					}
					if kind == gemmAdd {
						err := o.st.upload(o.d, c.at(0), c.bytes, func(p []byte, at int64) {
							for i := 0; i < len(p); i += 4 {
								binary.LittleEndian.PutUint32(p[i:], math.Float32bits(Input(7, (int(at)+i)/4)))
							}
						})
						if err != nil {
							t.Fatal(err)
						}
					}
					g := gemm{kind: kind, c: c.at(0), a: x[0].at(0), b: x[1].at(0), m: rows, n: out, k: in, ldc: ld, lda: in, ldb: in}
					o.viaKernel(&g, 0)
					for tile, k := range o.k.Tiles(o.c.Kernel) {
						o.viaKernel(&g, tile)
						if wrong, err := o.wrong(k.Name, g, b.launch); err != nil || wrong != "" {
							t.Errorf("%s of %d rows: %s %v", kind, rows, wrong, err)
						}
					}
				}
			}
			for _, x := range b.blocks {
				x.free()
			}
		})
	}
}

// TestPrefillTiles compares attention with each tile with float64, and checks that a wrong result
// is detected.
func TestPrefillTiles(t *testing.T) {
	for _, opts := range combos(t) {
		t.Run(name(opts), func(t *testing.T) {
			b := &bench{o: openTest(t, opts)}
			o := b.o
			defer func() {
				for _, x := range b.blocks {
					x.free()
				}
			}()
			for _, hd := range []int{64, 128} {
				const rows, slots, heads, kvHeads = 80, 260, 4, 2
				ld := heads * hd
				x, err := b.inputs(rows*ld, 2*kvHeads*slots*hd)
				if err != nil {
					t.Fatal(err)
				}
				dst, err := b.output(rows*ld, o.t)
				if err != nil {
					t.Fatal(err)
				}
				c := &cache{o: o, blk: x[1], heads: kvHeads, hd: hd, slots: slots, capacity: slots, len: slots}
				for _, shape := range [][2]int{{80, 0}, {64, 192}, {3, 130}} {
					p := prefill{dst: dst.at(0), q: x[0].at(0), ldDst: ld, ldQ: ld, cache: c, rows: shape[0], pos: shape[1], heads: heads}
					n := 0
					p.candidates(o, func(who string, call kernels.Call) {
						n++
						if wrong, err := p.wrong(o, who, func() error { return o.run(&call) }); err != nil || wrong != "" {
							t.Errorf("%d rows at %d: %s %v", p.rows, p.pos, wrong, err)
						}
						other := p
						other.heads, other.cache = 2, &cache{o: o, blk: x[1], heads: 1, hd: hd, slots: slots, capacity: slots, len: slots}
						if wrong, err := other.wrong(o, who, func() error { return o.run(&call) }); err != nil || wrong == "" {
							t.Errorf("%d rows at %d: a result of other heads passes: %v", p.rows, p.pos, err)
						}
					})
					if want := map[runners.DType]int{runners.F32: 1, runners.BF16: 2}[o.t]; n != want {
						t.Errorf("%d tiles for heads of %d, want %d", n, hd, want)
					}
				}
			}
		})
	}
}

// TestArgmax: argmax returns the first of the largest values, wherever it is in the kernel's blocks
// of 4096, and ignores NaN.
func TestArgmax(t *testing.T) {
	const n = 5003
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	rows := []map[int]float32{{0: 2}, {n - 1: 2}, {4095: 2, 4096: 2}, {4096: 2, 100: 2}, {7: inf, 5000: inf}, {3: nan, 4100: nan, 8: 2}, {}}
	want := []int32{0, n - 1, 4095, 100, 7, 8, 0, -1, 1}
	for _, opts := range combos(t) {
		t.Run(name(opts), func(t *testing.T) {
			o := openTest(t, opts)
			b, err := o.Buffer(runners.Logits, len(want), n)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			x := optest.Host{Rows: len(want), Cols: n, V: make([]float64, len(want)*n)}
			for i, row := range rows {
				for c, v := range row {
					x.V[i*n+c] = float64(v)
				}
			}
			for c := range n {
				x.V[7*n+c], x.V[8*n+c] = math.NaN(), math.Inf(-1)
			}
			x.V[8*n] = math.NaN()
			set(t, o, runners.All(b), x)
			out, ok := o.scratch(scratchParts, int64(4*len(want)))
			if !ok {
				t.Fatal(o.Sync())
			}
			o.k.Argmax(&o.c, out, b.(*buffer).blk.at(0), len(want), n, b.(*buffer).ld)
			o.enqueue()
			err = o.st.download(o.d, out, int64(4*len(want)), func(p []byte, _ int64) {
				for i, w := range want {
					if got := int32(binary.LittleEndian.Uint32(p[4*i:])); got != w {
						t.Errorf("row %d: the largest is %d, want %d", i, got, w)
					}
				}
			})
			if err = errors.Join(err, o.Sync()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUnsupported: sizes that the kernels do not support are errors.
func TestUnsupported(t *testing.T) {
	if _, err := newOps(runners.Options{Tier: "sm_75"}); err == nil {
		t.Error("an unknown tier was accepted")
	}
	o := openTest(t, runners.Options{Weights: runners.BF16, KV: runners.BF16})
	b, err := o.Buffer(runners.Inner, 1, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	o.inner(runners.Mat{Buf: b, Col: 3, Cols: 16}, 1, "test")
	if err := o.Sync(); !errors.Is(err, runners.ErrUnsupported) {
		t.Errorf("a misaligned column: %v", err)
	}
}
