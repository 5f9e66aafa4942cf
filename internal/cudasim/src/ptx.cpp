#include "ptx.h"

#include <cctype>
#include <cstdlib>
#include <cstring>
#include <map>

namespace {

bool identStart(char c) { return isalpha((u8)c) || c == '_' || c == '$' || c == '%'; }
bool identChar(char c) { return isalnum((u8)c) || c == '_' || c == '$'; }

// Reader scans text whose comments have been blanked.
struct Reader {
	const std::string &s;
	size_t at, end;
	int line;

	[[noreturn]] void fail(const std::string &why) const { throw Error{format("PTX line %d: ", line) + why}; }
	bool done() { space(); return at >= end; }
	void space() {
		for (; at < end && isspace((u8)s[at]); at++)
			if (s[at] == '\n') line++;
	}
	char peek() { space(); return at < end ? s[at] : 0; }
	bool take(char c) {
		if (peek() != c) return false;
		at++;
		return true;
	}
	void want(char c) {
		if (!take(c)) fail(std::string("expected '") + c + "'" + (at < end ? std::string(" and not '") + s[at] + "'" : " before the end"));
	}
	std::string_view ident() {
		space();
		size_t b = at;
		if (at < end && (identStart(s[at]) || s[at] == '.')) {
			at++;
			while (at < end && identChar(s[at])) at++;
		}
		return std::string_view(s).substr(b, at - b);
	}
	std::string_view name() {
		std::string_view n = ident();
		if (n.empty()) fail("expected a name");
		return n;
	}
	// opcode takes letters, digits, '.', '_' and "::".
	std::string_view opcode() {
		space();
		size_t b = at;
		while (at < end && (isalnum((u8)s[at]) || s[at] == '.' || s[at] == '_' || (s[at] == ':' && at + 1 < end && s[at + 1] == ':')))
			at += s[at] == ':' ? 2 : 1;
		if (b == at) fail("expected an instruction");
		return std::string_view(s).substr(b, at - b);
	}
	u64 integer() {
		space();
		bool neg = at < end && s[at] == '-';
		if (neg) at++;
		if (at >= end || !isdigit((u8)s[at])) fail("expected a number");
		size_t b = at;
		while (at < end && isalnum((u8)s[at])) at++;
		std::string t = s.substr(b, at - b);
		if (t.back() == 'U') t.pop_back();
		char *e;
		errno = 0;
		u64 v = strtoull(t.c_str(), &e, 0);
		if (*e || errno) fail("bad number " + t);
		return neg ? -v : v;
	}
	u32 count(u64 most) {
		u64 v = integer();
		if (v > most) fail(format("%llu is more than %llu", (unsigned long long)v, (unsigned long long)most));
		return (u32)v;
	}
	void skipBlock() {
		want('{');
		for (int depth = 1; depth; at++) {
			if (at >= end) fail("no '}' for this '{'");
			if (s[at] == '\n') line++;
			if (s[at] == '{') depth++;
			if (s[at] == '}') depth--;
		}
	}
	void skipStatement() {
		for (; at < end && s[at] != ';'; at++) {
			if (s[at] == '\n') line++;
		}
		want(';');
	}
	void skipLine() {
		while (at < end && s[at] != '\n') at++;
	}
};

// width of a type's name in bits; 0 if it is none; 1 for .pred
int width(std::string_view t) {
	if (t == ".pred") return 1;
	if (t.size() < 3 || t.size() > 4 || t[0] != '.' || !strchr("usbf", t[1])) return 0;
	t.remove_prefix(2);
	return t == "8" ? 8 : t == "16" ? 16 : t == "32" ? 32 : t == "64" ? 64 : 0;
}

void blankComments(std::string &s) {
	for (size_t i = 0; i + 1 < s.size(); i++) {
		if (s[i] == '"') {
			for (i++; i < s.size() && s[i] != '"' && s[i] != '\n'; i++) {}
		} else if (s[i] == '/' && s[i + 1] == '/') {
			for (; i < s.size() && s[i] != '\n'; i++) s[i] = ' ';
		} else if (s[i] == '/' && s[i + 1] == '*') {
			bool last = false;
			for (; i < s.size() && !last; i++) {
				last = s[i] == '*' && i + 1 < s.size() && s[i + 1] == '/';
				if (last) s[i + 1] = ' ';
				if (s[i] != '\n') s[i] = ' ';
			}
		}
	}
}

// variable reads ".align 16 .b8 name[n]" behind .shared or .local.
Variable variable(Reader &r) {
	Variable v{};
	v.align = 1;
	std::string_view t = r.name();
	if (t == ".align") {
		v.align = r.count(1024);
		if (!v.align || (v.align & (v.align - 1))) r.fail("an alignment is a power of two");
		t = r.name();
	}
	int w = width(t);
	if (w < 8) r.fail("expected a type and not " + std::string(t));
	v.name = r.name();
	u64 n = 1;
	if (r.take('[')) {
		n = r.peek() == ']' ? 0 : r.count(1 << 20);
		r.want(']');
	}
	v.bytes = u32(n * w / 8);
	return v;
}

struct Range { int first, count; };

struct BodyReader {
	Reader r;
	const Module &m;
	const Kernel &k;
	Body &b;
	std::vector<std::unordered_map<std::string_view, Range>> scopes;

	int add(int w) {
		b.registers.push_back({(u8)w});
		return (int)b.registers.size() - 1;
	}

	// find looks up a register's name, declared by itself or as %r<100>.
	int find(std::string_view n) {
		size_t digits = n.size();
		while (digits > 1 && isdigit((u8)n[digits - 1])) digits--;
		for (size_t i = scopes.size(); i-- > 0;) {
			auto it = scopes[i].find(n);
			if (it != scopes[i].end() && it->second.count == 0) return it->second.first;
			if (digits == n.size() || n.size() - digits > 7) continue;
			it = scopes[i].find(n.substr(0, digits));
			if (it == scopes[i].end() || it->second.count == 0) continue;
			int v = atoi(std::string(n.substr(digits)).c_str());
			if (v < it->second.count) return it->second.first + v;
		}
		return -1;
	}

	int special(std::string_view n) {
		static const char *const known[] = {"%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z",
			"%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid", "%warpid", "%nwarpid", "%lanemask_eq", "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge"};
		for (const char *s : known)
			if (n == s) {
				auto it = b.specials.find(n);
				return it != b.specials.end() ? it->second : b.specials[n] = add(32);
			}
		return -1;
	}

	int reg(std::string_view n) {
		int v = find(n);
		if (v < 0 && r.at < r.end && r.s[r.at] == '.') {
			size_t from = (size_t)(n.data() - r.s.data()), to = r.at + 1;
			while (to < r.end && identChar(r.s[to])) to++;
			n = std::string_view(r.s).substr(from, to - from);
			v = special(n);
			if (v >= 0) r.at = to;
		} else if (v < 0) {
			v = special(n);
		}
		return v;
	}

	Operand operand() {
		Operand o;
		char c = r.peek();
		if (c == '{') {
			r.take('{');
			o.type = Operand::Vec;
			do {
				if (o.vec.size() >= 256) r.fail("more than 256 elements in { }");
				o.vec.push_back(operand());
				if (o.vec.back().type == Operand::Vec || o.vec.back().type == Operand::Addr) r.fail("{ } and [ ] cannot be in { }");
			} while (r.take(','));
			r.want('}');
			return o;
		}
		if (c == '[') {
			r.take('[');
			o.type = Operand::Addr;
			if (identStart(r.peek())) {
				std::string_view n = r.name();
				o.reg = reg(n);
				if (o.reg < 0) o.symbol = n;
				if (r.take('+')) o.offset = (i64)r.integer();
			} else {
				o.offset = (i64)r.integer();
			}
			r.want(']');
			return o;
		}
		if (c == '!') {
			r.take('!');
			o.negated = true;
			c = r.peek();
		}
		if (c == '_' && !(r.at + 1 < r.end && identChar(r.s[r.at + 1]))) {
			r.take('_');
			return o;
		}
		if (c == '0' && r.at + 1 < r.end && strchr("fFdD", r.s[r.at + 1])) {
			bool wide = strchr("dD", r.s[r.at + 1]);
			r.at += 2;
			size_t from = r.at;
			while (r.at < r.end && isxdigit((u8)r.s[r.at])) r.at++;
			if (r.at - from != (wide ? 16u : 8u)) r.fail("a floating-point constant has 8 (0f) or 16 (0d) digits");
			o.type = Operand::Imm;
			o.bits = strtoull(r.s.substr(from, r.at - from).c_str(), nullptr, 16);
			(wide ? o.isFloat64 : o.isFloat32) = true;
			return o;
		}
		if (isdigit((u8)c) || c == '-') {
			o.type = Operand::Imm;
			o.bits = r.integer();
			return o;
		}
		std::string_view n = r.name();
		o.reg = reg(n);
		if (o.reg >= 0) {
			o.type = Operand::Reg;
			if (r.take('|')) {
				o.second = reg(r.name());
				if (o.second < 0) r.fail("unknown register behind |");
			}
			return o;
		}
		if (n[0] == '%') r.fail("unknown register " + std::string(n));
		o.type = Operand::Sym;
		o.symbol = n;
		return o;
	}

	void registers() {
		std::string_view t = r.name();
		int w = width(t);
		if (w == 8) w = 16;
		if (!w) r.fail("unknown type of registers " + std::string(t));
		do {
			std::string_view n = r.name();
			int count = 0;
			if (r.take('<')) {
				count = (int)r.count(1 << 16);
				if (!count) r.fail("no registers");
				r.want('>');
			}
			if (b.registers.size() + count > 1 << 18) r.fail("too many registers");
			scopes.back()[n] = {(int)b.registers.size(), count};
			for (int i = 0; i < (count ? count : 1); i++) add(w);
		} while (r.take(','));
		r.want(';');
	}

	void read() {
		scopes.emplace_back();
		while (!r.done()) {
			char c = r.peek();
			if (c == ';') {
				r.take(';');
			} else if (c == '{') {
				r.take('{');
				if (scopes.size() > 16) r.fail("blocks nested too deep");
				scopes.emplace_back();
			} else if (c == '}') {
				r.take('}');
				if (scopes.size() == 1) r.fail("no '{' for this '}'");
				scopes.pop_back();
			} else if (c == '.') {
				std::string_view d = r.name();
				if (d == ".reg") registers();
				else if (d == ".shared" || d == ".local") {
					Variable v = variable(r);
					r.want(';');
					(d == ".shared" ? b.shared : b.local).push_back(v);
				} else if (d == ".loc") r.skipLine();
				else if (d == ".pragma") r.skipStatement();
				else r.fail("unknown directive " + std::string(d));
			} else {
				statement();
			}
		}
		if (scopes.size() != 1) r.fail("no '}' for a '{'");
	}

	void statement() {
		Statement st;
		r.space();
		st.line = r.line;
		size_t from = r.at;
		if (r.take('@')) {
			st.predNegated = r.take('!');
			st.pred = reg(r.name());
			if (st.pred < 0 || b.registers[st.pred].width != 1) r.fail("expected a predicate behind @");
		} else if (identStart(r.peek())) {
			size_t at = r.at;
			int line = r.line;
			std::string_view n = r.ident();
			if (r.peek() == ':' && !(r.at + 1 < r.end && r.s[r.at + 1] == ':')) {
				r.take(':');
				if (!b.labels.emplace(n, b.statements.size()).second) r.fail("the label " + std::string(n) + " is defined twice");
				return;
			}
			r.at = at, r.line = line;
		}
		st.op = r.opcode();
		if (r.peek() != ';') {
			do {
				if (st.operands.size() >= 16) r.fail("more than 16 operands");
				st.operands.push_back(operand());
			} while (r.take(','));
		}
		st.text = std::string_view(r.s).substr(from, r.at - from);
		r.want(';');
		if (b.statements.size() >= 1 << 20) r.fail("too many instructions");
		b.statements.push_back(std::move(st));
	}
};

} // namespace

Body parseBody(const Module &m, const Kernel &k) {
	Body b;
	BodyReader br{{m.text, k.begin, k.end, k.line}, m, k, b, {}};
	br.read();
	return b;
}

std::shared_ptr<Module> parseModule(const char *text, size_t n) {
	auto m = std::make_shared<Module>();
	if (n > 64 << 20) throw Error{"PTX of more than 64 MiB"};
	m->text.assign(text, strnlen(text, n));
	blankComments(m->text);
	Reader r{m->text, 0, m->text.size(), 1};
	while (!r.done()) {
		std::string_view d = r.name();
		if (d == ".version") {
			u32 major = r.count(99);
			u32 minor = r.take('.') ? r.count(9) : 0;
			m->version = int(major * 10 + minor);
		} else if (d == ".target") {
			std::string_view t = r.name();
			std::string digits(t.substr(0, 3) == "sm_" ? t.substr(3) : "");
			if (!digits.empty() && digits.back() == 'a') m->arch = true, digits.pop_back();
			if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos) r.fail("unknown target " + std::string(t));
			m->sm = atoi(digits.c_str());
			while (r.take(',')) r.name();
		} else if (d == ".address_size") {
			if (r.integer() != 64) r.fail("only 64-bit addresses");
		} else if (d == ".extern") {
			if (r.name() != ".shared") r.fail("only shared memory can be .extern");
			m->sharedNames.emplace_back(variable(r).name);
			r.want(';');
		} else if (d == ".file") {
			r.skipLine();
		} else if (d == ".section") {
			r.name();
			r.skipBlock();
		} else if (d == ".global") {
			r.skipStatement();
		} else if (d == ".visible" || d == ".entry") {
			if (d == ".visible" && r.name() != ".entry") r.fail("only kernels (.entry) can be .visible");
			auto k = std::make_unique<Kernel>();
			k->name = std::string(r.name());
			if (r.take('(') && !r.take(')')) {
				do {
					if (r.name() != ".param") r.fail("expected .param");
					std::string_view t = r.name();
					int w = width(t);
					if (w < 8) r.fail("unknown type of a parameter " + std::string(t));
					while (r.peek() == '.') {
						if (r.name() == ".align") r.integer();
					}
					std::string_view name = r.name();
					if (name.substr(0, k->name.size()) != k->name || name.substr(k->name.size()) != format("_param_%zu", k->params.size()))
						r.fail("expected the parameter " + k->name + format("_param_%zu", k->params.size()));
					u32 size = w / 8, off = (k->paramBytes + size - 1) / size * size;
					if (off + size > 4096) r.fail("more than 4096 bytes of parameters");
					k->params.push_back({off, size});
					k->paramBytes = off + size;
				} while (r.take(','));
				r.want(')');
			}
			while (r.peek() == '.') {
				std::string_view p = r.name();
				u32 v[3] = {1, 1, 1};
				v[0] = r.count(1 << 20);
				for (int i = 1; i < 3 && r.take(','); i++) v[i] = r.count(1 << 20);
				if (p == ".reqntid") memcpy(k->reqntid, v, sizeof v);
				else if (p == ".maxntid") k->maxThreads = (u32)std::min<u64>(1024, u64(v[0]) * v[1] * v[2]);
				else if (p != ".minnctapersm" && p != ".maxnreg") r.fail("unknown directive " + std::string(p));
			}
			r.space();
			k->begin = r.at + 1;
			k->line = r.line;
			r.skipBlock();
			k->end = r.at - 1;
			m->kernels.push_back(std::move(k));
		} else {
			r.fail("unknown directive " + std::string(d));
		}
	}
	if (!m->sm) throw Error{"PTX without .target"};
	return m;
}
