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

// A worker is a process of one of the two binaries of an experiment. It communicates over standard
// input and output, one JSON document per line. It reads a Job and answers with a workerReady; then
// it answers each workerRequest with a workerRecord. It ends at the end of its input, so it never
// outlives its parent.

// workerProtocol is the protocol version. It changes with every incompatible change.
const workerProtocol = 1

// Job is the input of a worker. Both sides get the same suite text, whatever suites their binaries
// contain.
type Job struct {
	Protocol int `json:"protocol"`
	// Suite is the text of the suite, with settings applied. File is its name in errors. Dir is the
	// base of its relative paths.
	Suite   string `json:"suite"`
	File    string `json:"file"`
	Dir     string `json:"dir"`
	Threads int    `json:"threads"`
	Tier    string `json:"tier"`
}

// workerReady lists the cases that a worker can run, or holds the error that prevents it.
type workerReady struct {
	Protocol int             `json:"protocol"`
	Error    string          `json:"error,omitempty"`
	Hash     string          `json:"suite_hash"`
	Env      result.Env      `json:"env"`
	Tasks    result.Tasks    `json:"tasks"` // nil if the worker is an older version
	Cases    []result.Record `json:"cases"` // without results
}

// tasks returns the task declarations for the worker's records.
func (r workerReady) tasks() result.Tasks {
	return (&result.Journal{Runs: []result.Run{{Tasks: r.Tasks}}}).Tasks()
}

// workerRequest requests a case by its index in workerReady.
type workerRequest struct {
	Run int `json:"run"`
}

// workerRecord is a case's result.
type workerRecord struct {
	Record result.Record `json:"record"`
}

// Work runs a worker. It reads a job from in, gets the cases and their environment from plan, and
// measures the cases that in requests until in ends.
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

// plan plans a job and fills in r.
func (r *workerReady) plan(job Job, plan func(Job) (*suites.Plan, result.Env, error)) (*suites.Plan, error) {
	if job.Protocol != workerProtocol {
		return nil, fmt.Errorf("it uses version %d of the A/B protocol, not %d", workerProtocol, job.Protocol)
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

// process is the parent's view of a running worker.
type process struct {
	name  string // the side's name, for errors
	cmd   *exec.Cmd
	in    io.WriteCloser
	from  *json.Decoder
	words tail
	ready workerReady
}

// startWorker starts a side's binary with a job. It does not wait until the worker is ready.
func startWorker(ctx context.Context, name, binary string, job Job) (*process, error) {
	p := &process{name: name, cmd: exec.CommandContext(ctx, binary, "ab-worker")}
	p.cmd.Args[0] = "yocobench" // so that the stacks of both sides start at the same size
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
	_ = json.NewEncoder(p.in).Encode(job) // await reports a process that does not read its job
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
		return fmt.Errorf("%s uses version %d of the A/B protocol, not %d", p.name, p.ready.Protocol, workerProtocol)
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

// failed ends a worker that does not answer and returns an error with its last output, which is
// complete only once it has ended.
func (p *process) failed(err error) error {
	if ended := p.end(); ended != nil {
		err = ended
	}
	switch words := strings.TrimSpace(p.words.String()); {
	case strings.Contains(words, `unknown command "ab-worker"`):
		return fmt.Errorf("%s is a yocobench older than yocobench ab (it has no `ab-worker`)\n  hint: compare runs of it instead, with yocobench run and yocobench compare", p.name)
	case words != "":
		return fmt.Errorf("%s does not answer like a yocobench worker: %w; its output: %s", p.name, err, words)
	}
	return fmt.Errorf("%s does not answer like a yocobench worker: %w", p.name, err)
}

// end closes a worker's input, which makes it end, and waits for it. It kills a worker that does
// not end.
func (p *process) end() error {
	_ = p.in.Close()
	stop := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer stop.Stop()
	return p.cmd.Wait()
}

// tail is a writer that keeps the last part of its input.
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
