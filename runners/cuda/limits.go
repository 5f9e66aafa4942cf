package cuda

import (
	"fmt"
	"math"

	"github.com/yocobench/yocobench/runners"
)

// TierCUBLAS is the kernel tier in which cuBLAS computes every product that it can. With none
// given it computes those that it was measured to do faster, and with a target's name none.
const TierCUBLAS = "cublas"

// PrefillChunk is the number of rows that go through a layer together, unless
// Options say otherwise. Their activations leave YOCO-3B at a million tokens
// within the 12.4 GB that the paper reports; those of 32 Ki rows would not
// (TestPaperMemory). A larger chunk would read the weights less often, but at
// 16 Ki rows a product does 16 Ki FLOP for each byte of weights, far beyond the
// 300 or so at which an H100's arithmetic, not its memory, is the limit.
const PrefillChunk = 16 << 10

// retainRows is the number of rows of a span whose chunks go together through
// the kernels of gated retention: their states take memory. It is a multiple of every chunk.
const retainRows = 4096

// retainChunk is the fewest rows of a chunk of gated retention in any build.
const retainChunk = 64

// maxHeadDim is the widest head that there are kernels for.
const maxHeadDim = 256

// Supports reports the first thing about a model that the kernels for its number types do not take:
// wide heads, ragged sizes in bfloat16, and windows with fewer key than query heads.
func Supports(c runners.Config, opts runners.Options) error {
	if opts.Weights != opts.KV || opts.Weights != runners.F32 && opts.Weights != runners.BF16 {
		return fmt.Errorf("%w: the CUDA runner holds weights, keys and values all as f32 or all as bf16, not weights as %s with keys and values as %s",
			runners.ErrUnsupported, opts.Weights, opts.KV)
	}
	check := func(name string, n, most int) error {
		switch {
		case n > most:
			return fmt.Errorf("%w: %s is %d, and the CUDA kernels go to %d", runners.ErrUnsupported, name, n, most)
		case opts.Weights == runners.BF16 && n%16 != 0:
			return fmt.Errorf("%w: %s is %d, and the CUDA kernels for bf16 need a multiple of 16; f32 takes any", runners.ErrUnsupported, name, n)
		}
		return nil
	}
	if err := check("dim", c.Dim, math.MaxInt); err != nil {
		return err
	}
	for i, l := range c.Layers {
		m := l.Mixer
		if m.Window > 0 && m.Heads != m.KVHeads {
			return fmt.Errorf("%w: layer %d has %d key heads for %d query heads in a window, and the CUDA kernel takes as many of each", runners.ErrUnsupported, i, m.KVHeads, m.Heads)
		}
		if err := check("head_dim", m.HeadDim, maxHeadDim); err != nil {
			return err
		}
		if err := check("ffn", l.FFN, math.MaxInt); err != nil {
			return err
		}
	}
	return nil
}

// WorkspaceBytes is the most that a prefill of rows tokens at a time, in a context of up to tokens,
// takes beside weights and caches: the residual stream in float32, its norm and what a block makes
// of it in type t, the states of retention's chunks, rotary tables, the arena, and what cuBLAS may
// use.
func WorkspaceBytes(c runners.Config, rows, tokens int, t runners.DType) int64 {
	round := func(n int) int64 { return int64(n+15) &^ 15 }
	row := round(c.Dim)*int64(4+t.Size()) + round(c.BlockWidth())*int64(t.Size())
	bytes := int64(rows) * row
	if c.ChunkLogits {
		bytes += int64(rows) * int64(c.Vocab) * 4
	}
	chunks := int64(min(rows, retainRows)+retainChunk-1) / retainChunk
	states := int64(0) // of the layer whose chunks take most
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
	table := func(hd int) int64 { // lo, and hi up to the next power of two of positions
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

// cublasWorkspace is the memory for cuBLAS: what NVIDIA recommends for compute capability 9.0 and
// later. Before, 4 MiB are enough; where cuBLAS is not there, none is taken.
const cublasWorkspace = 32 << 20

// ropeStep is the number of positions of the fine table of rotary angles.
const ropeStep = 1024

// arenaBytes is the size of the arena at first; it doubles as needed.
const arenaBytes = 64 << 10
