//go:build cuda

package gpucheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "embed"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// peersScript times PyTorch on the inputs of the kernels' measurements, and computes the same
// samples.
//
//go:embed peers.py
var peersScript string

// Results are the results of gpu-check and the contents of its JSON file. The file is rewritten
// after each result.
type Results struct {
	Version     string              `json:"version"`
	Commit      string              `json:"commit,omitempty"`
	Start       time.Time           `json:"start"`
	Small       bool                `json:"small,omitempty"`
	Accelerator *result.Accelerator `json:"accelerator"`
	// Done lists the completed parts. Next is the first item of each series that was not tried yet.
	Done []string       `json:"done"`
	Next map[string]int `json:"next,omitempty"`
	// Problems lists what could not be run. A failed check is not a problem.
	Problems []Problem  `json:"problems,omitempty"`
	Fixtures []Fixture  `json:"fixtures,omitempty"`
	Peak     *cuda.Peak `json:"peak,omitempty"`
	Kernels  []Kernel   `json:"kernels,omitempty"`
	// NoPeers is the reason for which results of PyTorch are missing. Torch is PyTorch's version
	// and device.
	NoPeers string `json:"no_peers,omitempty"`
	Torch   string `json:"torch,omitempty"`
	// After is the GPU's state after the kernels were measured.
	After *result.GPUState `json:"after,omitempty"`
	// EndToEnd is the journal of the paper's suite on this GPU. NoEndToEnd is the reason for which
	// it was left out.
	EndToEnd   *result.Journal `json:"end_to_end,omitempty"`
	NoEndToEnd string          `json:"no_end_to_end,omitempty"`

	dir     string // the folder of the results
	log     io.Writer
	program Program
}

// Problem is something that could not be run.
type Problem struct {
	// Part is the part or one of its series. Item is the number, from 1, of the item that ended its
	// process; a call with --resume tries it again. It is 0 for other problems.
	Part string `json:"part"`
	Item int    `json:"item,omitempty"`
	Text string `json:"text"`
}

func (p Problem) String() string {
	if p.Item > 0 {
		return fmt.Sprintf("%s, number %d: %s", p.Part, p.Item, p.Text)
	}
	return p.Part + ": " + p.Text
}

// Fixture is the result of checking a fixture of the reference implementation.
type Fixture struct {
	Name      string  `json:"name"`
	DType     string  `json:"dtype"`
	Kernels   string  `json:"kernels"`
	Error     float64 `json:"error"`
	Tolerance float64 `json:"tolerance"`
	OK        bool    `json:"ok"`
	Note      string  `json:"note,omitempty"`
}

// Kernel is the check and the measurement of a kernel.
type Kernel struct {
	cuda.Measurement
	Peers []Peer `json:"peers,omitempty"`
}

// Peer is another implementation of the same operation.
type Peer struct {
	Name string `json:"name"`
	// Millis is its median time in milliseconds, or 0 if it could not run for the reason Why.
	Millis float64 `json:"ms"`
	Why    string  `json:"why,omitempty"`
	// Error is the largest difference between the kernel's samples and the peer's, divided by 1 +
	// |value|. It is nil if they were not compared.
	Error *float64 `json:"error,omitempty"`
}

// Parts lists the parts of gpu-check in order.
var Parts = []string{"fixtures", "peaks", "kernels", "peers", "models"}

// Options are the options of a call.
type Options struct {
	// Small selects small sizes for tests, and PyTorch on the CPU if it finds no GPU.
	Small bool
	// Parts lists the parts to run.
	Parts []string
	// Out is the folder for the results. Resume, if not empty, is the JSON file or the folder of an
	// earlier call's results.
	Out, Resume string
	// Fixtures is the folder of fixtures, Python a Python that may have PyTorch, CUBLAS the file of
	// cuBLAS or "".
	Fixtures, Python, CUBLAS string
	// Budget limits the time of all parts of this call.
	Budget time.Duration
	// Program describes the calling program.
	Program Program
}

// Program describes the program that calls gpu-check.
type Program struct {
	Version, Commit string
	// Path is the executable that runs parts and suites.
	Path string
	// DeviceLost is the exit code of a process that lost the GPU.
	DeviceLost int
	// Journal is the name of the journal in a run folder.
	Journal string
	// Plan plans a suite for a GPU that the machine need not have.
	Plan func(ctx context.Context, suite string, sets, filters []string, p runners.Profile) (*suites.Plan, error)
}

// usagef returns the error for an invalid call.
func usagef(format string, args ...any) error {
	return &suites.Problem{Msg: fmt.Sprintf(format, args...)}
}

// lastSeconds is reserved for stopping the suite at the end of its time and for writing its
// reports.
const lastSeconds = 20 * time.Second

// weight is a part's relative share of the time if several parts run.
var weight = map[string]int{"fixtures": 30, "peaks": 5, "kernels": 25, "peers": 20, "models": 60}

// check returns an error for the first invalid option.
func (f *Options) check() error {
	for _, p := range f.Parts {
		if !slices.Contains(Parts, p) {
			return usagef("--parts: unknown part %q\n  hint: the parts are %s", p, strings.Join(Parts, ", "))
		}
	}
	if len(f.Parts) == 0 {
		return usagef("--parts: no part given\n  hint: the parts are %s", strings.Join(Parts, ", "))
	}
	if f.Budget < time.Minute {
		return usagef("--budget is at least a minute, not %v", f.Budget)
	}
	if dirs, err := filepath.Glob(filepath.Join(f.Fixtures, "*", "config.json")); err != nil || len(dirs) == 0 && slices.Contains(f.Parts, "fixtures") {
		return usagef("no fixtures in %s: run this in the project's folder, or give --fixtures", f.Fixtures)
	}
	return nil
}

// Run runs the parts, writes their results and prints them as Markdown. It returns the number of
// failed checks and parts. If ctx ends, it returns the count so far.
func Run(ctx context.Context, o Options, stdout, log io.Writer) (failures int, err error) {
	f := &o
	start := time.Now()
	if err := f.check(); err != nil {
		return 0, err
	}
	r, err := f.begin(ctx, log)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(log, "%s, kernels %s\n", r.Accelerator.Name, r.Accelerator.Kernels)
	left := 0
	for _, p := range Parts {
		if slices.Contains(f.Parts, p) {
			left += weight[p]
		}
	}
	for _, p := range Parts {
		if !slices.Contains(f.Parts, p) || ctx.Err() != nil {
			continue
		}
		limit := (f.Budget - time.Since(start)) * time.Duration(weight[p]) / time.Duration(left)
		left -= weight[p]
		r.clearProblems(p)
		if f.do(ctx, r, p, limit) && !slices.Contains(r.Done, p) {
			r.Done = append(r.Done, p)
		}
		if err := r.write(); err != nil {
			return 0, err
		}
	}
	if err := r.markdown(stdout); err != nil {
		return 0, err
	}
	fmt.Fprintf(log, "written in %v: %s.json, %[2]s.md\n", time.Since(start).Round(time.Second), r.base())
	if todo := r.todo(); len(todo) > 0 {
		fmt.Fprintf(log, "continue with: yocobench-cuda gpu-check --parts %s --out %s --resume %[2]s\n", strings.Join(todo, ","), cleantext.ShellQuote(r.dir))
	}
	return r.failures(), nil
}

// begin creates the results, or reads those to resume.
func (f *Options) begin(ctx context.Context, log io.Writer) (*Results, error) {
	r := &Results{Version: f.Program.Version, Commit: f.Program.Commit, Start: time.Now().UTC().Round(time.Second), Small: f.Small, Next: map[string]int{}}
	if f.Resume != "" {
		old, err := Read(f.Resume)
		if err != nil {
			return nil, err
		}
		r = old
	}
	old := r.Accelerator
	if old != nil {
		if err := r.moveTo(f.Out, f.Program.Journal); err != nil {
			return nil, err
		}
	}
	r.dir, r.log, r.program = f.Out, log, f.Program
	for _, need := range []struct{ part, of string }{{"peers", "kernels"}, {"models", "fixtures"}, {"models", "kernels"}} {
		if slices.Contains(f.Parts, need.part) && !slices.Contains(f.Parts, need.of) && r.Next[series(need.of, runners.BF16)] == 0 {
			return nil, usagef("the part %s needs the results of the part %s\n  hint: name both in --parts, or give --resume with the results of an earlier call", need.part, need.of)
		}
	}
	if _, err := cuda.CUBLAS(); err != nil && f.CUBLAS == "" {
		if file, err := packagedCUBLAS(ctx, f.Python); err != nil {
			fmt.Fprintln(log, "cuBLAS: the loader finds none, and", err)
		} else if err := cuda.UseCUBLAS(file); err != nil {
			r.problem(Problem{Part: "cuBLAS", Text: err.Error()})
		} else {
			f.CUBLAS = file
		}
	}
	var err error
	if r.Accelerator, err = Accelerator(""); err != nil {
		return nil, err
	}
	if f.Resume != "" && (old.Name != r.Accelerator.Name || r.Small != f.Small) {
		return nil, usagef("--resume: the results in %s are of %s (small sizes: %t), but this is %s (small sizes: %t)", f.Resume, old.Name, r.Small, r.Accelerator.Name, f.Small)
	}
	r.clearProblems("environment")
	for _, s := range cuda.Environment() {
		r.problem(Problem{Part: "environment", Text: s})
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, err
	}
	return r, r.write()
}

// Read reads the results of an earlier call from their JSON file, or from the newest one in a
// folder.
func Read(path string) (*Results, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, usagef("--resume: %v", err)
	} else if info.IsDir() {
		files, _ := filepath.Glob(filepath.Join(path, "gpu-*.json"))
		if len(files) == 0 {
			return nil, usagef("--resume: no gpu-*.json in %s", path)
		}
		path = slices.MaxFunc(files, func(a, b string) int { return strings.Compare(stamp(a), stamp(b)) })
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Results{}
	old := struct {
		*Results
		Toy bool `json:"toy"` // the name of "small" in older versions
	}{Results: r}
	if err := json.Unmarshal(b, &old); err != nil || r.Accelerator == nil || r.Start.IsZero() {
		return nil, usagef("--resume: %s is not a result of gpu-check: %v", path, err)
	}
	r.Small = r.Small || old.Toy
	if r.Next == nil {
		r.Next = map[string]int{}
	}
	r.dir = filepath.Dir(path)
	return r, nil
}

// moveTo copies the models' run to the folder of the new results.
func (r *Results) moveTo(dir, journal string) error {
	from := filepath.Join(r.runDir(), journal)
	to := *r
	to.dir = dir
	b, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) || filepath.Clean(dir) == filepath.Clean(r.dir) {
		return nil
	}
	if err == nil {
		err = os.MkdirAll(to.runDir(), 0o755)
	}
	if err != nil {
		return err
	}
	return safefile.WriteBytes(filepath.Join(to.runDir(), journal), b)
}

// stamp returns the time in the name of a results file.
func stamp(path string) string { return path[max(0, len(path)-len("20060102-150405.json")):] }

// series returns the name of the items of a part that are numbered together.
func series(part string, d runners.DType) string {
	if part == "kernels" {
		return part + " " + d.String()
	}
	return part
}

// do runs a part and reports whether it is complete.
func (f *Options) do(ctx context.Context, r *Results, part string, limit time.Duration) (done bool) {
	p := Part{Name: part, DType: runners.BF16.String(), Fixtures: f.Fixtures, Small: f.Small, cublas: f.CUBLAS}
	switch part {
	case "fixtures", "peaks":
		return r.part(ctx, limit, p)
	case "kernels":
		done = r.part(ctx, limit*4/5, p)
		// Float32 products do not use tensor cores. Their results are checked at small sizes; their
		// speed does not matter.
		p.DType, p.Small = runners.F32.String(), true
		done = r.part(ctx, limit/5, p) && done
		if s, err := cuda.Now(); err == nil {
			state := result.GPUState(s)
			r.After = &state
		}
		return done
	case "peers":
		return r.peers(ctx, limit, f.Python)
	}
	return r.models(ctx, limit-lastSeconds, f.CUBLAS)
}

// clearProblems removes the problems of a part that do not belong to an item, because the part is
// run again.
func (r *Results) clearProblems(part string) {
	r.Problems = slices.DeleteFunc(r.Problems, func(p Problem) bool { return p.Item == 0 && p.Part == part })
}

// problem records a problem.
func (r *Results) problem(p Problem) {
	r.Problems = append(r.Problems, p)
	fmt.Fprintln(r.log, "problem:", p)
}

// doubts returns the reason for which the default bfloat16 kernels of this GPU, including cuBLAS,
// cannot be trusted, or "".
func (r *Results) doubts() string {
	checked, wrong, fixtures, kernels := 0, 0, 0, 0
	count := func(ok bool) {
		checked++
		if !ok {
			wrong++
		}
	}
	for _, f := range r.Fixtures {
		if f.DType == "bf16" && (f.Kernels == r.Accelerator.Kernels || f.Kernels == cuda.TierCUBLAS) {
			count(f.OK)
		}
		if f.DType == "bf16" && f.Kernels == r.Accelerator.Kernels {
			fixtures++
		}
	}
	for _, k := range r.Kernels {
		if k.DType == "bf16" {
			count(k.OK)
			kernels++
		}
	}
	switch {
	case wrong > 0:
		return fmt.Sprintf("%d of %d checks of bf16 failed", wrong, checked)
	case fixtures == 0 || kernels == 0:
		return "bf16 was not checked"
	}
	return ""
}

// todo returns the incomplete parts.
func (r *Results) todo() []string {
	return slices.DeleteFunc(slices.Clone(Parts), func(p string) bool { return slices.Contains(r.Done, p) })
}

// failures returns the number of failed checks plus the number of problems.
func (r *Results) failures() int {
	n := len(r.Problems)
	for _, f := range r.Fixtures {
		if !f.OK {
			n++
		}
	}
	for _, k := range r.Kernels {
		if !k.OK {
			n++
		}
	}
	return n
}

// base returns the path of the results without the extension.
func (r *Results) base() string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(r.Accelerator.Name))
	return filepath.Join(r.dir, fmt.Sprintf("gpu-%s-%s", name, r.Start.Format("20060102-150405")))
}

// WriteIn writes the results into a folder.
func (r *Results) WriteIn(dir string) error {
	r.dir = dir
	return r.write()
}

// write writes the JSON file and the Markdown table into the folder of the results.
func (r *Results) write() error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(safefile.WriteBytes(r.base()+".json", append(b, '\n')), safefile.Write(r.base()+".md", r.markdown))
}
