// The checker of memory accesses. README.md lists what it detects and what it cannot.
#include "check.h"

namespace {

std::string hex(u64 a) { return format("0x%llx", (unsigned long long)a); }

bool outside(Warp &w, const Ins &i, u64 a, u32 n, int lane, const char *what) {
	fault(w, i, OutOfBounds, format("lane %d %s %u bytes at %s, %s", lane, what, n, hex(a).c_str(), memoryPlace(a).c_str()));
	return false;
}

bool globalRace(Warp &w, const Ins &i, u64 a, int lane, u64 other, const char *what) {
	u64 b = blockOf(other), t = other & 0x7ff;
	std::string who = b == 0xffffff ? "several blocks" : format("block %llu", (unsigned long long)b);
	if (b != 0xffffff && t != manyThreads) who += format(" thread %llu", (unsigned long long)t);
	fault(w, i, GlobalRace, format("lane %d %s %s (%s) %s in this launch, with no barrier between", lane, what, hex(a).c_str(), memoryPlace(a).c_str(), who.c_str()));
	return false;
}

// allSet reports whether each of the n bytes at p (n is 1, 2, 4, 8 or 16) has all bits of v.
inline bool allSet(const u8 *p, u32 n, u8 v) {
	u64 k = 0x0101010101010101ull * v, x, y;
	switch (n) {
	case 16:
		memcpy(&x, p, 8), memcpy(&y, p + 8, 8);
		return (x & y & k) == k;
	case 8: memcpy(&x, p, 8); return (x & k) == k;
	case 4: { u32 z; memcpy(&z, p, 4); return (z & u32(k)) == u32(k); }
	case 2: { u16 z; memcpy(&z, p, 2); return (z & u16(k)) == u16(k); }
	default:
		for (u32 j = 0; j < n; j++)
			if ((p[j] & v) != v) return false;
		return true;
	}
}

} // namespace

bool globalRead(Warp &w, const Ins &i, u64 a, u32 n, int lane) {
	u64 off = a - (u64)mem.base;
	if (off >= mem.range - 16) return outside(w, i, a, n, lane, "reads");
	if (a & ((n & -n) - 1)) {
		fault(w, i, Misaligned, format("lane %d reads %u bytes at %s", lane, n, hex(a).c_str()));
		return false;
	}
	const u8 *s = mem.state + off;
	if (!w.b->check) return allSet(s, n, stAllocated) || outside(w, i, a, n, lane, "reads");
	if (!allSet(s, n, stBoth)) {
		if (!allSet(s, n, stAllocated)) return outside(w, i, a, n, lane, "reads");
		fault(w, i, Uninitialised, format("lane %d reads %u bytes of device memory at %s that were never written, %s", lane, n, hex(a).c_str(), memoryPlace(a).c_str()));
		return false;
	}
	u64 me = identity(w, lane), launch = me >> 48;
	u64 *wr = mem.writer + off / 2, *rd = mem.reader + off / 2;
	for (u32 g = 0; g < (n + 1) / 2; g++) {
		u64 x = wr[g], r = rd[g];
		if (__builtin_expect(x >> 48 == launch, 0) && x != me && (blockOf(x) != blockOf(me) || ((x ^ me) & 0xfff800) == 0))
			return globalRace(w, i, a + 2 * g, lane, x, "reads what was written by");
		if (r == me) continue;
		if (r >> 48 != launch) rd[g] = me;
		else if (blockOf(r) != blockOf(me)) rd[g] = me | manyBlocks;
		else if (((r ^ me) & 0xfff800) == 0) rd[g] = me | manyThreads;
		else rd[g] = me;
	}
	return true;
}

bool globalWrite(Warp &w, const Ins &i, u64 a, u32 n, int lane) {
	u64 off = a - (u64)mem.base;
	if (off >= mem.range - 16) return outside(w, i, a, n, lane, "writes");
	if (a & ((n & -n) - 1)) {
		fault(w, i, Misaligned, format("lane %d writes %u bytes at %s", lane, n, hex(a).c_str()));
		return false;
	}
	u8 *s = mem.state + off;
	if (!allSet(s, n, stAllocated)) return outside(w, i, a, n, lane, "writes");
	memset(s, stBoth, n);
	if (!w.b->check || n < 2) return true;
	u64 me = identity(w, lane), launch = me >> 48;
	u64 *wr = mem.writer + off / 2, *rd = mem.reader + off / 2;
	for (u32 g = 0; g < n / 2; g++) {
		u64 x = wr[g], r = rd[g];
		if (x >> 48 == launch && x != me && (blockOf(x) != blockOf(me) || ((x ^ me) & 0xfff800) == 0))
			return globalRace(w, i, a + 2 * g, lane, x, "writes what was written by");
		if (r >> 48 == launch && r != me && (blockOf(r) != blockOf(me) || ((r ^ me) & 0xfff800) == 0))
			return globalRace(w, i, a + 2 * g, lane, r, "writes what was read by");
		wr[g] = me;
	}
	return true;
}

namespace {

bool sharedBounds(Warp &w, const Ins &i, u32 a, u32 n, int lane, const char *what) {
	u32 off = a - sharedBase;
	if (off >= w.b->sharedBytes || n > w.b->sharedBytes - off) {
		fault(w, i, OutOfBounds, format("lane %d %s %u bytes of shared memory at %d, the block has %u", lane, what, n, int(off), w.b->sharedBytes));
		return false;
	}
	if (off & ((n & -n) - 1)) {
		fault(w, i, Misaligned, format("lane %d %s %u bytes of shared memory at %u", lane, what, n, off));
		return false;
	}
	return true;
}

u32 maskOf(u32 off, u32 n) { return n >= 4 ? 15 : ((1u << n) - 1) << (off & 3); }

bool race(Warp &w, const Ins &i, u32 off, int lane, u32 rec, const char *what) {
	if (rec & pending) {
		fault(w, i, AsyncRace, format("lane %d %s shared memory at %u that a cp.async of warp %u still writes: no cp.async.wait_group", lane, what, off, rec >> 9 & 31));
	} else if (rec & matrix) {
		fault(w, i, AsyncRace, format("lane %d %s shared memory at %u that a wgmma of warp %u still reads: no wgmma.wait_group", lane, what, off, rec >> 9 & 31));
	} else {
		fault(w, i, SharedRace, format("lane %d %s shared memory at %u that warp %u%s used with no barrier between", lane, what, off, rec >> 9 & 31, rec & many ? " (and maybe others)" : ""));
	}
	return false;
}

} // namespace

namespace {

// foreign reports whether a record is a write of another warp in this interval, or a write in flight.
inline bool foreign(Warp &w, u32 x, u32 me, u32 word) {
	if (x & pending) return true;
	if (x >> 14 != me >> 14 || (x ^ me) >> 9 == 0) return false;
	return !(x & several) || !(w.b->writers[word] >> w.id & 1);
}

} // namespace

bool sharedRead(Warp &w, const Ins &i, u32 a, u32 n, int lane) {
	Block &b = *w.b;
	if (!sharedBounds(w, i, a, n, lane, "reads")) return false;
	if (!b.check) return true;
	u32 off = a - sharedBase, me = mine(w), mask = maskOf(off, n);
	if (!allSet(b.init + off, n, 1)) {
		fault(w, i, Uninitialised, format("lane %d reads %u bytes of shared memory at %u that were never written", lane, n, off));
		return false;
	}
	u32 *wr = b.writer + off / 4, *rd = b.reader + off / 4;
	for (u32 k = 0; k < (n + 3) / 4; k++) {
		u32 x = wr[k], r = rd[k];
		if ((x & mask) && foreign(w, x, me, off / 4 + k)) return race(w, i, off + 4 * k, lane, x & ~(unfenced | several), "reads");
		if (r & matrix) continue;
		if (r >> 9 == me >> 9) rd[k] = r | mask;
		else rd[k] = r >> 14 == me >> 14 ? me | many | mask | (r & 15) : me | mask;
	}
	return true;
}

bool sharedWrite(Warp &w, const Ins &i, u32 a, u32 n, int lane, const void *data, bool async) {
	Block &b = *w.b;
	if (!sharedBounds(w, i, a, n, lane, "writes")) return false;
	if (!b.check) return true;
	u32 off = a - sharedBase, me = mine(w), mask = maskOf(off, n);
	u32 *wr = b.writer + off / 4, *rd = b.reader + off / 4;
	u32 rec = me | mask | unfenced | (async ? pending : 0);
	b.unfenced = true;
	for (u32 k = 0; k < (n + 3) / 4; k++) {
		u32 x = wr[k], r = rd[k];
		bool other = (x & mask) && (x & pending || (x >> 14 == me >> 14 && (x ^ me) >> 9 != 0));
		bool readers = (r & mask) && (r & matrix || (r >> 14 == me >> 14 && ((r ^ me) >> 9 != 0 || r & many)));
		// Warps that hold copies of a tile may all store it: writing the same bytes again is harmless.
		u32 at = off + 4 * k, bytes = n < 4 ? n : 4;
		bool same = (other || readers) && allSet(b.init + at, bytes, 1) && memcmp(b.shared + at, (const u8 *)data + 4 * k, bytes) == 0;
		if (other && !(same && (async || !(x & pending)))) return race(w, i, at, lane, x & ~(unfenced | several), "writes");
		if (readers && !(same && !(r & matrix))) return race(w, i, at, lane, r, "writes");
		u32 bytesNow = x >> 9 == me >> 9 || other ? x & 15 : 0, flag = 0;
		if (other) {
			u32 &ws = b.writers[off / 4 + k];
			if (!(x & several)) ws = 1u << (x >> 9 & 31);
			ws |= 1u << w.id;
			flag = several;
		} else if (x >> 9 == me >> 9) {
			flag = same ? x & several : 0;
		}
		wr[k] = rec | bytesNow | flag;
	}
	memset(b.init + off, 1, n);
	return true;
}

bool matrixRead(Warp &w, const Ins &i, u32 a, u32 n) {
	Block &b = *w.b;
	if (!sharedBounds(w, i, a, n, 0, "reads for a wgmma")) return false;
	if (!b.check) return true;
	u32 off = a - sharedBase, me = mine(w);
	if (!allSet(b.init + off, n, 1)) {
		fault(w, i, Uninitialised, format("wgmma reads %u bytes of shared memory at %u that were never written", n, off));
		return false;
	}
	u32 *wr = b.writer + off / 4, *rd = b.reader + off / 4;
	for (u32 k = 0; k < n / 4; k++) {
		u32 x = wr[k];
		if (foreign(w, x, me, off / 4 + k)) return race(w, i, off + 4 * k, 0, x & ~(unfenced | several), "reads for a wgmma");
		if (x & unfenced) {
			fault(w, i, Proxy, format("wgmma reads shared memory at %u that warp %u wrote: no fence.proxy.async after the write", off + 4 * k, x >> 9 & 31));
			return false;
		}
		rd[k] = me | matrix | 15;
	}
	w.reads.push_back({off, n});
	return true;
}

void copiesDone(Warp &w, size_t left) {
	if (w.copyGroups.size() <= left) return;
	size_t done = w.copyGroups.size() - left, end = w.copyGroups[done - 1];
	if (w.b->check) {
		u32 me = mine(w);
		for (size_t s = 0; s < end; s++) {
			Span sp = w.copies[s];
			u32 *wr = w.b->writer + sp.at / 4;
			for (u32 k = 0; k < sp.bytes / 4; k++) wr[k] = wr[k] & pending ? me | 15 | unfenced : wr[k];
		}
	}
	w.copies.erase(w.copies.begin(), w.copies.begin() + (long)end);
	w.copyGroups.erase(w.copyGroups.begin(), w.copyGroups.begin() + (long)done);
	for (auto &e : w.copyGroups) e -= end;
}

void matricesDone(Warp &w, size_t left) {
	if (w.mmaGroups.size() > left) {
		size_t done = w.mmaGroups.size() - left;
		auto end = w.mmaGroups[done - 1];
		u32 me = mine(w);
		for (size_t s = 0; s < end.first; s++)
			for (u32 k = w.reads[s].at / 4; k < (w.reads[s].at + w.reads[s].bytes) / 4; k++)
				w.b->reader[k] = me | many | 15;
		w.reads.erase(w.reads.begin(), w.reads.begin() + (long)end.first);
		for (size_t s = 0; s < end.second; s++) {
			Watched &r = w.watched[w.uses[s].number];
			(w.uses[s].sum ? r.sums : r.inputs)--;
		}
		w.uses.erase(w.uses.begin(), w.uses.begin() + (long)end.second);
		w.mmaGroups.erase(w.mmaGroups.begin(), w.mmaGroups.begin() + (long)done);
		for (auto &e : w.mmaGroups) e.first -= end.first, e.second -= end.second;
	}
}

// matrixRegisters checks the registers of a wgmma. A wgmma.fence must order earlier accesses to them, except those of a wgmma of
// the same shape on the same accumulators. While a wgmma is in flight, its accumulators must not be used as A, nor its A as
// accumulators (PTX manual, "wgmma.fence" and "wgmma.wait_group").
bool matrixRegisters(Warp &w, const Ins &i) {
	const Program &p = *w.b->program;
	u32 sums, inputs;
	namesRegisters(i, &sums, &inputs);
	for (u32 q = 0; q < sums + inputs; q++) {
		u32 at = p.ext[i.ext + q];
		if (at & 1) continue; // a constant
		u16 number = p.places[at / slotBytes], shape = q < sums ? u16(sums * 2) : 0;
		Watched &r = w.watched[number];
		auto place = [&] { return format(q < sums ? "accumulator %u" : "register %u of A", q < sums ? q : q - sums); };
		if (q < sums ? r.inputs || (r.sums && r.shape != shape) : r.sums) {
			fault(w, i, WgmmaRegister, place() + (r.sums ? " is an accumulator of one that is under way" : " is of A of one that is under way") + ": no wgmma.wait_group");
			return false;
		}
		if (r.accessed == w.fences || (r.used == w.fences && r.shape != shape)) {
			fault(w, i, WgmmaFence, place() + " was accessed with no wgmma.fence since");
			return false;
		}
		r.used = w.fences, r.shape = shape;
		(q < sums ? r.sums : r.inputs)++;
		w.uses.push_back({number, q < sums});
	}
	return true;
}

// registersFree checks that an instruction other than a wgmma accesses no register of a wgmma in flight.
bool registersFree(Warp &w, const Ins &i) {
	for (auto &n : w.b->program->watched[size_t(&i - w.b->program->code.data())]) {
		Watched &r = w.watched[n.number];
		if (r.sums || r.inputs) {
			fault(w, i, WgmmaRegister, format("%s %s of a wgmma that is under way: no wgmma.wait_group", n.written ? "writes" : "reads", r.sums ? "an accumulator" : "a register of A"));
			return false;
		}
		r.accessed = w.fences;
	}
	return true;
}

void proxyFence(Warp &w) {
	Block &b = *w.b;
	if (!b.check || !b.unfenced) return;
	u32 me = mine(w), n = b.sharedBytes / 4;
	u32 *wr = b.writer;
	// the writes of this warp, and those of others before the last barrier
#pragma GCC ivdep
	for (u32 k = 0; k < n; k++) {
		u32 x = wr[k];
		bool seen = (x >> 14 != me >> 14 || x >> 9 == me >> 9) && !(x & pending);
		wr[k] = seen ? x & ~unfenced : x;
	}
}
