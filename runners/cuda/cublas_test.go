//go:build cuda

package cuda

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/internal/cudasim"
	"github.com/yocobench/yocobench/internal/optest"
	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners"
)

// Tests run without cuBLAS unless they call useCUBLAS.
var installedCUBLAS = cublasNames

func init() { cublasNames = nil }

// useCUBLAS lets a test use cuBLAS. fault is a fault of the simulated one (YOCOSIM_CUBLAS). Earlier
// choices are forgotten. At the end of the test no handle may be left.
func useCUBLAS(t *testing.T, fault string) {
	t.Helper()
	if fault != "" {
		onSimulator(t)
	}
	cublasNames = installedCUBLAS
	if _, err := CUBLAS(); err != nil {
		cublasNames = nil
		if sim != nil { // part of the simulated GPU
			t.Fatal(err)
		}
		testenv.Missing(t, "no cuBLAS: %v", err)
	}
	t.Setenv("YOCOSIM_CUBLAS", fault)
	clear(made.choices)
	t.Cleanup(func() {
		cublasNames = nil
		clear(made.choices)
		if n := cudasim.CUBLASHandles(); sim != nil && n != 0 {
			t.Errorf("%d handles of cuBLAS are left", n)
		}
	})
}

// both returns options for both number types, with the best kernels of this GPU and tier.
func both(tier string) []runners.Options {
	return []runners.Options{{Tier: tier, Weights: runners.F32, KV: runners.F32}, {Tier: tier, Weights: runners.BF16, KV: runners.BF16}}
}

// TestCUBLASGolden runs the fixtures with cuBLAS for every product of more than 16 rows. A step has
// fewer and is the same as in TestGolden.
func TestCUBLASGolden(t *testing.T) {
	useCUBLAS(t, "")
	dirs, err := filepath.Glob("../../testdata/golden/*/config.json")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, opts := range both(TierCUBLAS) {
		for _, d := range dirs {
			d = filepath.Dir(d)
			t.Run(name(opts)+"/"+filepath.Base(d), func(t *testing.T) {
				golden(t, d, 0, opts, runners.Options{Weights: runners.BF16}, weightsGrowth)
			})
		}
	}
	kinds := map[string]bool{}
	for _, c := range made.choices {
		for _, w := range c.Candidates {
			if strings.HasPrefix(w.Name, "cuBLAS") {
				kinds[c.Kernel+" "+c.DType] = true
			}
			if w.Note != "" {
				t.Error(c)
			}
		}
	}
	for _, k := range []string{"gemm_t f32", "gemm_t bf16", "gemm_add f32", "gemm_add bf16"} {
		if !kinds[k] {
			t.Errorf("no product %s used cuBLAS: %v", k, kinds)
		}
	}
}

// TestCUBLASLinear compares products of ragged shapes by cuBLAS with float64, on poisoned memory.
func TestCUBLASLinear(t *testing.T) {
	useCUBLAS(t, "")
	for _, opts := range both(TierCUBLAS) {
		t.Run(name(opts), func(t *testing.T) { optest.Linear(t, tested(t, opts)) })
	}
	if len(made.choices) == 0 {
		t.Error("nothing used cuBLAS")
	}
}

// multiplied computes one product of each kind, of rows by [in] times [out, in]ᵀ, and returns the
// choices.
func multiplied(t *testing.T, o *ops, rows, in, out int) ([]string, error) {
	t.Helper()
	values := func(n int) optest.Host {
		h := optest.Host{Rows: n, Cols: in}
		for i := range n * in {
			h.V = append(h.V, float64(Input(n, i)))
		}
		return h
	}
	x, w := values(rows), values(out)
	f := make([]byte, 0, 4*out*in)
	for _, v := range w.V {
		b := math.Float32bits(float32(v))
		f = append(f, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
	}
	weight, err := o.Weight(runners.Tensor{Name: "w", DType: runners.F32, Shape: []int{out, in}, Data: f})
	if err != nil {
		t.Fatal(err)
	}
	buffer := func(k runners.BufferKind, cols int) runners.Mat {
		b, err := o.Buffer(k, rows, cols)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return runners.All(b)
	}
	xm, inner, sum, logits := buffer(runners.Inner, in), buffer(runners.Inner, out), buffer(runners.Residual, out), buffer(runners.Logits, out)
	set(t, o, xm, x)
	base := optest.Host{Rows: rows, Cols: out, V: make([]float64, rows*out)}
	for i := range base.V {
		base.V[i] = float64(Input(9, i))
	}
	set(t, o, sum, base)
	o.Begin(&runners.Batch{Spans: []runners.Span{{Len: rows}}, Rows: rows})
	o.Linear(rows, inner, xm, weight)
	o.Linear(rows, logits, xm, weight)
	o.LinearAdd(rows, sum, xm, weight)
	for i, m := range []runners.Mat{inner, logits, sum} {
		got := make([][]float32, rows)
		for r := range got {
			got[r] = make([]float32, out)
		}
		if err := o.Read(m, got); err != nil {
			return o.choices(), err
		}
		for r := range rows {
			for c := range out {
				want := 0.0
				for j := range in {
					want += x.V[r*in+j] * w.V[c*in+j]
				}
				if i == 2 {
					want += base.V[r*out+c]
				}
				if d := math.Abs(float64(got[r][c]) - want); !(d <= (2e-5+0x1p-8)*(1+math.Abs(want))) {
					t.Fatalf("product %d: row %d, column %d is %g, want %g", i, r, c, got[r][c], want)
				}
			}
		}
	}
	return o.choices(), o.Sync()
}

// TestCUBLASChoice: cuBLAS is chosen, once, if it is right and faster. If it is wrong, slow or
// fails, it is not chosen, and the log says why.
func TestCUBLASChoice(t *testing.T) {
	for _, c := range []struct{ fault, want string }{
		{"", ": cuBLAS 12.0.0, "}, {"slow", "; cuBLAS 12.0.0 2"}, {"wrong", "; cuBLAS 12.0.0 is wrong"}, {"nan", "is NaN"},
		{"fail", "; a product by cuBLAS 12.0.0: cuBLAS status 15, not supported"}, {"create", "cuBLAS is not used: cuBLAS 12.0.0 does not start: out of memory: cuBLAS status 3"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			onSimulator(t)
			useCUBLAS(t, c.fault)
			opts := both("")[1]
			o := openTest(t, opts)
			lines, err := multiplied(t, o, 40, 64, 50)
			if err != nil {
				t.Fatal(err)
			}
			want := 3
			if c.fault == "create" {
				want = 4
			}
			if len(lines) != want {
				t.Errorf("choices: %q, want %d", lines, want)
			}
			for _, l := range lines {
				if c.fault == "create" && strings.HasPrefix(l, "gemm_") { // a choice among our tiles only
					if strings.Contains(l, "cuBLAS") {
						t.Errorf("%q names cuBLAS", l)
					}
				} else if !strings.Contains(l, c.want) {
					t.Errorf("%q does not contain %q", l, c.want)
				}
			}
			if got := o.choices(); c.fault != "create" && len(got) != 0 {
				t.Errorf("without a new product, the choices are %q", got)
			}
			// A choice applies to the whole process, and to up to twice as many rows.
			t.Setenv("YOCOSIM_CUBLAS", "")
			before := len(made.choices)
			again, err := multiplied(t, openTest(t, opts), 60, 64, 50)
			if err != nil {
				t.Fatal(err)
			}
			if c.fault != "create" && (strings.Join(again, "\n") != strings.Join(lines, "\n") || len(made.choices) != before) {
				t.Errorf("a second model chose %q, the first %q", again, lines)
			}
		})
	}
}

// TestCUBLASForced: if cuBLAS was requested and cannot compute a product, that is an error.
func TestCUBLASForced(t *testing.T) {
	for _, c := range []struct{ fault, want string }{
		{"slow", ""}, {"wrong", "cuBLAS 12.0.0 is wrong"}, {"nan", "is NaN"}, {"fail", "not supported"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			useCUBLAS(t, c.fault)
			o := openTest(t, both(TierCUBLAS)[0])
			lines, err := multiplied(t, o, 20, 16, 18)
			switch {
			case c.want == "" && (err != nil || !strings.Contains(lines[0], ": cuBLAS 12.0.0, ")):
				t.Errorf("%v: %q", err, lines)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	t.Run("create", func(t *testing.T) {
		useCUBLAS(t, "create")
		if _, err := newOps(both(TierCUBLAS)[0]); !errors.Is(err, runners.ErrOutOfMemory) {
			t.Errorf("a handle that cannot be made: %v", err)
		}
	})
	if _, err := newOps(both(TierCUBLAS)[0]); !errors.Is(err, errNoCUBLAS) {
		t.Errorf("no cuBLAS: %v", err)
	}
}

// TestCUBLASAbsent: without cuBLAS the log does not mention it.
func TestCUBLASAbsent(t *testing.T) {
	if s, err := CUBLAS(); !errors.Is(err, errNoCUBLAS) {
		t.Errorf("%q, %v", s, err)
	}
	lines, err := multiplied(t, openTest(t, both("")[1]), 40, 64, 50)
	if err != nil || strings.Contains(strings.Join(lines, "\n"), "cuBLAS") {
		t.Errorf("%q, %v", lines, err)
	}
	cublasNames = []string{"libm.so.6"}
	t.Cleanup(func() { cublasNames = nil })
	if _, err := CUBLAS(); err == nil || !strings.Contains(err.Error(), "libm.so.6 has no cublasCreate_v2") {
		t.Errorf("another library: %v", err)
	}
}

// TestCUBLASTargets: with a target as tier, cuBLAS is not used.
func TestCUBLASTargets(t *testing.T) {
	useCUBLAS(t, "")
	for _, opts := range combos(t) {
		o := openTest(t, opts)
		if lines, err := multiplied(t, o, 20, 16, 18); err != nil || strings.Contains(strings.Join(lines, "\n"), "cuBLAS") || o.d.blas != nil {
			t.Errorf("%s: %q, %v", name(opts), lines, err)
		}
	}
}

// TestCUBLASModel: with cuBLAS the same memory is held except for its workspace, steps of many
// sequences become a graph, and the clock excludes choosing.
func TestCUBLASModel(t *testing.T) {
	const batch = 20
	for _, a := range runners.Arches() {
		t.Run(string(a), func(t *testing.T) {
			ctx, c := context.Background(), tiny(a)
			var held [2]runners.Usage
			var logits [2][][]float32
			for i := range 2 {
				if i == 1 {
					useCUBLAS(t, "")
				}
				m := load(t, c, runners.Options{})
				m.ResetPeak()
				ss := sequences(t, m, batch, 40)
				ids := make([]int, batch)
				for s := range batch {
					ids[s] = s
					logits[i] = append(logits[i], make([]float32, c.Vocab))
				}
				q := &m.o.q
				for range 4 {
					if err := m.Step(ctx, ss, ids, logits[i]); err != nil {
						t.Fatal(err)
					}
				}
				if q.captured != 1 {
					t.Errorf("%d graphs of a step of %d sequences, want 1", q.captured, batch)
				}
				launched := q.launched
				if n := testing.AllocsPerRun(2, func() {
					if err := m.Step(ctx, ss, ids, logits[i]); err != nil {
						t.Fatal(err)
					}
				}); n != 0 || q.launched != launched {
					t.Errorf("a step allocates %g times, and launches %d kernels outside its graph", n, q.launched-launched)
				}
				held[i] = m.Usage()
				lines := m.AlgorithmLog()
				if i == 1 && (len(lines) < 4 || !strings.Contains(lines[0], "gemm_add ")) || i == 0 && len(lines) != 0 {
					t.Errorf("choices: %q", lines)
				}
			}
			with, without := held[1], held[0]
			with.Workspace -= cublasWorkspace
			with.Peak -= cublasWorkspace
			if sim != nil && with != without {
				t.Errorf("held with cuBLAS, without its workspace, %+v; without cuBLAS %+v", with, without)
			}
			for s, row := range logits[1] {
				for j, v := range row {
					if d := math.Abs(float64(v - logits[0][s][j])); !(d <= 1e-4) {
						t.Fatalf("logit %d of sequence %d is %g with cuBLAS, %g without", j, s, v, logits[0][s][j])
					}
				}
			}
		})
	}
}

// TestCUBLASClock: choosing does not count as the model's time, however slow this machine is.
func TestCUBLASClock(t *testing.T) {
	useCUBLAS(t, "slow") // 0.2 s per product; choosing runs at least six
	m := load(t, tiny(runners.Transformer), runners.Options{})
	s, err := m.NewSequence(80)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	began := time.Now()
	start := m.Now()
	if err := m.Prefill(context.Background(), s, tokens(20, 50)); err != nil {
		t.Fatal(err)
	}
	took, passed, choosing := m.Now()-start, time.Since(began), time.Duration(0)
	for _, c := range made.choices {
		if len(c.Candidates) > 1 {
			choosing += 6 * 200 * time.Millisecond
		}
	}
	if !(took > 0 && took <= passed-choosing) || choosing == 0 {
		t.Errorf("a prefill took %v of %v by the model's clock, of which choosing took %v", took, passed, choosing)
	}
}

// TestCUBLASFailures: whichever call fails, including calls of cuBLAS, the model works or returns
// an error, and nothing is left allocated.
func TestCUBLASFailures(t *testing.T) {
	c := tiny(runners.YOCOSlidingWindow)
	run := func(m runners.Instance) error {
		s, err := m.NewSequence(60)
		if err != nil {
			return err
		}
		return errors.Join(m.Prefill(context.Background(), s, tokens(20, c.Vocab)), s.Close())
	}
	for _, k := range []struct {
		name  string
		err   error
		calls []string
		step  int
	}{
		{"memory", cu.OutOfMemory, []string{callAlloc, callEvent, callPinned}, 5},
		{"status", cublasStatus(14), []string{callCUBLAS}, 2},
		{"device", cu.LaunchFailed, []string{callCUBLAS}, 3},
	} {
		t.Run(k.name, func(t *testing.T) {
			useCUBLAS(t, "")
			n := 0
			for ; ; n += k.step {
				clear(made.choices)
				f := fail(t, n, k.err, k.calls...)
				m, err := tried(c, run)
				inject = nil
				if reached := f.seen > n; err != nil && (!reached || !errors.Is(err, k.err) && !errors.Is(err, runners.ErrOutOfMemory)) {
					t.Fatalf("call %d of %d failed: %v", n, f.seen, err)
				}
				if m != nil {
					if k.name == "memory" {
						if err := run(m); err != nil {
							t.Errorf("after call %d failed, the model does not work: %v", n, err)
						}
					}
					closed(t, m, m.(*model).o, holding{})
				}
				if f.seen <= n {
					break
				}
			}
			if n < 20 {
				t.Errorf("only %d calls were seen", n)
			}
			t.Logf("one in %d of %d calls failed", k.step, n)
		})
	}
}

// TestRowsOf: only a few numbers of rows are timed, and never more than the product has.
func TestRowsOf(t *testing.T) {
	for m, want := range map[int]int{17: 17, 31: 17, 32: 32, 63: 32, 8191: 4096, 8192: 8192, 16384: 8192, 1 << 20: 8192} {
		if got := rowsOf(m); got != want {
			t.Errorf("%d rows are timed with %d, want %d", m, got, want)
		}
	}
}

// TestCUBLASPeak: a faster cuBLAS raises the peak, a slower or wrong one does not, and both speeds
// are reported.
func TestCUBLASPeak(t *testing.T) {
	onSimulator(t)
	for _, c := range []struct{ fault, by, wrong string }{{"fast", "cuBLAS 12.0.0", ""}, {"slow", "gemm_t ", ""}, {"wrong", "gemm_t ", "cuBLAS 12.0.0 is wrong"}, {"create", "gemm_t ", "does not start"}} {
		t.Run(c.fault, func(t *testing.T) {
			useCUBLAS(t, c.fault)
			p, err := Peaks(context.Background(), both("")[1])
			if err != nil {
				t.Fatal(err)
			}
			if p.GFLOPS != max(p.Ours, p.CUBLAS) || !(p.Ours > 0) || !strings.HasPrefix(p.By, c.by) || !strings.Contains(p.NoCUBLAS, c.wrong) {
				t.Errorf("%+v", p)
			}
			if timed := p.CUBLAS > 0; timed != (c.wrong == "") {
				t.Errorf("cuBLAS was timed: %t: %+v", timed, p)
			}
			if p.GBps != max(p.CopyGBps, p.ReadGBps) || !(min(p.CopyGBps, p.ReadGBps) > 0) {
				t.Errorf("bandwidths: %+v", p)
			}
		})
	}
}

// TestUseCUBLAS: a file in another folder is used, and a file that is not cuBLAS is rejected.
func TestUseCUBLAS(t *testing.T) {
	onSimulator(t)
	useCUBLAS(t, "")
	var file string
	for _, d := range filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")) {
		if _, err := os.Stat(filepath.Join(d, "libcublas.so.12")); err == nil {
			file = filepath.Join(d, "libcublas.so.12")
		}
	}
	dir := t.TempDir()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"libcublas.so.13": b, "other.so": []byte("no library")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := UseCUBLAS(filepath.Join(dir, "libcublas.so.13")); err != nil {
		t.Error(err)
	}
	if name, err := CUBLAS(); name != "cuBLAS 12.0.0" {
		t.Errorf("%q, %v", name, err)
	}
	for name, want := range map[string]string{"other.so": "other.so: file too short", "libcublas.so.14": "no such file"} {
		if err := UseCUBLAS(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
