//go:build cuda

package cuda

import (
	"fmt"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
)

// pool allocates the device memory of one model: everything that the runner holds is a block of a
// pool and counted in its account. The driver's own memory, for the context and the kernels' code,
// is not counted.
type pool struct {
	d       *device
	account *runners.MemoryAccount
	// before is called before a block is freed, to wait for enqueued work that uses it.
	before func()
}

// block is one allocation in device memory, 256-byte aligned.
type block struct {
	pool  *pool
	part  runners.MemoryPart
	bytes int64
	ptr   cu.DevicePtr
}

// take makes a block with undefined content, or returns an error that wraps runners.ErrOutOfMemory.
func (p *pool) take(part runners.MemoryPart, bytes int64) (*block, error) {
	b := &block{pool: p, part: part, bytes: bytes}
	held := p.account.Usage().Total()
	err := p.account.Take(part, bytes, func() error {
		defer p.d.bind()()
		err := attempt(callAlloc)
		if err == nil {
			b.ptr, err = cu.MemAlloc(bytes)
		}
		return failure(fmt.Sprintf("the device has no %s left, with %s held", runners.FormatBytes(bytes), runners.FormatBytes(held)), err)
	})
	if err != nil {
		return nil, err
	}
	b.undefined()
	return b, nil
}

// free frees the block. A second call, or one on nil, does nothing.
func (b *block) free() {
	if b == nil || b.ptr == 0 {
		return
	}
	if b.pool.before != nil {
		b.pool.before()
	}
	defer b.pool.d.bind()()
	// It waits for the work that uses the block. Errors of that work belong to earlier operations,
	// and Sync returns them.
	_ = cu.MemFree(b.ptr)
	b.ptr = 0
	b.pool.account.Free(b.part, b.bytes)
}

// poison, if not nil, is called with device memory whose content is undefined after the work
// enqueued so far (tests).
var poison func(d *device, at cu.DevicePtr, bytes int64)

// undefined declares that the content of the block is no longer needed.
func (b *block) undefined() {
	if poison != nil {
		poison(b.pool.d, b.ptr, b.bytes)
	}
}

// at returns an address in the block.
func (b *block) at(bytes int64) uint64 { return uint64(b.ptr) + uint64(bytes) }
