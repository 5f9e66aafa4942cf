//go:build linux

// Ours is the CPU runner's side of the comparison with its peers
// (tools/peers/run.py): it loads a model of SmolLM2-135M's shape with random
// bfloat16 weights, and then reads the name of a piece of work a line, does it
// and answers with a line of JSON. torch_peer.py speaks the same protocol.
//
//	prefill N D   N tokens after D; no logits, as in every peer
//	decode N D    N tokens, one after the other, after D
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/cpu"
)

var smol = runners.Config{Name: "smollm2-135m", Arch: runners.Transformer, Dim: 576, Layers: 30, FFN: 1536, Vocab: 49152,
	Heads: 9, KVHeads: 3, HeadDim: 64, RopeTheta: 1e5, NormEps: 1e-5}

// Answer is the time of one piece of work, in seconds: on the wall, of the
// processor over all threads, and by the cost model at the peaks of this machine.
type Answer struct {
	Wall  float64 `json:"wall"`
	CPU   float64 `json:"cpu"`
	Limit float64 `json:"limit,omitempty"`
}

// Greeting is the first line.
type Greeting struct {
	Tier string   `json:"tier"`
	CPU  string   `json:"processor"`
	Peak cpu.Peak `json:"peak"`
}

func main() {
	log.SetFlags(0)
	threads := flag.Int("threads", 1, "worker threads")
	tier := flag.String("tier", "", "kernel tier to force")
	flag.Parse()
	if err := serve(runners.Options{Threads: *threads, Tier: *tier, Weights: runners.BF16, KV: runners.BF16}); err != nil {
		log.Fatal("error: ", err)
	}
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
	w := checkpoint.Random(smol, 1, runners.BF16)
	defer w.Close()
	m, err := cpu.New().Load(smol, w, opts)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := out.Encode(Greeting{d.Tier, d.Name, peak}); err != nil {
		return err
	}
	profile := peak.Profile(d.Memory)
	// One sequence a depth, so that a deep one is filled once.
	ss := map[int]runners.Sequence{}
	defer func() {
		for _, s := range ss {
			s.Close()
		}
	}()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		a, err := work(ctx, m, ss, in.Text(), profile)
		if err != nil {
			return fmt.Errorf("%q: %w", in.Text(), err)
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
	return in.Err()
}

const capacity = 8192

func work(ctx context.Context, m runners.Model, ss map[int]runners.Sequence, line string, profile runners.Profile) (a Answer, err error) {
	var kind string
	var n, depth int
	if _, err := fmt.Sscanf(line, "%s %d %d", &kind, &n, &depth); err != nil || n < 1 || depth < 0 || n+depth > capacity {
		return a, fmt.Errorf("want `prefill N D` or `decode N D`, with N + D at most %d", capacity)
	}
	s := ss[depth]
	if s == nil {
		if s, err = m.NewSequence(capacity); err != nil {
			return a, err
		}
		ss[depth] = s
	}
	if s.Len() < depth {
		if err := m.Prefill(ctx, s, tokens(depth-s.Len())); err != nil {
			return a, err
		}
	} else if err := s.Truncate(ctx, depth); err != nil {
		return a, err
	}
	types := runners.Types{Weights: runners.BF16, KV: runners.BF16}
	wall, used := time.Now(), cpuSeconds()
	switch kind {
	case "prefill":
		err = m.Prefill(ctx, s, tokens(n))
		a.Limit = profile.LimitSeconds(smol.PrefillWork(n, depth, types), runners.BF16)
	case "decode":
		logits := [][]float32{make([]float32, smol.Vocab)}
		for i := 0; i < n && err == nil; i++ {
			err = m.Step(ctx, []runners.Sequence{s}, []int{i}, logits)
			a.Limit += profile.LimitSeconds(smol.StepWork(depth+i, 1, types), runners.BF16)
		}
	default:
		err = fmt.Errorf("unknown work %q", kind)
	}
	a.Wall, a.CPU = time.Since(wall).Seconds(), cpuSeconds()-used
	return a, err
}

func tokens(n int) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = (i*7919 + 13) % smol.Vocab
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
