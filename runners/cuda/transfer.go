//go:build cuda

package cuda

import (
	"encoding/binary"
	"math"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
)

// stagingBytes is the size of each of the two halves of pinned memory for transfers of weights and
// results: while the device copies one half, the host works on the other.
const stagingBytes = 4 << 20

type staging struct {
	half [2]struct {
		p    unsafe.Pointer
		done cu.Event
	}
}

func (s *staging) open(d *device) error {
	defer d.bind()()
	for i := range s.half {
		h := &s.half[i]
		var err error
		if h.p, err = pinned(stagingBytes); err != nil {
			return failure("pinned memory", err)
		}
		if h.done, err = makeEvent(cu.DisableTiming); err != nil {
			return err
		}
	}
	return nil
}

func (s *staging) close(d *device) {
	defer d.bind()()
	for i := range s.half {
		h := &s.half[i]
		if h.p != nil {
			_ = cu.MemFreeHost(h.p)
		}
		destroyEvent(&h.done)
	}
	*s = staging{}
}

// upload fills device memory piece by piece: fill writes bytes [at, at+len(piece)). upload waits
// until the last piece is copied.
func (s *staging) upload(d *device, to uint64, bytes int64, fill func(piece []byte, at int64)) error {
	defer d.bind()()
	for i, at := 0, int64(0); at < bytes; i++ {
		h := &s.half[i&1]
		n := min(bytes-at, stagingBytes)
		if i > 1 {
			if err := h.done.Synchronize(); err != nil {
				return d.failure("wait for a copy", err)
			}
		}
		fill(unsafe.Slice((*byte)(h.p), n), at)
		if err := copyIn(cu.DevicePtr(to)+cu.DevicePtr(at), h.p, n, d.stream); err != nil {
			return err
		}
		if err := h.done.Record(d.stream); err != nil {
			return failure("record an event", err)
		}
		at += n
	}
	return d.wait()
}

// download passes device memory to use, piece by piece and in order.
func (s *staging) download(d *device, from uint64, bytes int64, use func(piece []byte, at int64)) error {
	defer d.bind()()
	fetch := func(i int, at int64) error {
		h := &s.half[i&1]
		if err := copyOut(h.p, cu.DevicePtr(from)+cu.DevicePtr(at), min(bytes-at, stagingBytes), d.stream); err != nil {
			return err
		}
		return failure("record an event", h.done.Record(d.stream))
	}
	if err := fetch(0, 0); err != nil {
		return err
	}
	for i, at := 0, int64(0); at < bytes; i++ {
		n := min(bytes-at, stagingBytes)
		if at+n < bytes {
			if err := fetch(i+1, at+n); err != nil {
				return err
			}
		}
		h := &s.half[i&1]
		err := attempt(callSync)
		if err == nil {
			err = h.done.Synchronize()
		}
		if err := d.waited(err); err != nil {
			return err
		}
		use(unsafe.Slice((*byte)(h.p), n), at)
		at += n
	}
	return nil
}

// widen converts len(dst) values of type t to float32.
func widen(dst []float32, src []byte, t runners.DType) {
	if t == runners.F32 {
		copy(dst, unsafe.Slice((*float32)(unsafe.Pointer(&src[0])), len(dst)))
		return
	}
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}

// Read implements runners.Ops. Rows are copied completely, several at a time.
func (o *ops) Read(m runners.Mat, dst [][]float32) error {
	a, ok := o.mat(m, len(dst), "Read")
	for r := 0; ok && r < len(dst); r++ {
		ok = len(dst[r]) == m.Cols || o.failf("Read: row %d has room for %d of %d values", r, len(dst[r]), m.Cols)
	}
	if !ok || len(dst) == 0 {
		return o.wait()
	}
	o.check(o.flush(true))
	if o.err == nil {
		o.read.dst, o.read.m = dst, a
		// From the first value to the last, including gaps between rows.
		bytes := int64((len(dst)-1)*a.ld+a.cols) * int64(a.t.Size())
		o.check(o.st.download(o.d, a.ptr, bytes, o.read.take))
	}
	return o.wait()
}

// reader receives values from the device into the rows of a Read.
type reader struct {
	dst [][]float32
	m   mat
	// take is the method value of piece, made once to avoid allocations.
	take func([]byte, int64)
}

// piece stores values that start at a byte offset; offsets are multiples of the values' size.
func (r *reader) piece(b []byte, at int64) {
	size := r.m.t.Size()
	for i, n := int(at)/size, len(b)/size; n > 0; {
		row, col := i/r.m.ld, i%r.m.ld
		step := min(n, r.m.ld-col)
		if use := min(col+step, r.m.cols) - col; use > 0 {
			widen(r.dst[row][col:col+use], b, r.m.t)
		}
		b, i, n = b[step*size:], i+step, n-step
	}
}
