//go:build cuda

package main

import (
	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/runners/cuda"
)

// cublasFile is the value of --cublas.
type cublasFile string

func (f *cublasFile) String() string { return string(*f) }
func (f *cublasFile) Type() string   { return "file" }

// Set loads the file as the cuBLAS of this process.
func (f *cublasFile) Set(file string) error {
	if err := cuda.UseCUBLAS(file); err != nil {
		return err
	}
	*f = cublasFile(file)
	return nil
}

// cublasFlag adds the flag --cublas and returns its value.
func cublasFlag(c *cobra.Command) *cublasFile {
	f := new(cublasFile)
	c.Flags().Var(f, "cublas", "libcublas.so to use (default: found by the system's loader)")
	return f
}
