// mma.sync and wgmma. Products of bf16, f16 and tf32 are exact in float32; they are added in float32 in the order of k.
#include "exec.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

typedef float V __attribute__((vector_size(64)));
typedef int VI __attribute__((vector_size(64)));

enum Element { BF16, F16, TF32 };

inline float tf32(u32 u) {
	u &= ~0x1fffu; // the low 13 bits are ignored
	float f;
	memcpy(&f, &u, 4);
	return f;
}
inline float half16(u16 u) {
	_Float16 h;
	memcpy(&h, &u, 2);
	return (float)h;
}
inline float bf(u16 u) {
	u32 v = u32(u) << 16;
	float f;
	memcpy(&f, &v, 4);
	return f;
}
template <Element E> inline float value(u16 u) { return E == BF16 ? bf(u) : half16(u); }

// The A fragment of 16 rows in the order that the accumulators have: lane l's row is l/4 (+8 for h=1).
// a[h][k] is A[l/4+8h][k] for lanes 0-15 and 16-31.
struct Rows { V a[2][16][2]; };
// b[c][k] is B[k][l%4*2+c] for l of 0..3, repeated.
struct Columns { V b[2][16]; };

// spread fills out with the values that the 4 lanes of each row hold.
template <int From> inline V quad(V v) {
	constexpr VI s = {From, From, From, From, 4 + From, 4 + From, 4 + From, 4 + From, 8 + From, 8 + From, 8 + From, 8 + From, 12 + From, 12 + From, 12 + From, 12 + From};
	return __builtin_shuffle(v, s);
}
inline void spread(V v, V out[4][2], int half) {
	out[0][half] = quad<0>(v);
	out[1][half] = quad<1>(v);
	out[2][half] = quad<2>(v);
	out[3][half] = quad<3>(v);
}

template <Element E> inline void unpack(const u32 *r, float *lo, float *hi) { // 16 lanes
	for (int l = 0; l < 16; l++) lo[l] = value<E>(u16(r[l])), hi[l] = value<E>(u16(r[l] >> 16));
}

// rowsOf reads the A fragment of m16n8k16 (16-bit) or m16n8k8 (tf32, and 16-bit with two registers).
template <Element E> void rowsOf(const u32 *const reg[4], int regs, Rows &o) {
	for (int q = 0; q < regs; q++)
		for (int half = 0; half < 2; half++) {
			V t[4][2];
			if (E == TF32) { // a0: row, k=l%4; a1: row+8; a2: row, k+4; a3: row+8, k+4
				float v[16] __attribute__((aligned(64)));
				for (int l = 0; l < 16; l++) v[l] = tf32(reg[q][16 * half + l]);
				spread(*(V *)v, t, half);
				for (int k = 0; k < 4; k++) o.a[q & 1][(q >> 1) * 4 + k][half] = t[k][half];
			} else { // a0: row, k=l%4*2+{0,1}; a1: row+8; a2: row, k+8; a3: row+8, k+8
				float lo[16] __attribute__((aligned(64))), hi[16] __attribute__((aligned(64)));
				unpack<E>(reg[q] + 16 * half, lo, hi);
				spread(*(V *)lo, t, half);
				for (int k = 0; k < 4; k++) o.a[q & 1][(q >> 1) * 8 + 2 * k][half] = t[k][half];
				spread(*(V *)hi, t, half);
				for (int k = 0; k < 4; k++) o.a[q & 1][(q >> 1) * 8 + 2 * k + 1][half] = t[k][half];
			}
		}
}

inline V fma(V a, V b, V c) {
#ifdef __AVX512F__
	return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#else
	return a * b + c; // the product is exact, so this is the same
#endif
}
inline V four(const float *p) {
#ifdef __AVX512F__
	return (V)_mm512_maskz_broadcast_f32x4(0xffff, _mm_loadu_ps(p));
#else
	return (V){p[0], p[1], p[2], p[3], p[0], p[1], p[2], p[3], p[0], p[1], p[2], p[3], p[0], p[1], p[2], p[3]};
#endif
}

// accumulate adds A B to the 4 registers of an 8-column tile: d[2h+c] is row l/4+8h, column l%4*2+c.
// b is [c][k][4].
template <int K> inline void accumulate(float *const d[4], const Rows &a, const float (*b)[K][4]) {
	for (int h = 0; h < 2; h++)
		for (int c = 0; c < 2; c++) {
			V x = ((V *)d[2 * h + c])[0], y = ((V *)d[2 * h + c])[1];
			for (int k = 0; k < K; k++) {
				V v = four(b[c][k]);
				x = fma(a.a[h][k][0], v, x);
				y = fma(a.a[h][k][1], v, y);
			}
			((V *)d[2 * h + c])[0] = x;
			((V *)d[2 * h + c])[1] = y;
		}
}

// ---- mma.sync: ext d0-3, a0.., b0.., c0-3; n registers of a

template <Element E, int K> void mma(Warp &w, const Ins &i) {
	if (w.active != ~0u || lanes(w, i) != ~0u) return fault(w, i, Divergence, "all 32 lanes of the warp must execute this together");
	const u32 *x = &w.b->program->ext[i.ext];
	constexpr int na = E == TF32 ? 4 : K / 4, nb = na / 2;
	const u32 *ra[4];
	for (int q = 0; q < na; q++) ra[q] = R<u32>(w, x[4 + q]);
	Rows a;
	rowsOf<E>(ra, na, a);
	float b[2][K][4];
	for (int q = 0; q < nb; q++) {
		const u32 *r = R<u32>(w, x[4 + na + q]);
		for (int c = 0; c < 2; c++)
			for (int j = 0; j < 4; j++) {
				const u32 *col = r + (2 * j + c) * 4; // the 4 lanes of column 2j+c
				for (int k = 0; k < 4; k++) {
					if (E == TF32) b[c][4 * q + k][j] = tf32(col[k]); // b0: k=l%4, n=l/4; b1: k+4
					else { // b0: k=l%4*2+{0,1}, n=l/4; b1: k+8
						b[c][8 * q + 2 * k][j] = value<E>(u16(col[k]));
						b[c][8 * q + 2 * k + 1][j] = value<E>(u16(col[k] >> 16));
					}
				}
			}
	}
	float *d[4];
	for (int q = 0; q < 4; q++) {
		d[q] = R<float>(w, x[q]);
		const float *c = R<float>(w, x[4 + na + nb + q]);
		if (c != d[q]) memmove(d[q], c, 128);
	}
	accumulate<K>(d, a, b);
}

// the registers of d may overlap those of a, b or c; mmaCopy then works on a copy
template <Element E, int K> void mmaCopy(Warp &w, const Ins &i) {
	const u32 *x = &w.b->program->ext[i.ext];
	constexpr int na = E == TF32 ? 4 : K / 4, n = 4 + na + na / 2 + 4;
	bool mixed = false;
	for (int q = 0; q < 4; q++)
		for (int r = 4 + na + na / 2; r < n; r++) mixed |= x[q] == x[r] && r - (4 + na + na / 2) != q;
	if (!mixed) return mma<E, K>(w, i);
	fault(w, i, Illegal, "an mma whose sums go to the registers of other sums is not simulated");
}

bool decodeMma(Decoder &d, const Statement &s) {
	Handler h = nullptr;
	int na = 4;
	if (s.op == "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32") h = mmaCopy<BF16, 16>;
	if (s.op == "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32") h = mmaCopy<F16, 16>;
	if (s.op == "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32") h = mmaCopy<TF32, 8>;
	if (s.op == "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32") h = mmaCopy<BF16, 8>, na = 2;
	if (!h) return false;
	const u32 want[4] = {4, u32(na), u32(na / 2), 4};
	if (s.operands.size() != 4) d.fail(s, "expected four operands");
	Ins &i = d.begin(s, h);
	for (int o = 0; o < 4; o++) {
		std::vector<Operand> one{s.operands[o]};
		const auto &v = s.operands[o].type == Operand::Vec ? s.operands[o].vec : one;
		if (v.size() != want[o]) d.fail(s, format("operand %d has %zu registers and not %u", o + 1, v.size(), want[o]));
		for (auto &e : v) d.putExt(i, o == 0 ? d.target(s, e, 32) : d.source(s, e, 32), o == 0 ? 1 : 2);
	}
	return true;
}

// ---- wgmma

// Descriptor of a matrix in shared memory (PTX manual, "Matrix descriptor").
struct Descriptor {
	u32 start, leading, stride, swizzle; // bytes; swizzle is the width of the rows: 128, 64, 32, or 16 for none
};

// chunkK and chunkMN return the address of a chunk of 16 bytes (8 elements of 16 bits or 4 of 32), which is
// contiguous in every layout. In K-major layouts (chunkK) it holds elements of row r (of M or N) from k = 8 c
// on, where c counts 16 bytes along K; in MN-major layouts (chunkMN) those of column k from row 8 c on.
u32 chunkK(const Descriptor &d, u32 r, u32 c) {
	u32 a = d.swizzle == 16 ? d.start + r / 8 * d.stride + r % 8 * 16 + c * d.leading : d.start + r / 8 * d.stride + r % 8 * d.swizzle + c * 16;
	return a ^ (d.swizzle == 16 ? 0 : a >> 7 & (d.swizzle / 16 - 1)) << 4;
}
u32 chunkMN(const Descriptor &d, u32 k, u32 c) {
	u32 per = d.swizzle / 16; // chunks in a row
	u32 a = d.swizzle == 16 ? d.start + c * d.stride + k / 8 * d.leading + k % 8 * 16 : d.start + c / per * d.leading + k / 8 * d.stride + k % 8 * d.swizzle + c % per * 16;
	return a ^ (d.swizzle == 16 ? 0 : a >> 7 & (d.swizzle / 16 - 1)) << 4;
}

bool descriptor(Warp &w, const Ins &i, u64 v, Descriptor &d) {
	static const u32 widths[4] = {16, 128, 64, 32};
	d.start = u32(v & 0x3fff) << 4;
	d.leading = u32(v >> 16 & 0x3fff) << 4;
	d.stride = u32(v >> 32 & 0x3fff) << 4;
	d.swizzle = widths[v >> 62];
	if (v >> 49 & 7) {
		fault(w, i, Illegal, "a matrix descriptor with a base offset is not simulated");
		return false;
	}
	return true;
}

inline u64 uniform(Warp &w, const Ins &i, u32 o, bool *ok) {
	const u64 *v = R<u64>(w, o);
	u64 differ = 0;
	for (int l = 1; l < 32; l++) differ |= v[l] ^ v[0];
	if (differ) {
		fault(w, i, Divergence, "the lanes of the warp have different matrix descriptors");
		*ok = false;
	}
	return v[0];
}

// x: 0 descriptor of A, 1 of B, 2 predicate scale-d, 3 transpositions (1 A, 2 B), 4 signs (1 A, 2 B); n: N/8; flag: A in registers;
// ext: the accumulators, then A's four registers.
template <Element E> void wgmma(Warp &w, const Ins &i) {
	if (w.active != ~0u || lanes(w, i) != ~0u) return fault(w, i, Divergence, "all 32 lanes of the warp must execute this together");
	constexpr int K = E == TF32 ? 8 : 16, per = E == TF32 ? 4 : 8; // elements in 16 bytes
	const u32 *x = &w.b->program->ext[i.ext];
	u32 N = i.n * 8u;
	bool ok = true;
	if (w.b->check && !matrixRegisters(w, i)) return;
	Descriptor da, db;
	if (!descriptor(w, i, uniform(w, i, i.x[1], &ok), db) || !ok) return;
	auto at = [&](u32 a) { return w.b->shared + (a - sharedBase); };
	auto element = [](const u8 *p, u32 k) -> float {
		if (E == TF32) {
			u32 v;
			memcpy(&v, p + 4 * k, 4);
			return tf32(v);
		}
		u16 v;
		memcpy(&v, p + 2 * k, 2);
		return value<E>(v);
	};

	Rows a;
	if (i.flag) {
		const u32 *ra[4];
		for (int q = 0; q < 4; q++) ra[q] = R<u32>(w, x[N / 2 + q]);
		rowsOf<E>(ra, 4, a);
	} else {
		if (!descriptor(w, i, uniform(w, i, i.x[0], &ok), da) || !ok) return;
		u32 first = u32(w.id % 4) * 16; // a warp has 16 of the 64 rows
		float m[16][K];
		if (i.x[3] & 1) {
			for (u32 k = 0; k < K; k++)
				for (u32 c = 0; c < 2; c++) {
					u32 p = chunkMN(da, k, first / per + c);
					if (!matrixRead(w, i, p, 16)) return;
					for (u32 e = 0; e < per; e++) m[c * per + e][k] = element(at(p), e);
				}
		} else {
			for (u32 r = 0; r < 16; r++)
				for (u32 c = 0; c < 2; c++) {
					u32 p = chunkK(da, first + r, c);
					if (!matrixRead(w, i, p, 16)) return;
					for (u32 e = 0; e < per; e++) m[r][c * per + e] = element(at(p), e);
				}
		}
		for (int h = 0; h < 2; h++)
			for (int k = 0; k < K; k++)
				for (int half = 0; half < 2; half++) {
					float v[16] __attribute__((aligned(64)));
					for (int l = 0; l < 16; l++) v[l] = m[8 * h + 4 * half + l / 4][k];
					a.a[h][k][half] = *(V *)v;
				}
	}
	if (i.x[4] & 1)
		for (int h = 0; h < 2; h++)
			for (int k = 0; k < K; k++)
				for (int half = 0; half < 2; half++) a.a[h][k][half] = -a.a[h][k][half];

	float b[32][2][K][4];
	float sign = i.x[4] & 2 ? -1 : 1;
	if (i.x[3] & 2) {
		for (u32 k = 0; k < K; k++)
			for (u32 c = 0; c < N / 8; c++) {
				u32 p = chunkMN(db, k, c);
				if (!matrixRead(w, i, p, 16)) return;
				for (u32 e = 0; e < 8; e++) b[c][e & 1][k][e >> 1] = sign * element(at(p), e);
			}
	} else {
		for (u32 n = 0; n < N; n++)
			for (u32 c = 0; c < 2; c++) {
				u32 p = chunkK(db, n, c);
				if (!matrixRead(w, i, p, 16)) return;
				for (u32 e = 0; e < per; e++) b[n / 8][n & 1][c * per + e][n % 8 >> 1] = sign * element(at(p), e);
			}
	}
	bool add = w.P[i.x[2]] & 1;
	if (w.P[i.x[2]] != 0 && w.P[i.x[2]] != ~0u) return fault(w, i, Divergence, "the lanes of the warp have different scale-d");
	for (u32 j = 0; j < N / 8; j++) {
		float *d[4];
		for (int q = 0; q < 4; q++) {
			d[q] = R<float>(w, x[4 * j + q]);
			if (!add) memset(d[q], 0, 128);
		}
		accumulate<K>(d, a, b[j]);
	}
}

void wgmmaFence(Warp &w, const Ins &) { w.fences++; }
void wgmmaCommit(Warp &w, const Ins &) { w.mmaGroups.push_back({w.reads.size(), w.uses.size()}); }
void wgmmaWait(Warp &w, const Ins &i) { matricesDone(w, (size_t)i.imm); }

bool decodeWgmma(Decoder &d, const Statement &s) {
	auto v = modifiers(s.op);
	if (v[0] != "wgmma") return false;
	if (s.op == "wgmma.fence.sync.aligned") {
		d.begin(s, wgmmaFence);
		return true;
	}
	if (s.op == "wgmma.commit_group.sync.aligned") {
		d.begin(s, wgmmaCommit);
		return true;
	}
	if (s.op == "wgmma.wait_group.sync.aligned") {
		if (s.operands.size() != 1 || s.operands[0].type != Operand::Imm) d.fail(s, "expected a number of groups");
		d.begin(s, wgmmaWait).imm = (i64)s.operands[0].bits;
		return true;
	}
	if (v.size() != 8 || v[1] != "mma_async" || v[2] != "sync" || v[3] != "aligned" || v[5] != "f32" || v[6] != v[7]) return false;
	Handler h = v[6] == "bf16" ? wgmma<BF16> : v[6] == "f16" ? wgmma<F16> : v[6] == "tf32" ? wgmma<TF32> : nullptr;
	int n = 0, k = 0;
	if (!h || sscanf(std::string(v[4]).c_str(), "m64n%dk%d", &n, &k) != 2 || n < 8 || n > 256 || n % 8 || k != (v[6] == "tf32" ? 8 : 16)) return false;
	bool regs = s.operands.size() > 1 && s.operands[1].type == Operand::Vec;
	size_t trans = v[6] == "tf32" ? 0 : regs ? 1 : 2;
	if (s.operands.size() != 6 + trans) d.fail(s, format("expected %zu operands", 6 + trans));
	auto &acc = s.operands[0];
	if (acc.type != Operand::Vec || (int)acc.vec.size() != n / 2) d.fail(s, format("expected %d accumulators", n / 2));
	Ins &i = d.begin(s, h);
	i.n = u8(n / 8);
	i.flag = regs;
	for (auto &e : acc.vec) d.putExt(i, d.target(s, e, 32), 3);
	if (regs) {
		if (s.operands[1].vec.size() != 4) d.fail(s, "expected four registers of A");
		for (auto &e : s.operands[1].vec) d.putExt(i, d.source(s, e, 32), 2);
	} else {
		d.put(i, 0, d.source(s, s.operands[1], 64), false);
	}
	d.put(i, 1, d.source(s, s.operands[2], 64), false);
	i.x[2] = d.predicate(s, s.operands[3]);
	for (int o = 4; o < int(6 + trans); o++) {
		if (s.operands[o].type != Operand::Imm) d.fail(s, "expected a constant");
		i64 c = (i64)s.operands[o].bits;
		if (o < 6) {
			if (c != 1 && c != -1) d.fail(s, "a scale is 1 or -1");
			if (c == -1) i.x[4] |= u32(o == 4 ? 1 : 2);
		} else {
			if (c != 0 && c != 1) d.fail(s, "a transposition is 0 or 1");
			if (c) i.x[3] |= u32(regs ? 2 : o == 6 ? 1 : 2);
		}
	}
	return true;
}

} // namespace

bool isWgmma(const Ins &i) {
	u32 n;
	return i.fn == wgmmaFence || i.fn == wgmmaCommit || i.fn == wgmmaWait || namesRegisters(i, &n, &n);
}

bool namesRegisters(const Ins &i, u32 *sums, u32 *inputs) {
	if (i.fn != wgmma<BF16> && i.fn != wgmma<F16> && i.fn != wgmma<TF32>) return false;
	*sums = i.n * 4u, *inputs = i.flag ? 4 : 0;
	return true;
}

bool decodeMatrix(Decoder &d, const Statement &s) { return decodeMma(d, s) || decodeWgmma(d, s); }
