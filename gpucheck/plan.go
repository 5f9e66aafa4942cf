//go:build cuda

package gpucheck

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"strings"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cuda"
)

// planGPU is the profile that --plan estimates with where there is no GPU whose datasheet is known.
const planGPU = "h200"

// What the parts take besides what the cost model knows, in seconds: the work of the host, the
// driver's compiler and PyTorch's.
const (
	secondsStart   = 5   // a process: the driver, a context
	secondsFixture = 0.6 // a fixture in one type and tier: weights and expected tensors, launches
	secondsCompile = 30  // the kernels of all fixtures, compiled by the driver, where none is in its cache
	secondsPeaks   = 15
	secondsInputs  = 90  // inputs of all kernels and their float64 results, made on the host
	secondsPeers   = 180 // PyTorch's start, inputs, and what torch.compile compiles
	secondsLoad    = 4   // a 3B model
)

// call is a command line of the plan.
type call struct {
	part    string
	seconds float64
	note    string
}

// Plan writes the command lines of the parts, with what they take by estimate on a GPU of the
// datasheet's figures.
func Plan(ctx context.Context, o Options, w io.Writer) error {
	f := &o
	if err := f.check(); err != nil {
		return err
	}
	profile, err := runners.FindProfile(planGPU)
	if err != nil {
		return err
	}
	if i, err := cuda.Inspect(); err == nil {
		if p, ok := runners.ProfileOf(i.Name); ok {
			profile = p
		}
	}
	calls, err := f.planned(ctx, profile)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "# Estimated for %s at %g of its peak FLOP/s and %g of its bandwidth (%s), and allowances for the host.\n", profile.Name, profile.Efficiency.Compute, profile.Efficiency.Bandwidth, profile.Source)
	fmt.Fprintf(w, "# Requires: this program, the folder %s (fixtures only), the NVIDIA driver; for the peers a Python with PyTorch. No Go, no network.\n", f.Fixtures)
	fmt.Fprintf(w, "# Each call continues the results in $OUT, so that it can run on another machine.\n")
	total := 0.0
	for i, c := range calls {
		line := "yocobench-cuda gpu-check --parts " + c.part
		if i > 0 {
			line += ` --resume "$OUT"`
		}
		note := units.ShortDuration(c.seconds)
		if c.note != "" {
			note += ": " + c.note
		}
		if c.seconds > f.Budget.Seconds() {
			line += fmt.Sprintf(" --budget %ds", int(c.seconds)+int(lastSeconds.Seconds()))
			note += "; it does not fit the budget"
		}
		fmt.Fprintf(w, "%-60s # %s\n", line, note)
		total += c.seconds
	}
	_, err = fmt.Fprintf(w, "# %s in all, in calls of at most %v where they fit (--budget).\n", units.ShortDuration(total), f.Budget)
	return err
}

// planned are the calls, with their seconds on a GPU.
func (f *Options) planned(ctx context.Context, p runners.Profile) ([]call, error) {
	dirs, err := filepath.Glob(filepath.Join(f.Fixtures, "*", "config.json"))
	if err != nil {
		return nil, err
	}
	const tiers, types = 3, 2 // sm_90a, sm_80 and cuBLAS; float32 and bfloat16
	calls := []call{
		{"fixtures", secondsStart + secondsCompile + secondsFixture*float64(len(dirs)*tiers*types), ""},
		{"peaks", secondsStart + secondsPeaks, ""},
		{"kernels", 2*secondsStart + secondsInputs, ""},
		{"peers", secondsStart + secondsPeers, "if there is no PyTorch, a second"},
	}
	models, err := f.plannedModels(ctx, p)
	return append(calls, models...), err
}

// plannedModels are the calls of the models: the cheapest cases first, as many in a call as its
// budget holds.
func (f *Options) plannedModels(ctx context.Context, p runners.Profile) (calls []call, err error) {
	args := modelArgs(false)
	plan, err := f.Program.Plan(ctx, args[1], append(values(args, "--set"), "runner=cuda", `device=""`), values(args, "--filter"), p)
	if err != nil {
		return nil, err
	}
	cases := plan.Cases
	sort.SliceStable(cases, func(i, j int) bool { return cases[i].Seconds < cases[j].Seconds })
	var models []string
	for _, c := range cases {
		if !strings.Contains(strings.Join(models, " "), c.Model.Name) {
			models = append(models, c.Model.Name)
		}
	}
	fixed := secondsStart + secondsPeaks + secondsLoad*float64(len(models))
	now, n := call{part: "models"}, 0
	longest := ""
	flush := func() {
		now.note = fmt.Sprintf("%d cases, the longest %s", n, longest)
		calls = append(calls, now)
	}
	for _, c := range cases {
		if c.TooLarge() {
			continue
		}
		if now.seconds > 0 && now.seconds+c.Seconds > (f.Budget-lastSeconds).Seconds() {
			flush()
			now, n = call{part: "models"}, 0
		}
		if now.seconds == 0 {
			now.seconds = fixed
		}
		now.seconds += c.Seconds
		n++
		longest = fmt.Sprintf("%s %s %s", c.Model.Name, c.Label, units.ShortDuration(c.Seconds))
	}
	if n > 0 {
		flush()
	}
	return calls, nil
}

// values are those of a repeated flag.
func values(args []string, flag string) (out []string) {
	for i := range len(args) - 1 {
		if args[i] == flag {
			out = append(out, args[i+1])
		}
	}
	return out
}
