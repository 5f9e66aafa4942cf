//go:build cuda

package cuda

import (
	"fmt"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
)

// arena is the part of device memory for data that change from pass to pass: positions, the rows'
// sequences, tokens, targets, tables of caches. Within a pass they are stored one after another, in
// the same order for passes of the same kind, and so at the same addresses.
//
// The host side consists of two pinned slots that alternate, so that a pass can be prepared before
// the copy of the preceding pass has run. In a deferred pass everything is copied at once before
// the calls, otherwise each piece when it is put.
type arena struct {
	o    *ops
	dev  *block
	host [2]slot
	turn int
	used int // bytes put in this pass
	sent int // bytes of used already enqueued for copying
}

type slot struct {
	p    unsafe.Pointer
	size int
	// done is recorded after the copies from this slot.
	done    cu.Event
	pending bool
}

// begin starts a pass.
func (a *arena) begin() error {
	defer a.o.d.bind()()
	s := &a.host[a.turn]
	if a.sent > 0 {
		if err := s.done.Record(a.o.d.stream); err != nil {
			return failure("record an event", err)
		}
		s.pending = true
	}
	a.turn = 1 - a.turn
	a.used, a.sent = 0, 0
	s = &a.host[a.turn]
	if s.pending {
		if err := s.done.Synchronize(); err != nil {
			return a.o.d.failure("wait for a copy", err)
		}
		s.pending = false
	}
	if a.dev != nil {
		a.dev.undefined()
	}
	return nil
}

// put reserves space for n values of the given size and returns their offset in the arena and their
// address on the host. The caller fills them in and then calls ready, which sends them.
func (a *arena) put(n, size int) (off int, p unsafe.Pointer, err error) {
	off = (a.used + 15) &^ 15
	end := off + n*size
	if err := a.reserve(end); err != nil {
		return 0, nil, err
	}
	a.used = end
	return off, unsafe.Add(a.host[a.turn].p, off), nil
}

// ints reserves 32-bit integers.
func (a *arena) ints(n int) (off int, v []int32, err error) {
	off, p, err := a.put(n, 4)
	if err != nil {
		return 0, nil, err
	}
	return off, unsafe.Slice((*int32)(p), n), nil
}

// words reserves 64-bit integers.
func (a *arena) words(n int) (off int, v []uint64, err error) {
	off, p, err := a.put(n, 8)
	if err != nil {
		return 0, nil, err
	}
	return off, unsafe.Slice((*uint64)(p), n), nil
}

// ready declares that the reserved values are filled in.
func (a *arena) ready() error {
	if a.o.q.deferred {
		return nil
	}
	return a.send()
}

// send enqueues the copy of what has not been sent yet.
func (a *arena) send() error {
	if a.sent == a.used {
		return nil
	}
	defer a.o.d.bind()()
	from := a.sent
	a.sent = a.used
	return copyIn(a.dev.ptr+cu.DevicePtr(from), unsafe.Add(a.host[a.turn].p, from), int64(a.used-from), a.o.d.stream)
}

// at returns the device address of an offset.
func (a *arena) at(off int) uint64 { return a.dev.at(int64(off)) }

// reserve makes the arena at least bytes long. If that moves the arena, everything enqueued runs
// first, and what was put in this pass is copied again.
func (a *arena) reserve(bytes int) error {
	size := arenaBytes
	if a.dev != nil {
		size = int(a.dev.bytes)
	}
	for size < bytes {
		size *= 2
	}
	if a.dev == nil || int(a.dev.bytes) < size {
		if err := a.o.flush(false); err != nil {
			return err
		}
		if err := a.o.d.sync(); err != nil {
			return err
		}
		dev, err := a.o.pool.take(runners.MemoryWorkspace, int64(size))
		if err != nil {
			return err
		}
		a.dev.free()
		a.dev = dev
		a.sent = 0
	}
	if s := &a.host[a.turn]; s.size < size {
		if err := s.grow(a.o.d, size, a.used); err != nil {
			return err
		}
	}
	return nil
}

// grow replaces a slot's memory, keeping the first used bytes. No copy from it may be pending.
func (s *slot) grow(d *device, size, used int) error {
	if err := d.sync(); err != nil {
		return err
	}
	defer d.bind()()
	if s.done == (cu.Event{}) {
		e, err := makeEvent(cu.DisableTiming)
		if err != nil {
			return err
		}
		s.done = e
	}
	p, err := pinned(size)
	if err != nil {
		return failure(fmt.Sprintf("%d bytes of pinned memory", size), err)
	}
	copy(unsafe.Slice((*byte)(p), size), unsafe.Slice((*byte)(s.p), used))
	if s.p != nil {
		_ = cu.MemFreeHost(s.p)
	}
	s.p, s.size, s.pending = p, size, false
	return nil
}

// release frees the arena's memory, which is allocated again when needed.
func (a *arena) release() {
	a.dev.free()
	a.dev = nil
	a.used, a.sent = 0, 0
}

func (a *arena) close() {
	a.release()
	defer a.o.d.bind()()
	for i := range a.host {
		s := &a.host[i]
		if s.p != nil {
			_ = cu.MemFreeHost(s.p)
		}
		destroyEvent(&s.done)
		*s = slot{}
	}
}
