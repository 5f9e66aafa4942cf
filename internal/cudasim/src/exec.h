// A decoded kernel and the state of the blocks and warps that execute it.
#pragma once
#include "ptx.h"

#include <cstdlib>
#include <cstring>

struct Warp;
struct Ins;
using Handler = void (*)(Warp &, const Ins &);

// Ins is a decoded instruction. An operand in x or ext is the byte offset of 32 lanes in the
// warp's registers, or, with bit 0 set, in the kernel's constants. Predicates are indices of Warp::P.
struct Ins {
	Handler fn;
	i64 imm;
	u32 x[8];
	u32 flip;   // ~0 for @!p
	u16 pred;   // 0: always
	u8 n, flag; // their meaning depends on the handler
	u32 ext;    // index into Program::ext, for instructions with more operands
	i32 line;
};
static_assert(sizeof(Ins) == 64);

constexpr u32 slotBytes = 128; // 32 lanes of 32 bits; 64-bit registers take two slots

struct Program {
	std::string name;
	std::vector<Ins> code;
	std::vector<u32> ext;
	std::vector<u32> constants;     // with room to align
	u8 *constant = nullptr;         // the same, aligned
	u32 slots = 0, preds = 2;
	std::vector<std::pair<int, u32>> specials; // the special register, its offset
	u32 staticShared = 0;
	std::vector<std::string> texts;  // per instruction, for findings
	// Registers that are operands of a wgmma are watched. Each has a number. places maps a register's slot to its number
	// (none: not watched), and watched lists the watched registers of each instruction. Both are empty in a kernel
	// without wgmma.
	static constexpr u16 none = 0xffff;
	struct Named { u16 number; bool written; };
	std::vector<u16> places;
	std::vector<std::vector<Named>> watched;
	u32 watching = 0; // the number of watched registers
	~Program() { free(constant); }
};

struct Group { const Ins *pc; u32 mask; }; // lanes that wait elsewhere

enum Event : u32 { evBarrier = 1, evExit = 2, evFault = 4, evDiverged = 8 };

struct Span { u32 at, bytes; };

// Watched records the accesses to a register that is an operand of a wgmma. Times count the warp's
// wgmma.fence instructions, from 1.
struct Watched {
	u32 accessed = 1;         // last access by another instruction; before the first fence every register counts as accessed
	u32 used = 0;             // last use by a wgmma
	u16 shape = 0;            // columns of that wgmma if the register was an accumulator; 0 if it held a part of A
	u16 sums = 0, inputs = 0; // number of wgmmas in flight that use it as an accumulator, and as a part of A
};
// Use is a register of a wgmma in flight.
struct Use { u16 number; bool sum; };

struct Block {
	const Launch *launch;
	const Program *program;
	u32 cta[3];
	u64 id;              // launch and block, as in Memory::writer
	u8 *shared;
	u32 sharedBytes;
	u8 *init;            // one byte per byte: whether it was written
	u32 *writer, *reader; // one record per 4 bytes
	u32 *writers;         // bit set of the warps that wrote the same value
	u32 interval;        // counts barriers
	bool check, unfenced, failed;
	Kind kind;
};

struct Warp {
	u8 *base[2];
	u32 *P;
	u32 active, full;
	const Ins *pc;
	u32 ev;
	int id;
	Block *b;
	u32 barrier;
	bool done, waiting;
	u64 count;
	std::vector<Group> groups;
	// cp.async: the writes in flight, and where each committed group ends
	std::vector<Span> copies;
	std::vector<size_t> copyGroups;
	size_t copyEnd() const { return copyGroups.empty() ? 0 : copyGroups.back(); }
	// wgmma: shared memory and registers used by those in flight, and where each committed group ends in both
	std::vector<Span> reads;
	std::vector<Use> uses;
	std::vector<std::pair<size_t, size_t>> mmaGroups;
	std::vector<Watched> watched;
	u32 fences;
};

template <class T> static inline T *R(Warp &w, u32 o) { return (T *)(w.base[o & 1] + (o & ~1u)); }
static inline u32 lanes(const Warp &w, const Ins &i) { return w.active & (w.P[i.pred] ^ i.flip); }

void fault(Warp &w, const Ins &i, Kind k, const std::string &why);

// check.cpp: the checker. Each returns false after a finding. check.h has their common cases.
bool globalRead(Warp &w, const Ins &i, u64 a, u32 n, int lane);
bool globalWrite(Warp &w, const Ins &i, u64 a, u32 n, int lane);
bool sharedRead(Warp &w, const Ins &i, u32 a, u32 n, int lane);
// sharedWrite is called before the data are stored.
bool sharedWrite(Warp &w, const Ins &i, u32 a, u32 n, int lane, const void *data, bool async);
bool matrixRead(Warp &w, const Ins &i, u32 a, u32 n);  // by wgmma
bool matrixRegisters(Warp &w, const Ins &i);           // of wgmma
bool registersFree(Warp &w, const Ins &i);             // of another instruction, in a kernel with wgmma
void copiesDone(Warp &w, size_t groupsLeft);
void matricesDone(Warp &w, size_t groupsLeft);
void proxyFence(Warp &w);

bool isWgmma(const Ins &i); // wgmma, and the instructions that order it
// namesRegisters reports whether an instruction is a wgmma. From Program::ext[i.ext] on, a wgmma has as many
// accumulators as sums says, then as many registers of A as inputs says.
bool namesRegisters(const Ins &i, u32 *sums, u32 *inputs);

// access.cpp, matrix.cpp: instructions on memory and matrices, found by opcode
struct Decoder;
bool decodeMemory(Decoder &d, const Statement &s);
bool decodeMatrix(Decoder &d, const Statement &s);

// Decoder turns statements into instructions.
struct Decoder {
	const Module &m;
	const Kernel &k;
	Body body;
	Program &p;
	std::vector<u32> predIndex;
	std::unordered_map<std::string_view, u32> symbols; // addresses in shared memory
	std::unordered_map<u64, u32> constants32, constants64;
	struct Use { u8 reg = 0, def = 0; }; // bits of x
	std::vector<Use> uses;
	std::vector<u8> extDef;               // for each entry of ext: 1 written, 2 read, 3 both
	std::vector<u32> extCount;            // for each instruction
	int junk;

	[[noreturn]] void fail(const Statement &s, const std::string &why) const;
	u32 constant(u64 bits, int width);
	u32 predicate(const Statement &s, const Operand &o);
	u32 source(const Statement &s, const Operand &o, int width);
	u32 target(const Statement &s, const Operand &o, int width);
	i64 address(const Statement &s, const Operand &o, int width, u32 *base); // of [reg+offset]
	Ins &begin(const Statement &s, Handler fn);
	void put(Ins &i, int at, u32 operand, bool def);  // a register or constant at x[at]
	void putExt(Ins &i, u32 operand, u8 def);
	int widthOf(int reg) const { return body.registers[reg].width; }
};

// Modifiers splits "ld.global.v4.b32" at the dots, keeping "shared::cta" whole.
std::vector<std::string_view> modifiers(std::string_view op);
