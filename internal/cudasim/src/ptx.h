// The text of PTX: a module's entries, and the statements of a kernel's body.
#pragma once
#include "sim.h"

#include <string_view>

struct Operand {
	enum Type { Reg, Imm, Sym, Vec, Addr, Sink } type = Sink;
	int reg = -1;              // Reg; Addr: base register or -1
	bool negated = false;      // !%p
	u64 bits = 0;              // Imm; Sym and Addr: the symbol's address
	bool isFloat32 = false, isFloat64 = false;
	std::string_view symbol;   // Sym, Addr: a name that is not a register's
	i64 offset = 0;            // Addr
	std::vector<Operand> vec;  // Vec
	int second = -1;           // Reg: p|q
};

struct Statement {
	std::string_view op;       // with its modifiers
	int pred = -1;
	bool predNegated = false;
	std::vector<Operand> operands;
	int line = 0;
	std::string_view text;
};

struct Register { u8 width; };  // 1 (predicate), 16, 32, 64

struct Variable { std::string_view name; u32 bytes, align; };

struct Body {
	std::vector<Statement> statements;
	std::vector<Register> registers;
	std::unordered_map<std::string_view, size_t> labels;   // to a statement
	std::unordered_map<std::string_view, int> specials;    // registers of %tid.x etc.
	std::vector<Variable> shared, local;
};

Body parseBody(const Module &m, const Kernel &k);
