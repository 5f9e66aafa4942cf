//go:build cuda

package gpucheck

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/cuda"
	"github.com/yocobench/yocobench/suites/result"
)

// Accelerator describes the GPU, its current state and the kernels of tier ("": the best). The
// error says what is missing.
func Accelerator(tier string) (*result.Accelerator, error) {
	i, err := cuda.Inspect()
	if err != nil {
		return nil, err
	}
	d, err := cuda.Describe(runners.Options{Tier: tier})
	if err != nil {
		return nil, err
	}
	a := &result.Accelerator{Name: i.Name, Capability: i.Capability, Multiprocessors: i.Multiprocessors, Memory: i.Memory, CUDA: i.Driver, Kernels: d.Tier, Why: d.Why}
	l, err := cuda.Load(runners.Options{Weights: runners.BF16, Tier: tier}, 1)
	if err != nil {
		return nil, err
	}
	a.Code = l.String()
	if a.CUBLAS, err = cuda.CUBLAS(); err != nil {
		a.NoCUBLAS = err.Error()
	}
	if s, err := cuda.Now(); err != nil {
		a.NoState = err.Error()
	} else {
		state := result.GPUState(s)
		a.State = &state
	}
	return a, nil
}

// PeakText formats the measured peaks of a GPU, each with its share of the datasheet's figure if
// that is known.
func PeakText(p cuda.Peak, gpu string, weights runners.DType) string {
	sheet, known := runners.ProfileOf(gpu)
	share := func(x, of float64) string {
		if !known || of <= 0 {
			return ""
		}
		return fmt.Sprintf(" (%.0f %% of the datasheet's %.4g)", 100*x/of, of)
	}
	var peak float64
	if weights == runners.BF16 { // float32 products do not use tensor cores
		peak = sheet.PeakOf(weights) / 1e12
	}
	text := fmt.Sprintf("%.3g TFLOP/s%s: matrix product, %s, by %s", p.GFLOPS/1e3, share(p.GFLOPS/1e3, peak), weights, p.By)
	switch {
	case p.NoCUBLAS != "":
		text += "; " + p.NoCUBLAS
	case p.CUBLAS > 0:
		text += fmt.Sprintf(" (our kernel %.3g, cuBLAS %.3g)", p.Ours/1e3, p.CUBLAS/1e3)
	}
	return text + fmt.Sprintf("; %.0f GB/s%s: memory, the higher of reading (%.0f) and copying (%.0f)", p.GBps, share(p.GBps, sheet.Bandwidth/1e9), p.ReadGBps, p.CopyGBps)
}

// cublasInPackages prints the path of libcublas in NVIDIA's Python packages, which PyTorch uses.
const cublasInPackages = `
import glob, importlib.util, os
spec = importlib.util.find_spec("nvidia")
found = [f for d in (spec.submodule_search_locations if spec else []) for f in glob.glob(os.path.join(d, "*", "lib", "libcublas.so.*"))]
print(max(found, key=lambda f: int(f.rpartition(".so.")[2].split(".")[0])) if found else "")
`

// packagedCUBLAS returns the path of libcublas in a Python's packages.
func packagedCUBLAS(ctx context.Context, python string) (string, error) {
	var complaint bytes.Buffer
	c := exec.CommandContext(ctx, python, "-c", cublasInPackages)
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		return "", fmt.Errorf("%s: %w %s", python, err, lines[len(lines)-1])
	}
	file := strings.TrimSpace(string(out))
	if file == "" {
		return "", fmt.Errorf("%s has no NVIDIA package with libcublas", python)
	}
	return file, nil
}
