package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Format is a model's chat template with its special tokens. It is safe for concurrent use and must
// not be copied.
type Format struct {
	// Template is the Jinja source: the key tokenizer.chat_template of a GGUF file, or
	// chat_template.jinja or the field chat_template of tokenizer_config.json.
	Template string
	// BOS and EOS are the texts of these special tokens, empty if the model has none.
	BOS, EOS string

	mu     sync.Mutex
	loaded map[string]loaded
}

// loaded holds the results of Load by system message.
type loaded struct {
	t   *Template
	err error
}

// Template is the text around a user's message.
type Template struct {
	// Prefix and Suffix are the text before and after the message.
	Prefix, Suffix []Part
	// TrimLeft and TrimRight report that the template removes white space at the start and the end
	// of a message.
	TrimLeft, TrimRight bool
	// UsesDate reports that the template asked for the date and got Date.
	UsesDate bool
}

// Part is a part of a prompt.
type Part struct {
	Text string
	// Plain is set for the text of the system message, in which special tokens are not recognised.
	Plain bool
}

// Hash identifies the text around a message.
func (t *Template) Hash() string {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(t) // neither can fail
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// Load renders the template for a message of the user, after a system message unless system is
// empty. White space around the system message is removed. The error describes in one line what is
// wrong with the template. Results are cached.
//
// Load runs the current executable with the argument Command. The program must then call Child.
func (f *Format) Load(ctx context.Context, system string) (*Template, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l, ok := f.loaded[system]; ok {
		return l.t, l.err
	}
	t, err := load(ctx, job{Template: f.Template, BOS: f.BOS, EOS: f.EOS, System: strings.TrimSpace(system)})
	if err != nil {
		err = fmt.Errorf("chat template: %w", err)
	}
	if ctx.Err() == nil {
		if f.loaded == nil {
			f.loaded = map[string]loaded{}
		}
		f.loaded[system] = loaded{t, err}
	}
	return t, err
}

// Limits of a rendering. Real templates take milliseconds and a few MB.
const (
	maxTemplate = 1 << 20   // bytes of the source
	maxText     = 1 << 20   // bytes of the rendered text
	maxMemory   = 256 << 20 // bytes of the child process
	maxStack    = 32 << 20  // bytes of the child's stack
	// maxTime is the child's CPU time, which does not depend on other processes. It may take up to
	// maxWait on a busy machine.
	maxTime = 5 * time.Second
	maxWait = time.Minute
)

// Command is the argument with which the program is started to render a template.
const Command = "chat-render"

// inside is an environment variable that is set in the child. It stops a program that ignores
// Command and calls Load from starting children endlessly.
const inside = "YOCOBENCH_CHAT_CHILD"

// job is the input of a child and answer its output, as JSON on standard input and output.
type job struct {
	Template, BOS, EOS, System string
}

type answer struct {
	Template *Template `json:",omitempty"`
	Error    string    `json:",omitempty"`
}

// load renders a template in a child process.
func load(ctx context.Context, j job) (*Template, error) {
	if len(j.Template) > maxTemplate {
		return nil, fmt.Errorf("it has %d bytes, want at most %d", len(j.Template), maxTemplate)
	}
	if os.Getenv(inside) != "" {
		return nil, fmt.Errorf("a child process must not start another")
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	var out, words bounded
	out.limit, words.limit = 8*maxText, 1<<12 // JSON may take 6 bytes for one
	c := exec.CommandContext(ctx, program, Command)
	c.Args[0] = "yocobench"
	c.Env = append(os.Environ(), inside+"=1", "GOTRACEBACK=none")
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), &out, &words
	c.WaitDelay = time.Second
	if err := c.Run(); err != nil {
		return nil, cause(ctx, err, words.String())
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil || a.Template == nil && a.Error == "" {
		return nil, fmt.Errorf("the process that renders it answered %.60q", out.String())
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Template, nil
}

// cause describes in one line why a child ended without an answer. words is its output on stderr.
func cause(ctx context.Context, err error, words string) error {
	var exit *exec.ExitError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("it takes more than %v", maxWait)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() == exitTime:
		return fmt.Errorf("it takes more than %v of CPU time", maxTime)
	case errors.As(err, &exit) && exit.ExitCode() == exitMemory, strings.Contains(words, "out of memory"), strings.Contains(words, "len out of range"):
		return fmt.Errorf("it takes more than %d MB of memory", maxMemory>>20)
	case strings.Contains(words, "stack overflow"), strings.Contains(words, "stack exceeds"):
		return errors.New("it calls itself without end")
	}
	words, _, _ = strings.Cut(strings.TrimSpace(words), "\n")
	return fmt.Errorf("the process that renders it failed: %w: %s", err, words)
}

// bounded keeps only the first bytes written to it.
type bounded struct {
	bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	if n := b.limit - b.Len(); n > 0 {
		b.Buffer.Write(p[:min(n, len(p))])
	}
	return len(p), nil
}

// Child renders the template of a job that it reads from in and writes the answer to out. It must
// be the only work of its process, because it ends the process if the template exceeds a limit.
func Child(in io.Reader, out io.Writer) error {
	if err := watch(); err != nil {
		return fmt.Errorf("limiting the memory: %w", err)
	}
	var j job
	if err := json.NewDecoder(io.LimitReader(in, 8*maxTemplate)).Decode(&j); err != nil {
		return fmt.Errorf("expected a template as JSON on standard input: %w\n  hint: this command is run by yocobench itself", err)
	}
	var a answer
	t, err := split(j)
	if err != nil {
		a.Error = oneLine(err.Error())
	} else {
		a.Template = t
	}
	return json.NewEncoder(out).Encode(a)
}

// oneLine returns text as one line of at most 300 bytes.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.ToValidUTF8(text[:min(len(text), 300)], "")
}
