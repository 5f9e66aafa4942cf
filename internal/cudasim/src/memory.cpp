// Device memory with its shadows, and the list of findings.
#include "sim.h"

#include <cstdarg>
#include <cstring>
#include <map>
#include <sys/mman.h>

Settings settings;
Memory mem;
Counts live;
std::vector<std::string> findings;
std::mutex findingsLock;

const char *const findingNames[kinds] = {
	"out-of-bounds", "misaligned", "uninitialised", "shared-race", "async-race", "global-race",
	"proxy-fence", "wgmma-register", "wgmma-fence", "divergence", "illegal", "unending",
};

std::string format(const char *f, ...) {
	va_list ap;
	va_start(ap, f);
	char buf[1024];
	vsnprintf(buf, sizeof buf, f, ap);
	va_end(ap);
	return buf;
}

void report(Kind k, const std::string &text) {
	std::lock_guard<std::mutex> g(findingsLock);
	std::string s = std::string(findingNames[k]) + ": " + text;
	if (findings.size() < 100) findings.push_back(s);
	if (!settings.quiet) fprintf(stderr, "cudasim: %s\n", s.c_str());
}

static std::map<u64, u64> blocks; // from start to size in bytes
static u64 next;
constexpr u64 align = 512, guard = 512;

static void *reserve(u64 n) {
	void *p = mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? nullptr : p;
}

bool memoryInit() {
	if (mem.base) return true;
	for (u64 n = u64(1) << 37; n >= u64(1) << 30; n >>= 1) {
		void *d = reserve(n), *s = reserve(n), *w = reserve(4 * n), *r = reserve(4 * n);
		if (d && s && w && r) {
			mem = {(u8 *)d, n, (u8 *)s, (u64 *)w, (u64 *)r};
			next = (u64)mem.base + 4096;
			return true;
		}
		if (d) munmap(d, n);
		if (s) munmap(s, n);
		if (w) munmap(w, 4 * n);
		if (r) munmap(r, 4 * n);
	}
	return false;
}

// place finds room after the last allocation, or from the start once the end is reached.
static u64 place(u64 n) {
	for (int pass = 0; pass < 2; pass++) {
		u64 at = pass ? (u64)mem.base + 4096 : next;
		for (;;) {
			at = (at + align - 1) & ~(align - 1);
			if (n > mem.range || at + n + guard > (u64)mem.base + mem.range) break;
			auto it = blocks.upper_bound(at);
			if (it != blocks.begin()) {
				auto before = std::prev(it);
				if (before->first + before->second + guard > at) { at = before->first + before->second + guard; continue; }
			}
			if (it == blocks.end() || at + n + guard <= it->first) return at;
			at = it->first + it->second + guard;
		}
	}
	return 0;
}

u64 memoryAlloc(u64 n) {
	if (live.bytes + n > settings.memory) return 0;
	u64 at = place(n);
	if (!at) return 0;
	blocks[at] = n;
	next = at + n + guard;
	live.blocks++;
	live.bytes += n;
	if (live.bytes > live.peak) live.peak = live.bytes;
	u64 off = at - (u64)mem.base;
	memset(mem.state + off, stAllocated, n);
	if (n <= u64(16) << 20) memset(mem.base + off, 0xff, n);
	return at;
}

static void release(u64 at, u64 n) {
	u64 off = at - (u64)mem.base;
	memset(mem.state + off, 0, n);
	u64 from = (off + 4095) & ~u64(4095), to = (off + n) & ~u64(4095);
	if (to > from + (1 << 20)) {
		madvise(mem.base + from, to - from, MADV_DONTNEED);
		madvise(mem.state + from, to - from, MADV_DONTNEED);
	}
}

bool memoryFree(u64 at) {
	auto it = blocks.find(at);
	if (it == blocks.end()) return false;
	release(at, it->second);
	live.blocks--;
	live.bytes -= it->second;
	blocks.erase(it);
	return true;
}

void memoryFreeAll() {
	for (auto &b : blocks) release(b.first, b.second);
	blocks.clear();
	live.blocks = live.bytes = 0;
}

bool memoryFind(u64 a, u64 *start, u64 *bytes) {
	auto it = blocks.upper_bound(a);
	if (it == blocks.begin()) return false;
	--it;
	if (a >= it->first + it->second) return false;
	*start = it->first;
	*bytes = it->second;
	return true;
}

bool memoryRange(u64 a, u64 n) {
	u64 s, b;
	return memoryFind(a, &s, &b) && n <= s + b - a;
}

std::string memoryPlace(u64 a) {
	u64 s, b;
	if (memoryFind(a, &s, &b)) return format("byte %llu of an allocation of %llu", (unsigned long long)(a - s), (unsigned long long)b);
	auto it = blocks.upper_bound(a);
	std::string t = "in no allocation";
	if (it != blocks.begin()) {
		auto p = std::prev(it);
		t += format("; %llu bytes behind the end of one of %llu bytes", (unsigned long long)(a - p->first - p->second), (unsigned long long)p->second);
	}
	if (it != blocks.end()) t += format("; %llu before the start of one of %llu bytes", (unsigned long long)(it->first - a), (unsigned long long)it->second);
	return t;
}

void memoryMark(u64 a, u64 n, bool initialised) { memset(mem.state + (a - (u64)mem.base), initialised ? stBoth : stAllocated, n); }

void memoryCopyState(u64 to, u64 from, u64 n) { memmove(mem.state + (to - (u64)mem.base), mem.state + (from - (u64)mem.base), n); }

u32 memoryEpoch() {
	static u32 epoch = 0;
	if (++epoch == 1 << 16) {
		epoch = 1;
		madvise(mem.writer, 4 * mem.range, MADV_DONTNEED);
		madvise(mem.reader, 4 * mem.range, MADV_DONTNEED);
	}
	return epoch;
}
