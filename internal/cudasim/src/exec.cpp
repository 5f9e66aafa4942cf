// Decoding a kernel's statements, and executing its blocks.
#include "arith.h"
#include "exec.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <thread>

u64 executed, nanoseconds;

std::vector<std::string_view> modifiers(std::string_view op) {
	std::vector<std::string_view> v;
	size_t b = 0;
	for (size_t i = 0; i <= op.size(); i++)
		if (i == op.size() || op[i] == '.') {
			v.push_back(op.substr(b, i - b));
			b = i + 1;
		}
	return v;
}

// ---- decoding

void Decoder::fail(const Statement &s, const std::string &why) const {
	throw Error{format("PTX line %d: ", s.line) + why + ": " + std::string(s.text.substr(0, 200))};
}

u32 Decoder::constant(u64 bits, int width) {
	auto &known = width == 64 ? constants64 : constants32;
	auto it = known.find(bits);
	if (it != known.end()) return it->second;
	u32 at = u32(p.constants.size()) * 4 | 1;
	for (int l = 0; l < 32; l++) {
		p.constants.push_back(u32(bits));
		if (width == 64) p.constants.push_back(u32(bits >> 32));
	}
	return known[bits] = at;
}

u32 Decoder::predicate(const Statement &s, const Operand &o) {
	if (o.type == Operand::Imm) return o.bits ? 0 : 1;
	if (o.type == Operand::Sink) return 0;
	if (o.type != Operand::Reg || widthOf(o.reg) != 1) fail(s, "expected a predicate");
	return predIndex[o.reg];
}

u32 Decoder::source(const Statement &s, const Operand &o, int width) {
	if (o.negated) fail(s, "only a predicate can have !");
	switch (o.type) {
	case Operand::Reg:
		if (widthOf(o.reg) != width) fail(s, format("expected a register of %d bits and not of %d", width, widthOf(o.reg)));
		return u32(o.reg) * slotBytes;
	case Operand::Imm: {
		if (o.isFloat64 && width != 64) fail(s, "a 64-bit constant");
		if (o.isFloat32 && width != 32) fail(s, "a 32-bit constant");
		return constant(width == 64 ? o.bits : width == 32 ? u32(o.bits) : u16(o.bits), width);
	}
	case Operand::Sym: {
		auto it = symbols.find(o.symbol);
		if (it == symbols.end()) fail(s, "unknown symbol " + std::string(o.symbol));
		return constant(it->second, width);
	}
	default: fail(s, "expected a register or constant");
	}
}

u32 Decoder::target(const Statement &s, const Operand &o, int width) {
	if (o.type == Operand::Sink) return u32(junk) * slotBytes;
	if (o.type != Operand::Reg || o.negated) fail(s, "expected a register to write to");
	if (widthOf(o.reg) != width) fail(s, format("expected a register of %d bits and not of %d", width, widthOf(o.reg)));
	return u32(o.reg) * slotBytes;
}

i64 Decoder::address(const Statement &s, const Operand &o, int width, u32 *base) {
	if (o.type != Operand::Addr) fail(s, "expected an address in [ ]");
	if (o.reg >= 0) {
		if (widthOf(o.reg) != width) fail(s, format("expected an address of %d bits", width));
		*base = u32(o.reg) * slotBytes;
		return o.offset;
	}
	u64 v = 0;
	if (!o.symbol.empty()) {
		auto it = symbols.find(o.symbol);
		if (it == symbols.end()) fail(s, "unknown symbol " + std::string(o.symbol));
		v = it->second;
	}
	*base = constant(v, width);
	return o.offset;
}

Ins &Decoder::begin(const Statement &s, Handler fn) {
	Ins i{};
	i.fn = fn;
	i.line = s.line;
	if (s.pred >= 0) i.pred = (u16)predIndex[s.pred], i.flip = s.predNegated ? ~0u : 0;
	p.code.push_back(i);
	p.texts.emplace_back(s.text.substr(0, 200));
	uses.emplace_back();
	extCount.push_back(0);
	return p.code.back();
}

void Decoder::put(Ins &i, int at, u32 operand, bool def) {
	i.x[at] = operand;
	auto &u = uses[&i - p.code.data()];
	u.reg |= u8(1 << at);
	if (def) u.def |= u8(1 << at);
}

void Decoder::putExt(Ins &i, u32 operand, u8 def) {
	auto &n = extCount[&i - p.code.data()];
	if (n++ == 0) i.ext = (u32)p.ext.size();
	p.ext.push_back(operand);
	extDef.push_back(def);
}

namespace {

void branch(Warp &w, const Ins &i) {
	u32 taken = lanes(w, i), stay = w.active & ~taken;
	const Ins *to = w.b->program->code.data() + i.imm;
	if (stay == 0) w.pc = to;
	else if (taken != 0) {
		w.groups.push_back({to, taken});
		w.active = stay;
		w.ev |= evDiverged;
	}
}

void leave(Warp &w, const Ins &i) {
	u32 m = lanes(w, i);
	w.active &= ~m;
	w.full &= ~m;
	if (!w.active) w.ev |= evExit;
}

// movPack: mov.b32 d, {a, b} and mov.b64 d, {a, b}; movUnpack the other way round.
template <int W> void movPack(Warp &w, const Ins &i) {
	u32 m = lanes(w, i);
	auto *a = R<u32>(w, i.x[1]), *b = R<u32>(w, i.x[2]);
	for (int l = 0; l < 32; l++)
		if (m >> l & 1) {
			if (W == 32) R<u32>(w, i.x[0])[l] = (a[l] & 0xffff) | b[l] << 16;
			else R<u64>(w, i.x[0])[l] = u64(b[l]) << 32 | a[l];
		}
}
template <int W> void movUnpack(Warp &w, const Ins &i) {
	u32 m = lanes(w, i);
	auto *a = R<u32>(w, i.x[0]), *b = R<u32>(w, i.x[1]);
	for (int l = 0; l < 32; l++)
		if (m >> l & 1) {
			if (W == 32) {
				u32 v = R<u32>(w, i.x[2])[l];
				a[l] = v & 0xffff, b[l] = v >> 16;
			} else {
				u64 v = R<u64>(w, i.x[2])[l];
				a[l] = u32(v), b[l] = u32(v >> 32);
			}
		}
}

bool decodeMove(Decoder &d, const Statement &s) {
	if (s.op.substr(0, 4) != "mov." || s.operands.size() != 2) return false;
	bool pack = s.operands[1].type == Operand::Vec, unpack = s.operands[0].type == Operand::Vec;
	if (!pack && !unpack) return false;
	int width = s.op == "mov.b32" ? 32 : s.op == "mov.b64" ? 64 : 0;
	auto &v = s.operands[pack ? 1 : 0].vec;
	if (!width || v.size() != 2 || pack == unpack) d.fail(s, "only mov.b32 and mov.b64 with two elements");
	if (pack) {
		Ins &i = d.begin(s, width == 32 ? movPack<32> : movPack<64>);
		d.put(i, 0, d.target(s, s.operands[0], width), true);
		d.put(i, 1, d.source(s, v[0], width / 2), false);
		d.put(i, 2, d.source(s, v[1], width / 2), false);
	} else {
		Ins &i = d.begin(s, width == 32 ? movUnpack<32> : movUnpack<64>);
		d.put(i, 0, d.target(s, v[0], width / 2), true);
		d.put(i, 1, d.target(s, v[1], width / 2), true);
		d.put(i, 2, d.source(s, s.operands[1], width), false);
	}
	return true;
}

int widthOfLetter(char c) { return c == 'h' ? 16 : c == 'w' ? 32 : c == 'l' ? 64 : 1; }

bool decodeSimple(Decoder &d, const Statement &s) {
	const Simple *h = simple(s.op);
	if (!h) return false;
	if (s.op.substr(0, 4) == "cvt." && s.operands.size() == 2 && s.operands[1].type == Operand::Reg && d.widthOf(s.operands[1].reg) > widthOfLetter(h->spec[1])) {
		const Simple *wide = simple(std::string(s.op) + format("/%d", d.widthOf(s.operands[1].reg)));
		if (wide) h = wide;
	}
	if (s.operands.size() != h->spec.size()) d.fail(s, format("expected %zu operands", h->spec.size()));
	Ins &i = d.begin(s, h->fn);
	i.n = (u8)h->spec.size();
	for (size_t k = 0; k < h->spec.size(); k++) {
		const Operand &o = s.operands[k];
		if (h->spec[k] == 'p') {
			if (o.negated || (k == 0 && o.type != Operand::Reg)) d.fail(s, "expected a predicate");
			i.x[k] = d.predicate(s, o);
		} else if (k == 0) {
			d.put(i, 0, d.target(s, o, widthOfLetter(h->spec[0])), true);
		} else {
			int width = widthOfLetter(h->spec[k]);
			d.put(i, (int)k, d.source(s, o, width), false);
		}
	}
	return true;
}

bool decodeSetp(Decoder &d, const Statement &s) {
	auto v = modifiers(s.op);
	if (v[0] != "setp" || v.size() < 3) return false;
	std::string op(v[1]);
	int logic = 0;
	for (size_t k = 2; k < v.size(); k++) {
		if (v[k] == "and") logic = 1;
		else if (v[k] == "or") logic = 2;
		else if (v[k] == "xor") logic = 3;
		else op += "." + std::string(v[k]);
	}
	const Simple *h = comparison(op);
	if (!h) return false;
	if (s.operands.size() != (logic ? 4u : 3u)) d.fail(s, "wrong number of operands");
	if (s.operands[0].type != Operand::Reg) d.fail(s, "expected a predicate");
	Ins &i = d.begin(s, h->fn);
	i.x[0] = d.predicate(s, s.operands[0]);
	if (s.operands[0].second >= 0) {
		if (d.widthOf(s.operands[0].second) != 1) d.fail(s, "expected a predicate");
		i.x[1] = d.predIndex[s.operands[0].second];
	}
	int width = widthOfLetter(h->spec[0]);
	d.put(i, 2, d.source(s, s.operands[1], width), false);
	d.put(i, 3, d.source(s, s.operands[2], width), false);
	if (logic) {
		i.flag = u8(logic | (s.operands[3].negated ? 8 : 0));
		i.x[4] = d.predicate(s, s.operands[3]);
	}
	return true;
}

bool decodeControl(Decoder &d, const Statement &s) {
	if (s.op == "bra" || s.op == "bra.uni") {
		if (s.operands.size() != 1 || s.operands[0].type != Operand::Sym) d.fail(s, "expected a label");
		auto it = d.body.labels.find(s.operands[0].symbol);
		if (it == d.body.labels.end()) d.fail(s, "unknown label");
		d.begin(s, branch).imm = (i64)it->second;
		return true;
	}
	if (s.op == "ret" || s.op == "exit") {
		d.begin(s, leave);
		return true;
	}
	return false;
}

void ranOff(Warp &w, const Ins &i) { fault(w, i, Illegal, "execution runs past the kernel's last instruction"); }

} // namespace

void decode(const Module &m, Kernel &k) {
	auto p = std::make_shared<Program>();
	p->name = k.name;
	Decoder d{m, k, parseBody(m, k), *p, {}, {}, {}, {}, {}, {}, {}, 0};
	d.body.registers.push_back({64});
	d.junk = (int)d.body.registers.size() - 1;
	d.predIndex.resize(d.body.registers.size());
	for (size_t r = 0; r < d.body.registers.size(); r++)
		if (d.body.registers[r].width == 1) d.predIndex[r] = p->preds++;
	if (p->preds > 0xffff) throw Error{k.name + ": too many predicates"};
	u64 at = sharedBase;
	for (auto &v : d.body.shared) {
		at = (at + v.align - 1) / v.align * v.align;
		d.symbols[v.name] = u32(at);
		at += v.bytes;
		if (at > 1 << 20) throw Error{k.name + ": too much static shared memory"};
	}
	at = (at + 127) & ~127ull;
	p->staticShared = u32(at - sharedBase);
	for (auto &n : m.sharedNames) d.symbols[n] = u32(at);
	if (!d.body.local.empty()) throw Error{k.name + ": .local memory is not simulated"};

	for (auto &s : d.body.statements)
		if (!decodeMove(d, s) && !decodeSimple(d, s) && !decodeSetp(d, s) && !decodeControl(d, s) && !decodeMemory(d, s) && !decodeMatrix(d, s))
			d.fail(s, "unknown opcode " + std::string(s.op));
	Statement end;
	end.op = end.text = "(end)";
	end.line = d.body.statements.empty() ? k.line : d.body.statements.back().line + 1;
	d.begin(end, ranOff);

	std::vector<u32> place(d.body.registers.size()); // registers to slots
	for (size_t r = 0; r < place.size(); r++) {
		place[r] = p->slots;
		p->slots += d.body.registers[r].width == 1 ? 0 : d.body.registers[r].width == 64 ? 2 : 1;
	}
	auto move = [&](u32 o) { return o & 1 ? o : place[o / slotBytes] * slotBytes; };
	std::vector<std::vector<std::pair<u32, bool>>> named(p->code.size()); // registers' offsets, and whether the instruction writes them
	for (size_t n = 0; n < p->code.size(); n++) {
		Ins &i = p->code[n];
		auto &list = named[n];
		for (int x = 0; x < 8; x++)
			if (d.uses[n].reg >> x & 1) {
				i.x[x] = move(i.x[x]);
				if (!(i.x[x] & 1)) list.push_back({i.x[x], d.uses[n].def >> x & 1});
			}
		for (u32 e = 0; e < d.extCount[n]; e++) {
			u32 &o = p->ext[i.ext + e];
			o = move(o);
			if (!(o & 1)) list.push_back({o, d.extDef[i.ext + e] & 1});
		}
	}
	p->places.assign(p->slots, Program::none);
	for (auto &i : p->code) {
		u32 sums, inputs;
		if (!namesRegisters(i, &sums, &inputs)) continue;
		for (u32 q = 0; q < sums + inputs; q++) {
			u32 at = p->ext[i.ext + q];
			if (!(at & 1) && p->places[at / slotBytes] == Program::none) p->places[at / slotBytes] = u16(p->watching++);
		}
		if (p->watching >= Program::none) throw Error{k.name + ": too many registers of wgmma"};
	}
	if (p->watching) {
		p->watched.resize(p->code.size());
		for (size_t n = 0; n < p->code.size(); n++)
			if (!isWgmma(p->code[n]))
				for (auto &r : named[n])
					if (u16 number = p->places[r.first / slotBytes]; number != Program::none) p->watched[n].push_back({number, r.second});
	}
	size_t bytes = p->constants.size() * 4;
	p->constant = (u8 *)aligned_alloc(64, (bytes + 127) & ~size_t(127));
	memcpy(p->constant, p->constants.data(), bytes);
	for (auto &sp : d.body.specials) {
		static const char *const names[] = {"%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z",
			"%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid", "%warpid", "%nwarpid", "%lanemask_eq", "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge"};
		for (int n = 0; n < 20; n++)
			if (sp.first == names[n]) p->specials.push_back({n, place[sp.second] * slotBytes});
	}
	k.program = p;
}

u32 staticShared(const Kernel &k) { return k.program ? k.program->staticShared : 0; }

// ---- execution

void fault(Warp &w, const Ins &i, Kind kind, const std::string &why) {
	Block &b = *w.b;
	size_t n = size_t(&i - b.program->code.data());
	std::string text = b.program->texts[n];
	std::replace(text.begin(), text.end(), '\n', ' ');
	std::replace(text.begin(), text.end(), '\t', ' ');
	report(kind, format("%s block (%u,%u,%u) warp %d, PTX line %d: ", b.program->name.c_str(), b.cta[0], b.cta[1], b.cta[2], w.id, i.line) + why + "; " + text);
	w.ev |= evFault;
	b.failed = true;
	b.kind = kind;
}

namespace {

// merge joins the groups of lanes that are at the same instruction, and activates the group at the lowest
// one.
void merge(Warp &w) {
	if (w.active) w.groups.push_back({w.pc, w.active});
	w.active = 0;
	if (w.groups.empty()) {
		w.ev &= ~evDiverged;
		return;
	}
	const Ins *least = w.groups[0].pc;
	for (auto &g : w.groups) least = std::min(least, g.pc);
	w.pc = least;
	for (size_t k = 0; k < w.groups.size();) {
		if (w.groups[k].pc == least) {
			w.active |= w.groups[k].mask;
			w.groups[k] = w.groups.back();
			w.groups.pop_back();
		} else k++;
	}
	w.ev &= ~evExit;
	if (w.groups.empty()) w.ev &= ~evDiverged;
}

// advance runs a warp to a barrier, its end or a fault.
void advance(Warp &w) {
	u64 count = w.count, limit = settings.limit;
	bool watching = w.b->check && w.b->program->watching;
	for (;;) {
		const Ins &i = *w.pc++;
		count++;
		if (__builtin_expect(watching, 0) && !registersFree(w, i)) break;
		i.fn(w, i);
		if (__builtin_expect(w.ev, 0)) {
			if (w.ev & evFault) break;
			if (w.ev & evDiverged) merge(w);
			if (w.ev & (evExit | evBarrier)) break;
		}
		if (__builtin_expect((count & 0xffff) == 0 && count > limit, 0)) {
			fault(w, i, Unending, format("more than %llu instructions in one warp", (unsigned long long)limit));
			break;
		}
	}
	w.count = count;
	if (w.ev & evExit) w.done = true;
	if (w.ev & evBarrier) w.waiting = true;
	w.ev &= ~(evExit | evBarrier);
}

u8 *aligned(u64 n) { return (u8 *)aligned_alloc(128, (n + 127) & ~u64(127)); }

// Arena is what a host thread needs to run a block; it is kept between launches.
struct Arena {
	u8 *registers = nullptr;
	u64 registerBytes = 0;
	std::vector<u32> preds;
	u8 *shared = aligned(256 << 10), *init = aligned(256 << 10);
	u32 *writer = (u32 *)aligned(256 << 10), *reader = (u32 *)aligned(256 << 10), *writers = (u32 *)aligned(256 << 10);
	std::vector<Warp> warps;
	u64 count = 0;

	void room(u64 n) {
		if (n <= registerBytes) return;
		free(registers);
		registers = aligned(n);
		registerBytes = n;
		memset(registers, 0xff, n);
	}
};

// execute runs a block and returns true if there was no finding.
bool execute(const Launch &l, const Program &p, u32 epoch, u64 index, Arena &a, Kind *kind) {
	Block b{};
	b.launch = &l;
	b.program = &p;
	b.cta[0] = u32(index % l.grid[0]);
	b.cta[1] = u32(index / l.grid[0] % l.grid[1]);
	b.cta[2] = u32(index / l.grid[0] / l.grid[1]);
	b.id = u64(epoch) << 48 | std::min<u64>(index, 0xfffffe) << 24;
	b.shared = a.shared, b.init = a.init, b.writer = a.writer, b.reader = a.reader, b.writers = a.writers;
	b.sharedBytes = p.staticShared + l.shared;
	b.interval = 1;
	b.check = settings.check;
	u32 round = (b.sharedBytes + 15) & ~15u;
	if (b.check) {
		memset(b.init, 0, round);
		memset(b.writer, 0, round);
		memset(b.reader, 0, round);
	} else {
		memset(b.shared, 0xff, round);
	}
	u32 threads = l.block[0] * l.block[1] * l.block[2], n = (threads + 31) / 32;
	u64 perWarp = u64(p.slots) * slotBytes;
	a.room(perWarp * n);
	a.preds.assign(size_t(n) * p.preds, 0);
	if (a.warps.size() < n) a.warps.resize(n);
	for (u32 k = 0; k < n; k++) {
		Warp &w = a.warps[k];
		w.base[0] = a.registers + perWarp * k;
		w.base[1] = p.constant;
		w.P = &a.preds[size_t(k) * p.preds];
		w.P[0] = ~0u;
		u32 here = std::min(32u, threads - 32 * k);
		w.active = w.full = here == 32 ? ~0u : (1u << here) - 1;
		w.pc = p.code.data();
		w.ev = 0;
		w.id = (int)k;
		w.b = &b;
		w.done = w.waiting = false;
		w.count = 0;
		w.groups.clear(), w.copies.clear(), w.copyGroups.clear(), w.reads.clear(), w.uses.clear(), w.mmaGroups.clear();
		w.watched.assign(p.watching, {});
		w.fences = 1;
		for (auto &s : p.specials) {
			u32 *d = R<u32>(w, s.second);
			for (u32 lane = 0; lane < 32; lane++) {
				u32 t = 32 * k + lane, v = 0;
				switch (s.first) {
				case 0: v = t % l.block[0]; break;
				case 1: v = t / l.block[0] % l.block[1]; break;
				case 2: v = t / l.block[0] / l.block[1]; break;
				case 3: case 4: case 5: v = l.block[s.first - 3]; break;
				case 6: case 7: case 8: v = b.cta[s.first - 6]; break;
				case 9: case 10: case 11: v = l.grid[s.first - 9]; break;
				case 12: v = lane; break;
				case 13: v = k; break;
				case 14: v = n; break;
				case 15: v = 1u << lane; break;
				case 16: v = (1u << lane) - 1; break;
				case 17: v = u32((u64(2) << lane) - 1); break;
				case 18: v = ~u32((u64(2) << lane) - 1); break;
				case 19: v = ~((1u << lane) - 1); break;
				}
				d[lane] = v;
			}
		}
	}
	for (;;) {
		u32 waiting = 0, done = 0;
		for (u32 k = 0; k < n && !b.failed; k++) {
			Warp &w = a.warps[k];
			if (!w.done && !w.waiting) advance(w);
			waiting += w.waiting, done += w.done;
		}
		if (b.failed) break;
		if (done == n) break;
		u32 first = ~0u;
		for (u32 k = 0; k < n; k++) {
			Warp &w = a.warps[k];
			if (!w.waiting) continue;
			if (first == ~0u) first = w.barrier;
			if (w.barrier != first) {
				fault(w, w.pc[-1], Divergence, format("warps wait at different barriers, %u and %u", first, w.barrier));
				break;
			}
			w.waiting = false;
		}
		if (b.failed) break;
		if (++b.interval == 1 << 18) { // records have 18 bits for it
			for (u32 k = 0; k < round / 4; k++) {
				if (!(b.writer[k] & 1 << 8)) b.writer[k] &= 1 << 7;
				if (!(b.reader[k] & 1 << 6)) b.reader[k] = 0;
			}
			b.interval = 1;
		}
	}
	for (u32 k = 0; k < n; k++) a.count += a.warps[k].count;
	*kind = b.kind;
	return !b.failed;
}

// Pool runs a job on several host threads, including the caller's. The caller does not wait for threads that have not
// started when it finishes its own share: on a busy machine they may take long to be scheduled.
class Pool {
	std::mutex m;
	std::condition_variable wake, idle;
	const std::function<void(int)> *job = nullptr; // nullptr: no more threads may start
	u64 turn = 0;
	int running = 0, width = 0;
	std::vector<std::thread> threads;

	void loop(int id) {
		u64 seen = 0;
		std::unique_lock<std::mutex> g(m);
		for (;;) {
			wake.wait(g, [&] { return turn != seen; });
			seen = turn;
			if (!job || id >= width) continue;
			auto j = job;
			running++;
			g.unlock();
			(*j)(id);
			g.lock();
			if (--running == 0) idle.notify_one();
		}
	}

public:
	void run(int n, const std::function<void(int)> &f) {
		if (n <= 1) return f(0);
		{
			std::lock_guard<std::mutex> g(m);
			while ((int)threads.size() < n - 1) {
				int id = (int)threads.size() + 1;
				threads.emplace_back([this, id] { loop(id); });
				threads.back().detach();
			}
			job = &f, width = n, turn++;
		}
		wake.notify_all();
		f(0);
		std::unique_lock<std::mutex> g(m);
		job = nullptr;
		idle.wait(g, [&] { return running == 0; });
	}
};

} // namespace

int run(const Launch &l) {
	static Pool *pool = new Pool; // never destroyed: its threads outlive main
	static std::vector<std::unique_ptr<Arena>> arenas;
	auto start = std::chrono::steady_clock::now();
	const Program &p = *l.kernel->program;
	u32 epoch = memoryEpoch();
	u64 blocks = u64(l.grid[0]) * l.grid[1] * l.grid[2];
	int n = settings.threads > 0 ? settings.threads : (int)std::thread::hardware_concurrency();
	n = (int)std::min<u64>((u64)std::max(n, 1), blocks);
	while ((int)arenas.size() < n) arenas.push_back(std::make_unique<Arena>());
	std::atomic<u64> next{0};
	std::atomic<int> failed{-1};
	pool->run(n, [&](int id) {
		Kind kind = Illegal;
		for (u64 k; failed < 0 && (k = next++) < blocks;)
			if (!execute(l, p, epoch, k, *arenas[id], &kind)) failed = kind;
	});
	for (auto &a : arenas) executed += a->count, a->count = 0;
	nanoseconds += (u64)std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
	switch ((int)failed) {
	case -1: return 0;
	case Misaligned: return 716;
	case Unending: return 702;
	case Illegal: case Divergence: return 715;
	default: return 700;
	}
}
