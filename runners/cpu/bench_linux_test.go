package cpu

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/yocobench/yocobench/internal/optest"
	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// The benchmarks report next to each rate the limit from the cost model at this machine's peaks,
// and the fraction of it that is reached. They run on one thread and count the CPU time of the
// process, for the peaks as well as for the work, so other load on the machine affects them little.
// (`ns/op` is wall-clock time and is meaningless on a busy machine.) With `-args -threads N` they
// use N threads and count wall-clock time.

var benchThreads = flag.Int("threads", 1, "worker threads of the benchmarks; with more than one they count wall-clock time")

var peaksKnown sync.Map

func peaksOf(b *testing.B, opts runners.Options) runners.Profile {
	if p, ok := peaksKnown.Load(opts.Tier); ok {
		return p.(runners.Profile)
	}
	p, err := Peaks(context.Background(), runners.Options{Tier: opts.Tier, Threads: opts.Threads})
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("peaks of %d thread(s), %s: %.1f GFLOP/s float32, %.1f bfloat16, %.1f GB/s", opts.Threads, opts.Tier, p.GFLOPS, p.BF16GFLOPS, p.GBps)
	m := p.Profile(1)
	peaksKnown.Store(opts.Tier, m)
	return m
}

// rate runs f b.N times and reports the rate next to its limit: in GFLOP/s if the work is
// compute-bound, else in GB/s.
func rate(b *testing.B, work runners.Work, peak runners.Profile, weights runners.DType, f func()) {
	f()
	seconds := benchClock()
	b.ResetTimer()
	start := seconds()
	for range b.N {
		f()
	}
	b.StopTimer()
	used := (seconds() - start) / float64(b.N)
	total, limit := work.Total(), peak.LimitSeconds(work, weights)
	unit, amount := "GFLOP/s", total.FLOPs/1e9
	if total.FLOPs/peak.PeakOf(weights) < total.Bytes()/peak.Bandwidth {
		unit, amount = "GB/s", total.Bytes()/1e9
	}
	b.ReportMetric(used*1e6, "us/op")
	b.ReportMetric(amount/used, unit)
	b.ReportMetric(amount/limit, "limit-"+unit)
	b.ReportMetric(100*limit/used, "%-of-limit")
}

// reading returns peak with the bandwidth measured on the memory that a one-row operation reads,
// the best of several rounds: on a virtual machine some memory may be slower than other memory.
func reading(peak runners.Profile, rows int, o *ops, from *block) runners.Profile {
	if rows != 1 {
		return peak
	}
	peak.Bandwidth = 0
	for range peakRounds {
		peak.Bandwidth = max(peak.Bandwidth, o.readRound(from.data))
	}
	return peak
}

// cpuSeconds returns the CPU time used by this process.
func cpuSeconds() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

// benchClock returns the clock of the benchmarks: CPU time for one thread, else wall-clock time.
func benchClock() func() float64 {
	if *benchThreads == 1 {
		return cpuSeconds
	}
	start := time.Now()
	return func() float64 { return time.Since(start).Seconds() }
}

// kernel returns the work of one operation: FLOPs, and bytes read and written.
func kernel(flops, bytes float64) runners.Work {
	return runners.Work{Layers: runners.Cost{FLOPs: flops, Read: bytes}}
}

// benchTiers runs f for the tiers and weight types worth timing.
func benchTiers(b *testing.B, f func(b *testing.B, opts runners.Options)) {
	for _, t := range Tiers() {
		if !t.Available || t.Name == "go" {
			continue
		}
		for _, d := range []runners.DType{runners.F32, runners.BF16} {
			b.Run(fmt.Sprintf("%s/%s", t.Name, d), func(b *testing.B) {
				f(b, runners.Options{Tier: t.Name, Weights: d, KV: d, Threads: *benchThreads})
			})
		}
	}
}

func BenchmarkLinear(b *testing.B) {
	benchTiers(b, func(b *testing.B, opts runners.Options) {
		peak := peaksOf(b, opts)
		o := openTest(b, opts)
		r := rand.New(rand.NewPCG(1, 1))
		for _, sh := range [][3]int{{1024, 1024, 1024}, {512, 768, 2304}, {512, 768, 768}, {512, 768, 4096}, {512, 2048, 768}, {512, 128, 384}, {8, 4096, 11008}, {1, 16384, 11008}} {
			rows, in, out := sh[0], sh[1], sh[2]
			b.Run(fmt.Sprintf("%dx%dx%d", rows, in, out), func(b *testing.B) {
				w, err := o.Weight(optest.Tensor(optest.Random(r, out, in, 1, runners.F32)))
				if err != nil {
					b.Fatal(err)
				}
				x, done1 := upload(b, o, optest.Random(r, rows, in, 1, runners.F32), 0)
				y, done2 := upload(b, o, optest.Random(r, rows, out, 1, runners.F32), 0)
				defer done1()
				defer done2()
				rate(b, kernel(2*float64(rows*in*out), float64(in*out*opts.Weights.Size())), reading(peak, rows, o, w.(*weight).blk), opts.Weights, func() {
					o.Linear(rows, y, x, w)
					o.flush()
				})
			})
		}
	})
}

func BenchmarkAttend(b *testing.B) {
	benchTiers(b, func(b *testing.B, opts runners.Options) {
		peak := peaksOf(b, opts)
		for _, sh := range []struct{ heads, kvHeads, hd, pos, rows, window int }{
			{9, 3, 64, 0, 512, 0}, {9, 3, 64, 4096, 512, 0}, {4, 2, 32, 4096, 512, 0}, {6, 2, 128, 2048, 512, 0}, {4, 4, 32, 4096, 512, 64}, {12, 12, 64, 4096, 512, 1024},
			{9, 3, 64, 4096, 1, 0}, {9, 3, 64, 262144, 1, 0}, {12, 12, 64, 4096, 1, 0},
		} {
			b.Run(fmt.Sprintf("h%d-kv%d-hd%d-pos%d-rows%d-w%d", sh.heads, sh.kvHeads, sh.hd, sh.pos, sh.rows, sh.window), func(b *testing.B) {
				o := openTest(b, opts)
				r := rand.New(rand.NewPCG(1, 1))
				total := sh.pos + sh.rows
				kv, err := o.GlobalKV(sh.kvHeads, sh.hd, total)
				if sh.window > 0 {
					kv.Close()
					kv, err = o.WindowKV(sh.kvHeads, sh.hd, sh.window, total)
				}
				if err != nil {
					b.Fatal(err)
				}
				defer kv.Close()
				rope := o.Rope(runners.Rope{HeadDim: sh.hd, Rotary: runners.Rotary{Theta: 1e4}})
				k, done1 := upload(b, o, optest.Random(r, 512, sh.kvHeads*sh.hd, 1, runners.F32), 0)
				q, done2 := upload(b, o, optest.Random(r, 512, sh.heads*sh.hd, 1, runners.F32), 0)
				y, done3 := upload(b, o, optest.Random(r, 512, sh.heads*sh.hd, 1, runners.F32), 0)
				defer done1()
				defer done2()
				defer done3()
				caches := []runners.KV{kv}
				for p := 0; p < sh.pos && sh.window == 0; p += 512 {
					bt := &runners.Batch{Spans: []runners.Span{{Len: 512, Pos: p}}, Rows: 512}
					o.Begin(bt)
					o.AppendKV(bt, caches, k, k, rope)
				}
				if sh.window > 0 {
					kv.(*cache).len = sh.pos
				}
				bt := &runners.Batch{Spans: []runners.Span{{Len: sh.rows, Pos: sh.pos}}, Rows: sh.rows}
				o.Begin(bt)
				if sh.window == 0 {
					o.AppendKV(bt, caches, k, k, rope)
				}
				f := func() {
					if sh.window > 0 {
						o.AttendWindow(bt, runners.Windowed{Dst: y, Q: q, K: k, V: k, Heads: sh.heads, KV: caches, Rope: rope})
					} else {
						o.Attend(bt, runners.Attended{Dst: y, Q: q, Heads: sh.heads, KV: caches, Rope: rope})
					}
				}
				seen := total
				if sh.window > 0 {
					seen = sh.window + sh.rows
				}
				rate(b, kernel(float64(attendFLOPs(sh.heads, sh.hd, sh.pos, sh.rows, sh.window)), float64(2*seen*sh.kvHeads*sh.hd*opts.KV.Size())), reading(peak, sh.rows, o, kv.(*cache).blk), opts.Weights, f)
				if err := o.Sync(); err != nil {
					b.Fatal(err)
				}
			})
		}
	})
}

func BenchmarkRetain(b *testing.B) {
	benchTiers(b, func(b *testing.B, opts runners.Options) {
		if opts.Weights == runners.BF16 {
			b.Skip("always float32")
		}
		peak := peaksOf(b, opts)
		for _, sh := range []struct{ heads, hd, rows int }{{2, 64, 512}, {3, 256, 512}, {4, 128, 512}, {3, 256, 1}} {
			b.Run(fmt.Sprintf("h%d-hd%d-rows%d", sh.heads, sh.hd, sh.rows), func(b *testing.B) {
				o := openTest(b, opts)
				r := rand.New(rand.NewPCG(1, 1))
				var m [5]runners.Mat
				for i := range m {
					cols := sh.heads * sh.hd
					if i == 4 {
						cols = sh.heads
					}
					var done func()
					m[i], done = upload(b, o, optest.Random(r, sh.rows, cols, 1, runners.F32), 0)
					defer done()
				}
				y, done := upload(b, o, optest.Random(r, sh.rows, sh.heads*sh.hd, 1, runners.F32), 0)
				defer done()
				s, err := o.State(sh.heads, sh.hd)
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				rope := o.Rope(runners.Rope{HeadDim: sh.hd, Rotary: runners.Rotary{Theta: 1e4, EndPoint: true, Interleaved: true}})
				bt := &runners.Batch{Spans: []runners.Span{{Len: sh.rows}}, Rows: sh.rows}
				o.Begin(bt)
				st := []runners.State{s}
				f := func() {
					o.Retain(bt, runners.Retained{Dst: y, Q: m[0], K: m[1], V: m[2], Gate: m[3], Decay: m[4], Heads: sh.heads, State: st, Rope: rope, Eps: 1e-5})
				}
				rate(b, kernel(float64(sh.heads)*float64(retentionFLOPs(sh.rows, RetentionChunk, sh.hd)), float64(2*4*sh.heads*sh.hd*sh.hd)), peak, opts.Weights, f)
			})
		}
	})
}

// benchConfigs are whole models: the layers of SmolLM2-135M (8 of 30 layers and a sixth of the
// vocabulary, which are still larger than the caches and faster to make), and the shapes of the
// small embedded models.
func benchConfigs() []runners.Config {
	smol := runners.Shape{Name: "smollm2-layers", Arch: runners.Transformer, Dim: 576, Layers: 8, FFN: 1536, Vocab: 8192, Heads: 9, KVHeads: 3, HeadDim: 64, RopeTheta: 1e5, NormEps: 1e-5}
	tiny := runners.Shape{Name: "tiny-yoco-gret", Arch: runners.YOCOGatedRetention, Dim: 128, Layers: 8, FFN: 320, Vocab: 256, SelfHeads: 2, Heads: 4, KVHeads: 2, HeadDim: 32, RopeTheta: 1e6, NormEps: 1e-5}
	swa := tiny
	swa.Name, swa.Arch, swa.SelfHeads, swa.Window = "tiny-yoco-swa", runners.YOCOSlidingWindow, 4, 64
	return []runners.Config{smol.Config(), tiny.Config(), swa.Config()}
}

// BenchmarkModel prefills 2048 tokens and decodes at depths 0 and 4096, and compares each with the
// cost model at the peaks.
func BenchmarkModel(b *testing.B) {
	benchTiers(b, func(b *testing.B, opts runners.Options) {
		peak := peaksOf(b, opts)
		for _, c := range benchConfigs() {
			b.Run(c.Name, func(b *testing.B) { benchModel(b, c, opts, peak) })
		}
	})
}

func benchModel(b *testing.B, c runners.Config, opts runners.Options, peak runners.Profile) {
	ctx := context.Background()
	m := load(b, c, opts)
	s, err := m.NewSequence(1 << 14)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	types := runners.Types{Weights: opts.Weights, KV: opts.KV}
	b.Run("prefill2048", func(b *testing.B) {
		ids := someTokens(2048, c.Vocab, 1)
		rate(b, c.PrefillWork(len(ids), 0, types), peak, opts.Weights, func() {
			if err := s.Truncate(ctx, 0); err != nil {
				b.Fatal(err)
			}
			if err := m.Prefill(ctx, s, ids); err != nil {
				b.Fatal(err)
			}
		})
	})
	for _, depth := range []int{0, 4096} {
		b.Run(fmt.Sprintf("decode@%d", depth), func(b *testing.B) {
			if err := s.Truncate(ctx, 0); err != nil {
				b.Fatal(err)
			}
			if depth > 0 {
				if err := m.Prefill(ctx, s, someTokens(depth, c.Vocab, 1)); err != nil {
					b.Fatal(err)
				}
			}
			logits := [][]float32{make([]float32, c.Vocab)}
			ss, n := []runners.Sequence{s}, 0
			rate(b, c.StepWork(depth, 1, types), peak, opts.Weights, func() {
				if n++; n%64 == 0 && depth == 0 {
					_ = s.Truncate(ctx, 0)
				}
				if err := m.Step(ctx, ss, []int{1}, logits); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// BenchmarkStored decodes with models in bfloat16 and in quantized blocks, one after the other in
// each round, so that all meet the same machine. It reports the best rate of each, the bandwidth
// that its weights take, and the median of its speed over that of bfloat16 in the same round; and
// the same for a prompt of 512 tokens.
func BenchmarkStored(b *testing.B) {
	for _, t := range Tiers() {
		if !t.Available || t.Name == "go" {
			continue
		}
		if k, _, _ := cpu.Choose(t.Name); k.QuantRow == nil {
			continue
		}
		b.Run(t.Name, func(b *testing.B) {
			smol := runners.Shape{Name: "smollm2-135m", Arch: runners.Transformer, Dim: 576, Layers: 30, FFN: 1536, Vocab: 49152, Heads: 9, KVHeads: 3, HeadDim: 64, RopeTheta: 1e5, NormEps: 1e-5}
			wide := runners.Shape{Name: "dim2048-4-layers", Arch: runners.Transformer, Dim: 2048, Layers: 4, FFN: 5632, Vocab: 32000, Heads: 32, KVHeads: 4, HeadDim: 64, RopeTheta: 1e4, NormEps: 1e-5}
			opts := runners.Options{Tier: t.Name, KV: runners.BF16, Threads: *benchThreads}
			b.Run(smol.Name, func(b *testing.B) { benchStored(b, smol.Config(), opts, "Q8_0", "Q4_0", "Q4_1") })
			b.Run(wide.Name, func(b *testing.B) { benchStored(b, wide.Config(), opts, "Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K") })
		})
	}
}

func benchStored(b *testing.B, c runners.Config, opts runners.Options, types ...string) {
	ctx := context.Background()
	peak := peaksOf(b, opts)
	type side struct {
		name  string
		m     runners.Instance
		s     runners.Sequence
		rates []float64 // of decoding, tokens/s
		fills []float64 // of a prompt, tokens/s
	}
	sides := []*side{{name: "bf16"}}
	for _, typ := range types {
		sides = append(sides, &side{name: typ})
	}
	for i, x := range sides {
		typ := types[max(0, i-1)]
		opts.Weights = runners.Stored
		if i == 0 {
			opts.Weights = runners.BF16
		}
		var err error
		if x.m, err = New().Load(c, quantModel{c, allOf(typ)}, opts); err != nil {
			b.Fatal(err)
		}
		defer x.m.Close()
		if x.s, err = x.m.NewSequence(1024); err != nil {
			b.Fatal(err)
		}
		defer x.s.Close()
	}
	seconds, logits := benchClock(), [][]float32{make([]float32, c.Vocab)}
	const steps = 8
	prompt := someTokens(512, c.Vocab, 1)
	b.ResetTimer()
	for range max(b.N, 5) {
		for _, x := range sides {
			if err := x.s.Truncate(ctx, 0); err != nil {
				b.Fatal(err)
			}
			start := 0.0
			for i := range steps + 1 {
				if i == 1 { // the first finds the caches full of another model
					start = seconds()
				}
				if err := x.m.Step(ctx, []runners.Sequence{x.s}, []int{i}, logits); err != nil {
					b.Fatal(err)
				}
			}
			x.rates = append(x.rates, steps/(seconds()-start))
		}
		for _, x := range sides {
			if err := x.s.Truncate(ctx, 0); err != nil {
				b.Fatal(err)
			}
			start := seconds()
			if err := x.m.Prefill(ctx, x.s, prompt); err != nil {
				b.Fatal(err)
			}
			x.fills = append(x.fills, float64(len(prompt))/(seconds()-start))
		}
	}
	b.StopTimer()
	times := func(x, base []float64) float64 {
		var times []float64
		for i, r := range x {
			times = append(times, r/base[i])
		}
		slices.Sort(times)
		return times[len(times)/2]
	}
	for _, x := range sides {
		best := slices.Max(x.rates)
		b.ReportMetric(best, x.name+"-tok/s")
		b.ReportMetric(100*best*float64(x.m.Usage().Weights)/peak.Bandwidth, x.name+"-%-of-GB/s")
		if x != sides[0] {
			b.ReportMetric(times(x.rates, sides[0].rates), x.name+"-x-bf16")
			b.ReportMetric(times(x.fills, sides[0].fills), x.name+"-prompt-x-bf16")
		}
	}
}
