// Shared by the parts of the simulator: findings, settings, device memory, modules and running a grid.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;

// ---- settings and findings

struct Settings {
	bool check = true;     // shadow memory: uninitialised reads and races; bounds and alignment are always checked
	int threads = 1;       // host threads that run blocks
	int sm = 90;           // compute capability
	int multiprocessors = 8;
	u64 memory = u64(8) << 30;
	u64 limit = u64(1) << 36; // instructions of a warp after which it is reported as not terminating
	bool quiet = false;    // findings are not printed to stderr
};
extern Settings settings;

// Kinds of findings; the name of each is in findingNames.
enum Kind {
	OutOfBounds, Misaligned, Uninitialised, SharedRace, AsyncRace, GlobalRace, Proxy, WgmmaRegister, WgmmaFence, Divergence, Illegal, Unending, kinds
};
extern const char *const findingNames[kinds];

// report keeps a finding (the first hundred) and prints it.
void report(Kind k, const std::string &text);
extern std::vector<std::string> findings;
extern std::mutex findingsLock;

__attribute__((format(printf, 1, 2))) std::string format(const char *f, ...);

// ---- device memory: one range of addresses, with shadows at the same offsets

struct Memory {
	u8 *base = nullptr;       // the device's addresses are this process's
	u64 range = 0;            // bytes of addresses
	u8 *state = nullptr;      // one byte per byte: allocated | initialised
	u64 *writer = nullptr;    // for each 2 bytes: who wrote last, in which launch
	u64 *reader = nullptr;    // for each 2 bytes: who read last, in which launch
};
constexpr u8 stAllocated = 1, stInitialised = 2, stBoth = 3;
extern Memory mem;

bool memoryInit();
u64 memoryAlloc(u64 bytes);               // 0 if out of memory
bool memoryFree(u64 address);             // false if it is not the start of an allocation
bool memoryFind(u64 address, u64 *start, u64 *bytes);
bool memoryRange(u64 address, u64 bytes); // whether the whole range is in one live allocation
std::string memoryPlace(u64 address);     // describes the place of an address, for findings
void memoryMark(u64 address, u64 bytes, bool initialised);
void memoryCopyState(u64 to, u64 from, u64 bytes);
void memoryFreeAll();
struct Counts { u64 blocks = 0, bytes = 0, peak = 0; };
extern Counts live;
u32 memoryEpoch();                        // a new launch: records of earlier ones do not count

// ---- modules

struct Param { u32 offset, size; };
struct Program;

struct Kernel {
	std::string name;
	std::vector<Param> params;
	u32 paramBytes = 0;
	u32 reqntid[3] = {0, 0, 0};           // 0: not given
	u32 maxThreads = 1024;
	size_t begin = 0, end = 0;            // the body in the module's text
	int line = 0;                         // of the body's first character
	std::shared_ptr<Program> program;     // decoded when it is first asked for
};

struct Module {
	std::string text, log;
	int version = 0, sm = 0;              // 80 for 8.0
	bool arch = false;                    // target sm_..a
	std::vector<std::string> sharedNames; // .extern .shared: the dynamic shared memory
	std::vector<std::unique_ptr<Kernel>> kernels;
};

struct Error { std::string text; };       // thrown by parse and decode

std::shared_ptr<Module> parseModule(const char *text, size_t n);
void decode(const Module &m, Kernel &k);
u32 staticShared(const Kernel &k);

// ---- running

constexpr u32 sharedBase = 1024; // the first address of a block's shared memory; lower addresses are reserved by the system

struct Launch {
	Kernel *kernel = nullptr;
	u32 grid[3] = {1, 1, 1}, block[3] = {1, 1, 1};
	u32 shared = 0; // dynamic
	std::vector<u8> params;
};

// run executes a grid. It returns 0, or a CUresult if there was a finding.
int run(const Launch &l);
extern u64 executed; // warp instructions so far
extern u64 nanoseconds; // spent executing grids
