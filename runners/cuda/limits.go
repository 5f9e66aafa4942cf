package cuda

import (
	"fmt"
	"math"

	"github.com/yocobench/yocobench/runners"
)

// TierCUBLAS is the kernel tier in which cuBLAS computes every product that it can. Without a tier,
// cuBLAS computes those products for which it measured faster; with the name of a target, none.
const TierCUBLAS = "cublas"

// PrefillChunk is the default number of rows per prefill pass. With it the activations of YOCO-3B
// at a million tokens stay within the 12.4 GB reported by the paper; with 32 Ki rows they would not
// (TestPaperMemory). A larger chunk would read the weights less often, but with 16 Ki rows a
// product already does 16 Ki FLOP per byte of weights, far above the 300 or so at which an H100
// becomes compute-bound.
const PrefillChunk = 16 << 10

// retainRows is the number of rows of a span that go through the gated retention kernels together,
// which limits the memory for the states of their chunks. It is a multiple of every chunk.
const retainRows = 4096

// retainChunk is the smallest chunk length of gated retention in any build.
const retainChunk = 64

// maxHeadDim is the largest head dimension with kernels.
const maxHeadDim = 256

// Supports returns the first reason why the kernels for the number types of opts do not support a
// model: wide heads, or sizes in bfloat16 that are not multiples of 16.
func Supports(c runners.Config, opts runners.Options) error {
	if opts.Weights != opts.KV || opts.Weights != runners.F32 && opts.Weights != runners.BF16 {
		return fmt.Errorf("%w: the CUDA runner holds weights, keys and values all as f32 or all as bf16, not weights as %s with keys and values as %s",
			runners.ErrUnsupported, opts.Weights, opts.KV)
	}
	check := func(name string, n, most int) error {
		switch {
		case n > most:
			return fmt.Errorf("%w: %s is %d, and the CUDA kernels support at most %d", runners.ErrUnsupported, name, n, most)
		case opts.Weights == runners.BF16 && n%16 != 0:
			return fmt.Errorf("%w: %s is %d, and the CUDA kernels for bf16 need a multiple of 16; f32 supports any size", runners.ErrUnsupported, name, n)
		}
		return nil
	}
	if err := check("dim", c.Dim, math.MaxInt); err != nil {
		return err
	}
	for _, l := range c.Layers {
		m := l.Mixer
		if err := check("head_dim", m.HeadDim, maxHeadDim); err != nil {
			return err
		}
		if err := check("ffn", l.FFN, math.MaxInt); err != nil {
			return err
		}
	}
	return nil
}

// WorkspaceBytes is an upper bound on the memory of a prefill of rows tokens at a time, in a
// context of up to tokens, in addition to weights and caches: the residual stream in float32, its
// norm and a block's intermediate results in type t, the states of retention's chunks, rotary
// tables, the arena and the workspace of cuBLAS.
func WorkspaceBytes(c runners.Config, rows, tokens int, t runners.DType) int64 {
	round := func(n int) int64 { return int64(n+15) &^ 15 }
	row := round(c.Dim)*int64(4+t.Size()) + round(c.BlockWidth())*int64(t.Size())
	bytes := int64(rows) * row
	if c.ChunkLogits {
		bytes += int64(rows) * int64(c.Vocab) * 4
	}
	chunks := int64(min(rows, retainRows)+retainChunk-1) / retainChunk
	states := int64(0) // of the layer with the largest chunk states
	tables := map[runners.Rope]bool{}
	for _, l := range c.Layers {
		m := l.Mixer
		if m.Kind == runners.Retention {
			hd := int64(m.HeadDim)
			states = max(states, chunks*int64(m.Heads)*(hd*hd+retainChunk)*4)
		}
		tables[runners.Rope{HeadDim: m.HeadDim, Rotary: m.Rope}] = true
	}
	bytes += states
	table := func(hd int) int64 { // lo, and hi for the next power of two of positions
		hi := int64(1)
		for hi*ropeStep < int64(tokens) {
			hi *= 2
		}
		return (ropeStep + hi) * int64(hd) * 4
	}
	for r := range tables {
		bytes += table(r.HeadDim)
	}
	arena := int64(arenaBytes)
	for arena < 12*int64(rows)+64*1024 {
		arena *= 2
	}
	return bytes + arena + cublasWorkspace
}

// cublasWorkspace is the size of cuBLAS's workspace: NVIDIA's recommendation for compute capability
// 9.0 and later. Earlier GPUs need only 4 MiB. Without cuBLAS, no workspace is allocated.
const cublasWorkspace = 32 << 20

// ropeStep is the number of positions in the fine table of rotary angles.
const ropeStep = 1024

// arenaBytes is the initial size of the arena; it doubles as needed.
const arenaBytes = 64 << 10
