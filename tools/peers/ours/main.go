//go:build linux

// Ours is the CPU runner's side of the comparison with its peers (tools/peers/run.py). It reads one
// piece of work per line, performs it and answers with a line of JSON. torch_peer.py uses the same
// protocol.
//
//	MODEL TYPE prefill N D   N tokens after D tokens, without logits
//	MODEL TYPE decode N D    N tokens one by one, after D tokens
//
// MODEL is a trained model or a preset (random weights). TYPE is the type of its weights and
// caches: f32 or bf16. A model is loaded on first use.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
)

// Answer has the time of one piece of work in seconds (wall time, CPU time of all threads, and the
// limit by the cost model at this machine's peaks) and the FLOPs counted by the cost model.
type Answer struct {
	Wall  float64 `json:"wall"`
	CPU   float64 `json:"cpu"`
	Limit float64 `json:"limit"`
	FLOPs float64 `json:"flops"`
}

// Greeting is the first line.
type Greeting struct {
	Tier string   `json:"tier"`
	CPU  string   `json:"processor"`
	Peak cpu.Peak `json:"peak"`
}

func main() {
	log.SetFlags(0)
	threads := flag.Int("threads", 0, "worker threads (0: all cores)")
	tier := flag.String("tier", "", "kernel tier to force")
	flag.Parse()
	if err := serve(runners.Options{Threads: *threads, Tier: *tier}); err != nil {
		log.Fatal("error: ", err)
	}
}

// server holds the models and sequences loaded so far.
type server struct {
	opts    runners.Options
	machine runners.Profile
	models  map[string]*loadedModel
}

// loadedModel is a loaded model with its sequences, by the number of tokens held before the work. A
// long sequence is filled only once.
type loadedModel struct {
	runners.Instance
	types     runners.Types
	sequences map[int]runners.Sequence
}

func serve(opts runners.Options) error {
	ctx, out := context.Background(), json.NewEncoder(os.Stdout)
	d, err := cpu.Describe(opts)
	if err != nil {
		return err
	}
	peak, err := cpu.Peaks(ctx, opts)
	if err != nil {
		return err
	}
	if err := out.Encode(Greeting{d.Tier, d.Name, peak}); err != nil {
		return err
	}
	s := server{opts, peak.Profile(d.Memory), map[string]*loadedModel{}}
	defer s.close()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		a, err := s.work(ctx, in.Text())
		if err != nil {
			return fmt.Errorf("%q: %w", in.Text(), err)
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return in.Err()
}

func (s *server) close() {
	for _, m := range s.models {
		for _, q := range m.sequences {
			q.Close()
		}
		m.Close()
	}
}

// model returns a model, loading it on first use.
func (s *server) model(name, dtype string) (*loadedModel, error) {
	if m := s.models[name+" "+dtype]; m != nil {
		return m, nil
	}
	opts := s.opts
	if err := opts.Weights.UnmarshalText([]byte(dtype)); err != nil {
		return nil, err
	}
	opts.KV = opts.Weights
	c, w, err := open(name, opts.Weights)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	m, err := cpu.New().Load(c, w, opts)
	if err != nil {
		return nil, err
	}
	sub := &loadedModel{m, runners.Types{Weights: opts.Weights, KV: opts.KV}, map[int]runners.Sequence{}}
	s.models[name+" "+dtype] = sub
	return sub, nil
}

func open(name string, dtype runners.DType) (runners.Config, runners.Weights, error) {
	if slices.Contains(checkpoint.Embedded(), name) {
		return checkpoint.OpenEmbedded(name)
	}
	c, err := runners.Preset(name)
	if err != nil {
		return c, nil, err
	}
	return c, checkpoint.Random(c, 1, dtype), nil
}

const maxTokens = 1 << 21

func (s *server) work(ctx context.Context, line string) (a Answer, err error) {
	var name, dtype, kind string
	var n, depth int
	if _, err := fmt.Sscanf(line, "%s %s %s %d %d", &name, &dtype, &kind, &n, &depth); err != nil || n < 1 || depth < 0 || max(n, depth) > maxTokens {
		return a, fmt.Errorf("want `MODEL TYPE prefill N D` or `MODEL TYPE decode N D`, with N and D at most %d", maxTokens)
	}
	m, err := s.model(name, dtype)
	if err != nil {
		return a, err
	}
	c := m.Config()
	q, err := m.at(ctx, depth, n)
	if err != nil {
		return a, err
	}
	ids, work := tokens(n, c.Vocab), runners.Work{}
	wall, used := time.Now(), cpuSeconds()
	switch kind {
	case "prefill":
		err = m.Prefill(ctx, q, ids)
		work = c.PrefillWork(n, depth, m.types)
		a.Limit = s.machine.LimitSeconds(work, m.types.Weights)
	case "decode":
		logits := [][]float32{make([]float32, c.Vocab)}
		for i := 0; i < n && err == nil; i++ {
			err = m.Step(ctx, []runners.Sequence{q}, ids[i:i+1], logits)
			step := c.StepWork(depth+i, 1, m.types)
			work, a.Limit = work.Add(step), a.Limit+s.machine.LimitSeconds(step, m.types.Weights)
		}
	default:
		err = fmt.Errorf("unknown work %q", kind)
	}
	a.Wall, a.CPU, a.FLOPs = time.Since(wall).Seconds(), cpuSeconds()-used, work.Total().FLOPs
	return a, err
}

// at returns a sequence that holds depth tokens and has room for n more.
func (m *loadedModel) at(ctx context.Context, depth, n int) (runners.Sequence, error) {
	q := m.sequences[depth]
	if q != nil && q.Capacity() >= depth+n {
		return q, q.Truncate(ctx, depth)
	}
	if q != nil {
		q.Close()
		delete(m.sequences, depth)
	}
	q, err := m.NewSequence(depth + n)
	if err != nil {
		return nil, err
	}
	m.sequences[depth] = q
	if depth > 0 {
		err = m.Prefill(ctx, q, tokens(depth, m.Config().Vocab))
	}
	return q, err
}

func tokens(n, vocab int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = (i*7919 + 13) % vocab
	}
	return ids
}

func cpuSeconds() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		log.Fatal("error: ", err)
	}
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}
