package cpu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/optest"
	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
	"github.com/yocobench/yocobench/runners/pretrained"
)

// ggufType returns a GGUF type by name.
func ggufType(name string) (t gguf.Type) {
	for t.String() != name {
		t++
	}
	return t
}

// float16 returns v rounded towards 0 to a float16.
func float16(v float64) uint16 {
	if math.Abs(v) < 0x1p-14 { // a denormal
		return uint16(math.Abs(v)*0x1p24) | uint16(math.Float64bits(v)>>63<<15)
	}
	b := math.Float32bits(float32(v))
	return uint16(b>>16&0x8000) | uint16((b>>23&255-112)<<10) | uint16(b>>13&0x3ff)
}

// storedAs returns a random matrix in blocks of a GGUF type, with mean 0 and a standard deviation
// near sd.
func storedAs(r *rand.Rand, typ string, out, in int, sd float64) runners.Tensor {
	g := ggufType(typ)
	row, ok := g.Bytes(int64(in))
	if !ok {
		panic(fmt.Sprintf("%d values are no blocks of %s", in, typ))
	}
	data := make([]byte, int64(out)*row)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	values := 32
	if strings.HasSuffix(typ, "_K") {
		values = 256
	}
	block, _ := g.Bytes(int64(values))
	for at := data; len(at) > 0; at = at[block:] {
		s := sd * (0.7 + 0.6*r.Float64())
		put := func(i int, v float64) { binary.LittleEndian.PutUint16(at[i:], float16(v)) }
		switch typ {
		case "Q8_0", "IQ4_NL":
			put(0, s/70)
		case "Q4_0":
			put(0, -s/4.6)
		case "Q5_0":
			put(0, s/9.2)
		case "Q4_1":
			put(0, s/4.6)
			put(2, -7.5*s/4.6)
		case "Q5_1":
			put(0, s/9.2)
			put(2, -15.5*s/9.2)
		case "Q4_K":
			put(0, s/4.6/32)
			put(2, 7.5*s/4.6/32)
		case "Q5_K":
			put(0, s/9.2/32)
			put(2, 15.5*s/9.2/32)
		case "Q6_K":
			put(208, s/18/70)
		case "Q3_K":
			put(108, s/2.3/18)
		case "Q2_K":
			put(80, s/1.1/7.5)
			put(82, 1.5*s/1.1/7.5)
		}
	}
	return runners.Tensor{
		Name: typ, Shape: []int{out, in},
		Values: func(dst []float32, i int) {
			var v [256]float32
			for len(dst) > 0 {
				at := i / values
				if err := g.Dequantize(v[:values], data[int64(at)*block:][:block]); err != nil {
					panic(err)
				}
				n := copy(dst, v[i-at*values:values])
				dst, i = dst[n:], i+n
			}
		},
		Blocks: &runners.Blocks{Type: typ, Row: func(i int) []byte { return data[int64(i)*row:][:row] }},
	}
}

// hostOf returns the values of a tensor.
func hostOf(t runners.Tensor) optest.Host {
	h := optest.Host{Rows: t.Shape[0], Cols: t.Shape[1]}
	v := make([]float32, h.Rows*h.Cols)
	t.Decode(v, 0)
	for _, x := range v {
		h.V = append(h.V, float64(x))
	}
	return h
}

// quantTiers runs f for every tier with kernels of quantized weights.
func quantTiers(t *testing.T, f func(t *testing.T, opts runners.Options)) {
	for _, k := range cpu.Tiers() {
		t.Run(k.Name, func(t *testing.T) {
			switch {
			case !k.Available():
				t.Skipf("UNTESTED here: this machine lacks %s", k.Missing)
			case k.QuantRow == nil:
				t.Skip("no kernels of quantized weights")
			case testing.Short() && !fastest(k.Name):
				t.Skip("-short: the fastest tier alone")
			}
			f(t, runners.Options{Tier: k.Name, Weights: runners.Stored, KV: runners.BF16, Threads: 2})
		})
	}
}

// TestLinearQuantized compares stacks of stored types with float64. Few rows are compared with
// products of the dequantized weights and activations of 16 bits; more rows, and types without
// kernels, with products of weights rounded to bfloat16.
func TestLinearQuantized(t *testing.T) {
	quantTiers(t, func(t *testing.T, opts runners.Options) {
		o := openTest(t, opts)
		opts.Weights = runners.BF16
		plain := openTest(t, opts)
		r := rand.New(rand.NewPCG(1, 1))
		types := []string{"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"}
		for i, sh := range [][3]int{{1, 32, 1}, {1, 576, 97}, {2, 288, 33}, {3, 256, 64}, {4, 1536, 65}, {5, 1056, 31}, {o.k.MR, 2048, 40},
			{o.k.MR + 1, 512, 70}, {13, 1536, 3}, {97, 288, 33}, {200, 1024, 65}, {400, 96, 40}} {
			rows, in, out := sh[0], sh[1], sh[2]
			var of []string
			for _, typ := range types {
				if in%256 == 0 || !strings.HasSuffix(typ, "_K") {
					of = append(of, typ)
				}
			}
			for n := range of {
				if n%3 != i%3 && (rows > 3 || testing.Short()) {
					continue
				}
				a, b := of[n], of[(n+i+1)%len(of)]
				name := fmt.Sprintf("%dx%dx%d %s and %s", rows, in, out, a, b)
				sd := 1 / math.Sqrt(float64(in))
				t1, t2 := storedAs(r, a, out, in, sd), storedAs(r, b, out+5, in, sd)
				t3 := optest.Tensor(optest.Random(r, out, in, sd, runners.F32))
				x := optest.Random(r, rows, in, 1, runners.F32)
				for i := range x.V { // blocks of different sizes
					x.V[i] *= math.Exp2(float64(-i / 32 % 7))
				}
				base := optest.Random(r, rows, 2*out+5, 1, runners.F32)
				var got [2]optest.Host
				for d, o := range []*ops{o, plain} {
					stack, err := o.Weight(t1, t2)
					if err != nil {
						t.Fatal(err)
					}
					gated, err := o.Weight(t1, t3)
					if err != nil {
						t.Fatal(err)
					}
					xm, done1 := upload(t, o, x, 5)
					ym, done2 := upload(t, o, base, 2)
					o.LinearAdd(rows, ym, xm, stack)
					sum := optest.Get(t, o, ym, rows)
					o.Linear(rows, ym, xm, stack)
					got[d] = optest.Get(t, o, ym, rows)
					for i, v := range got[d].V {
						near(t, name+" LinearAdd", sum.V[i], base.V[i]+v, 1e-5*(1+math.Abs(v)))
					}
					w3, err := o.Weight(t3)
					if err != nil {
						t.Fatal(err)
					}
					o.GLU(rows, runners.Mat{Buf: ym.Buf, Col: 1, Cols: out}, xm, gated, runners.SiLU)
					gate := optest.Get(t, o, runners.Mat{Buf: ym.Buf, Col: 1, Cols: out}, rows)
					o.Linear(rows, runners.Mat{Buf: ym.Buf, Col: 1, Cols: out}, xm, w3)
					up := optest.Get(t, o, runners.Mat{Buf: ym.Buf, Col: 1, Cols: out}, rows)
					for i, v := range gate.V {
						want := optest.SiLU(got[d].At(i/out, i%out)) * up.V[i]
						near(t, name+" GLU", v, want, 1e-5*(1+math.Abs(want)))
					}
					targets, probs := make([]int, rows), make([]float32, rows)
					for i := range targets {
						targets[i] = r.IntN(2*out + 5)
					}
					if err := o.LogProbs(xm, stack, 0, targets, probs); err != nil {
						t.Fatal(err)
					}
					for i, p := range probs {
						s, row := 0.0, got[d].V[i*(2*out+5):(i+1)*(2*out+5)]
						for _, v := range row {
							s += math.Exp(v)
						}
						near(t, name+" LogProbs", float64(p), row[targets[i]]-math.Log(s), 1e-4)
					}
					done1()
					done2()
				}
				if rows > o.k.MR && (o.k.Tiles != nil || rows > quantFewRows) {
					tol := 0.0
					if in > 2*kBlock && in%256 != 0 {
						tol = 1e-5 // the sum is split at another place
					}
					for i, v := range got[1].V {
						near(t, name+": as bfloat16", got[0].V[i], v, tol)
					}
					continue
				}
				checkFew(t, name, o, got[0], x, t1, 0)
				checkFew(t, name, o, got[0], x, t2, out)
			}
		}
		for _, o := range []*ops{o, plain} {
			if err := o.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// checkFew compares the columns of a tensor, from col on, with float64.
func checkFew(t *testing.T, name string, o *ops, got, x optest.Host, tensor runners.Tensor, col int) {
	t.Helper()
	w := hostOf(tensor)
	if o.quantOf(tensor) == nil {
		w = w.As(runners.BF16)
		if o.k.Dot != nil {
			x = x.As(runners.BF16)
		}
	}
	for i := range x.Rows {
		for j := range w.Rows {
			want, size, rounding := 0.0, 0.0, 0.0
			for b := 0; b < x.Cols; b += 32 {
				most, weights := 0.0, 0.0
				for k := b; k < b+32; k++ {
					want += x.At(i, k) * w.At(j, k)
					size += math.Abs(x.At(i, k) * w.At(j, k))
					most, weights = max(most, math.Abs(x.At(i, k))), weights+math.Abs(w.At(j, k))
				}
				rounding += most * 0x1.01p-16 * weights
			}
			if o.quantOf(tensor) == nil {
				rounding = 0
			}
			// The values of the 4-bit types with minimums are differences of two sums, each several
			// times as large.
			near(t, fmt.Sprintf("%s (%d,%d)", name, i, col+j), got.At(i, col+j), want, rounding+float64(x.Cols/32+5)*0x1p-23*4*size)
		}
	}
}

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Fatalf("%s: got %g, want %g ± %g", what, got, want, tol)
	}
}

// TestEmbedQuantized: an embedding is the dequantized row of the table.
func TestEmbedQuantized(t *testing.T) {
	quantTiers(t, func(t *testing.T, opts runners.Options) {
		o := openTest(t, opts)
		r := rand.New(rand.NewPCG(2, 2))
		for _, typ := range []string{"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "Q3_K", "Q4_K", "Q5_K", "Q6_K"} {
			table := storedAs(r, typ, 70, 512, 1)
			w, err := o.Weight(table)
			if err != nil {
				t.Fatal(err)
			}
			tokens := []int{0, 69, 31, 32, 33, 5, 69}
			m, done := upload(t, o, optest.Random(r, len(tokens), 512, 1, runners.F32), 3)
			o.Embed(m, w, tokens, 2)
			got, want := optest.Get(t, o, m, len(tokens)), hostOf(table)
			for i, k := range tokens {
				for c := range 512 {
					near(t, typ, got.At(i, c), 2*want.At(k, c), 0)
				}
			}
			done()
		}
	})
}

// quantModel returns a config and weights for it. Each matrix is stored in the type that of
// returns; "" means not quantized.
type quantModel struct {
	cfg runners.Config
	of  func(p runners.TensorSpec) string
}

func (m quantModel) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	typ := ""
	if len(p.Shape) == 2 {
		typ = m.of(p)
	}
	if typ == "" {
		return checkpoint.Random(m.cfg, 1, runners.F32).Tensor(p)
	}
	seed := uint64(p.Layer+1)*1000 + uint64(len(p.Role)) + uint64(p.Role[0])
	sd := 1 / math.Sqrt(float64(p.Shape[1]))
	return storedAs(rand.New(rand.NewPCG(seed, 1)), typ, p.Shape[0], p.Shape[1], sd), nil
}
func (quantModel) Source() string { return "test" }
func (quantModel) Close() error   { return nil }

func quantConfig() runners.Config {
	return runners.Shape{Name: "quant", Arch: runners.Transformer, Dim: 256, Layers: 3, FFN: 512, Vocab: 300, Heads: 4, KVHeads: 2, HeadDim: 64, RopeTheta: 1e4, NormEps: 1e-5}.Config()
}

// allOf gives every matrix the same type.
func allOf(typ string) func(runners.TensorSpec) string {
	return func(runners.TensorSpec) string { return typ }
}

// TestQuantizedModel: steps agree with the model in bfloat16, do not depend on the number of
// threads or on the other rows of the batch, and the types are reported.
func TestQuantizedModel(t *testing.T) {
	quantTiers(t, func(t *testing.T, opts runners.Options) {
		mixed := []string{"Q4_K", "Q5_0", "Q8_0", "Q6_K", "Q4_1", "Q2_K", ""}
		w := quantModel{quantConfig(), func(p runners.TensorSpec) string { return mixed[(len(p.Role)+p.Layer+1)%len(mixed)] }}
		run := func(opts runners.Options) (all [][]float32, m runners.Instance) {
			m, err := New().Load(w.cfg, w, opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { m.Close() })
			ctx := context.Background()
			var ss []runners.Sequence
			for i := range 3 {
				s, err := m.NewSequence(100)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := m.Prefill(ctx, s, someTokens(40+i, w.cfg.Vocab, i)); err != nil {
					t.Fatal(err)
				}
				ss = append(ss, s)
			}
			step := func(ss []runners.Sequence, tokens []int) {
				logits := make([][]float32, len(ss))
				for i := range logits {
					logits[i] = make([]float32, w.cfg.Vocab)
				}
				if err := m.Step(ctx, ss, tokens, logits); err != nil {
					t.Fatal(err)
				}
				all = append(all, logits...)
			}
			f, err := ss[1].Fork()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			step(ss, []int{1, 2, 3})
			step([]runners.Sequence{f}, []int{2})
			return all, m
		}
		got, m := run(opts)
		sum := int64(0)
		for typ, n := range m.(runners.WeightTypes).WeightTypes() {
			sum += n
			if n <= 0 || typ == "Q2_K" {
				t.Errorf("%d bytes are held as %s", n, typ)
			}
		}
		if all := m.Usage().Weights; sum >= all || sum < all*9/10 { // all but the norms
			t.Errorf("matrices of %d bytes, weights of %d", sum, all)
		}
		size, err := New().StoredSize(w.cfg, w, opts)
		if err != nil {
			t.Fatal(err)
		}
		want := w.cfg.HeldBytes(0, 0, runners.Types{Weights: runners.Stored, StoredSize: size}, 0).Weights
		if held := m.Usage().Weights; held != want {
			t.Errorf("%d bytes of weights are held, %d are computed", held, want)
		}
		for i, v := range got[3] {
			if v != got[1][i] {
				t.Fatalf("logit %d is %g in a batch and %g alone", i, got[1][i], v)
			}
		}
		opts.Threads = 1
		one, _ := run(opts)
		opts.Weights = runners.BF16
		bf, _ := run(opts)
		for r := range got {
			for i, v := range got[r] {
				if v != one[r][i] {
					t.Fatalf("logit %d is %g with two threads and %g with one", i, v, one[r][i])
				}
				// Some 20 products with weights rounded to bfloat16, 2^-9 of each.
				near(t, "logit", float64(v), float64(bf[r][i]), 0.1)
			}
		}
	})
}

// TestQuantizedLoadErrors: weights that cannot be held as stored are an error, without a fallback.
func TestQuantizedLoadErrors(t *testing.T) {
	cfg := quantConfig()
	stored := runners.Options{Weights: runners.Stored, KV: runners.F32, Threads: 1, Tier: "go"}
	for _, c := range []struct {
		name string
		w    runners.Weights
		opts func(*runners.Options)
		is   error
		want string
	}{
		{"no quantized matrix", quantModel{cfg, allOf("")}, nil, runners.ErrUnsupported, "use f32 or bf16"},
		{"types without kernels", quantModel{cfg, allOf("Q2_K")}, nil, runners.ErrUnsupported, "Q4_K"},
		{"keys and values", quantModel{cfg, allOf("Q8_0")}, func(o *runners.Options) { o.KV = runners.Stored }, runners.ErrUnsupported, "keys and values"},
		{"memory", quantModel{cfg, allOf("Q8_0")}, func(o *runners.Options) { o.MemoryBudget = 1 << 20 }, runners.ErrOutOfMemory, "its weights are"},
		{"infinite scale", broken{quantModel{cfg, allOf("Q4_K")}, func(b []byte) []byte { return append([]byte{0, 0x7c}, b[2:]...) }}, nil, runners.ErrNotFinite, "row 7 of Q4_K"},
		{"short row", broken{quantModel{cfg, allOf("Q8_0")}, func(b []byte) []byte { return b[1:] }}, nil, nil, "row 7 of Q8_0 has"},
	} {
		opts := stored
		if c.opts != nil {
			c.opts(&opts)
		}
		m, err := New().Load(cfg, c.w, opts)
		if err == nil {
			m.Close()
			t.Errorf("%s: no error", c.name)
		} else if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// broken are weights with row 7 of each matrix changed.
type broken struct {
	quantModel
	change func([]byte) []byte
}

func (b broken) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	t, err := b.quantModel.Tensor(p)
	if t.Blocks != nil {
		row := t.Blocks.Row
		t.Blocks = &runners.Blocks{Type: t.Blocks.Type, Row: func(i int) []byte {
			if i == 7 {
				return b.change(row(i))
			}
			return row(i)
		}}
	}
	return t, err
}

// TestStoredSmolLM2: a step of a real model differs from float32 only by the rounding of the
// activations, a small part of the error of weights rounded to bfloat16.
func TestStoredSmolLM2(t *testing.T) {
	path := testenv.SmolLM2(t)
	quantTiers(t, func(t *testing.T, opts runners.Options) {
		if opts.Tier == "go" {
			t.Skip("slow")
		}
		m, err := pretrained.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		cfg := m.Config()
		var got [3][][]float32
		errs := map[runners.DType]float64{}
		for i, d := range []runners.DType{runners.F32, runners.BF16, runners.Stored} {
			opts.Weights, opts.KV = d, runners.F32
			in, err := New().Load(cfg, m, opts)
			if err != nil {
				t.Fatal(err)
			}
			s, err := in.NewSequence(16)
			if err != nil {
				t.Fatal(err)
			}
			for n, id := range someTokens(12, cfg.Vocab, 3) {
				got[i] = append(got[i], make([]float32, cfg.Vocab))
				if err := in.Step(context.Background(), []runners.Sequence{s}, []int{id}, got[i][n:]); err != nil {
					t.Fatal(err)
				}
				for j, v := range got[i][n] {
					errs[d] = max(errs[d], math.Abs(float64(v-got[0][n][j])))
				}
			}
			s.Close()
			in.Close()
		}
		t.Logf("largest differences of a logit from float32: bf16 %.3g, stored %.3g", errs[runners.BF16], errs[runners.Stored])
		if !(errs[runners.Stored] < errs[runners.BF16]/10) {
			t.Errorf("stored weights are off by %g, bfloat16 ones by %g", errs[runners.Stored], errs[runners.BF16])
		}
	})
}

// TestQuantizedStepAllocs: a step allocates nothing, also with a last panel of fewer outputs.
func TestQuantizedStepAllocs(t *testing.T) {
	quantTiers(t, func(t *testing.T, opts runners.Options) {
		opts.Threads = 1
		w := quantModel{quantConfig(), allOf("Q4_K")}
		m, err := New().Load(w.cfg, w, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, err := m.NewSequence(64)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ss, tokens, logits := []runners.Sequence{s}, []int{1}, [][]float32{make([]float32, w.cfg.Vocab)}
		if n := testing.AllocsPerRun(20, func() {
			if err := m.Step(context.Background(), ss, tokens, logits); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("a step allocates %g times", n)
		}
	})
}
