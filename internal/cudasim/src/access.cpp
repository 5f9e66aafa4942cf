// Instructions on memory, between lanes and between warps.
#include "check.h"

#include <algorithm>

namespace {

enum Space { Global, Shared, Parameter };

// ---- ld and st. x[0..3] are the elements, x[4] the address, imm its offset; flag: 1 the registers have 64 bits, 2 sign-extend.

template <int E> inline u64 fetch(const void *p, bool sign) {
	if (E == 1) return sign ? u64(i64(*(const int8_t *)p)) : *(const u8 *)p;
	if (E == 2) { u16 v; memcpy(&v, p, 2); return sign ? u64(i64(i16(v))) : v; }
	if (E == 4) { u32 v; memcpy(&v, p, 4); return sign ? u64(i64(i32(v))) : v; }
	u64 v;
	memcpy(&v, p, 8);
	return v;
}

template <int E, int N, Space S> void ld(Warp &w, const Ins &i) {
	u32 m = lanes(w, i);
	if (S == Parameter) {
		u64 v = fetch<E>(w.b->launch->params.data() + i.imm, i.flag & 2);
		for (int l = 0; l < 32; l++)
			if (m >> l & 1) {
				if (i.flag & 1) R<u64>(w, i.x[0])[l] = v;
				else R<u32>(w, i.x[0])[l] = u32(v);
			}
		return;
	}
	const u64 *a64 = R<u64>(w, i.x[4]);
	const u32 *a32 = R<u32>(w, i.x[4]);
	u32 *d[N]; // the address is read before the lane's elements are written: it may be among them
	for (int k = 0; k < N; k++) d[k] = R<u32>(w, i.x[k]);
	u64 last = ~u64(0);
	if (S == Global) prefetchRecords(w, m, a64, u64(i.imm));
	for (u32 rest = m; rest; rest &= rest - 1) {
		int l = __builtin_ctz(rest);
		const u8 *p;
		if (S == Global) {
			u64 a = a64[l] + u64(i.imm);
			if (!globalReadN<E * N>(w, i, a, l)) return;
			p = (const u8 *)a;
		} else {
			u32 a = a32[l] + u32(i.imm);
			if (a != last && !sharedReadN<E * N>(w, i, a, l)) return; // neighbouring lanes often read the same address
			last = a;
			p = w.b->shared + (a - sharedBase);
		}
		for (int k = 0; k < N; k++) {
			if (i.flag & 1) ((u64 *)d[k])[l] = fetch<E>(p + E * k, i.flag & 2);
			else d[k][l] = u32(fetch<E>(p + E * k, i.flag & 2));
		}
	}
}

template <int E, int N, Space S> void st(Warp &w, const Ins &i) {
	u32 m = lanes(w, i);
	const u64 *a64 = R<u64>(w, i.x[4]);
	const u32 *a32 = R<u32>(w, i.x[4]);
	const u32 *d[N];
	for (int k = 0; k < N; k++) d[k] = R<u32>(w, i.x[k]);
	for (u32 rest = m; rest; rest &= rest - 1) {
		int l = __builtin_ctz(rest);
		u8 *p, data[E * N];
		for (int k = 0; k < N; k++) {
			if (i.flag & 1) memcpy(data + E * k, (const u64 *)d[k] + l, E);
			else memcpy(data + E * k, d[k] + l, E);
		}
		if (S == Global) {
			u64 a = a64[l] + u64(i.imm);
			if (!globalWriteN<E * N>(w, i, a, l)) return;
			p = (u8 *)a;
		} else {
			u32 a = a32[l] + u32(i.imm);
			if (!sharedWriteN<E * N>(w, i, a, l, data, false)) return;
			p = w.b->shared + (a - sharedBase);
		}
		memcpy(p, data, E * N);
	}
}

// 16 bytes is the most
template <Space S, int E> Handler ldOf(int n) { return n == 1 ? ld<E, 1, S> : n == 2 ? ld<E, 2, S> : ld<E, E == 8 ? 2 : 4, S>; }
template <Space S, int E> Handler stOf(int n) { return n == 1 ? st<E, 1, S> : n == 2 ? st<E, 2, S> : st<E, E == 8 ? 2 : 4, S>; }
template <Space S> Handler accessOf(bool load, int e, int n) {
	switch (e) {
	case 1: return load ? ldOf<S, 1>(n) : stOf<S, 1>(n);
	case 2: return load ? ldOf<S, 2>(n) : stOf<S, 2>(n);
	case 4: return load ? ldOf<S, 4>(n) : stOf<S, 4>(n);
	default: return load ? ldOf<S, 8>(n) : stOf<S, 8>(n);
	}
}

bool decodeAccess(Decoder &d, const Statement &s) {
	auto v = modifiers(s.op);
	bool load = v[0] == "ld";
	if ((!load && v[0] != "st") || v.size() < 3) return false;
	Space space = Global;
	if (v[1] == "shared" || v[1] == "shared::cta") space = Shared;
	else if (v[1] == "param" && load) space = Parameter;
	else if (v[1] != "global") return false;
	int n = 1;
	for (size_t k = 2; k + 1 < v.size(); k++) {
		static const char *const hints[] = {"nc", "ca", "cg", "cs", "cv", "wb", "wt", "lu", "relaxed", "weak", "cta", "gpu"};
		bool hint = v[k].substr(0, 4) == "L1::" || (v[k].substr(0, 4) == "L2::" && v[k] != "L2::cache_hint");
		for (auto *h : hints) hint |= v[k] == h;
		if (v[k] == "v2") n = 2;
		else if (v[k] == "v4") n = 4;
		else if (!hint) return false;
	}
	std::string_view t = v.back();
	int bits = t.size() < 2 ? 0 : atoi(std::string(t.substr(1)).c_str());
	if (!strchr("usbf", t.empty() ? '?' : t[0]) || (bits != 8 && bits != 16 && bits != 32 && bits != 64) || n * bits > 128) return false;
	if (s.operands.size() != 2) d.fail(s, "expected two operands");
	const Operand &data = s.operands[load ? 0 : 1], &at = s.operands[load ? 1 : 0];
	std::vector<Operand> one{data};
	const auto &e = data.type == Operand::Vec ? data.vec : one;
	if ((int)e.size() != n) d.fail(s, format("expected %d elements", n));
	if (space == Parameter) {
		u32 index = ~0u;
		std::string want(at.symbol);
		for (size_t k = 0; k < d.k.params.size(); k++)
			if (want == d.k.name + format("_param_%zu", k)) index = u32(k);
		if (at.type != Operand::Addr || at.reg >= 0 || index == ~0u) d.fail(s, "expected a parameter");
		if (n != 1 || at.offset < 0 || at.offset + bits / 8 > d.k.params[index].size) d.fail(s, "reads outside the parameter");
		int width = e[0].type == Operand::Reg ? d.widthOf(e[0].reg) : 32;
		if (width < std::max(16, bits)) d.fail(s, "the register is too narrow");
		Ins &i = d.begin(s, accessOf<Parameter>(true, bits / 8, 1));
		d.put(i, 0, d.target(s, e[0], width), true);
		i.imm = d.k.params[index].offset + at.offset;
		i.flag = u8((width == 64 ? 1 : 0) | (t[0] == 's' && width > bits && width > 16 ? 2 : 0));
		return true;
	}
	int width = 0;
	for (auto &o : e)
		if (o.type == Operand::Reg) {
			if (width && width != d.widthOf(o.reg)) d.fail(s, "elements of different widths");
			width = d.widthOf(o.reg);
		}
	if (!width) width = std::max(16, bits);
	if (width < bits) d.fail(s, "the register is too narrow");
	if (load && t[0] == 's' && width == 16 && bits == 8) return false;
	Handler h = space == Global ? accessOf<Global>(load, bits / 8, n) : accessOf<Shared>(load, bits / 8, n);
	Ins &i = d.begin(s, h);
	for (int k = 0; k < n; k++) d.put(i, k, load ? d.target(s, e[k], width) : d.source(s, e[k], width), load);
	u32 base;
	i.imm = d.address(s, at, space == Global ? 64 : 32, &base);
	d.put(i, 4, base, false);
	i.flag = u8((width == 64 ? 1 : 0) | (load && t[0] == 's' && width > bits ? 2 : 0));
	return true;
}

// ---- cp.async: x[0] shared, x[1] global, x[2] bytes read; n bytes written; ext: the offset of the global address

void cpAsync(Warp &w, const Ins &i) {
	const u32 *to = R<u32>(w, i.x[0]), *bytes = R<u32>(w, i.x[2]);
	const u64 *from = R<u64>(w, i.x[1]);
	prefetchRecords(w, lanes(w, i), from, u64(i64(i32(i.ext))));
	for (u32 rest = lanes(w, i); rest; rest &= rest - 1) {
		int l = __builtin_ctz(rest);
		u32 a = to[l] + u32(i.imm), n = std::min<u32>(bytes[l], i.n);
		u64 g = from[l] + u64(i64(i32(i.ext)));
		if (n && !(n == 16 ? globalRead16(w, i, g, l) : n == 4 ? globalReadN<4>(w, i, g, l) : globalRead(w, i, g, n, l))) return;
		if (g & (i.n - 1) && n) return fault(w, i, Misaligned, format("lane %d copies %u bytes from 0x%llx", l, i.n, (unsigned long long)g));
		u8 data[16] = {}, *d = w.b->shared + (a - sharedBase);
		if (n == 16) memcpy(data, (const void *)g, 16);
		else if (n == 4) memcpy(data, (const void *)g, 4);
		else memcpy(data, (const void *)g, n);
		if (i.n == 16) {
			if (!sharedWrite16(w, i, a, l, data, true)) return;
			memcpy(d, data, 16);
		} else if (i.n == 4) {
			if (!sharedWriteN<4>(w, i, a, l, data, true)) return;
			memcpy(d, data, 4);
		} else {
			if (!sharedWriteN<8>(w, i, a, l, data, true)) return;
			memcpy(d, data, 8);
		}
		if (!w.b->check) continue;
		if (!w.copies.empty() && w.copies.size() > w.copyEnd() && w.copies.back().at + w.copies.back().bytes == a - sharedBase) w.copies.back().bytes += i.n;
		else w.copies.push_back({a - sharedBase, i.n});
	}
}
void cpCommit(Warp &w, const Ins &) { w.copyGroups.push_back(w.copies.size()); }
void cpWait(Warp &w, const Ins &i) { copiesDone(w, (size_t)i.imm); }
void cpWaitAll(Warp &w, const Ins &) {
	w.copyGroups.push_back(w.copies.size());
	copiesDone(w, 0);
}

bool decodeCopy(Decoder &d, const Statement &s) {
	if (s.op == "cp.async.commit_group") {
		d.begin(s, cpCommit);
		return true;
	}
	if (s.op == "cp.async.wait_all") {
		d.begin(s, cpWaitAll);
		return true;
	}
	if (s.op == "cp.async.wait_group") {
		if (s.operands.size() != 1 || s.operands[0].type != Operand::Imm) d.fail(s, "expected a number of groups");
		d.begin(s, cpWait).imm = (i64)s.operands[0].bits;
		return true;
	}
	bool cg = s.op.substr(0, 25) == "cp.async.cg.shared.global", ca = s.op.substr(0, 25) == "cp.async.ca.shared.global";
	if (!cg && !ca) return false;
	if (s.op.find("cache_hint") != s.op.npos) return false;
	if (s.operands.size() < 3 || s.operands.size() > 4 || s.operands[2].type != Operand::Imm) d.fail(s, "expected [shared], [global], size, bytes");
	u64 n = s.operands[2].bits;
	if (n != 16 && (cg || (n != 4 && n != 8))) d.fail(s, "the size is 16, or 4 or 8 with .ca");
	Ins &i = d.begin(s, cpAsync);
	u32 to, from;
	i.imm = d.address(s, s.operands[0], 32, &to);
	i.ext = u32(d.address(s, s.operands[1], 64, &from));
	i.n = u8(n);
	d.put(i, 0, to, false);
	d.put(i, 1, from, false);
	d.put(i, 2, s.operands.size() == 4 ? d.source(s, s.operands[3], 32) : d.constant(n, 32), false);
	return true;
}

// ---- ldmatrix and stmatrix: x[0..3] the matrices' registers, x[4] the rows' addresses, n matrices

bool converged(Warp &w, const Ins &i) {
	if (lanes(w, i) == w.full && w.full == ~0u) return true;
	fault(w, i, Divergence, format("all 32 lanes of the warp must execute this together; %08x do", lanes(w, i)));
	return false;
}

template <bool Trans> void ldmatrix(Warp &w, const Ins &i) {
	if (!converged(w, i)) return;
	const u32 *a = R<u32>(w, i.x[4]);
	u32 out[4][32]; // the register of the addresses may be among the targets
	for (int q = 0; q < i.n; q++) {
		const u8 *row[8];
		for (int r = 0; r < 8; r++) {
			u32 at = a[8 * q + r] + u32(i.imm);
			if (!sharedRead16(w, i, at, 8 * q + r)) return;
			row[r] = w.b->shared + (at - sharedBase);
		}
		for (int l = 0; l < 32; l++) {
			if (Trans) {
				u16 lo, hi;
				memcpy(&lo, row[l % 4 * 2] + l / 4 * 2, 2);
				memcpy(&hi, row[l % 4 * 2 + 1] + l / 4 * 2, 2);
				out[q][l] = u32(hi) << 16 | lo;
			} else {
				memcpy(&out[q][l], row[l / 4] + l % 4 * 4, 4);
			}
		}
	}
	for (int q = 0; q < i.n; q++) memcpy(R<u32>(w, i.x[q]), out[q], sizeof out[q]);
}

template <bool Trans> void stmatrix(Warp &w, const Ins &i) {
	if (!converged(w, i)) return;
	const u32 *a = R<u32>(w, i.x[4]);
	for (int q = 0; q < i.n; q++) {
		u16 m[8][8];
		const u32 *d = R<u32>(w, i.x[q]);
		for (int l = 0; l < 32; l++)
			for (int e = 0; e < 2; e++) {
				u16 v = u16(d[l] >> 16 * e);
				(Trans ? m[l % 4 * 2 + e][l / 4] : m[l / 4][l % 4 * 2 + e]) = v;
			}
		for (int r = 0; r < 8; r++) {
			u32 at = a[8 * q + r] + u32(i.imm);
			if (!sharedWrite16(w, i, at, 8 * q + r, m[r], false)) return;
			memcpy(w.b->shared + (at - sharedBase), m[r], 16);
		}
	}
}

bool decodeMatrixAccess(Decoder &d, const Statement &s) {
	auto v = modifiers(s.op);
	bool load = v[0] == "ldmatrix";
	if (!load && v[0] != "stmatrix") return false;
	int n = 0;
	bool trans = false, shape = false, type = false;
	for (size_t k = 1; k < v.size(); k++) {
		if (v[k] == "x1" || v[k] == "x2" || v[k] == "x4") n = v[k][1] - '0';
		else if (v[k] == "trans") trans = true;
		else if (v[k] == "m8n8") shape = true;
		else if (v[k] == "b16") type = true;
		else if (v[k] != "sync" && v[k] != "aligned" && v[k] != "shared" && v[k] != "shared::cta") return false;
	}
	if (!n || !shape || !type) return false;
	if (s.operands.size() != 2) d.fail(s, "expected two operands");
	const Operand &regs = s.operands[load ? 0 : 1], &at = s.operands[load ? 1 : 0];
	std::vector<Operand> one{regs};
	const auto &e = regs.type == Operand::Vec ? regs.vec : one;
	if ((int)e.size() != n) d.fail(s, format("expected %d registers", n));
	Ins &i = d.begin(s, load ? trans ? ldmatrix<true> : ldmatrix<false> : trans ? stmatrix<true> : stmatrix<false>);
	i.n = u8(n);
	for (int k = 0; k < n; k++) d.put(i, k, load ? d.target(s, e[k], 32) : d.source(s, e[k], 32), load);
	u32 base;
	i.imm = d.address(s, at, 32, &base);
	d.put(i, 4, base, false);
	return true;
}

// ---- between lanes

// together checks that exactly the lanes of a membermask execute the instruction together.
bool together(Warp &w, const Ins &i, u32 m, u32 members) {
	if ((members & w.full) == m) return true;
	fault(w, i, Divergence, format("the lanes %08x of the mask must execute this together; %08x do", members & w.full, m));
	return false;
}

enum { Up, Down, Bfly, Idx };
template <int Mode> void shfl(Warp &w, const Ins &i) { // x: d, a, b, c, membermask, p
	u32 m = lanes(w, i);
	if (!m) return;
	const u32 *a = R<u32>(w, i.x[1]), *b = R<u32>(w, i.x[2]), *c = R<u32>(w, i.x[3]);
	if (!together(w, i, m, R<u32>(w, i.x[4])[__builtin_ctz(m)])) return;
	u32 out[32], valid = 0;
	for (u32 l = 0; l < 32; l++) {
		if (!(m >> l & 1)) continue;
		u32 bv = b[l] & 31, cv = c[l] & 31, mask = c[l] >> 8 & 31;
		u32 maxLane = (l & mask) | (cv & ~mask), minLane = l & mask;
		i32 j = 0;
		bool p = false;
		switch (Mode) {
		case Up: j = i32(l) - i32(bv), p = j >= i32(maxLane); break;
		case Down: j = i32(l + bv), p = j <= i32(maxLane); break;
		case Bfly: j = i32(l ^ bv), p = j <= i32(maxLane); break;
		case Idx: j = i32(minLane | (bv & ~mask)), p = j <= i32(maxLane); break;
		}
		if (!p) j = i32(l);
		else valid |= 1u << l;
		if (!(m >> j & 1)) return fault(w, i, Divergence, format("lane %u reads lane %d, which does not execute this", l, j));
		out[l] = a[j];
	}
	u32 *d = R<u32>(w, i.x[0]);
	for (int l = 0; l < 32; l++)
		if (m >> l & 1) d[l] = out[l];
	if (i.x[5]) w.P[i.x[5]] = (w.P[i.x[5]] & ~m) | valid;
}

enum { Min, Max, Add, And, Or, Xor };
template <class T, int F> void redux(Warp &w, const Ins &i) { // x: d, a, membermask
	u32 m = lanes(w, i);
	if (!m) return;
	const T *a = R<T>(w, i.x[1]);
	if (!together(w, i, m, R<u32>(w, i.x[2])[__builtin_ctz(m)])) return;
	T r = a[__builtin_ctz(m)];
	for (u32 rest = m & (m - 1); rest; rest &= rest - 1) {
		T v = a[__builtin_ctz(rest)];
		switch (F) {
		case Min: r = std::min(r, v); break;
		case Max: r = std::max(r, v); break;
		case Add: r = T(u32(r) + u32(v)); break;
		case And: r &= v; break;
		case Or: r |= v; break;
		case Xor: r ^= v; break;
		}
	}
	T *d = R<T>(w, i.x[0]);
	for (int l = 0; l < 32; l++)
		if (m >> l & 1) d[l] = r;
}

void ballot(Warp &w, const Ins &i) { // x: d, p, membermask; flag: !p
	u32 m = lanes(w, i);
	if (!m || !together(w, i, m, R<u32>(w, i.x[2])[__builtin_ctz(m)])) return;
	u32 v = (w.P[i.x[1]] ^ (i.flag ? ~0u : 0)) & m, *d = R<u32>(w, i.x[0]);
	for (int l = 0; l < 32; l++)
		if (m >> l & 1) d[l] = v;
}

void barWarp(Warp &w, const Ins &i) {
	u32 m = lanes(w, i);
	if (m) together(w, i, m, R<u32>(w, i.x[0])[__builtin_ctz(m)]);
}

void bar(Warp &w, const Ins &i) {
	if (lanes(w, i) != w.full) return fault(w, i, Divergence, format("a barrier for all lanes of the warp; %08x of %08x are here", lanes(w, i), w.full));
	u32 count = i.imm >= 0 ? u32(i.imm) : 0, threads = w.b->launch->block[0] * w.b->launch->block[1] * w.b->launch->block[2];
	if (count && count != threads) return fault(w, i, Illegal, "a barrier for a part of the block is not simulated");
	w.barrier = R<u32>(w, i.x[0])[__builtin_ctz(w.full)];
	w.ev |= evBarrier;
}

void nothing(Warp &, const Ins &) {}
void proxy(Warp &w, const Ins &) { proxyFence(w); }

bool decodeLanes(Decoder &d, const Statement &s) {
	auto v = modifiers(s.op);
	auto operands = [&](size_t n) { if (s.operands.size() != n) d.fail(s, format("expected %zu operands", n)); };
	if (v[0] == "shfl" && v.size() == 4 && v[1] == "sync" && v[3] == "b32") {
		Handler h = v[2] == "up" ? shfl<Up> : v[2] == "down" ? shfl<Down> : v[2] == "bfly" ? shfl<Bfly> : v[2] == "idx" ? shfl<Idx> : nullptr;
		if (!h) return false;
		operands(5);
		Ins &i = d.begin(s, h);
		d.put(i, 0, d.target(s, s.operands[0], 32), true);
		for (int k = 1; k < 5; k++) d.put(i, k, d.source(s, s.operands[k], 32), false);
		if (s.operands[0].second >= 0) {
			if (d.widthOf(s.operands[0].second) != 1) d.fail(s, "expected a predicate");
			i.x[5] = d.predIndex[s.operands[0].second];
		}
		return true;
	}
	if (v[0] == "redux" && v.size() == 4 && v[1] == "sync") {
		Handler h = nullptr;
		if (v[3] == "s32") h = v[2] == "min" ? redux<i32, Min> : v[2] == "max" ? redux<i32, Max> : v[2] == "add" ? redux<i32, Add> : nullptr;
		if (v[3] == "u32") h = v[2] == "min" ? redux<u32, Min> : v[2] == "max" ? redux<u32, Max> : v[2] == "add" ? redux<u32, Add> : nullptr;
		if (v[3] == "b32") h = v[2] == "and" ? redux<u32, And> : v[2] == "or" ? redux<u32, Or> : v[2] == "xor" ? redux<u32, Xor> : nullptr;
		if (!h) return false;
		operands(3);
		Ins &i = d.begin(s, h);
		d.put(i, 0, d.target(s, s.operands[0], 32), true);
		d.put(i, 1, d.source(s, s.operands[1], 32), false);
		d.put(i, 2, d.source(s, s.operands[2], 32), false);
		return true;
	}
	if (s.op == "vote.sync.ballot.b32") {
		operands(3);
		Ins &i = d.begin(s, ballot);
		d.put(i, 0, d.target(s, s.operands[0], 32), true);
		i.x[1] = d.predicate(s, s.operands[1]);
		i.flag = s.operands[1].negated;
		d.put(i, 2, d.source(s, s.operands[2], 32), false);
		return true;
	}
	if (s.op == "bar.warp.sync") {
		operands(1);
		Ins &i = d.begin(s, barWarp);
		d.put(i, 0, d.source(s, s.operands[0], 32), false);
		return true;
	}
	if (s.op == "bar.sync" || s.op == "barrier.sync.aligned" || s.op == "barrier.cta.sync.aligned" || s.op == "bar.cta.sync") {
		if (s.operands.empty() || s.operands.size() > 2 || (s.operands.size() == 2 && s.operands[1].type != Operand::Imm)) d.fail(s, "expected a barrier and a constant number of threads");
		Ins &i = d.begin(s, bar);
		d.put(i, 0, d.source(s, s.operands[0], 32), false);
		i.imm = s.operands.size() == 2 ? (i64)(s.operands[1].bits & 0xffff) : -1;
		return true;
	}
	if (s.op == "fence.proxy.async.shared::cta" || s.op == "fence.proxy.async" || s.op == "fence.proxy.async.shared::cluster") {
		d.begin(s, proxy);
		return true;
	}
	if (v[0] == "membar" || (v[0] == "fence" && v.size() > 1 && v[1] != "proxy")) {
		d.begin(s, nothing);
		return true;
	}
	return false;
}

} // namespace

bool decodeMemory(Decoder &d, const Statement &s) { return decodeAccess(d, s) || decodeCopy(d, s) || decodeMatrixAccess(d, s) || decodeLanes(d, s); }
