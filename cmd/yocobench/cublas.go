//go:build cuda

package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners/cuda"
)

// cublasFile is the value of --cublas.
type cublasFile string

func (f *cublasFile) String() string { return string(*f) }
func (f *cublasFile) Type() string   { return "file" }

// Set makes the file the cuBLAS of this process.
func (f *cublasFile) Set(file string) error {
	if err := cuda.UseCUBLAS(file); err != nil {
		return err
	}
	*f = cublasFile(file)
	return nil
}

// cublasFlag adds the flag that names cuBLAS, and returns its value.
func cublasFlag(c *cobra.Command) *cublasFile {
	f := new(cublasFile)
	c.Flags().Var(f, "cublas", "libcublas.so to use (default: the one that the system's loader finds)")
	return f
}

// cublasInPackages prints the libcublas of NVIDIA's Python packages, where PyTorch has it.
const cublasInPackages = `
import glob, importlib.util, os
spec = importlib.util.find_spec("nvidia")
found = [f for d in (spec.submodule_search_locations if spec else []) for f in glob.glob(os.path.join(d, "*", "lib", "libcublas.so.*"))]
print(max(found, key=lambda f: int(f.rpartition(".so.")[2].split(".")[0])) if found else "")
`

// packagedCUBLAS is the libcublas of a Python's packages.
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
