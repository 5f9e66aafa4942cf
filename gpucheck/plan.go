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

// planGPU is the device profile that --plan uses if there is no GPU with a known datasheet.
const planGPU = "h200"

// Times that the cost model does not cover, in seconds: work of the host, of the driver's compiler
// and of PyTorch's.
const (
	secondsStart   = 5   // starting a process: driver and context
	secondsFixture = 0.6 // a fixture in one type and tier: weights and expected tensors, launches
	secondsCompile = 30  // compiling the kernels of all fixtures if the driver has none in its cache
	secondsPeaks   = 15
	secondsInputs  = 90  // computing inputs and float64 results of all kernels on the host
	secondsPeers   = 180 // starting PyTorch, inputs, torch.compile
	secondsLoad    = 4   // loading a 3B model
)

// call is a command line of the plan.
type call struct {
	part    string
	seconds float64
	note    string
}

// Plan writes the command lines of the parts, with their times estimated from the GPU's datasheet.
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
	fmt.Fprintf(w, "# Requires: this program, the NVIDIA driver, the folder %s (for fixtures), a Python with PyTorch (for peers). No Go, no network.\n", f.Fixtures)
	fmt.Fprintf(w, "# Each call continues the results in $OUT, so calls can run on different machines.\n")
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
			note += "; exceeds the budget"
		}
		fmt.Fprintf(w, "%-60s # %s\n", line, note)
		total += c.seconds
	}
	_, err = fmt.Fprintf(w, "# %s in total, in calls of at most %v where possible (--budget).\n", units.ShortDuration(total), f.Budget)
	return err
}

// planned returns the calls and their estimated seconds on a GPU.
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
		{"peers", secondsStart + secondsPeers, "a second without PyTorch"},
	}
	models, err := f.plannedModels(ctx, p)
	return append(calls, models...), err
}

// plannedModels returns the calls for the models: cheapest cases first, as many per call as the
// budget allows.
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

// values returns the values of a repeated flag.
func values(args []string, flag string) (out []string) {
	for i := range len(args) - 1 {
		if args[i] == flag {
			out = append(out, args[i+1])
		}
	}
	return out
}
