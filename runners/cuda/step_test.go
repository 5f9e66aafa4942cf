//go:build cuda

package cuda

import (
	"context"
	"testing"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
)

// tiny returns a small model of an architecture.
func tiny(a runners.Arch) runners.Config {
	return runners.Shape{Name: "tiny", Dim: 64, Layers: 2, FFN: 96, Vocab: 50, Heads: 4, KVHeads: 2, HeadDim: 16, RopeTheta: 1e4, NormEps: 1e-5}.As(a, 2, 10).Config()
}

// families is a small model with the operations of published families.
func families() runners.Config {
	c := tiny(runners.Transformer)
	c.TiedOutput, c.EmbedScale, c.LogitCap = true, 8, 3
	window, global := &c.Layers[0], &c.Layers[1]
	window.Activation, window.Norms = runners.GELUTanh, runners.PrePostNorm
	window.Mixer.Window, window.Mixer.Bias, window.Mixer.QKNorm, window.Mixer.Scale, window.Mixer.ScoreCap = 10, true, runners.HeadQKNorm, 0.3, 5
	global.Norms, global.Mixer.QKNorm, global.Mixer.ScoreCap = runners.PostNorm, runners.WholeQKNorm, 5
	global.Mixer.Rope = runners.Rotary{Theta: 1e4, Dims: 8}
	return c
}

// tinies are small models of each architecture, and one of families.
func tinies() map[string]runners.Config {
	all := map[string]runners.Config{"families": families()}
	for _, a := range runners.Arches() {
		all[string(a)] = tiny(a)
	}
	return all
}

// load loads a model. At the end of the test no more may be held than before.
func load(t testing.TB, c runners.Config, opts runners.Options) *model {
	t.Helper()
	before := held()
	m, err := New().Load(c, checkpoint.Random(c, 1, runners.F32), opts)
	if err != nil {
		t.Fatal(err)
	}
	x := m.(*model)
	t.Cleanup(func() { closed(t, x, x.o, before) })
	return x
}

func sequences(t testing.TB, m runners.Instance, n, capacity int) (ss []runners.Sequence) {
	t.Helper()
	for i := range n {
		s, err := m.NewSequence(capacity)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := m.Prefill(context.Background(), s, tokens(5+i, m.Config().Vocab)); err != nil {
			t.Fatal(err)
		}
		ss = append(ss, s)
	}
	return ss
}

func tokens(n, vocab int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = (i*i*7 + i*13) % vocab
	}
	return ids
}

// TestStepGraph: a step that repeats the preceding one becomes a graph, a step of other sequences
// does not replay it, and steps do not allocate.
func TestStepGraph(t *testing.T) {
	ctx := context.Background()
	for name, c := range tinies() {
		t.Run(name, func(t *testing.T) {
			m := load(t, c, runners.Options{})
			ss := sequences(t, m, 3, 300)
			logits := [][]float32{make([]float32, c.Vocab), make([]float32, c.Vocab), make([]float32, c.Vocab)}
			ids := []int{1, 2, 3}
			q := &m.o.q
			step := func(n int) {
				if err := m.Step(ctx, ss[:n], ids[:n], logits[:n]); err != nil {
					t.Fatal(err)
				}
			}
			step(3) // may move the arena
			step(3)
			step(3)
			launched, captured, replayed := q.launched, q.captured, q.replayed
			if captured != 1 {
				t.Errorf("%d graphs after three steps of the same sequences, want 1", captured)
			}
			step(3)
			step(3)
			if q.launched != launched || q.captured != captured || q.replayed != replayed+2 {
				t.Errorf("two more steps launched %d kernels, made %d graphs and replayed %d", q.launched-launched, q.captured-captured, q.replayed-replayed)
			}
			step(2)
			if q.launched == launched {
				t.Error("a step of two sequences replayed the graph of three")
			}
			step(2)
			if q.captured != captured+1 {
				t.Error("a second step of two sequences made no graph")
			}
			// A pass between steps of the same sequences does not discard the graph.
			if err := m.Prefill(ctx, ss[2], tokens(4, c.Vocab)); err != nil {
				t.Fatal(err)
			}
			replayed = q.replayed
			step(2)
			if q.replayed != replayed+1 {
				t.Error("a prefill in between discarded the graph")
			}
			if n := testing.AllocsPerRun(5, func() { step(2) }); n != 0 {
				t.Errorf("%g allocations per step", n)
			}
		})
	}
}

// TestLoadingClock: loading kernels does not count as the model's time, however slow this machine
// is.
func TestLoadingClock(t *testing.T) {
	m := load(t, tiny(runners.YOCOGatedRetention), runners.Options{})
	s, err := m.NewSequence(40)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const each = 300 * time.Millisecond
	var loading time.Duration
	inject = func(call string) error {
		if call == callLoad {
			loading += each
			time.Sleep(each)
		}
		return nil
	}
	defer func() { inject = nil }()
	began := time.Now()
	start := m.Now()
	if err := m.Prefill(context.Background(), s, tokens(20, 50)); err != nil {
		t.Fatal(err)
	}
	took, passed := m.Now()-start, time.Since(began)
	if !(took > 0 && took <= passed-loading) || loading < 8*each {
		t.Errorf("the first prefill took %v of %v by the model's clock, of which loading took %v", took, passed, loading)
	}
}

// TestPauses: a nested pause, such as loading a kernel while cuBLAS is compared, has no effect.
func TestPauses(t *testing.T) {
	m := load(t, tiny(runners.YOCOGatedRetention), runners.Options{})
	const each = 300 * time.Millisecond
	began := time.Now()
	start := m.Now()
	resume := m.o.d.pause()
	time.Sleep(each)
	m.o.d.pause()()
	time.Sleep(each)
	resume()
	if took, passed := m.Now()-start, time.Since(began); !(took <= passed-2*each) {
		t.Errorf("pauses of %v among %v: the model's time is %v", 2*each, passed, took)
	}
	start = m.Now()
	time.Sleep(each)
	if took := m.Now() - start; !(took >= each) {
		t.Errorf("after the pauses %v took %v of the model's time", each, took)
	}
}
