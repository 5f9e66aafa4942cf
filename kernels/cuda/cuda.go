// Package cuda describes the GPU kernels: the sources in src/, compiled ahead of time to PTX
// (ptx/), and how each is launched. It does not call a driver; runners/cuda does. README.md
// documents the layouts and what each kernel computes.
package cuda

import "fmt"

//go:generate make -C ../.. kernels

// MaxParams is the maximum number of parameters of a kernel.
const MaxParams = 28

// Kernel is a compiled kernel.
type Kernel struct {
	// Name is the entry point in the PTX file File, for element type Build ("f32" or "bf16") and
	// Target. Each kernel has its own file, so that a driver compiles only kernels that are
	// launched. Cubin is the same PTX compiled for the GPU of the target, "" if there is none.
	Name, Build, Target, File, Cubin string
	// Threads is the block size, Shared the dynamic shared memory of a block in bytes, N the number
	// of parameters.
	Threads, Shared, N int

	entry       int
	headDim     int // of this variant, 0 if the kernel has no variants
	interleaved bool
	tile        int // 0 is the tile for many rows
	constants
}

// Call is a kernel with its grid and its parameters, each in 8 bytes as the driver expects them.
// Equal calls are the same launch.
type Call struct {
	Kernel *Kernel
	Grid   [3]uint32
	Params [MaxParams]uint64
	N      int
}

// begin sets everything except the parameters. Parameters that the sources do not name (Triton's
// scratch pointers) remain 0.
func (c *Call) begin(k *Kernel, x, y, z int) {
	c.Kernel, c.N, c.Grid = k, k.N, [3]uint32{uint32(x), uint32(y), uint32(z)}
	clear(c.Params[:])
}

// Set holds all kernels of a build for a target.
type Set struct {
	Build, Target string
	byHead        [entries][headDims][2][maxTiles]*Kernel
}

// maxTiles is the maximum number of tiles of a kernel.
const maxTiles = 3

// headDims is the number of head dimension variants: 16, 32, …, MaxHeadDim.
const headDims = 5

// MaxHeadDim is the largest supported head dimension.
const MaxHeadDim = 256

// Targets lists the targets in ascending order.
func Targets() []string { return []string{"sm_80", "sm_90a"} }

// Choose returns the kernels of a build ("f32" or "bf16") for a target.
func Choose(build, target string) (*Set, error) {
	s := &Set{Build: build, Target: target}
	found := false
	for i := range table {
		k := &table[i]
		if k.Build != build || k.Target != target {
			continue
		}
		found = true
		in := 0
		if k.interleaved {
			in = 1
		}
		s.byHead[k.entry][variant(k.headDim)][in][k.tile] = k
	}
	if !found {
		return nil, fmt.Errorf("no kernels of build %q for target %q", build, target)
	}
	return s, nil
}

// variant returns the index of the smallest head dimension variant that is at least hd.
func variant(hd int) int {
	v := 0
	for 16<<v < hd {
		v++
	}
	return v
}

// kernel returns the variant of an entry for a head dimension of at most MaxHeadDim; 0 means that
// the kernel has no variants. tile is an index of Tiles.
func (s *Set) kernel(entry, hd int, interleaved bool, tile int) *Kernel {
	in := 0
	if interleaved {
		in = 1
	}
	return s.byHead[entry][variant(hd)][in][tile]
}

// Tiles lists the kernels that compute the same as k with different tile sizes. The launch
// functions take their index as tile. The first is for many rows.
func (s *Set) Tiles(k *Kernel) (out []*Kernel) {
	in := 0
	if k.interleaved {
		in = 1
	}
	for _, t := range s.byHead[k.entry][variant(k.headDim)][in] {
		if t != nil {
			out = append(out, t)
		}
	}
	return out
}

// All lists the kernels of the set.
func (s *Set) All() (out []*Kernel) {
	for i := range table {
		if k := &table[i]; k.Build == s.Build && k.Target == s.Target {
			out = append(out, k)
		}
	}
	return out
}

// RetainChunk is the chunk length of the retention kernels, in rows.
func (s *Set) RetainChunk() int { return s.kernel(entryRetainGates, 0, false, 0).chunk }

// LogprobsSplits returns the number of parts into which Logprobs should divide the vocabulary, so
// that every multiprocessor runs two blocks; at most the number of tiles.
func (s *Set) LogprobsSplits(rows, vocab, sms int) int {
	k := s.kernel(entryLogprobs, 0, false, 0)
	return min(max(2*sms/cdiv(rows, k.bm), 1), cdiv(vocab, k.bn))
}

func cdiv(a, b int) int { return (a + b - 1) / b }
