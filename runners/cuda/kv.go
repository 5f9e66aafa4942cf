//go:build cuda

package cuda

import (
	"fmt"
	"math"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
)

// cache is a runners.KV: keys T [heads, slots, hd], then values of the same shape, in one block.
// The slot of a position is the position itself (global), or the position modulo the number of
// slots (window).
type cache struct {
	o                *ops
	blk              *block
	heads, hd, slots int
	window           int // 0: global
	capacity         int
	len              int // positions written
}

func (o *ops) GlobalKV(heads, headDim, capacity int) (runners.KV, error) {
	return kvOf(o.newCache(heads, headDim, 0, capacity))
}

func (o *ops) WindowKV(heads, headDim, window, capacity int) (runners.KV, error) {
	if window < 1 {
		return nil, fmt.Errorf("a window of %d positions", window)
	}
	return kvOf(o.newCache(heads, headDim, window, capacity))
}

// kvOf returns a cache as an interface, nil if there is an error.
func kvOf(c *cache, err error) (runners.KV, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (o *ops) newCache(heads, hd, window, capacity int) (*cache, error) {
	if heads < 1 || hd < 2 || hd&1 == 1 || capacity < 1 {
		return nil, fmt.Errorf("a cache of %d heads of %d for %d positions", heads, hd, capacity)
	}
	c := &cache{o: o, heads: heads, hd: hd, slots: capacity, window: window, capacity: capacity}
	kind := runners.MemoryGlobalKV
	if window > 0 {
		c.slots, kind = min(window, capacity), runners.MemoryWindowKV
	}
	if runners.MulBytes(c.slots, hd) > math.MaxInt32 {
		return nil, fmt.Errorf("%w: a cache of %d positions of %d values: the kernels count values of a head up to %d, which is %d positions",
			runners.ErrUnsupported, c.slots, hd, math.MaxInt32, math.MaxInt32/hd)
	}
	var err error
	c.blk, err = o.pool.take(kind, runners.MulBytes(2, heads, hd, c.slots, o.t.Size()))
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *cache) Close() { c.blk.free() }

// head returns the offset in bytes of the keys of a head; its values are at index heads + h.
func (c *cache) head(h int) int64 { return runners.MulBytes(h, c.slots, c.hd, c.o.t.Size()) }

// runs calls f for each run of adjacent slots that hold positions from..from+n-1, for every head's
// keys and then values. at is the run's byte offset in the block, h the head (0..2 heads-1), and
// the run holds positions from+i..from+i+m-1.
func (c *cache) runs(from, n int, f func(at int64, h, i, m int) error) error {
	for h := range 2 * c.heads {
		for i := 0; i < n; {
			slot := (from + i) % c.slots
			m := min(n-i, c.slots-slot)
			if err := f(c.head(h)+int64(slot*c.hd*c.o.t.Size()), h, i, m); err != nil {
				return err
			}
			i += m
		}
	}
	return nil
}

func (c *cache) Fork(n int) (runners.KV, error) {
	if n < 0 || n > c.len || c.blk.ptr == 0 {
		return nil, fmt.Errorf("fork at %d of a cache of %d positions", n, c.len)
	}
	o := c.o
	if err := o.flush(false); err != nil {
		return nil, err
	}
	f, err := o.newCache(c.heads, c.hd, c.window, c.capacity)
	if err != nil {
		return nil, err
	}
	f.len = n
	defer o.d.bind()()
	// A window's slots are copied unchanged: the first n positions keep their slots.
	err = c.runs(0, min(n, c.slots), func(at int64, _, _, m int) error {
		return copyWithin(f.blk.ptr+cu.DevicePtr(at), c.blk.ptr+cu.DevicePtr(at), int64(m*c.hd*o.t.Size()), o.d.stream)
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (c *cache) Read(from, n int) (k, v []float32, err error) {
	oldest := 0
	if c.window > 0 {
		oldest = max(0, c.len-c.slots)
	}
	if from < oldest || n < 0 || from+n > c.len || c.blk.ptr == 0 {
		return nil, nil, fmt.Errorf("positions %d to %d of a cache that holds %d to %d", from, from+n, oldest, c.len)
	}
	o := c.o
	if o.check(o.flush(false)); o.err != nil {
		return nil, nil, o.wait()
	}
	out := [2][]float32{make([]float32, n*c.heads*c.hd), make([]float32, n*c.heads*c.hd)}
	err = c.runs(from, n, func(at int64, h, i, m int) error {
		dst, h := out[h/c.heads], h%c.heads
		size := o.t.Size()
		return o.st.download(o.d, c.blk.at(at), int64(m*c.hd*size), func(b []byte, at int64) {
			for x, left := int(at)/size, len(b)/size; left > 0; {
				d := x % c.hd
				step := min(left, c.hd-d)
				widen(dst[((i+x/c.hd)*c.heads+h)*c.hd+d:][:step], b, o.t)
				b, x, left = b[step*size:], x+step, left-step
			}
		})
	})
	return out[0], out[1], err
}

// state is a runners.State: float32 [heads, hd (key), hd (value)].
type state struct {
	o         *ops
	heads, hd int
	blk       *block
}

func (o *ops) State(heads, hd int) (runners.State, error) {
	s, err := o.newState(heads, hd)
	if err != nil {
		return nil, err
	}
	s.Reset()
	return s, nil
}

func (o *ops) newState(heads, hd int) (*state, error) {
	if heads < 1 || hd < 1 {
		return nil, fmt.Errorf("a state of %d heads of %d", heads, hd)
	}
	blk, err := o.pool.take(runners.MemoryState, runners.MulBytes(4, heads, hd, hd))
	if err != nil {
		return nil, err
	}
	return &state{o, heads, hd, blk}, nil
}

func (s *state) Fork() (runners.State, error) {
	o := s.o
	if err := o.flush(false); err != nil {
		return nil, err
	}
	f, err := o.newState(s.heads, s.hd)
	if err != nil {
		return nil, err
	}
	defer o.d.bind()()
	if err := copyWithin(f.blk.ptr, s.blk.ptr, s.blk.bytes, o.d.stream); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s *state) Reset() {
	o := s.o
	if !o.check(o.flush(false)) {
		return
	}
	defer o.d.bind()()
	o.check(failure("clear a state", cu.MemsetD32Async(s.blk.ptr, 0, s.blk.bytes/4, o.d.stream)))
}

func (s *state) Close() { s.blk.free() }

func (s *state) Read() ([]float32, error) {
	o := s.o
	if o.check(o.flush(false)); o.err != nil {
		return nil, o.wait()
	}
	out := make([]float32, s.heads*s.hd*s.hd)
	err := o.st.download(o.d, s.blk.at(0), s.blk.bytes, func(b []byte, at int64) {
		widen(out[at/4:][:len(b)/4], b, runners.F32)
	})
	return out, err
}
