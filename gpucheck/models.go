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

// peers runs PyTorch on the kernels that have no peers yet and reports whether all have one now.
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
	if r.Small {
		where = "any"
	}
	err = runLines(ctx, io.Discard, nil, bytes.NewReader(in), func(line []byte) error {
		var got struct {
			Torch string `json:"torch"`
			Index int    `json:"index"`
			Peers []Peer `json:"peers"`
		}
		got.Index = -1
		if err := json.Unmarshal(line, &got); err != nil { // output of a library
			fmt.Fprintf(r.log, "peers: %s\n", line)
			return nil
		}
		switch {
		case got.Torch != "":
			r.Torch = got.Torch
		case got.Index < 0 || got.Index >= len(r.Kernels):
			return fmt.Errorf("it answered for kernel %d of %d", got.Index, len(r.Kernels))
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

// runDir returns the folder of the models' run.
func (r *Results) runDir() string { return r.base() + ".run" }

// readRun reads the journal of the models' run.
func (r *Results) readRun() (*result.Journal, error) {
	j, err := result.ReadFile(filepath.Join(r.runDir(), r.program.Journal))
	if err == nil && len(j.Runs)+len(j.Records) == 0 {
		err = errors.New("the journal has no line")
	}
	return j, err
}

// timedSteps is the number of decode steps to time. More would not improve the result and would
// take minutes per case.
const timedSteps = 32

// modelArgs returns the arguments of the models' run. There is no warm-up: a model's clock excludes
// loading kernels and choosing cuBLAS.
func modelArgs(small bool) []string {
	if small {
		return []string{"run", "smoke", "--filter", "task=kv,length<=256", "--filter", "task=prefill,length<=256",
			"--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0", "--runner", "cuda"}
	}
	return []string{"run", "paper", "--filter", "model=*-3b", "--set", "tasks.prefill.samples=1", "--set", "tasks.prefill.warmup=0",
		"--set", "tasks.throughput.warmup=0", "--set", fmt.Sprintf("tasks.throughput.steps=%d", timedSteps), "--runner", "cuda"}
}

// models runs the paper's suite on the 3B models within a time limit, cheapest cases first, and
// reports whether every case has a result. It requires correct bfloat16 kernels. If a process loses
// the GPU, another one continues with the next case.
func (r *Results) models(ctx context.Context, limit time.Duration, cublas string) (done bool) {
	r.NoEndToEnd = ""
	if limit < 10*time.Second {
		r.problem(Problem{Part: "models", Text: "no time left"})
		return false
	}
	if d := r.doubts(); d != "" {
		r.NoEndToEnd = "Skipped: " + d + "."
		return false
	}
	begin := time.Now()
	whole, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	finishedBefore := -1
	for {
		args := modelArgs(r.Small)
		if old, readErr := r.readRun(); readErr == nil && len(old.Runs) > 0 {
			args = append([]string{"run", "--resume", r.runDir()}, args[2:]...)
		} else {
			// A run that was killed before it wrote a header measured nothing.
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

// Settled returns the number of cases that a resumed run does not try again.
func Settled(j *result.Journal) (n int) {
	for _, rec := range j.Records {
		if rec.Status != result.Skipped && rec.Status != result.Failed {
			n++
		}
	}
	return n
}

// lostCase repeats the case that lost the GPU in a separate run with synchronous launches, and
// returns a description of the kernel that failed.
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
	args := modelArgs(r.Small)
	for i := range args { // only this case
		if args[i] == "--filter" {
			args[i+1] = "case=" + id
		}
	}
	args = append(args, "--out", filepath.Join(dir, "run"), "--reports", "csv", "--quiet")
	if cublas != "" {
		args = append(args, "--cublas", cublas)
	}
	return ". With synchronous launches: " + outcome(runLines(ctx, io.Discard, []string{launchBlocking}, nil, func([]byte) error { return nil }, r.program.Path, args...))
}
