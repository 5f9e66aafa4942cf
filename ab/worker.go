package ab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// A worker is a process of one of the two binaries of an A/B measurement. It speaks over its
// standard input and output, a JSON document a line: a Job in, a workerReady out; then, as often as
// wanted, a workerRequest in and a workerRecord out. It ends when its input does, so that none
// outlives its parent.

// workerProtocol changes when an older worker would not understand a newer parent.
const workerProtocol = 1

// Job is what a worker is given: the same text of the suite for both sides, whatever suites their
// binaries hold.
type Job struct {
	Protocol int `json:"protocol"`
	// Suite is the text of the suite, settings applied; File is its name in errors and Dir where
	// its paths start.
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

// workerRequest asks for a case, by its place in workerReady.
type workerRequest struct {
	Run int `json:"run"`
}

// workerRecord is a case's result.
type workerRecord struct {
	Record result.Record `json:"record"`
}

// Work is the worker: it reads a job from in, asks plan for its cases and the environment in which
// they run, and measures cases as in asks for them, until in ends.
func Work(ctx context.Context, in io.Reader, out io.Writer, plan func(Job) (*suites.Plan, result.Env, error)) error {
	from, to := json.NewDecoder(in), json.NewEncoder(out)
	var job Job
	if err := from.Decode(&job); err != nil {
		return &suites.Problem{Msg: fmt.Sprintf("expected a job as JSON on standard input: %v", err), Hint: "this command is run by yocobench ab"}
	}
	ready := workerReady{Protocol: workerProtocol}
	p, err := ready.plan(job, plan)
	if err != nil {
		ready.Error = err.Error()
		return to.Encode(ready)
	}
	if err := to.Encode(ready); err != nil {
		return err
	}
	s := p.NewSession()
	defer s.Close()
	for {
		var v workerRequest
		if err := from.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if v.Run < 0 || v.Run >= len(p.Cases) {
			return fmt.Errorf("case %d of %d", v.Run, len(p.Cases))
		}
		r, err := s.Run(ctx, p.Cases[v.Run])
		if err != nil {
			return err
		}
		if err := to.Encode(workerRecord{*r}); err != nil {
			return err
		}
	}
}

// plan makes the plan of a job and fills in what the parent needs to know of it.
func (r *workerReady) plan(job Job, plan func(Job) (*suites.Plan, result.Env, error)) (*suites.Plan, error) {
	if job.Protocol != workerProtocol {
		return nil, fmt.Errorf("it speaks version %d of the A/B protocol, not %d", workerProtocol, job.Protocol)
	}
	p, env, err := plan(job)
	if err != nil {
		return nil, err
	}
	r.Hash, r.Tasks, r.Env = p.Hash, p.Tasks, env
	for _, c := range p.Cases {
		r.Cases = append(r.Cases, result.Record{
			Type: "case", Schema: result.SchemaVersion, Suite: p.Suite.Name, SuiteHash: p.Hash, Case: c.ID, Label: c.Label, Task: c.Task,
			Model: c.Model.Name, Arch: c.Model.Label, Runner: c.Model.Runner, Device: c.Model.Device, Params: c.Params,
		})
	}
	return p, nil
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
func startWorker(ctx context.Context, name, binary string, job Job) (*process, error) {
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
	_ = json.NewEncoder(p.in).Encode(job) // await reports a process that does not read it
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

// sample runs a case once.
func (p *process) sample(i int) (*result.Record, error) {
	if err := json.NewEncoder(p.in).Encode(workerRequest{i}); err != nil {
		return nil, p.failed(err)
	}
	var r workerRecord
	if err := p.from.Decode(&r); err != nil {
		return nil, p.failed(err)
	}
	return &r.Record, nil
}

// failed ends a worker that does not answer, and reports its last words. They are whole only when
// it has ended.
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
