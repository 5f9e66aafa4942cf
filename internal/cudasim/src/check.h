// The common cases of the checker, in which there is no fault; the rest is in check.cpp.
#pragma once
#include "exec.h"

// Records of shared memory, one per word: interval << 14 | warp << 9 | flags | bytes. Flags of writers: pending (a
// cp.async writes it), unfenced (no proxy fence since the write), several (several warps wrote the same value;
// Block::writers lists them). Flags of readers: many (other warps read it too), matrix (a wgmma reads it).
constexpr u32 pending = 1 << 8, unfenced = 1 << 7, several = 1 << 6, many = 1 << 7, matrix = 1 << 6;
inline u32 mine(Warp &w) { return w.b->interval << 14 | u32(w.id) << 9; }

typedef u32 V4 __attribute__((vector_size(16)));
typedef u64 V8 __attribute__((vector_size(64)));
template <class T> inline bool any(T v) {
	u64 r = 0, x;
	for (size_t k = 0; k < sizeof v; k += 8) memcpy(&x, (char *)&v + k, 8), r |= x;
	return r;
}

// inside16 reports whether off is the start of 16 aligned bytes of the block's shared memory.
inline bool inside16(Warp &w, u32 off) { return off < w.b->sharedBytes && w.b->sharedBytes - off >= 16 && off % 16 == 0; }
inline bool allOnes(const u8 *p) {
	u64 a, b;
	memcpy(&a, p, 8), memcpy(&b, p + 8, 8);
	return (a & b) == 0x0101010101010101ull;
}

inline bool sharedRead16(Warp &w, const Ins &i, u32 a, int lane) {
	Block &b = *w.b;
	u32 off = a - sharedBase;
	if (inside16(w, off)) {
		if (!b.check) return true;
		u32 me = mine(w);
		V4 x = *(V4 *)(b.writer + off / 4), r = *(V4 *)(b.reader + off / 4), t = x ^ me, u = r ^ me;
		V4 bad = (V4)((t >> 14 == 0) & (t >> 9 != 0)) | (x & pending);
		if (!any(bad) && allOnes(b.init + off)) {
			V4 fresh = (V4)(u >> 14 == 0) & (V4)(u >> 9 != 0) & many;
			V4 now = r | 15, other = me | 15 | fresh;
			V4 keep = (V4)(u >> 9 == 0) | (V4)((r & matrix) != 0);
			*(V4 *)(b.reader + off / 4) = (keep & now) | (~keep & other);
			return true;
		}
	}
	return sharedRead(w, i, a, 16, lane);
}

inline bool sharedWrite16(Warp &w, const Ins &i, u32 a, int lane, const void *data, bool async) {
	Block &b = *w.b;
	u32 off = a - sharedBase;
	if (inside16(w, off)) {
		if (!b.check) return true;
		u32 me = mine(w);
		V4 x = *(V4 *)(b.writer + off / 4), r = *(V4 *)(b.reader + off / 4), t = x ^ me, u = r ^ me;
		V4 bad = (V4)((t >> 14 == 0) & (t >> 9 != 0)) | (x & pending) | ((V4)(u >> 14 == 0) & ((V4)(u >> 9 != 0) | (r & many))) | (r & matrix);
		if (!any(bad)) {
			u32 rec = me | 15 | unfenced | (async ? pending : 0);
			*(V4 *)(b.writer + off / 4) = (V4){rec, rec, rec, rec};
			u64 ones = 0x0101010101010101ull;
			memcpy(b.init + off, &ones, 8), memcpy(b.init + off + 8, &ones, 8);
			b.unfenced = true;
			return true;
		}
	}
	return sharedWrite(w, i, a, 16, lane, data, async);
}

// Records of device memory, one for 2 bytes: launch 16 bits, block 24, interval 13, thread 11.
constexpr u64 manyBlocks = u64(0xffffff) << 24, manyThreads = 0x7ff;
inline u64 blockOf(u64 r) { return r >> 24 & 0xffffff; }
inline u64 identity(Warp &w, int lane) { return w.b->id | u64(w.b->interval & 0x1fff) << 11 | u32(w.id * 32 + lane); }

inline bool globalRead16(Warp &w, const Ins &i, u64 a, int lane) {
	u64 off = a - (u64)mem.base;
	if (off < mem.range - 16 && off % 16 == 0) {
		u64 s, t;
		memcpy(&s, mem.state + off, 8), memcpy(&t, mem.state + off + 8, 8);
		if ((s & t & 0x0303030303030303ull) == 0x0303030303030303ull) {
			if (!w.b->check) return true;
			u64 me = identity(w, lane), launch = me >> 48;
			V8 x = *(V8 *)(mem.writer + off / 2);
			if (!any((V8)(x >> 48 == launch))) {
				V8 *rd = (V8 *)(mem.reader + off / 2), r = *rd;
				V8 d = r ^ me;
				V8 old = (V8)(d >> 48 != 0), block = (V8)((d & manyBlocks) != 0), interval = (V8)((d & 0xfff800) != 0), same = (V8)(d == 0);
				V8 add = (~old & block & manyBlocks) | (~old & ~block & ~interval & ~same & manyThreads);
				*rd = me | add;
				return true;
			}
		}
	}
	return globalRead(w, i, a, 16, lane);
}

// The same for N = 1, 2, 4 or 8 bytes; the functions above handle 16.
template <u32 N> inline bool have(const u8 *p, u64 bits) {
	static_assert(N >= 1 && N <= 8);
	u64 v = 0;
	memcpy(&v, p, N);
	u64 want = bits * (0x0101010101010101ull >> (64 - 8 * N));
	return (v & want) == want;
}

template <u32 N> inline bool sharedReadN(Warp &w, const Ins &i, u32 a, int lane) {
	if constexpr (N == 16) return sharedRead16(w, i, a, lane);
	Block &b = *w.b;
	u32 off = a - sharedBase;
	if (b.check && off < b.sharedBytes && b.sharedBytes - off >= N && off % N == 0 && have<N == 16 ? 8 : N>(b.init + off, 1)) {
		u32 me = mine(w), mask = N >= 4 ? 15 : ((1u << N) - 1) << (off & 3);
		bool clean = true;
		for (u32 k = 0; k < (N + 3) / 4; k++) {
			u32 x = b.writer[off / 4 + k], r = b.reader[off / 4 + k];
			clean &= !(x & pending) && (x >> 14 != me >> 14 || x >> 9 == me >> 9) && !(r & matrix);
		}
		if (clean) {
			for (u32 k = 0; k < (N + 3) / 4; k++) {
				u32 &r = b.reader[off / 4 + k];
				r = r >> 9 == me >> 9 ? r | mask : r >> 14 == me >> 14 ? me | many | mask | (r & 15) : me | mask;
			}
			return true;
		}
	}
	return sharedRead(w, i, a, N, lane);
}

template <u32 N> inline bool sharedWriteN(Warp &w, const Ins &i, u32 a, int lane, const void *data, bool async) {
	if constexpr (N == 16) return sharedWrite16(w, i, a, lane, data, async);
	Block &b = *w.b;
	u32 off = a - sharedBase;
	if (b.check && off < b.sharedBytes && b.sharedBytes - off >= N && off % N == 0) {
		u32 me = mine(w), mask = N >= 4 ? 15 : ((1u << N) - 1) << (off & 3);
		bool clean = true;
		for (u32 k = 0; k < (N + 3) / 4; k++) {
			u32 x = b.writer[off / 4 + k], r = b.reader[off / 4 + k];
			clean &= !(x & pending) && (x >> 14 != me >> 14 || (x >> 9 == me >> 9 && !(x & several))) && !(r & matrix) && (r >> 14 != me >> 14 || (r >> 9 == me >> 9 && !(r & many)));
		}
		if (clean) {
			for (u32 k = 0; k < (N + 3) / 4; k++) {
				u32 &x = b.writer[off / 4 + k];
				x = me | mask | unfenced | (async ? pending : 0) | (x >> 9 == me >> 9 ? x & 15 : 0);
			}
			memset(b.init + off, 1, N);
			b.unfenced = true;
			return true;
		}
	}
	return sharedWrite(w, i, a, N, lane, data, async);
}

template <u32 N> inline bool globalReadN(Warp &w, const Ins &i, u64 a, int lane) {
	if constexpr (N == 16) return globalRead16(w, i, a, lane);
	u64 off = a - (u64)mem.base;
	if (off < mem.range - 16 && off % N == 0 && have<N == 16 ? 8 : N>(mem.state + off, stBoth)) {
		if (!w.b->check) return true;
		u64 me = identity(w, lane), launch = me >> 48, *wr = mem.writer + off / 2, *rd = mem.reader + off / 2;
		bool clean = true;
		for (u32 g = 0; g < (N + 1) / 2; g++) clean &= wr[g] >> 48 != launch && (rd[g] >> 48 != launch || rd[g] == me);
		if (clean) {
			for (u32 g = 0; g < (N + 1) / 2; g++) rd[g] = me;
			return true;
		}
	}
	return globalRead(w, i, a, N, lane);
}

template <u32 N> inline bool globalWriteN(Warp &w, const Ins &i, u64 a, int lane) {
	u64 off = a - (u64)mem.base;
	if (N > 1 && off < mem.range - 16 && off % N == 0 && w.b->check && (N == 16 ? have<8>(mem.state + off, stAllocated) && have<8>(mem.state + off + 8, stAllocated) : have<N == 16 ? 8 : N>(mem.state + off, stAllocated))) {
		u64 me = identity(w, lane), launch = me >> 48, *wr = mem.writer + off / 2, *rd = mem.reader + off / 2;
		bool clean = true;
		for (u32 g = 0; g < N / 2; g++) clean &= (wr[g] >> 48 != launch || wr[g] == me) && (rd[g] >> 48 != launch || rd[g] == me);
		if (clean) {
			for (u32 g = 0; g < N / 2; g++) wr[g] = me;
			memset(mem.state + off, stBoth, N);
			return true;
		}
	}
	return globalWrite(w, i, a, N, lane);
}

// prefetchRecords prefetches the records of the lanes' addresses, which can be far apart, before they are checked one by one.
inline void prefetchRecords(Warp &w, u32 m, const u64 *a, u64 add) {
	if (!w.b->check) return;
	for (u32 rest = m; rest; rest &= rest - 1) {
		u64 off = a[__builtin_ctz(rest)] + add - (u64)mem.base;
		if (off >= mem.range) continue;
		__builtin_prefetch(mem.state + off);
		__builtin_prefetch(mem.writer + off / 2);
		__builtin_prefetch(mem.reader + off / 2, 1);
	}
}
