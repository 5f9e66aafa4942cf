// Arithmetic: each handler computes 32 lanes. simple() finds the handler of an opcode and describes
// its operands.
#include "arith.h"

#include <cfloat>
#include <cmath>

namespace {

// Store<T> is the type in which a register holds a T: 16-bit values are zero-extended to 32 bits.
template <class T> struct StoreOf { using type = T; };
template <> struct StoreOf<u16> { using type = u32; };
template <> struct StoreOf<i16> { using type = u32; };
template <class T> using Store = typename StoreOf<T>::type;
template <class T> inline T load(const Store<T> *p, int l) { return T(p[l]); }
template <class T> inline Store<T> keep(T v) { return v; }
template <> inline u32 keep<i16>(i16 v) { return u16(v); }

// each stores f(lane) for every lane of the mask.
template <class T, class F> inline void each(u32 m, Store<T> *d, F f) {
	if (m == ~0u) {
#pragma GCC ivdep
		for (int l = 0; l < 32; l++) d[l] = keep<T>(f(l));
	} else {
#pragma GCC ivdep
		for (int l = 0; l < 32; l++) {
			Store<T> v = keep<T>(f(l));
			d[l] = m >> l & 1 ? v : d[l];
		}
	}
}
template <class TD, class TA, class F> inline void unary(Warp &w, const Ins &i, F f) {
	auto *a = R<Store<TA>>(w, i.x[1]);
	each<TD>(lanes(w, i), R<Store<TD>>(w, i.x[0]), [=](int l) { return f(load<TA>(a, l)); });
}
template <class TD, class TA, class TB, class F> inline void binary(Warp &w, const Ins &i, F f) {
	auto *a = R<Store<TA>>(w, i.x[1]);
	auto *b = R<Store<TB>>(w, i.x[2]);
	each<TD>(lanes(w, i), R<Store<TD>>(w, i.x[0]), [=](int l) { return f(load<TA>(a, l), load<TB>(b, l)); });
}
template <class TD, class TA, class TB, class TC, class F> inline void ternary(Warp &w, const Ins &i, F f) {
	auto *a = R<Store<TA>>(w, i.x[1]);
	auto *b = R<Store<TB>>(w, i.x[2]);
	auto *c = R<Store<TC>>(w, i.x[3]);
	each<TD>(lanes(w, i), R<Store<TD>>(w, i.x[0]), [=](int l) { return f(load<TA>(a, l), load<TB>(b, l), load<TC>(c, l)); });
}

template <class T> constexpr char letter() { return sizeof(T) == 2 ? 'h' : sizeof(T) == 4 ? 'w' : 'l'; }

std::unordered_map<std::string, Simple> table;

void add(const std::string &op, Handler h, std::string spec) { table[op] = {h, spec}; }

#define UN(op, TD, TA, e) add(op, [](Warp &w, const Ins &i) { unary<TD, TA>(w, i, [](TA a) -> TD { return TD(e); }); }, {letter<TD>(), letter<TA>()})
#define BIN(op, TD, TA, TB, e) add(op, [](Warp &w, const Ins &i) { binary<TD, TA, TB>(w, i, [](TA a, TB b) -> TD { return TD(e); }); }, {letter<TD>(), letter<TA>(), letter<TB>()})
#define TRI(op, TD, TA, TB, TC, e) add(op, [](Warp &w, const Ins &i) { ternary<TD, TA, TB, TC>(w, i, [](TA a, TB b, TC c) -> TD { return TD(e); }); }, {letter<TD>(), letter<TA>(), letter<TB>(), letter<TC>()})

inline u32 bitsOf(float f) { u32 u; memcpy(&u, &f, 4); return u; }
inline float floatOf(u32 u) { float f; memcpy(&f, &u, 4); return f; }
inline float ftz(float f) { return (bitsOf(f) & 0x7f800000) == 0 ? floatOf(bitsOf(f) & 0x80000000) : f; }

// bf16 rounds to nearest even; NaN becomes 0x7fff.
inline u32 bf16(float f) {
	u32 u = bitsOf(f);
	u32 r = (u + 0x7fff + (u >> 16 & 1)) >> 16;
	return (u & 0x7fffffff) > 0x7f800000 ? 0x7fff : r;
}
inline u32 bf16Zero(float f) {
	u32 u = bitsOf(f);
	return (u & 0x7fffffff) > 0x7f800000 ? 0x7fff : u >> 16;
}
inline float wide(u16 h) { return floatOf(u32(h) << 16); }
inline u16 f16(float f) {
	if (f != f) return 0x7fff;
	_Float16 h = (_Float16)f;
	u16 u;
	memcpy(&u, &h, 2);
	return u;
}
inline float f16wide(u16 h) {
	_Float16 v;
	memcpy(&v, &h, 2);
	return (float)v;
}
inline u32 rna(float f, int bits) { // to nearest, ties away, dropping low bits
	u32 u = bitsOf(f);
	if ((u & 0x7fffffff) > 0x7f800000) return 0x7fffffff;
	if ((u & 0x7f800000) == 0x7f800000) return u;
	return (u + (1u << (bits - 1))) & ~((1u << bits) - 1);
}

// min and max: of a number and a NaN the number; of two NaN 0x7fffffff; -0 < +0.
inline float least(float a, float b) {
	u32 x = bitsOf(a), y = bitsOf(b);
	float r = a < b ? a : b < a ? b : floatOf(x | y);
	r = a != a ? b : b != b ? a : r;
	return a != a && b != b ? floatOf(0x7fffffff) : r;
}
inline float greatest(float a, float b) {
	u32 x = bitsOf(a), y = bitsOf(b);
	float r = a > b ? a : b > a ? b : floatOf(x & y);
	r = a != a ? b : b != b ? a : r;
	return a != a && b != b ? floatOf(0x7fffffff) : r;
}

// 2^x by a polynomial on [-1/2, 1/2], error below 2^-22.
inline float exp2(float x) {
	float c = x < -160 ? -160 : x > 129 ? 129 : x;
	c = x != x ? 0 : c;
	float n = (c + 12582912.0f) - 12582912.0f, f = c - n;
	float p = 1.5252734e-05f;
	p = __builtin_fmaf(p, f, 1.5403530e-04f);
	p = __builtin_fmaf(p, f, 1.3333558e-03f);
	p = __builtin_fmaf(p, f, 9.6181291e-03f);
	p = __builtin_fmaf(p, f, 5.5504109e-02f);
	p = __builtin_fmaf(p, f, 2.4022651e-01f);
	p = __builtin_fmaf(p, f, 6.9314718e-01f);
	p = __builtin_fmaf(p, f, 1.0f);
	i32 e = (i32)n, h = e >> 1;
	float s = floatOf(u32(h + 127) << 23), t = floatOf(u32(e - h + 127) << 23);
	return x != x ? floatOf(0x7fffffff) : p * s * t;
}

// funnel and bit-field helpers follow the definitions of the PTX manual
inline u32 bfeU(u32 a, u32 b, u32 c) {
	u32 pos = b & 255, len = c & 255;
	if (pos > 31 || len == 0) return 0;
	u32 v = a >> pos;
	return len >= 32 ? v : v & ((1u << len) - 1);
}
inline u32 bfeS(u32 a, u32 b, u32 c) {
	u32 pos = b & 255, len = c & 255;
	if (len == 0) return 0;
	u32 last = pos + len - 1 > 31 ? 31 : pos + len - 1, sign = a >> last & 1;
	u32 d = 0;
	for (u32 j = 0; j < 32; j++) d |= (j < len && pos + j <= 31 ? a >> (pos + j) & 1 : sign) << j;
	return d;
}
inline u32 bfi(u32 a, u32 b, u32 c, u32 d) {
	u32 pos = c & 255, len = d & 255;
	if (pos > 31 || len == 0) return b;
	u32 m = (len >= 32 ? ~0u : (1u << len) - 1) << pos;
	return (b & ~m) | (a << pos & m);
}
inline u32 prmt(u32 a, u32 b, u32 sel) {
	u64 v = u64(b) << 32 | a;
	u32 d = 0;
	for (int k = 0; k < 4; k++) {
		u32 s = sel >> 4 * k & 15, byte = u32(v >> 8 * (s & 7)) & 255;
		if (s & 8) byte = byte & 0x80 ? 255 : 0;
		d |= byte << 8 * k;
	}
	return d;
}

template <class T> T divide(T a, T b) { return b == 0 ? T(~T(0)) : b == T(-1) && T(-1) < T(0) ? T(0 - std::make_unsigned_t<T>(a)) : T(a / b); }
template <class T> T remainder(T a, T b) { return b == 0 ? a : b == T(-1) && T(-1) < T(0) ? T(0) : T(a % b); }

template <class T, class U> void integers(const std::string &s, const std::string &u) { // T signed, U unsigned
	for (auto &t : {s, u}) {
		BIN("add." + t, U, U, U, a + b);
		BIN("sub." + t, U, U, U, a - b);
		BIN("mul.lo." + t, U, U, U, u64(a) * u64(b));
		TRI("mad.lo." + t, U, U, U, U, u64(a) * u64(b) + u64(c));
	}
	BIN("div." + s, T, T, T, divide<T>(a, b));
	BIN("rem." + s, T, T, T, remainder<T>(a, b));
	BIN("div." + u, U, U, U, divide<U>(a, b));
	BIN("rem." + u, U, U, U, remainder<U>(a, b));
	BIN("min." + s, T, T, T, a < b ? a : b);
	BIN("max." + s, T, T, T, a > b ? a : b);
	BIN("min." + u, U, U, U, a < b ? a : b);
	BIN("max." + u, U, U, U, a > b ? a : b);
	UN("neg." + s, U, U, U(0) - a);
	UN("abs." + s, U, U, T(a) < 0 ? U(0) - a : a);
}
template <class T, class U> void bitwise(const std::string &b16) {
	BIN("and." + b16, U, U, U, a & b);
	BIN("or." + b16, U, U, U, a | b);
	BIN("xor." + b16, U, U, U, a ^ b);
	UN("not." + b16, U, U, ~a);
	UN("cnot." + b16, U, U, a == 0);
	UN("mov." + b16, U, U, a);
	BIN("shl." + b16, U, U, u32, b >= sizeof(U) * 8 ? 0 : U(a << (b & (sizeof(U) * 8 - 1))));
	BIN("shr." + b16, U, U, u32, b >= sizeof(U) * 8 ? 0 : U(a >> (b & (sizeof(U) * 8 - 1))));
}
template <class T, class U> void shifts(const std::string &n) {
	BIN("shr.s" + n, U, U, u32, T(a) >> (b >= sizeof(U) * 8 ? sizeof(U) * 8 - 1 : b));
	BIN("shr.u" + n, U, U, u32, b >= sizeof(U) * 8 ? 0 : U(a >> (b & (sizeof(U) * 8 - 1))));
	UN("mov.u" + n, U, U, a);
	UN("mov.s" + n, U, U, a);
}

// ---- predicates

inline u32 packed(const i32 *t) {
	u32 r = 0;
	for (int l = 0; l < 32; l++) r |= u32(t[l] & 1) << l;
	return r;
}

template <class T, class F> inline void compare(Warp &w, const Ins &i, F f) {
	auto *a = R<Store<T>>(w, i.x[2]);
	auto *b = R<Store<T>>(w, i.x[3]);
	u32 m = lanes(w, i), r = 0;
	for (int l = 0; l < 32; l++) r |= u32(f(load<T>(a, l), load<T>(b, l))) << l;
	u32 c = ~0u;
	u32 p = r, q = ~r;
	if (i.flag) { // with a boolean operator and a third predicate
		c = w.P[i.x[4]] ^ (i.flag & 8 ? ~0u : 0);
		switch (i.flag & 7) {
		case 1: p &= c, q &= c; break;
		case 2: p |= c, q |= c; break;
		case 3: p ^= c, q ^= c; break;
		}
	}
	w.P[i.x[0]] = (w.P[i.x[0]] & ~m) | (p & m);
	if (i.x[1] != 0) w.P[i.x[1]] = (w.P[i.x[1]] & ~m) | (q & m);
}

std::unordered_map<std::string, Simple> comparisons;
#define CMP(op, T, e) comparisons[op] = {[](Warp &w, const Ins &i) { compare<T>(w, i, [](T a, T b) -> bool { return e; }); }, {letter<T>()}}

template <class T> void ordered(const std::string &t) {
	CMP("eq." + t, T, a == b);
	CMP("ne." + t, T, a != b);
	CMP("lt." + t, T, a < b);
	CMP("le." + t, T, a <= b);
	CMP("gt." + t, T, a > b);
	CMP("ge." + t, T, a >= b);
}
template <class T> void unsignedOrder(const std::string &t) {
	ordered<T>(t);
	CMP("lo." + t, T, a < b);
	CMP("ls." + t, T, a <= b);
	CMP("hi." + t, T, a > b);
	CMP("hs." + t, T, a >= b);
}
template <class T> void floatOrder(const std::string &t) {
	CMP("eq." + t, T, a == b);
	CMP("ne." + t, T, a < b || a > b);
	CMP("lt." + t, T, a < b);
	CMP("le." + t, T, a <= b);
	CMP("gt." + t, T, a > b);
	CMP("ge." + t, T, a >= b);
	CMP("equ." + t, T, !(a < b || a > b));
	CMP("neu." + t, T, a != b);
	CMP("ltu." + t, T, !(a >= b));
	CMP("leu." + t, T, !(a > b));
	CMP("gtu." + t, T, !(a <= b));
	CMP("geu." + t, T, !(a < b));
	CMP("num." + t, T, a == a && b == b);
	CMP("nan." + t, T, a != a || b != b);
}
#define FTZCMP(op, e) comparisons[op ".ftz.f32"] = {[](Warp &w, const Ins &i) { compare<float>(w, i, [](float a, float b) -> bool { a = ftz(a), b = ftz(b); return e; }); }, "w"}

// selp and the operators on predicates
template <class U> void select(Warp &w, const Ins &i) {
	auto *a = R<Store<U>>(w, i.x[1]);
	auto *b = R<Store<U>>(w, i.x[2]);
	u32 p = w.P[i.x[3]];
	each<U>(lanes(w, i), R<Store<U>>(w, i.x[0]), [=](int l) { return U(p >> l & 1 ? a[l] : b[l]); });
}
template <class F> inline void predicates(Warp &w, const Ins &i, F f) {
	u32 m = lanes(w, i), r = f(w.P[i.x[1]], i.n > 2 ? w.P[i.x[2]] : 0);
	w.P[i.x[0]] = (w.P[i.x[0]] & ~m) | (r & m);
}
#define PRED(op, spec, e) add(op, [](Warp &w, const Ins &i) { predicates(w, i, [](u32 a, u32 b) -> u32 { (void)b; return e; }); }, spec)

// integer of a rounded float, saturated; NaN gives 0
template <class T> inline T integer(float r) {
	constexpr float top = sizeof(T) == 8 ? (T(-1) < T(0) ? 0x1p63f : 0x1p64f) : (T(-1) < T(0) ? 0x1p31f : 0x1p32f);
	constexpr float low = T(-1) < T(0) ? -top : 0;
	if (r != r) return 0;
	if (r >= top) return T(-1) < T(0) ? T(std::make_unsigned_t<T>(-1) >> 1) : T(-1);
	if (r <= low) return T(-1) < T(0) ? T(std::make_unsigned_t<T>(1) << (sizeof(T) * 8 - 1)) : T(0);
	return T(r);
}
template <class T> void fromFloat(const std::string &t) {
#define ROUND(mod, f)                                                    \
	UN("cvt." mod "." + t + ".f32", T, float, integer<T>(f(a)));        \
	UN("cvt." mod ".ftz." + t + ".f32", T, float, integer<T>(f(ftz(a))));
	ROUND("rni", nearbyintf) ROUND("rzi", truncf) ROUND("rmi", floorf) ROUND("rpi", ceilf)
#undef ROUND
}

// widen converts an integer of type TA to another number, with sign or zero extension. The source register TR may be wider
// than TA: the table lists such opcodes with a suffix "/" and the register's bits.
template <class TA, class TR> void widen(std::string from) {
	if (sizeof(TR) > sizeof(TA)) from += format("/%zu", sizeof(TR) * 8);
	UN("cvt.u64." + from, u64, TR, i64(TA(a)));
	UN("cvt.s64." + from, u64, TR, i64(TA(a)));
	UN("cvt.u32." + from, u32, TR, i32(TA(a)));
	UN("cvt.s32." + from, u32, TR, i32(TA(a)));
	UN("cvt.u16." + from, u16, TR, TA(a));
	UN("cvt.s16." + from, u16, TR, TA(a));
	UN("cvt.rn.f32." + from, float, TR, TA(a));
	UN("cvt.rn.f64." + from, double, TR, TA(a));
}

bool fill() {
	integers<i32, u32>("s32", "u32");
	integers<i64, u64>("s64", "u64");
	integers<i16, u16>("s16", "u16");
	bitwise<i32, u32>("b32");
	bitwise<i64, u64>("b64");
	bitwise<i16, u16>("b16");
	shifts<i32, u32>("32");
	shifts<i64, u64>("64");
	shifts<i16, u16>("16");
	UN("mov.f32", u32, u32, a);
	UN("mov.f64", u64, u64, a);
	BIN("mul.wide.s32", i64, i32, i32, i64(a) * b);
	BIN("mul.wide.u32", u64, u32, u32, u64(a) * b);
	BIN("mul.wide.s16", i32, i16, i16, i32(a) * b);
	BIN("mul.wide.u16", u32, u16, u16, u32(a) * b);
	BIN("mul.hi.s32", i32, i32, i32, i64(a) * b >> 32);
	BIN("mul.hi.u32", u32, u32, u32, u64(a) * b >> 32);
	BIN("mul.hi.s64", i64, i64, i64, __int128(a) * b >> 64);
	BIN("mul.hi.u64", u64, u64, u64, (unsigned __int128)(a) * b >> 64);
	TRI("mad.wide.s32", u64, i32, i32, u64, u64(i64(a) * b) + c);
	TRI("mad.wide.u32", u64, u32, u32, u64, u64(a) * b + c);
	TRI("bfe.u32", u32, u32, u32, u32, bfeU(a, b, c));
	TRI("bfe.s32", u32, u32, u32, u32, bfeS(a, b, c));
	TRI("prmt.b32", u32, u32, u32, u32, prmt(a, b, c));
	TRI("shf.l.wrap.b32", u32, u32, u32, u32, (u64(b) << 32 | a) << (c & 31) >> 32);
	TRI("shf.r.wrap.b32", u32, u32, u32, u32, (u64(b) << 32 | a) >> (c & 31));
	TRI("shf.l.clamp.b32", u32, u32, u32, u32, (u64(b) << 32 | a) << (c > 32 ? 32 : c) >> 32);
	TRI("shf.r.clamp.b32", u32, u32, u32, u32, (u64(b) << 32 | a) >> (c > 32 ? 32 : c));
	add("bfi.b32", [](Warp &w, const Ins &i) {
		auto *a = R<u32>(w, i.x[1]), *b = R<u32>(w, i.x[2]), *c = R<u32>(w, i.x[3]), *d = R<u32>(w, i.x[4]);
		each<u32>(lanes(w, i), R<u32>(w, i.x[0]), [=](int l) { return bfi(a[l], b[l], c[l], d[l]); });
	}, "wwwww");
	add("lop3.b32", [](Warp &w, const Ins &i) {
		auto *a = R<u32>(w, i.x[1]), *b = R<u32>(w, i.x[2]), *c = R<u32>(w, i.x[3]), *t = R<u32>(w, i.x[4]);
		each<u32>(lanes(w, i), R<u32>(w, i.x[0]), [=](int l) {
			u32 d = 0, k = t[l];
			for (int v = 0; v < 8; v++)
				if (k >> v & 1) d |= (v & 4 ? a[l] : ~a[l]) & (v & 2 ? b[l] : ~b[l]) & (v & 1 ? c[l] : ~c[l]);
			return d;
		});
	}, "wwwww");
	UN("popc.b32", u32, u32, __builtin_popcount(a));
	UN("popc.b64", u32, u64, __builtin_popcountll(a));
	UN("clz.b32", u32, u32, a ? __builtin_clz(a) : 32);
	UN("clz.b64", u32, u64, a ? __builtin_clzll(a) : 64);
	UN("brev.b32", u32, u32, ([](u32 v) { u32 r = 0; for (int k = 0; k < 32; k++) r |= (v >> k & 1) << (31 - k); return r; })(a));

	for (const char *t : {"b32", "s32", "u32", "f32"}) add(std::string("selp.") + t, select<u32>, "wwwp");
	for (const char *t : {"b64", "s64", "u64", "f64"}) add(std::string("selp.") + t, select<u64>, "lllp");
	for (const char *t : {"b16", "s16", "u16"}) add(std::string("selp.") + t, select<u16>, "hhhp");
	PRED("and.pred", "ppp", a & b);
	PRED("or.pred", "ppp", a | b);
	PRED("xor.pred", "ppp", a ^ b);
	PRED("not.pred", "pp", ~a);
	PRED("mov.pred", "pp", a);

	for (const char *r : {"", ".rn"}) {
		std::string s = r;
		BIN("add" + s + ".f32", float, float, float, a + b);
		BIN("sub" + s + ".f32", float, float, float, a - b);
		BIN("mul" + s + ".f32", float, float, float, a * b);
		BIN("add" + s + ".ftz.f32", float, float, float, ftz(ftz(a) + ftz(b)));
		BIN("sub" + s + ".ftz.f32", float, float, float, ftz(ftz(a) - ftz(b)));
		BIN("mul" + s + ".ftz.f32", float, float, float, ftz(ftz(a) * ftz(b)));
		BIN("add" + s + ".f64", double, double, double, a + b);
		BIN("sub" + s + ".f64", double, double, double, a - b);
		BIN("mul" + s + ".f64", double, double, double, a * b);
	}
	TRI("fma.rn.f32", float, float, float, float, __builtin_fmaf(a, b, c));
	TRI("fma.rn.ftz.f32", float, float, float, float, ftz(__builtin_fmaf(ftz(a), ftz(b), ftz(c))));
	TRI("fma.rn.f64", double, double, double, double, __builtin_fma(a, b, c));
	UN("neg.f32", u32, u32, a ^ 0x80000000);
	UN("neg.ftz.f32", float, float, -ftz(a));
	UN("abs.f32", u32, u32, a & 0x7fffffff);
	UN("abs.ftz.f32", u32, float, bitsOf(ftz(a)) & 0x7fffffff);
	UN("neg.f64", double, double, -a);
	UN("abs.f64", u64, u64, a & ~(u64(1) << 63));
	BIN("min.f32", float, float, float, least(a, b));
	BIN("max.f32", float, float, float, greatest(a, b));
	BIN("min.ftz.f32", float, float, float, least(ftz(a), ftz(b)));
	BIN("max.ftz.f32", float, float, float, greatest(ftz(a), ftz(b)));
	BIN("min.NaN.f32", float, float, float, a != a || b != b ? floatOf(0x7fffffff) : least(a, b));
	BIN("max.NaN.f32", float, float, float, a != a || b != b ? floatOf(0x7fffffff) : greatest(a, b));
	BIN("copysign.f32", u32, u32, u32, (a & 0x80000000) | (b & 0x7fffffff));
	for (const char *op : {"div.rn", "div.full", "div.approx"}) {
		std::string s = op;
		BIN(s + ".f32", float, float, float, a / b);
		BIN(s + ".ftz.f32", float, float, float, ftz(ftz(a) / ftz(b)));
	}
	BIN("div.rn.f64", double, double, double, a / b);
	for (const char *op : {".rn", ".approx"}) {
		std::string s = op;
		UN("rcp" + s + ".f32", float, float, 1 / a);
		UN("rcp" + s + ".ftz.f32", float, float, ftz(1 / ftz(a)));
		UN("sqrt" + s + ".f32", float, float, __builtin_sqrtf(a));
		UN("sqrt" + s + ".ftz.f32", float, float, __builtin_sqrtf(ftz(a)));
	}
	UN("rsqrt.approx.f32", float, float, 1 / __builtin_sqrtf(a));
	UN("rsqrt.approx.ftz.f32", float, float, 1 / __builtin_sqrtf(ftz(a)));
	UN("ex2.approx.f32", float, float, exp2(a));
	UN("ex2.approx.ftz.f32", float, float, ftz(exp2(ftz(a))));
	UN("lg2.approx.f32", float, float, ::log2f(a));
	UN("lg2.approx.ftz.f32", float, float, ::log2f(ftz(a)));
	UN("sin.approx.f32", float, float, ::sinf(a));
	UN("cos.approx.f32", float, float, ::cosf(a));
	UN("tanh.approx.f32", float, float, ::tanhf(a));

	widen<i32, i32>("s32");
	widen<i32, u64>("s32");
	widen<u32, u32>("u32");
	widen<u32, u64>("u32");
	widen<i64, i64>("s64");
	widen<u64, u64>("u64");
	widen<i16, i16>("s16");
	widen<i16, u32>("s16");
	widen<u16, u16>("u16");
	widen<u16, u32>("u16");
	fromFloat<i32>("s32");
	fromFloat<u32>("u32");
	fromFloat<i64>("s64");
	fromFloat<u64>("u64");
	UN("cvt.rni.f32.f32", float, float, nearbyintf(a));
	UN("cvt.rzi.f32.f32", float, float, truncf(a));
	UN("cvt.rmi.f32.f32", float, float, floorf(a));
	UN("cvt.rpi.f32.f32", float, float, ceilf(a));
	UN("cvt.rmi.ftz.f32.f32", float, float, floorf(ftz(a)));
	UN("cvt.rpi.ftz.f32.f32", float, float, ceilf(ftz(a)));
	UN("cvt.f64.f32", double, float, a);
	UN("cvt.rn.f32.f64", float, double, a);
	UN("cvt.f32.bf16", float, u16, wide(a));
	UN("cvt.f32.f16", float, u16, f16wide(a));
	UN("cvt.rn.bf16.f32", u16, float, bf16(a));
	UN("cvt.rz.bf16.f32", u16, float, bf16Zero(a));
	UN("cvt.rn.f16.f32", u16, float, f16(a));
	UN("cvt.rna.tf32.f32", u32, float, rna(a, 13));
	BIN("cvt.rn.bf16x2.f32", u32, float, float, bf16(a) << 16 | bf16(b));
	BIN("cvt.rz.bf16x2.f32", u32, float, float, bf16Zero(a) << 16 | bf16Zero(b));
	BIN("cvt.rn.f16x2.f32", u32, float, float, u32(f16(a)) << 16 | f16(b));

	ordered<i32>("s32");
	ordered<i64>("s64");
	ordered<i16>("s16");
	unsignedOrder<u32>("u32");
	unsignedOrder<u64>("u64");
	unsignedOrder<u16>("u16");
	for (const char *c : {"eq.", "ne."}) {
		std::string s = c;
		comparisons[s + "b32"] = comparisons[s + "u32"];
		comparisons[s + "b64"] = comparisons[s + "u64"];
		comparisons[s + "b16"] = comparisons[s + "u16"];
	}
	floatOrder<float>("f32");
	floatOrder<double>("f64");
	FTZCMP("eq", a == b);
	FTZCMP("lt", a < b);
	FTZCMP("le", a <= b);
	FTZCMP("gt", a > b);
	FTZCMP("ge", a >= b);
	FTZCMP("neu", a != b);
	return true;
}

} // namespace

const Simple *simple(std::string_view op) {
	static bool filled = fill();
	(void)filled;
	auto it = table.find(std::string(op));
	return it == table.end() ? nullptr : &it->second;
}

const Simple *comparison(const std::string &op) {
	simple("");
	auto it = comparisons.find(op);
	return it == comparisons.end() ? nullptr : &it->second;
}
