//go:build cuda

package gpucheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// peers asks PyTorch for its times and samples of the kernels that have none yet, and reports
// whether it answered for all.
func (r *Results) peers(ctx context.Context, limit time.Duration, python string) (done bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r.NoPeers = ""
	in, err := json.Marshal(r.Kernels)
	if err != nil {
		r.problem(Problem{Part: "peers", Text: err.Error()})
		return false
	}
	where := "cuda"
	if r.Toy {
		where = "any"
	}
	err = runLines(ctx, io.Discard, nil, bytes.NewReader(in), func(line []byte) error {
		var got struct {
			Torch string `json:"torch"`
			Index int    `json:"index"`
			Peers []Peer `json:"peers"`
		}
		got.Index = -1
		if err := json.Unmarshal(line, &got); err != nil { // what a library prints
			fmt.Fprintf(r.log, "peers: %s\n", line)
			return nil
		}
		switch {
		case got.Torch != "":
			r.Torch = got.Torch
		case got.Index < 0 || got.Index >= len(r.Kernels):
			return fmt.Errorf("its answer is about kernel %d of %d", got.Index, len(r.Kernels))
		default:
			r.Kernels[got.Index].Peers = got.Peers
		}
		return r.write()
	}, python, "-c", peersScript, where)
	if err != nil {
		r.NoPeers = fmt.Sprintf("%s: %v", python, err)
		fmt.Fprintln(r.log, "peers:", r.NoPeers)
	}
	return err == nil
}

// runDir is the folder of the models' run.
func (r *Results) runDir() string { return r.base() + ".run" }

// readRun reads the journal of the models' run.
func (r *Results) readRun() (*result.Journal, error) {
	j, err := result.ReadFile(filepath.Join(r.runDir(), r.program.Journal))
	if err == nil && len(j.Runs)+len(j.Records) == 0 {
		err = errors.New("the journal has no line")
	}
	return j, err
}

// timedSteps is how many of the generated tokens' steps are timed: more would say no more, and take
// minutes a case.
const timedSteps = 32

// modelArgs are the arguments of the models' run. A model's clock does not count the loading of
// kernels nor the choice of cuBLAS, so the first pass is like the others.
func modelArgs(toy bool) []string {
	if toy {
		return []string{"run", "smoke", "--filter", "task=kv,length<=256", "--filter", "task=prefill,length<=256",
			"--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0", "--runner", "cuda"}
	}
	return []string{"run", "paper", "--filter", "model=*-3b", "--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0",
		"--set", "tasks.throughput.warmup=0", "--set", fmt.Sprintf("tasks.throughput.steps=%d", timedSteps), "--runner", "cuda"}
}

// models runs the paper's suite on the 3B models, cheapest cases first, within a time, and reports
// whether each case has a result. It needs the kernels of bfloat16 to be right. A process that
// loses the GPU is followed by another, which continues with the next case.
func (r *Results) models(ctx context.Context, limit time.Duration, cublas string) (done bool) {
	r.NoEndToEnd = ""
	if limit < 10*time.Second {
		r.problem(Problem{Part: "models", Text: "no time was left"})
		return false
	}
	if d := r.doubts(); d != "" {
		r.NoEndToEnd = "Left out: " + d + "."
		return false
	}
	begin := time.Now()
	whole, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	finishedBefore := -1
	for {
		args := modelArgs(r.Toy)
		if old, readErr := r.readRun(); readErr == nil && len(old.Runs) > 0 {
			args = append([]string{"run", "--resume", r.runDir()}, args[2:]...)
		} else {
			// One that was killed before it had a header has measured nothing.
			if err := os.RemoveAll(r.runDir()); err != nil {
				r.problem(Problem{Part: "models", Text: err.Error()})
				return false
			}
			args = append(args, "--out", r.runDir())
		}
		budget := (limit - time.Since(begin)).Round(time.Second)
		if budget < time.Second {
			break
		}
		args = append(args, "--budget", budget.String(), "--reports", "csv", "--quiet")
		if cublas != "" {
			args = append(args, "--cublas", cublas)
		}
		runErr := runLines(whole, r.log, nil, nil, func([]byte) error { return nil }, r.program.Path, args...)
		var n int
		if j, readErr := r.readRun(); readErr == nil {
			r.EndToEnd, n = j, Settled(j)
		}
		if runErr == nil {
			break
		}
		lost := exitCode(runErr) == r.program.DeviceLost
		text := runErr.Error()
		if lost && whole.Err() == nil {
			text += r.lostCase(whole, cublas)
		}
		r.problem(Problem{Part: "models", Text: text})
		if err := r.write(); err != nil || !lost || whole.Err() != nil || n <= finishedBefore {
			break
		}
		finishedBefore = n
	}
	return r.EndToEnd != nil && Settled(r.EndToEnd) >= r.EndToEnd.Runs[0].Cases
}

// Settled counts the cases of a run that a resumed one does not try again.
func Settled(j *result.Journal) (n int) {
	for _, rec := range j.Records {
		if rec.Status != result.Skipped && rec.Status != result.Failed {
			n++
		}
	}
	return n
}

// lostCase runs the case that lost the GPU once more, in a run of its own with launches that are
// waited for, and says which kernel failed.
func (r *Results) lostCase(ctx context.Context, cublas string) string {
	if r.EndToEnd == nil {
		return ""
	}
	var id string
	for _, rec := range r.EndToEnd.Records {
		if rec.Status == result.Failed && strings.Contains(rec.Reason, runners.ErrDeviceLost.Error()) {
			id = rec.Case
		}
	}
	dir, err := os.MkdirTemp("", "gpu-check")
	if id == "" || err != nil {
		return ""
	}
	defer os.RemoveAll(dir)
	args := modelArgs(r.Toy)
	for i := range args { // the case alone
		if args[i] == "--filter" {
			args[i+1] = "case=" + id
		}
	}
	args = append(args, "--out", filepath.Join(dir, "run"), "--reports", "csv", "--quiet")
	if cublas != "" {
		args = append(args, "--cublas", cublas)
	}
	return ". With launches that are waited for: " + outcome(runLines(ctx, io.Discard, []string{launchBlocking}, nil, func([]byte) error { return nil }, r.program.Path, args...))
}
