package cpu

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// The benchmarks show beside each time the rate and its share of this
// machine's peak. They run on one thread and count the processor time that the
// process got, for the peak as well as for the work, so that what else runs on
// the machine distorts them little. (`time/op` is wall-clock time and says
// nothing on a busy machine.)

var peaksKnown sync.Map

func peaksOf(b *testing.B, opts runners.Options) Peak {
	key := fmt.Sprint(opts.Tier, opts.Weights)
	if p, ok := peaksKnown.Load(key); ok {
		return p.(Peak)
	}
	o := openTest(b, opts)
	var p Peak
	blk, err := o.pool.take(partWorkspace, 256<<20, 0)
	if err != nil || !o.growWorkers(peakScratch) {
		b.Fatal(err)
	}
	defer blk.free()
	clear(o.crew.workers[0].scratch)
	clear(blk.data)
	for range 10 {
		p.GFLOPS = max(p.GFLOPS, o.computeRound()/1e9)
		p.GBps = max(p.GBps, o.readRound(blk.data)/1e9)
	}
	b.Logf("peak of one thread, %s %s: %.1f GFLOP/s, %.1f GB/s", opts.Tier, opts.Weights, p.GFLOPS, p.GBps)
	peaksKnown.Store(key, p)
	return p
}

// rate runs f b.N times and reports work (FLOP or bytes) of each against peak (per second).
func rate(b *testing.B, unit string, work, peak float64, f func()) {
	f()
	b.ResetTimer()
	start := cpuSeconds()
	for range b.N {
		f()
	}
	b.StopTimer()
	used := cpuSeconds() - start
	total := work * float64(b.N) / 1e9
	b.ReportMetric(used/float64(b.N)*1e6, "cpu-us/op")
	b.ReportMetric(total/used, unit)
	b.ReportMetric(100*total/used/peak, "%-of-peak")
}

// benchTiers are the tiers and weight types worth timing.
func benchTiers(b *testing.B, f func(b *testing.B, opts runners.Options)) {
	for _, t := range Tiers() {
		if !t.Available || t.Name == "go" {
			continue
		}
		for _, d := range []runners.DType{runners.F32, runners.BF16} {
			b.Run(fmt.Sprintf("%s/%s", t.Name, d), func(b *testing.B) {
				f(b, runners.Options{Tier: t.Name, Weights: d, KV: d, Threads: 1})
			})
		}
	}
}

func BenchmarkLinear(b *testing.B) {
	benchTiers(b, func(b *testing.B, opts runners.Options) {
		peak := peaksOf(b, opts)
		o := openTest(b, opts)
		r := rand.New(rand.NewPCG(1, 1))
		for _, sh := range [][3]int{{1024, 1024, 1024}, {512, 768, 2304}, {512, 768, 768}, {512, 128, 384}, {8, 768, 2304}, {1, 4096, 4096}} {
			rows, in, out := sh[0], sh[1], sh[2]
			b.Run(fmt.Sprintf("%dx%dx%d", rows, in, out), func(b *testing.B) {
				w, err := o.Weight(tensorOf(randomHost(r, out, in, 1)))
				if err != nil {
					b.Fatal(err)
				}
				x, done1 := upload(b, o, randomHost(r, rows, in, 1), 0)
				y, done2 := upload(b, o, randomHost(r, rows, out, 1), 0)
				defer done1()
				defer done2()
				f := func() { o.Linear(rows, y, x, w) }
				if rows > 8 {
					rate(b, "GFLOP/s", 2*float64(rows*in*out), peak.GFLOPS, f)
				} else {
					rate(b, "GB/s", float64(in*out*opts.Weights.Size()), peak.GBps, f)
				}
			})
		}
	})
}

func BenchmarkAttend(b *testing.B) {
	benchTiers(b, func(b *testing.B, opts runners.Options) {
		peak := peaksOf(b, opts)
		for _, sh := range []struct{ heads, kvHeads, hd, pos, rows, window int }{
			{9, 3, 64, 0, 512, 0}, {9, 3, 64, 4096, 512, 0}, {4, 2, 32, 4096, 512, 0}, {6, 2, 128, 2048, 512, 0}, {4, 4, 32, 4096, 512, 64}, {12, 12, 64, 4096, 512, 1024},
			{9, 3, 64, 4096, 1, 0}, {9, 3, 64, 65536, 1, 0}, {12, 12, 64, 4096, 1, 0},
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
				rope := o.Rope(runners.Rope{HeadDim: sh.hd, Theta: 1e4})
				k, done1 := upload(b, o, randomHost(r, 512, sh.kvHeads*sh.hd, 1), 0)
				q, done2 := upload(b, o, randomHost(r, 512, sh.heads*sh.hd, 1), 0)
				y, done3 := upload(b, o, randomHost(r, 512, sh.heads*sh.hd, 1), 0)
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
					bt := &runners.Batch{Spans: []runners.Span{{Len: 512, Pos: 0}}, Rows: 512}
					kv.(*cache).len = sh.pos
					_ = bt
				}
				bt := &runners.Batch{Spans: []runners.Span{{Len: sh.rows, Pos: sh.pos}}, Rows: sh.rows}
				o.Begin(bt)
				if sh.window == 0 {
					o.AppendKV(bt, caches, k, k, rope)
				}
				f := func() {
					if sh.window > 0 {
						o.AttendWindow(bt, y, q, k, k, sh.heads, caches, rope)
					} else {
						o.Attend(bt, y, q, sh.heads, caches, rope)
					}
				}
				if sh.rows > 1 {
					rate(b, "GFLOP/s", float64(attendFLOPs(sh.heads, sh.hd, sh.pos, sh.rows, sh.window)), peak.GFLOPS, f)
				} else {
					rate(b, "GB/s", float64(2*total*sh.kvHeads*sh.hd*opts.KV.Size()), peak.GBps, f)
				}
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
					m[i], done = upload(b, o, randomHost(r, sh.rows, cols, 1), 0)
					defer done()
				}
				y, done := upload(b, o, randomHost(r, sh.rows, sh.heads*sh.hd, 1), 0)
				defer done()
				s, err := o.State(sh.heads, sh.hd)
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				rope := o.Rope(runners.Rope{HeadDim: sh.hd, Theta: 1e4, EndPoint: true, Interleaved: true})
				bt := &runners.Batch{Spans: []runners.Span{{Len: sh.rows}}, Rows: sh.rows}
				o.Begin(bt)
				st := []runners.State{s}
				f := func() { o.Retain(bt, y, m[0], m[1], m[2], m[3], m[4], sh.heads, st, rope, 1e-5) }
				if sh.rows > 1 {
					rate(b, "GFLOP/s", float64(sh.heads)*float64(retentionFLOPs(sh.rows, RetentionChunk, sh.hd)), peak.GFLOPS, f)
				} else {
					rate(b, "GB/s", float64(2*4*sh.heads*sh.hd*sh.hd), peak.GBps, f)
				}
			})
		}
	})
}

// benchConfigs are whole models: the layers of SmolLM2-135M (8 of its 30, and a
// sixth of its vocabulary, which are still larger than the caches and made sooner),
// and the tiny twins' shapes.
func benchConfigs() []runners.Config {
	smol := runners.Config{Name: "smollm2-layers", Arch: runners.Transformer, Dim: 576, Layers: 8, FFN: 1536, Vocab: 8192, Heads: 9, KVHeads: 3, HeadDim: 64, RopeTheta: 1e5, NormEps: 1e-5}
	tiny := runners.Config{Name: "tiny-yoco-gret", Arch: runners.YOCOGatedRetention, Dim: 128, Layers: 8, FFN: 320, Vocab: 256, SelfHeads: 2, Heads: 4, KVHeads: 2, HeadDim: 32, RopeTheta: 1e6, NormEps: 1e-5}
	swa := tiny
	swa.Name, swa.Arch, swa.SelfHeads, swa.Window = "tiny-yoco-swa", runners.YOCOSlidingWindow, 4, 64
	return []runners.Config{smol, tiny, swa}
}

// BenchmarkModel prefills 2048 tokens, and decodes at depth 0 and 4096, with
// processor time a token and the rates against the peaks.
func BenchmarkModel(b *testing.B) {
	benchTiers(b, func(b *testing.B, opts runners.Options) {
		peak := peaksOf(b, opts)
		for _, c := range benchConfigs() {
			b.Run(c.Name, func(b *testing.B) { benchModel(b, c, opts, peak) })
		}
	})
}

func benchModel(b *testing.B, c runners.Config, opts runners.Options, peak Peak) {
	ctx := context.Background()
	m := load(b, c, opts)
	s, err := m.NewSequence(1 << 14)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.Run("prefill2048", func(b *testing.B) {
		ids := someTokens(2048, c.Vocab, 1)
		m.(runners.Counter).ResetCounts()
		prefill := func() {
			if err := s.Truncate(ctx, 0); err != nil {
				b.Fatal(err)
			}
			if err := m.Prefill(ctx, s, ids); err != nil {
				b.Fatal(err)
			}
		}
		prefill()
		flops := int64(0)
		for _, n := range m.(runners.Counter).Counts().FLOPs {
			flops += n
		}
		rate(b, "GFLOP/s", float64(flops), peak.GFLOPS, prefill)
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
			_, body := c.Count()
			bytes := (body+int64(c.Vocab)*int64(c.Dim))*int64(opts.Weights.Size()) + c.CacheBytes(depth, opts.KV).Total()
			logits := [][]float32{make([]float32, c.Vocab)}
			ss, n := []runners.Sequence{s}, 0
			rate(b, "GB/s", float64(bytes), peak.GBps, func() {
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

// BenchmarkRead is the plain reading of 96 MiB: what the memory gives on average, now.
func BenchmarkRead(b *testing.B) {
	opts := runners.Options{Threads: 1}
	peak := peaksOf(b, opts)
	o := openTest(b, opts)
	blk, err := o.pool.take(partGlobalKV, 96<<20, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer blk.free()
	for i := range blk.data {
		blk.data[i] = 1
	}
	rate(b, "GB/s", float64(len(blk.data)), peak.GBps, func() { o.readRound(blk.data) })
}
