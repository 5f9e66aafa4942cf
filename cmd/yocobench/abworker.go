package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cpu"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// A worker is a process of one of the two binaries of an A/B measurement. It speaks over its standard input and output, a
// JSON document a line: a workerJob in, a workerReady out; then, as often as wanted, a workerVisit in and a
// workerRecord out. It ends when its input does, so that none outlives its parent.

// workerProtocol changes when an older worker would not understand a newer parent.
const workerProtocol = 1

// workerJob is what a worker is to do.
type workerJob struct {
	Protocol int `json:"protocol"`
	// Suite is the text of the suite, settings applied; File is its name in errors and Dir where its paths start.
	Suite   string `json:"suite"`
	File    string `json:"file"`
	Dir     string `json:"dir"`
	Threads int    `json:"threads"`
	Tier    string `json:"tier"`
}

// workerReady lists what a worker can run, or says why it cannot.
type workerReady struct {
	Protocol int             `json:"protocol"`
	Error    string          `json:"error,omitempty"`
	Hash     string          `json:"suite_hash"`
	Env      result.Env      `json:"env"`
	Tasks    result.Tasks    `json:"tasks"` // nil from older versions
	Cases    []result.Record `json:"cases"` // without results
}

// tasks are the declarations that hold for the worker's records.
func (r workerReady) tasks() result.Tasks {
	return (&result.Journal{Runs: []result.Run{{Tasks: r.Tasks}}}).Tasks()
}

// workerVisit asks for a case, by its place in workerReady.
type workerVisit struct {
	Run int `json:"run"`
}

// workerRecord is a visit's result.
type workerRecord struct {
	Record result.Record `json:"record"`
}

func newWorker() *cobra.Command {
	return &cobra.Command{
		Use:    "ab-worker",
		Short:  "One side of yocobench ab: run cases as standard input asks for them",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return work(c.Context(), c.InOrStdin(), raw(c.OutOrStdout()))
		},
	}
}

func work(ctx context.Context, in io.Reader, out io.Writer) error {
	from, to := json.NewDecoder(in), json.NewEncoder(out)
	var job workerJob
	if err := from.Decode(&job); err != nil {
		return usagef("expected a job as JSON on standard input: %v\n  hint: this command is run by yocobench ab", err)
	}
	ready := workerReady{Protocol: workerProtocol}
	plan, err := job.plan(ctx, &ready)
	if err != nil {
		ready.Error = err.Error()
		return to.Encode(ready)
	}
	if err := to.Encode(ready); err != nil {
		return err
	}
	s := plan.NewSession()
	defer s.Close()
	for {
		var v workerVisit
		if err := from.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if v.Run < 0 || v.Run >= len(plan.Cases) {
			return fmt.Errorf("case %d of %d", v.Run, len(plan.Cases))
		}
		r, err := s.Run(ctx, plan.Cases[v.Run])
		if err != nil {
			return err
		}
		if err := to.Encode(workerRecord{*r}); err != nil {
			return err
		}
	}
}

// plan makes the plan of a job and fills in what a parent wants to know of it.
func (j workerJob) plan(ctx context.Context, ready *workerReady) (*suites.Plan, error) {
	if j.Protocol != workerProtocol {
		return nil, fmt.Errorf("it speaks version %d of the A/B protocol, not %d", workerProtocol, j.Protocol)
	}
	s, err := suites.Parse([]byte(j.Suite), j.File, nil, tasks())
	if err != nil {
		return nil, err
	}
	s.Dir = j.Dir
	d := device{threads: j.Threads, tier: j.Tier}
	dev, err := cpu.Describe(runners.Options{Threads: d.threads, Tier: d.cpuTier()})
	if err != nil {
		return nil, err
	}
	plan, err := suites.NewPlan(ctx, s, wiring(d, nil))
	if err != nil {
		return nil, err
	}
	v, commit := buildVersion()
	ready.Hash, ready.Tasks = plan.Hash, plan.Tasks
	ready.Env = result.Env{
		Version: v, Commit: commit, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPU: dev.Name, Cores: runtime.NumCPU(), Threads: dev.Threads, Memory: dev.Memory, KernelTier: dev.Tier, Why: dev.Why,
	}
	for _, c := range plan.Cases {
		ready.Cases = append(ready.Cases, result.Record{
			Type: "case", Schema: result.SchemaVersion, Suite: s.Name, SuiteHash: plan.Hash, Case: c.ID, Label: c.Label, Task: c.Task,
			Model: c.Model.Name, Arch: c.Model.Label, Runner: c.Model.Runner, Device: c.Model.Device, Params: c.Params,
		})
	}
	return plan, nil
}

// process is a running worker, as its parent sees it.
type process struct {
	name  string // of the side, for errors
	cmd   *exec.Cmd
	in    io.WriteCloser
	from  *json.Decoder
	words tail
	ready workerReady
}

// startWorker starts a side's binary with a job. It does not wait until the worker is ready.
func startWorker(ctx context.Context, name, binary string, job workerJob) (*process, error) {
	p := &process{name: name, cmd: exec.CommandContext(ctx, binary, "ab-worker")}
	p.cmd.Args[0] = "yocobench" // both sides' stacks begin alike
	p.cmd.Stderr = &p.words
	p.cmd.WaitDelay = 5 * time.Second
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.from = json.NewDecoder(bufio.NewReader(out))
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w", name, err)
	}
	_ = json.NewEncoder(p.in).Encode(job) // await tells what became of a process that does not read it
	return p, nil
}

// await waits until a worker has read its suite.
func (p *process) await() error {
	if err := p.from.Decode(&p.ready); err != nil {
		return p.failed(err)
	}
	if p.ready.Error != "" {
		p.end()
		return fmt.Errorf("%s cannot run the suite: %s", p.name, p.ready.Error)
	}
	if p.ready.Protocol != workerProtocol {
		p.end()
		return fmt.Errorf("%s speaks version %d of the A/B protocol, not %d", p.name, p.ready.Protocol, workerProtocol)
	}
	return nil
}

// visit runs a case once.
func (p *process) visit(i int) (*result.Record, error) {
	if err := json.NewEncoder(p.in).Encode(workerVisit{i}); err != nil {
		return nil, p.failed(err)
	}
	var r workerRecord
	if err := p.from.Decode(&r); err != nil {
		return nil, p.failed(err)
	}
	return &r.Record, nil
}

// failed ends a worker that does not answer, and tells its last words. They are whole only when it has ended.
func (p *process) failed(err error) error {
	if ended := p.end(); ended != nil {
		err = ended
	}
	switch words := strings.TrimSpace(p.words.String()); {
	case strings.Contains(words, `unknown command "ab-worker"`):
		return fmt.Errorf("%s is a yocobench without `ab-worker`, older than yocobench ab\n  hint: compare runs of it instead, with yocobench run and yocobench compare", p.name)
	case words != "":
		return fmt.Errorf("%s does not answer as a yocobench would: %w; it said: %s", p.name, err, words)
	}
	return fmt.Errorf("%s does not answer as a yocobench would: %w", p.name, err)
}

// end closes a worker's input, which ends it, and waits for it; one that stays is killed.
func (p *process) end() error {
	_ = p.in.Close()
	stop := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer stop.Stop()
	return p.cmd.Wait()
}

// tail keeps the last part of what is written to it.
type tail struct{ b []byte }

const tailBytes = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if over := len(t.b) - tailBytes; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }
