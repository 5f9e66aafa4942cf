//go:build cuda

package cuda

import (
	"fmt"
	"math"
	"math/bits"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
)

// part is the kind of memory that a block is counted as.
type part int

const (
	partWeights part = iota
	partGlobalKV
	partWindowKV
	partState
	partWorkspace
)

// pool counts the device memory of one model: all that the runner allocates is a block of a pool.
// The context itself and the kernels' code are the driver's, and not in it.
type pool struct {
	d      *device
	budget int64
	held   [partWorkspace + 1]int64
	peak   int64
	blocks int // that are not freed
	// before is called before a block is freed, so that nothing enqueued uses it any more.
	before func()
}

// block is one allocation in the device's memory, 256-byte aligned.
type block struct {
	pool  *pool
	part  part
	bytes int64
	ptr   cu.DevicePtr
}

// product multiplies sizes; a negative size or an overflow gives math.MaxInt64, which no budget holds.
func product(sizes ...int) int64 {
	p := uint64(1)
	for _, s := range sizes {
		if s < 0 {
			return math.MaxInt64
		}
		hi, lo := bits.Mul64(p, uint64(s))
		if hi != 0 || lo > math.MaxInt64 {
			return math.MaxInt64
		}
		p = lo
	}
	return int64(p)
}

// take makes a block of undefined content, or returns an error that wraps runners.ErrOutOfMemory.
func (p *pool) take(kind part, bytes int64) (*block, error) {
	held := p.total()
	if bytes < 1 || bytes > p.budget-held {
		return nil, fmt.Errorf("%w: %s more than the %s held would exceed the %s allowed",
			runners.ErrOutOfMemory, runners.FormatBytes(bytes), runners.FormatBytes(held), runners.FormatBytes(p.budget))
	}
	defer p.d.bind()()
	err := attempt(callAlloc)
	var ptr cu.DevicePtr
	if err == nil {
		ptr, err = cu.MemAlloc(bytes)
	}
	if err != nil {
		return nil, failure(fmt.Sprintf("the device has no %s more beside the %s held", runners.FormatBytes(bytes), runners.FormatBytes(held)), err)
	}
	b := &block{pool: p, part: kind, bytes: bytes, ptr: ptr}
	b.undefined()
	p.held[kind] += bytes
	p.blocks++
	p.peak = max(p.peak, held+bytes)
	return b, nil
}

// free gives the block back; a second call, or one on nil, does nothing.
func (b *block) free() {
	if b == nil || b.ptr == 0 {
		return
	}
	if b.pool.before != nil {
		b.pool.before()
	}
	defer b.pool.d.bind()()
	// It waits for what uses the block. An error of that is one of an earlier operation, which Sync returns.
	_ = cu.MemFree(b.ptr)
	b.ptr = 0
	b.pool.held[b.part] -= b.bytes
	b.pool.blocks--
}

// poison, where it is not nil, is told of device memory whose content is undefined behind what was enqueued (tests).
var poison func(d *device, at cu.DevicePtr, bytes int64)

// undefined says that nobody relies on what the block holds.
func (b *block) undefined() {
	if poison != nil {
		poison(b.pool.d, b.ptr, b.bytes)
	}
}

// at is an address in the block.
func (b *block) at(bytes int64) uint64 { return uint64(b.ptr) + uint64(bytes) }

func (p *pool) total() (n int64) {
	for _, h := range p.held {
		n += h
	}
	return n
}

func (p *pool) usage() runners.Usage {
	return runners.Usage{Weights: p.held[partWeights], GlobalKV: p.held[partGlobalKV], WindowKV: p.held[partWindowKV],
		State: p.held[partState], Workspace: p.held[partWorkspace], Peak: p.peak}
}
