package cpu

import (
	"fmt"
	"unsafe"

	"github.com/yocobench/yocobench/kernels/cpu"
	"github.com/yocobench/yocobench/runners"
)

// store holds the keys and values of n slots, head after head, in the layout that the kernels read:
//
//	keys    tiles of NR slots (the last one narrower): tile[d][slot]. A tile is B of a decode
//	        step's scores (lanes along slots) and A of a prefill's (broadcast).
//	values  panels of NR d (the last one narrower): panel[slot][d]. A panel is B of a decode
//	        step's sums (lanes along d), read sequentially, and A of a prefill's.
//
// In bfloat16 a 32-bit word holds a pair: of adjacent d in keys, tile[d/2][slot], and of adjacent
// slots in values, panel[slot/2][d]. Both are operands of the Wide and Dot kernels.
type store struct {
	heads, hd, n int
	bf           bool
	tile         int // slots per tile of keys, and d per panel of values
	// kWords is the words of a key, vRows the rows of a panel of values, kHead and vHead the words
	// of a head's keys and values; vBase is where the values begin.
	kWords, vRows, kHead, vHead, vBase int
	data                               []uint32
}

func newStore(heads, hd, n int, t runners.DType, tile int) store {
	s := store{heads: heads, hd: hd, n: n, tile: tile, kWords: hd, vRows: n}
	if t == runners.BF16 {
		s.bf, s.kWords, s.vRows = true, hd/2, (n+1)/2
	}
	s.kHead, s.vHead = n*s.kWords, s.vRows*hd
	s.vBase = heads * s.kHead
	return s
}

// words returns the length of data.
func (s *store) words() int64 {
	return runners.MulBytes(s.heads, s.kHead) + runners.MulBytes(s.heads, s.vHead)
}

// key returns the address of a slot's first word and the tile's row stride in bytes.
func (s *store) key(h, slot int) (p unsafe.Pointer, stride int) {
	t := slot / s.tile * s.tile
	w := min(s.tile, s.n-t)
	return unsafe.Pointer(&s.data[h*s.kHead+t*s.kWords+slot-t]), 4 * w
}

// value returns the address of a slot's row (in bfloat16, of its pair of slots) in the panel that
// begins at d, and the panel's width.
func (s *store) value(h, slot, d int) (p unsafe.Pointer, w int) {
	if s.bf {
		slot /= 2
	}
	w = min(s.tile, s.hd-d)
	return unsafe.Pointer(&s.data[s.vBase+h*s.vHead+d*s.vRows+slot*w]), w
}

// half returns a bfloat16 value row as pairs of 16-bit halves, and the index of the slot's half.
func (s *store) half(h, slot, d int) (row [][2]uint16, at int) {
	p, w := s.value(h, slot, d)
	return unsafe.Slice((*[2]uint16)(p), w), slot & 1
}

// write stores n rows of head h from slot on. The keys are already rotated. tmp must have room for
// n*hd/2 words if n > 1.
func (s *store) write(o *ops, h, slot, n int, k unsafe.Pointer, ldk int, v unsafe.Pointer, ldv int, tmp []float32) {
	if s.bf {
		for i := 0; i < n; i++ {
			row := (*uint16)(ptr(tmp, i*s.kWords))
			o.roundRow(row, (*float32)(unsafe.Add(k, i*ldk)), s.hd)
		}
		k, ldk = ptr(tmp, 0), 4*s.kWords
	}
	for i := 0; i < n; {
		dst, stride := s.key(h, slot+i)
		m := min(n-i, s.tile-(slot+i)%s.tile)
		o.transpose(dst, stride, unsafe.Add(k, i*ldk), ldk, m, s.kWords)
		i += m
	}
	for d := 0; d < s.hd; d += s.tile {
		for i := 0; i < n; i++ {
			row := unsafe.Add(v, i*ldv+4*d)
			dst, w := s.value(h, slot+i, d)
			switch {
			case !s.bf:
				copyRows(dst, 4*w, row, ldv, n, w)
				i = n
			case (slot+i)&1 == 0 && i+1 < n:
				pairs := (n - i) / 2
				o.k.PairRows((*uint32)(dst), 4*w, (*float32)(row), ldv, pairs, w)
				i += 2*pairs - 1
			default: // one half of each pair; the other may be in use
				pairs, at := s.half(h, slot+i, d)
				for x, f := range unsafe.Slice((*float32)(row), w) {
					pairs[x][at] = cpu.BF16(f)
				}
			}
		}
	}
}

// copySlots copies n slots of every head from one store to another of the same heads and type.
func (s *store) copySlots(at int, from *store, slot, n int) {
	for h := range s.heads {
		for i := 0; i < n; {
			dst, ldd := s.key(h, at+i)
			src, lds := from.key(h, slot+i)
			m := min(n-i, s.tile-(at+i)%s.tile, from.tile-(slot+i)%from.tile)
			copyRows(dst, ldd, src, lds, s.kWords, m)
			i += m
		}
		for d := 0; d < s.hd; d += s.tile {
			s.copyValues(h, d, at, from, slot, n)
		}
	}
}

// copyValues copies n slots of one panel of values.
func (s *store) copyValues(h, d, at int, from *store, slot, n int) {
	for i := 0; i < n; {
		dst, w := s.value(h, at+i, d)
		src, _ := from.value(h, slot+i, d)
		switch {
		case !s.bf:
			copyRows(dst, 0, src, 0, 1, n*w)
			return
		case (at+i)&1 == 0 && (slot+i)&1 == 0 && i+1 < n:
			m := (n - i) / 2
			copyRows(dst, 0, src, 0, 1, m*w)
			i += 2 * m
		default:
			to, x := s.half(h, at+i, d)
			pairs, y := from.half(h, slot+i, d)
			for j := range to {
				to[j][x] = pairs[j][y]
			}
			i++
		}
	}
}

// widen converts n keys and values of head h to float32, in the same tiles and panels; a panel of
// values has flashKeys rows. slot must begin a tile and a pair.
func (s *store) widen(o *ops, h, slot, n int, k, v []float32) {
	for i := 0; i < n; i += s.tile {
		src, stride := s.key(h, slot+i)
		w := stride / 4
		m := min(w, n-i)
		for d := range s.kWords {
			at := i*s.hd + 2*d*w
			o.k.WidenPairs(&k[at], &k[at+w], (*uint32)(unsafe.Add(src, d*stride)), m)
		}
	}
	for d := 0; d < s.hd; d += s.tile {
		for i := 0; i < n; i += 2 {
			src, w := s.value(h, slot+i, d)
			at := d*flashKeys + i*w
			o.k.WidenPairs(&v[at], &v[at+w], (*uint32)(src), w)
		}
	}
}

// read returns one key and value as float32.
func (s *store) read(h, slot int, k, v []float32) {
	p, stride := s.key(h, slot)
	for d := range s.hd {
		val, w := s.value(h, slot, d/s.tile*s.tile)
		at := d % s.tile
		if !s.bf {
			k[d] = *(*float32)(unsafe.Add(p, d*stride))
			v[d] = unsafe.Slice((*float32)(val), w)[at]
			continue
		}
		k[d] = cpu.Widen16((*(*[2]uint16)(unsafe.Add(p, d/2*stride)))[d&1])
		v[d] = cpu.Widen16(unsafe.Slice((*[2]uint16)(val), w)[at][slot&1])
	}
}

// cache is a runners.KV: a store in which the slot of a position is the position itself (global),
// or the position modulo the number of slots (window).
type cache struct {
	store
	o        *ops
	blk      *block
	window   int // 0: global
	capacity int
	len      int // positions written
}

func (o *ops) GlobalKV(heads, headDim, capacity int) (runners.KV, error) {
	return o.newCache(heads, headDim, 0, capacity)
}

func (o *ops) WindowKV(heads, headDim, window, capacity int) (runners.KV, error) {
	if window < 1 {
		return nil, fmt.Errorf("a window of %d positions", window)
	}
	return o.newCache(heads, headDim, window, capacity)
}

func (o *ops) newCache(heads, hd, window, capacity int) (*cache, error) {
	if heads < 1 || hd < 2 || hd&1 == 1 || capacity < 1 {
		return nil, fmt.Errorf("a cache of %d heads of %d for %d positions", heads, hd, capacity)
	}
	slots, kind := capacity, runners.MemoryGlobalKV
	if window > 0 {
		slots, kind = min(window, capacity), runners.MemoryWindowKV
	}
	bytes := runners.MulBytes(2, heads, hd, slots, o.opts.KV.Size())
	if bytes > 1<<60 {
		return nil, fmt.Errorf("%w: keys and values of %d positions", runners.ErrOutOfMemory, capacity)
	}
	c := &cache{store: newStore(heads, hd, slots, o.opts.KV, o.k.NR), o: o, window: window, capacity: capacity}
	var err error
	if c.blk, err = o.pool.take(kind, bytes, int(4*c.words()-bytes)); err != nil {
		return nil, err
	}
	c.data = c.blk.words()
	return c, nil
}

func (c *cache) Close() {
	c.blk.free()
	c.data = nil
}

// slot returns the slot of a position.
func (c *cache) slot(pos int) int {
	if c.window > 0 {
		return pos % c.n
	}
	return pos
}

func (c *cache) Fork(n int) (runners.KV, error) {
	if n < 0 || n > c.len || c.data == nil {
		return nil, fmt.Errorf("fork at %d of a cache of %d positions", n, c.len)
	}
	f, err := c.o.newCache(c.heads, c.hd, c.window, c.capacity)
	if err != nil {
		return nil, err
	}
	f.len = n
	// A window's slots are copied unchanged: the first n positions keep their slots.
	f.copySlots(0, &c.store, 0, min(n, c.n))
	return f, nil
}

func (c *cache) Read(from, n int) (k, v []float32, err error) {
	if c.o.err != nil {
		return nil, nil, c.o.err
	}
	oldest := 0
	if c.window > 0 {
		oldest = max(0, c.len-c.n)
	}
	if from < oldest || n < 0 || from+n > c.len || c.data == nil {
		return nil, nil, fmt.Errorf("read of positions %d to %d from a cache that holds %d to %d", from, from+n, oldest, c.len)
	}
	row := c.heads * c.hd
	k, v = make([]float32, n*row), make([]float32, n*row)
	for i := range n {
		for h := range c.heads {
			at := i*row + h*c.hd
			c.read(h, c.slot(from+i), k[at:at+c.hd], v[at:at+c.hd])
		}
	}
	return k, v, nil
}

// appendJob is the current operation that writes rows to stores.
type appendJob struct {
	k, v  mat
	rope  *ropeTable
	units []appendUnit
}

type appendUnit struct {
	st           *store
	head         int
	row, slot, n int
}

// appendRows is the number of rows per unit. It is even, so no two units write to the same pair of
// values.
const appendRows = 64

// cutRows adds the units that write rows row..row+n-1 to a store, starting at slot.
func (j *appendJob) cutRows(st *store, row, slot, n int) {
	for i := 0; i < n; {
		m := min(n-i, appendRows-(slot+i)&1)
		for h := range st.heads {
			j.units = append(j.units, appendUnit{st, h, row + i, slot + i, m})
		}
		i += m
	}
}

// appendTask rotates the keys of a unit and writes it.
func appendTask(o *ops, wk *worker, i int) {
	j := &o.add
	u := j.units[i]
	hd := u.st.hd
	o.rotate(j.rope, u.row, u.n, j.k.at(u.row, u.head*hd), j.k.ld, 1)
	u.st.write(o, u.head, u.slot, u.n, unsafe.Pointer(j.k.at(u.row, u.head*hd)), j.k.ld,
		unsafe.Pointer(j.v.at(u.row, u.head*hd)), j.v.ld, wk.scratch)
}

func (o *ops) AppendKV(b *runners.Batch, kv []runners.KV, k, v runners.Mat, rope runners.RopeTable) {
	o.flush()
	if o.err != nil || !o.startAppend(b, k, v, rope, "AppendKV") {
		return
	}
	for i, s := range b.Spans {
		c, ok := o.cacheOf(kv, i, b)
		if !ok {
			return
		}
		o.add.cutRows(&c.store, s.Row, s.Pos, s.Len)
		c.len = s.Pos + s.Len
	}
	o.workers.run(len(o.add.units), appendTask)
}

// startAppend prepares the append job without units.
func (o *ops) startAppend(b *runners.Batch, k, v runners.Mat, rope runners.RopeTable, op string) bool {
	j := &o.add
	var ok1, ok2, ok3 bool
	j.k, ok1 = o.mat(k, b.Rows, op)
	j.v, ok2 = o.mat(v, b.Rows, op)
	j.rope, ok3 = o.rope(rope)
	j.units = j.units[:0]
	return ok1 && ok2 && ok3 && ((k.Cols == v.Cols && k.Cols%j.rope.spec.HeadDim == 0) || o.failf("%s: keys [%d] and values [%d]", op, k.Cols, v.Cols)) &&
		o.growWorkers(appendRows*j.rope.spec.HeadDim)
}

// cacheOf returns cache i and checks that span i of b continues it.
func (o *ops) cacheOf(kv []runners.KV, i int, b *runners.Batch) (*cache, bool) {
	if !(len(kv) == len(b.Spans) || o.failf("%d caches for %d spans", len(kv), len(b.Spans))) {
		return nil, false
	}
	c, ok := kv[i].(*cache)
	s := b.Spans[i]
	return c, ((ok && c.data != nil && s.Pos+s.Len <= c.capacity && s.Pos >= 0 && s.Len >= 1 && s.Row+s.Len <= b.Rows && s.Pos <= c.len) || o.failf("positions %d to %d do not fit the cache", s.Pos, s.Pos+s.Len))
}
