// The common cases of the checker, where nothing is to be found; the rest is in check.cpp.
#pragma once
#include "exec.h"

// Records of shared memory, one a word: interval << 14 | warp << 9 | flags | bytes. Flags: pending (a cp.async writes it),
// unfenced (written, no proxy fence since), several (warps wrote the same, Block::writers says which); of readers:
// many (other warps too), matrix (a wgmma reads it).
constexpr u32 pending = 1 << 8, unfenced = 1 << 7, several = 1 << 6, many = 1 << 7, matrix = 1 << 6;
inline u32 mine(Warp &w) { return w.b->interval << 14 | u32(w.id) << 9; }

typedef u32 V4 __attribute__((vector_size(16)));
typedef u64 V8 __attribute__((vector_size(64)));
template <class T> inline bool any(T v) {
	u64 r = 0, x;
	for (size_t k = 0; k < sizeof v; k += 8) memcpy(&x, (char *)&v + k, 8), r |= x;
	return r;
}

// inside: 16 aligned bytes of the block's shared memory.
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
