package exec

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Spec is a command and how long it may take.
type Spec struct {
	// Command is the program and its arguments. A program without a slash is looked up in PATH; a
	// relative path starts at Dir.
	Command []string
	// Dir is the child's working directory. Its environment is that of this process.
	Dir string
	// Start limits the time from the start of the command to its hello, Request the time of any
	// other answer. A child that has no case for longer than Idle is ended, so that it holds no
	// memory. 0 means the default.
	Start, Request, Idle time.Duration
}

// The defaults of a Spec.
const (
	DefaultStart   = 2 * time.Minute
	DefaultRequest = 10 * time.Minute
	DefaultIdle    = 10 * time.Minute
)

func (s Spec) withDefaults() Spec {
	for _, d := range []struct {
		to  *time.Duration
		def time.Duration
	}{{&s.Start, DefaultStart}, {&s.Request, DefaultRequest}, {&s.Idle, DefaultIdle}} {
		if *d.to <= 0 {
			*d.to = d.def
		}
	}
	return s
}

// goodbye is the time that a child has to end after bye. farewell is the time that the output of an
// ended child may still take.
const (
	goodbye  = 10 * time.Second
	farewell = 2 * time.Second
)

// maxStderr limits what a child may write to standard error during one request.
const maxStderr = 64 << 20

// child is a running command.
type child struct {
	spec   Spec
	cmd    *exec.Cmd
	in     *os.File
	out    *os.File
	reader *bufio.Reader
	log    *tail
	n      int64 // the id of the last request

	once  sync.Once
	cause error         // why it was killed; set before killed is closed
	dead  chan struct{} // closed by kill
	ended chan struct{} // closed after the process has ended and its output was read
	state error         // of Wait; read after ended
}

// running are the children that have not ended.
var running = struct {
	sync.Mutex
	all map[*child]bool
}{all: map[*child]bool{}}

// KillAll kills all children. A program calls it before it ends, because a child may ignore the end
// of its input.
func KillAll() {
	running.Lock()
	defer running.Unlock()
	for c := range running.all {
		killGroup(c.cmd)
	}
}

// start starts the command.
func start(spec Spec) (*child, error) {
	c := &child{spec: spec, log: &tail{}, dead: make(chan struct{}), ended: make(chan struct{})}
	c.log.over = func() {
		c.kill(fmt.Errorf("it wrote more than %d MiB to standard error during one request", maxStderr>>20))
	}
	c.cmd = exec.Command(spec.Command[0], spec.Command[1:]...)
	c.cmd.Dir = spec.Dir
	ownGroup(c.cmd)
	var theirs []*os.File
	closeAll := func(files ...*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	var err error
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	inR, inW := pipe()
	outR, outW := pipe()
	errR, errW := pipe()
	theirs = []*os.File{inR, outW, errW}
	if err == nil {
		c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = inR, outW, errW
		running.Lock()
		if err = c.cmd.Start(); err == nil {
			running.all[c] = true
		}
		running.Unlock()
	}
	closeAll(theirs...)
	if err != nil {
		closeAll(inW, outR, errR)
		return nil, fmt.Errorf("the command %s does not start: %w", filepath.Base(spec.Command[0]), plain(err))
	}
	c.in, c.out, c.reader = inW, outR, bufio.NewReaderSize(outR, 64<<10)
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(c.log, errR)
	}()
	go func() {
		c.state = c.cmd.Wait()
		killGroup(c.cmd)
		running.Lock()
		delete(running.all, c)
		running.Unlock()
		// A process that left the group may still hold the pipes. No answer comes from it.
		time.AfterFunc(farewell, func() { c.out.Close() })
		select {
		case <-read:
		case <-time.After(farewell):
		}
		errR.Close()
		<-read
		close(c.ended)
	}()
	return c, nil
}

// plain removes the path from an error of the operating system.
func plain(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// kill ends the child and its process group. Only the first cause is kept.
func (c *child) kill(cause error) {
	c.once.Do(func() {
		c.cause = cause
		close(c.dead)
		select {
		case <-c.ended:
		default:
			killGroup(c.cmd)
		}
		c.in.Close()
		// Unblock a reader even if a process outside the group holds the pipe.
		time.AfterFunc(farewell, func() { c.out.Close() })
	})
}

// close says bye, and ends the child if it does not end by itself, or when ctx ends. It returns how
// the child ended.
func (c *child) close(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { c.kill(ctx.Err()) })()
	t := time.AfterFunc(goodbye, func() { c.kill(fmt.Errorf("it did not end within %s of bye", goodbye)) })
	defer t.Stop()
	c.n++
	line, err := json.Marshal(request{ID: c.n, Op: "bye"})
	if err == nil {
		_, _ = c.in.Write(append(line, '\n')) // it may have ended
	}
	c.in.Close()
	_, _ = io.Copy(io.Discard, c.reader)
	select {
	case <-c.ended:
		c.kill(nil)
	case <-c.dead:
		c.waitEnd()
	}
	c.out.Close()
	if c.cause != nil {
		return c.cause
	}
	return c.state
}

// waitEnd waits until a killed child has ended, but not for long: the system may be unable to end
// it yet.
func (c *child) waitEnd() {
	select {
	case <-c.ended:
	case <-time.After(5 * farewell):
	}
}

// Failure is an error of the child, which has been ended.
type Failure struct {
	// Op is the operation that failed, What how.
	Op, What string
	// Exit is how the process ended if it did so by itself, such as "exit status 1".
	Exit string
	// Stderr are the last lines that the child wrote to standard error.
	Stderr []string
	cause  error
}

func (f *Failure) Error() string {
	s := fmt.Sprintf("the child process failed at %s: %s", f.Op, f.What)
	if f.Exit != "" {
		s += " (" + f.Exit + ")"
	}
	if len(f.Stderr) == 0 {
		return s + "; it wrote nothing to standard error"
	}
	return s + "; standard error ended with: " + strings.Join(f.Stderr, " | ")
}

func (f *Failure) Unwrap() error { return f.cause }

// call sends a request and returns its answer, with the time that it took. A *Failure ends the
// child; after any other error, nothing was sent. An answer that is not ok is returned as it is.
func (c *child) call(ctx context.Context, r request, limit time.Duration) (*answer, time.Duration, error) {
	c.n++
	r.ID = c.n
	line, err := json.Marshal(r)
	if err != nil {
		return nil, 0, err
	}
	if len(line) >= maxLine {
		return nil, 0, fmt.Errorf("the request %s has %d bytes, more than the %d of a line", r.Op, len(line), maxLine)
	}
	c.log.fresh()
	t := time.AfterFunc(limit, func() { c.kill(fmt.Errorf("no answer within %s", limit)) })
	defer t.Stop()
	defer context.AfterFunc(ctx, func() { c.kill(ctx.Err()) })()
	begin := time.Now()
	_, err = c.in.Write(append(line, '\n'))
	if err == nil || !errors.Is(err, os.ErrClosed) {
		line, err = c.line() // the child may have answered before it ended
	}
	took := time.Since(begin)
	var a *answer
	if err == nil {
		a, err = parseAnswer(line, c.n)
	}
	if err != nil {
		return nil, took, c.failed(r.Op, err)
	}
	return a, took, nil
}

// errEnded: the child closed its standard output.
var errEnded = errors.New("it ended without an answer")

// line reads a line of at most maxLine bytes.
func (c *child) line() ([]byte, error) { return readLine(c.reader, maxLine) }

func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > most {
			return nil, fmt.Errorf("a line of more than %d MiB that begins %.120q", most>>20, append(line, part...))
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case len(line) > 0:
			return nil, fmt.Errorf("%w: the line is not complete: %s", errEnded, excerpt(line))
		default:
			return nil, errEnded
		}
	}
}

// failed ends the child because of err and returns its Failure.
func (c *child) failed(op string, err error) *Failure {
	f := &Failure{Op: op}
	if errors.Is(err, errEnded) {
		select { // to know how it ended
		case <-c.ended:
		case <-c.dead:
		case <-time.After(farewell):
		}
	}
	select {
	case <-c.ended:
		if c.state != nil {
			f.Exit = c.state.Error()
		} else {
			f.Exit = "exit status 0"
		}
	default:
	}
	c.kill(err)
	c.waitEnd()
	c.out.Close()
	if c.cause != err {
		f.Exit = "" // it was killed by a limit
	}
	f.cause = c.cause
	f.What, f.Stderr = c.cause.Error(), c.log.lines()
	return f
}

// Limits of what is kept of standard error.
const (
	tailLines = 20
	tailWidth = 300 // bytes of a line
)

// tail keeps the last lines that are written to it.
type tail struct {
	mu   sync.Mutex
	last []string
	part []byte // of the line being written, at most tailWidth
	n    int64  // bytes since fresh
	over func() // called where n exceeds maxStderr
}

// fresh starts a new count of bytes.
func (t *tail) fresh() {
	t.mu.Lock()
	t.n = 0
	t.mu.Unlock()
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	before := t.n
	t.n += int64(len(p))
	over := before <= maxStderr && t.n > maxStderr
	for rest := p; len(rest) > 0; {
		i := bytes.IndexAny(rest, "\r\n")
		if i < 0 {
			t.part = append(t.part, rest[:min(len(rest), tailWidth-len(t.part))]...)
			break
		}
		t.part = append(t.part, rest[:min(i, tailWidth-len(t.part))]...)
		t.end()
		rest = rest[i+1:]
	}
	t.mu.Unlock()
	if over {
		t.over()
	}
	return len(p), nil
}

// end completes a line.
func (t *tail) end() {
	s := strings.ToValidUTF8(strings.TrimRight(string(t.part), " \t"), "\uFFFD")
	t.part = t.part[:0]
	if s == "" {
		return
	}
	if len(t.last) == tailLines {
		t.last = append(t.last[:0], t.last[1:]...)
	}
	t.last = append(t.last, s)
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end()
	return append([]string(nil), t.last...)
}
