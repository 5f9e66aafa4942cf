//go:build linux

// Command calibrate measures the error rates of `yocobench ab` on this machine. It alternately
// tests a build against itself, which must not regress, and against a build that is 5 % slower
// (-tags slowdown), which must, while another process keeps a core busy in random bursts. It writes
// a table (-out, .md) and its data (.json). With -mode runs it measures the error rates of
// `yocobench run --baseline`, `compare` and ratios within a run, from complete runs of one binary.
//
//	go run ./tools/calibrate -runs 40
//	go run ./tools/calibrate -mode runs -runs 120
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/yocobench/yocobench/internal/safefile"
)

func main() {
	runs := flag.Int("runs", 40, "number of runs of each kind")
	mode := flag.String("mode", "ab", "ab: yocobench ab; runs: comparisons of complete runs")
	suite := flag.String("suite", "", "the suite (default suites/ci.yaml, with -mode runs tools/calibrate/equal.yaml)")
	dir := flag.String("dir", "", "with -mode runs: the folder of the runs; existing runs are kept (default a temporary folder)")
	nice := flag.Int("nice", 0, "with -mode runs: the niceness of the runs")
	slower := flag.Float64("slowdown", 0.05, "the fraction by which the slower build is slower")
	out := flag.String("out", "", "path of the table (.md) and the data (.json) without extension (default docs/measurements/MODE-calibration, run- for runs)")
	neighbour := flag.Bool("neighbour", false, "run as the busy process")
	table := flag.Bool("table", false, "only write the table of existing data")
	flag.Parse()
	if *neighbour {
		burn()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch *mode {
	case "ab":
		err = calibrate(ctx, *runs, or(*suite, "suites/ci.yaml"), *slower, or(*out, "docs/measurements/ab-calibration"), *table)
	case "runs":
		folder := *dir
		if folder == "" && !*table {
			if folder, err = os.MkdirTemp("", "calibrate-"); err == nil {
				defer os.RemoveAll(folder)
			}
		}
		if err == nil {
			err = calibrateRuns(ctx, *runs, *nice, or(*suite, "tools/calibrate/equal.yaml"), folder, or(*out, "docs/measurements/run-calibration"), *table)
		}
	default:
		err = fmt.Errorf("-mode is ab or runs, not %q", *mode)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// burn keeps core 0 busy in bursts of 5 to 500 ms with pauses of the same distribution. Lengths are
// log-uniform.
func burn() {
	runtime.LockOSThread()
	var core unix.CPUSet
	core.Set(0)
	if err := unix.SchedSetaffinity(0, &core); err != nil {
		fmt.Fprintln(os.Stderr, "neighbour: not bound to a core:", err)
	}
	length := func() time.Duration {
		return time.Duration(5e6 * math.Pow(100, rand.Float64()))
	}
	parent := os.Getppid()
	for os.Getppid() == parent {
		for end := time.Now().Add(length()); time.Now().Before(end); {
		}
		time.Sleep(length())
	}
	os.Exit(0)
}

// figures holds the data of the table.
type figures struct {
	Go       string  `json:"go"`
	Commit   string  `json:"commit"`
	CPU      string  `json:"cpu"`
	Cores    int     `json:"cores"`
	Suite    string  `json:"suite"`
	Slowdown float64 `json:"slowdown"`
	Date     string  `json:"date"`
	Runs     []run   `json:"runs"`
}

// run is one run of yocobench ab.
type run struct {
	// Slower reports whether new is slower than base; otherwise both are the same build.
	Slower  bool    `json:"slower"`
	Verdict string  `json:"verdict"`
	Seconds float64 `json:"seconds"`
	Rounds  int     `json:"rounds"`
	// Load is the system's load average (1 minute) at the end of the run.
	Load float64 `json:"load"`
	// Ratios holds new/base of each round, by gate and case.
	Ratios map[string][]float64 `json:"ratios"`
}

func calibrate(ctx context.Context, runs int, suite string, slower float64, out string, table bool) error {
	var f figures
	if table {
		if err := readFigures(out, &f); err != nil {
			return err
		}
		return safefile.WriteBytes(out+".md", f.markdown())
	}
	dir, err := os.MkdirTemp("", "calibrate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	base, same, slow := filepath.Join(dir, "base"), filepath.Join(dir, "same"), filepath.Join(dir, "slow")
	for _, b := range []struct {
		path string
		args []string
	}{{base, nil}, {same, nil}, {slow, []string{"-tags", "slowdown", "-ldflags", fmt.Sprintf("-X main.slowdown=%v", slower)}}} {
		args := append([]string{"build", "-trimpath", "-o", b.path}, append(b.args, "./cmd/yocobench")...)
		if text, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, text)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	neighbour := exec.CommandContext(ctx, self, "-neighbour")
	if err := neighbour.Start(); err != nil {
		return err
	}
	defer func() { _ = neighbour.Process.Kill(); _ = neighbour.Wait() }()

	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return fmt.Errorf("git describe: %w", err)
	}
	f = figures{Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, Commit: strings.TrimSpace(string(commit)), CPU: cpuName(), Cores: runtime.NumCPU(), Suite: suite, Slowdown: slower,
		Date: time.Now().UTC().Format(time.DateOnly)}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	for i := range 2 * runs {
		fresh := []string{same, slow}[i%2]
		r, err := one(ctx, base, fresh, suite, filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		r.Slower = fresh == slow
		f.Runs = append(f.Runs, *r)
		fmt.Printf("%d/%d slower=%v %s, %d rounds, %.0f s, load %.1f\n", i+1, 2*runs, r.Slower, r.Verdict, r.Rounds, r.Seconds, r.Load)
		if err := writeFigures(out, f); err != nil {
			return err
		}
	}
	return safefile.WriteBytes(out+".md", f.markdown())
}

// readFigures reads out.json, which writeFigures writes.
func readFigures(out string, f any) error {
	b, err := os.ReadFile(out + ".json")
	if err != nil {
		return err
	}
	return json.Unmarshal(b, f)
}

func writeFigures(out string, f any) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return safefile.WriteBytes(out+".json", append(b, '\n'))
}

// one runs yocobench ab once.
func one(ctx context.Context, base, fresh, suite, dir string) (*run, error) {
	start := time.Now()
	c := exec.CommandContext(ctx, base, "ab", suite, "--base", base, "--new", fresh, "--out", dir, "--format", "json", "--quiet", "--budget", "3m")
	var complaint bytes.Buffer
	c.Stderr = &complaint
	text, err := c.Output()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return nil, err
	}
	var ab struct {
		Rounds int
		Gates  struct {
			Verdict string
			Gates   []struct {
				Gate  struct{ Task, Metric, Over string }
				Cases []struct {
					Model, Label string
					Rounds       []float64
				}
			}
		}
	}
	if err := json.Unmarshal(text, &ab); err != nil {
		return nil, fmt.Errorf("yocobench ab: %w: %s", err, complaint.String())
	}
	r := &run{Verdict: ab.Gates.Verdict, Seconds: time.Since(start).Seconds(), Rounds: ab.Rounds, Load: load(), Ratios: map[string][]float64{}}
	for _, g := range ab.Gates.Gates {
		for _, k := range g.Cases {
			if g.Gate.Over != "baseline" || len(k.Rounds) == 0 {
				continue
			}
			name := g.Gate.Metric + " " + k.Model + " " + k.Label
			for _, x := range k.Rounds {
				r.Ratios[name] = append(r.Ratios[name], float64(int(x*1e5+0.5))/1e5)
			}
		}
	}
	return r, nil
}

func load() (l float64) {
	b, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(b), &l)
	}
	if err != nil {
		return -1
	}
	return l
}

func cpuName() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
