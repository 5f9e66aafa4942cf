// The driver API: contexts, memory, modules, launches, streams, events, capture and graphs.
//
// Operations that are asynchronous in a real driver are queued here and executed in order of
// submission when something waits. So a program that reads a result without waiting reads the old
// content.
#include "sim.h"

#include <algorithm>
#include <chrono>
#include <cuda.h>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <set>

#define API extern "C" __attribute__((visibility("default"))) CUresult
#define EXTRA extern "C" __attribute__((visibility("default")))

// ---- objects

struct CUctx_st {};
struct CUmod_st { std::shared_ptr<Module> module; std::map<std::string, CUfunc_st *> functions; };
struct CUfunc_st { Kernel *kernel; CUmod_st *module; u32 dynamicLimit = 48 << 10; };
struct CUevent_st { unsigned flags; bool recorded = false; std::chrono::steady_clock::time_point at; };

struct Op {
	enum Type { Kernel, Copy, Set, Poison, Record, Host } type;
	Launch launch;
	CUfunc_st *func = nullptr;
	u64 dst = 0, src = 0, width = 0;         // Copy, Poison: bytes
	bool dstDevice = false, srcDevice = false;
	std::shared_ptr<std::vector<u8>> staged; // the content of pageable host memory at the time of the call
	u32 value = 0;                           // Set: width words
	CUevent_st *event = nullptr;
	CUhostFn host = nullptr;
	void *data = nullptr;
};

struct CUgraph_st { std::vector<Op> ops; };
struct CUgraphExec_st { std::vector<Op> ops; };
struct CUstream_st {
	CUgraph_st *capture = nullptr;
	CUstreamCaptureMode mode{};
	bool broken = false;
};

static std::recursive_mutex lock;
static bool initialised;
static CUresult sticky = CUDA_SUCCESS; // the error of a faulting kernel: the process has lost the GPU until yocosim_reset
static std::set<CUctx_st *> contexts;
static thread_local std::vector<CUctx_st *> current;
static std::deque<Op> queue;
static std::set<CUstream_st *> streams;
static std::set<CUevent_st *> events;
static std::set<CUmod_st *> modules;
static std::set<CUgraph_st *> graphs;
static std::set<CUgraphExec_st *> execs;
static CUstream_st legacy;
static std::map<u64, u64> pinned;
static i64 failAlloc = -1, failLaunch = -1; // the number of calls that succeed before one fails; -1: none fails
static std::string faultKernel; // the kernel that fails at its faultAt-th execution; empty: none
static i64 faultAt;
static u64 allocs, launches, cubins;
static int localBytes; // a thread's local memory as reported by cuFuncGetAttribute
static u64 leaked; // device allocations, modules, streams and events that contexts still held when they ended
static CUresult touched; // the result of yocosim_touch in the running host function

static u64 number(const char *name, u64 otherwise) {
	const char *s = getenv(name);
	return s && *s ? strtoull(s, nullptr, 0) : otherwise;
}

static void settle() {
	static bool done;
	if (done) return;
	done = true;
	settings.sm = (int)number("YOCOSIM_SM", 90);
	settings.memory = number("YOCOSIM_MEMORY", settings.memory);
	settings.multiprocessors = (int)number("YOCOSIM_MULTIPROCESSORS", settings.multiprocessors);
	settings.check = number("YOCOSIM_CHECK", 1) != 0;
	settings.quiet = number("YOCOSIM_QUIET", 0) != 0;
	settings.threads = (int)number("YOCOSIM_THREADS", 0);
	failAlloc = (i64)number("YOCOSIM_FAIL_ALLOC", 0) - 1;
	failLaunch = (i64)number("YOCOSIM_FAIL_LAUNCH", 0) - 1;
	if (const char *s = getenv("YOCOSIM_FAULT")) { // NAME or NAME:N
		faultKernel = s;
		size_t colon = faultKernel.find(':');
		faultAt = colon == std::string::npos ? 1 : atoll(s + colon + 1);
		faultKernel.resize(std::min(colon, faultKernel.size()));
	}
}

struct Call {
	std::lock_guard<std::recursive_mutex> guard;
	Call() : guard(lock) { settle(); }
};

// ENTER begins a call that needs a current context; a context that has failed answers with its error.
#define BEGIN                                                     \
	Call call_;                                                   \
	if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
#define ENTER                                                     \
	BEGIN                                                         \
	if (current.empty() || !current.back()) return CUDA_ERROR_INVALID_CONTEXT; \
	if (!contexts.count(current.back())) return CUDA_ERROR_CONTEXT_IS_DESTROYED; \
	if (sticky) return sticky;

static bool capturing() {
	for (auto *s : streams)
		if (s->capture && s->mode != CU_STREAM_CAPTURE_MODE_RELAXED) return true;
	return false;
}

// UNSAFE is for calls that are forbidden during a capture and invalidate it.
#define UNSAFE                                                    \
	if (capturing()) {                                            \
		for (auto *s : streams) if (s->capture) s->broken = true; \
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;             \
	}

static CUstream_st *streamOf(CUstream h) {
	if (h == nullptr || h == CU_STREAM_LEGACY || h == CU_STREAM_PER_THREAD) return &legacy;
	return streams.count((CUstream_st *)h) ? (CUstream_st *)h : nullptr;
}
#define STREAM(s, h)                 \
	CUstream_st *s = streamOf(h);    \
	if (!s) return CUDA_ERROR_INVALID_HANDLE;

static CUresult execute(Op &o) {
	switch (o.type) {
	case Op::Kernel:
		if (!faultKernel.empty() && o.launch.kernel->name == faultKernel && --faultAt == 0) {
			report(OutOfBounds, "the kernel " + faultKernel + ": a fault that was asked for (YOCOSIM_FAULT)");
			return CUDA_ERROR_ILLEGAL_ADDRESS;
		}
		return (CUresult)run(o.launch);
	case Op::Copy: {
		u64 src = o.staged ? (u64)o.staged->data() : o.src;
		if ((o.dstDevice && !memoryRange(o.dst, o.width)) || (o.srcDevice && !memoryRange(src, o.width))) {
			report(OutOfBounds, format("a copy of %llu bytes from %s to %s", (unsigned long long)o.width,
				o.srcDevice ? memoryPlace(src).c_str() : "host memory", o.dstDevice ? memoryPlace(o.dst).c_str() : "host memory"));
			return CUDA_ERROR_ILLEGAL_ADDRESS;
		}
		memmove((void *)o.dst, (void *)src, o.width);
		if (o.dstDevice) {
			if (o.srcDevice) memoryCopyState(o.dst, src, o.width);
			else memoryMark(o.dst, o.width, true);
		}
		return CUDA_SUCCESS;
	}
	case Op::Set:
	case Op::Poison: {
		u64 n = o.type == Op::Set ? 4 * o.width : o.width;
		if (!memoryRange(o.dst, n)) {
			report(OutOfBounds, format("a memset of %llu bytes at %s", (unsigned long long)n, memoryPlace(o.dst).c_str()));
			return CUDA_ERROR_ILLEGAL_ADDRESS;
		}
		if (o.type == Op::Set) std::fill_n((u32 *)o.dst, o.width, o.value);
		else memset((void *)o.dst, 0xff, n);
		memoryMark(o.dst, n, o.type == Op::Set);
		return CUDA_SUCCESS;
	}
	case Op::Record:
		if (events.count(o.event)) {
			o.event->recorded = true;
			o.event->at = std::chrono::steady_clock::now();
		}
		return CUDA_SUCCESS;
	case Op::Host:
		touched = CUDA_SUCCESS;
		o.host(o.data);
		return touched;
	}
	return CUDA_ERROR_UNKNOWN;
}

// drain executes all queued operations.
static CUresult drain() {
	while (!queue.empty() && !sticky) {
		Op o = std::move(queue.front());
		queue.pop_front();
		sticky = execute(o);
	}
	if (sticky) queue.clear();
	return sticky;
}

static CUresult submit(CUstream_st *s, Op &&o) {
	if (s->capture) {
		if (s->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
		s->capture->ops.push_back(std::move(o));
		return CUDA_SUCCESS;
	}
	queue.push_back(std::move(o));
	return CUDA_SUCCESS;
}

static bool isPinned(const void *p, u64 n) {
	auto it = pinned.upper_bound((u64)p);
	if (it == pinned.begin()) return false;
	--it;
	return (u64)p + n <= it->first + it->second;
}

// ---- initialisation, devices, errors

// sharedOptIn is the most shared memory of a block by compute capability (CUDA C++ Programming Guide, "Technical
// Specifications per Compute Capability"), 0 for an unknown one.
static u32 sharedOptIn() {
	switch (settings.sm) {
	case 75: return 64 << 10;
	case 80: case 87: return 163 << 10;
	case 86: case 89: case 120: case 121: return 99 << 10;
	case 90: case 100: case 103: return 227 << 10;
	}
	return 0;
}

API cuInit(unsigned flags) {
	Call c;
	if (flags) return CUDA_ERROR_INVALID_VALUE;
	if (!sharedOptIn()) {
		fprintf(stderr, "cudasim: YOCOSIM_SM is 75, 80, 86, 87, 89, 90, 100, 103, 120 or 121\n");
		return CUDA_ERROR_NO_DEVICE;
	}
	if (!memoryInit()) return CUDA_ERROR_OUT_OF_MEMORY;
	initialised = true;
	return CUDA_SUCCESS;
}
API cuDriverGetVersion(int *v) { if (!v) return CUDA_ERROR_INVALID_VALUE; *v = 12040; return CUDA_SUCCESS; }
API cuDeviceGetCount(int *n) { BEGIN if (!n) return CUDA_ERROR_INVALID_VALUE; *n = 1; return CUDA_SUCCESS; }
API cuDeviceGet(CUdevice *d, int i) {
	BEGIN
	if (i != 0) return CUDA_ERROR_INVALID_DEVICE;
	*d = 0;
	return CUDA_SUCCESS;
}
#define DEVICE(d) BEGIN if ((d) != 0) return CUDA_ERROR_INVALID_DEVICE;
API cuDeviceGetName(char *name, int len, CUdevice d) { DEVICE(d) if (len < 1) return CUDA_ERROR_INVALID_VALUE; snprintf(name, len, "cudasim"); return CUDA_SUCCESS; }
API cuDeviceTotalMem_v2(size_t *n, CUdevice d) { DEVICE(d) *n = settings.memory; return CUDA_SUCCESS; }

API cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice d) {
	DEVICE(d)
	switch (a) {
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: *v = 1024; break;
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: *v = 64; break;
	case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *v = 2147483647; break;
	case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
	case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: *v = 65535; break;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *v = 48 << 10; break;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *v = (int)sharedOptIn(); break;
	case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: *v = (int)sharedOptIn() + 1024; break;
	case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: *v = 1024; break;
	case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: *v = 65536; break;
	case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *v = 32; break;
	case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
	case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: *v = 65536; break;
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *v = settings.multiprocessors; break;
	case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *v = 2048; break;
	case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: *v = 32; break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *v = settings.sm / 10; break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *v = settings.sm % 10; break;
	case CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT: *v = (int)number("YOCOSIM_WATCHDOG", 0); break;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE: *v = (int)number("YOCOSIM_COMPUTE_MODE", 0); break;
	case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
	case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: *v = 1000000; break;
	case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: *v = 5120; break;
	case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *v = 50 << 20; break;
	case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
	case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
	case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
	case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
	case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED: *v = 1; break;
	default: *v = 0;
	}
	return CUDA_SUCCESS;
}

static const std::map<int, const char *> errorNames = {
	{CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"}, {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
	{CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE"}, {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
	{CUDA_ERROR_JIT_COMPILER_NOT_FOUND, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND"}, {CUDA_ERROR_ECC_UNCORRECTABLE, "CUDA_ERROR_ECC_UNCORRECTABLE"},
	{CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {CUDA_ERROR_LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT"},
	{CUDA_ERROR_ILLEGAL_INSTRUCTION, "CUDA_ERROR_ILLEGAL_INSTRUCTION"}, {CUDA_ERROR_MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS"},
	{CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"}, {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED"},
};
API cuGetErrorName(CUresult r, const char **name) {
	auto it = errorNames.find(r);
	*name = it == errorNames.end() ? nullptr : it->second;
	return *name ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// ---- contexts

// clean releases the resources of all contexts when the last one is destroyed, as a driver does. The error of a
// faulting kernel remains, as in a real driver: the process has lost the GPU.
static void clean() {
	drain();
	if (!contexts.empty()) return;
	queue.clear();
	leaked += live.blocks + modules.size() + streams.size() + events.size();
	memoryFreeAll();
	for (auto *m : modules) { for (auto &f : m->functions) delete f.second; delete m; }
	for (auto *s : streams) { delete s->capture; delete s; }
	for (auto *e : events) delete e;
	modules.clear(), streams.clear(), events.clear();
}

API cuCtxCreate_v2(CUcontext *c, unsigned, CUdevice d) {
	DEVICE(d)
	if (sticky) return sticky;
	*c = new CUctx_st;
	contexts.insert(*c);
	current.push_back(*c);
	return CUDA_SUCCESS;
}
API cuCtxDestroy_v2(CUcontext c) {
	BEGIN
	if (!c || !contexts.count(c)) return CUDA_ERROR_INVALID_CONTEXT;
	drain();
	contexts.erase(c);
	if (!current.empty() && current.back() == c) current.pop_back();
	clean();
	delete c;
	return CUDA_SUCCESS;
}
API cuCtxSetCurrent(CUcontext c) {
	BEGIN
	if (c && !contexts.count(c)) return CUDA_ERROR_INVALID_CONTEXT;
	if (!current.empty()) current.pop_back();
	if (c) current.push_back(c);
	return CUDA_SUCCESS;
}
API cuCtxGetCurrent(CUcontext *c) { BEGIN *c = current.empty() ? nullptr : current.back(); return CUDA_SUCCESS; }
API cuCtxPopCurrent_v2(CUcontext *c) {
	BEGIN
	if (current.empty()) return CUDA_ERROR_INVALID_CONTEXT;
	if (c) *c = current.back();
	current.pop_back();
	return CUDA_SUCCESS;
}
API cuCtxSynchronize() { ENTER UNSAFE return drain(); }


// ---- memory

API cuMemAlloc_v2(CUdeviceptr *p, size_t n) {
	ENTER UNSAFE
	if (!p || !n) return CUDA_ERROR_INVALID_VALUE;
	allocs++;
	if (failAlloc >= 0 && failAlloc-- == 0) return CUDA_ERROR_OUT_OF_MEMORY;
	u64 a = memoryAlloc(n);
	if (!a) return CUDA_ERROR_OUT_OF_MEMORY;
	*p = a;
	return CUDA_SUCCESS;
}
API cuMemFree_v2(CUdeviceptr p) {
	ENTER UNSAFE
	if (!p) return CUDA_SUCCESS;
	if (CUresult r = drain()) return r;
	return memoryFree(p) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
API cuMemGetInfo_v2(size_t *f, size_t *t) { ENTER *f = settings.memory - live.bytes; *t = settings.memory; return CUDA_SUCCESS; }
API cuMemHostAlloc(void **p, size_t n, unsigned) {
	ENTER UNSAFE
	if (!p || !n) return CUDA_ERROR_INVALID_VALUE;
	if (!(*p = aligned_alloc(4096, (n + 4095) & ~size_t(4095)))) return CUDA_ERROR_OUT_OF_MEMORY;
	pinned[(u64)*p] = n;
	return CUDA_SUCCESS;
}
API cuMemFreeHost(void *p) {
	ENTER UNSAFE
	if (!pinned.count((u64)p)) return CUDA_ERROR_INVALID_VALUE;
	if (CUresult r = drain()) return r;
	pinned.erase((u64)p);
	free(p);
	return CUDA_SUCCESS;
}

static CUresult copy(CUstream_st *s, bool async, Op &&o) {
	if (!o.width) return CUDA_SUCCESS;
	bool wait = !async;
	if ((o.srcDevice && !memoryRange(o.src, o.width)) || (o.dstDevice && !memoryRange(o.dst, o.width))) return CUDA_ERROR_INVALID_VALUE;
	if (!s->capture && async) {
		if (!o.srcDevice && !isPinned((void *)o.src, o.width)) o.staged = std::make_shared<std::vector<u8>>((u8 *)o.src, (u8 *)o.src + o.width);
		wait = !o.dstDevice && !isPinned((void *)o.dst, o.width);
	}
	CUresult r = submit(s, std::move(o));
	return r ? r : wait ? drain() : CUDA_SUCCESS;
}
static Op line(u64 d, bool dd, u64 s, bool sd, u64 n) {
	Op o{Op::Copy};
	o.dst = d, o.dstDevice = dd, o.src = s, o.srcDevice = sd, o.width = n;
	return o;
}
API cuMemcpyHtoD_v2(CUdeviceptr d, const void *s, size_t n) { ENTER UNSAFE return copy(&legacy, false, line(d, true, (u64)s, false, n)); }
API cuMemcpyDtoH_v2(void *d, CUdeviceptr s, size_t n) { ENTER UNSAFE return copy(&legacy, false, line((u64)d, false, s, true, n)); }
API cuMemcpyHtoDAsync_v2(CUdeviceptr d, const void *s, size_t n, CUstream h) { ENTER STREAM(st, h) return copy(st, true, line(d, true, (u64)s, false, n)); }
API cuMemcpyDtoHAsync_v2(void *d, CUdeviceptr s, size_t n, CUstream h) { ENTER STREAM(st, h) return copy(st, true, line((u64)d, false, s, true, n)); }
API cuMemcpyDtoDAsync_v2(CUdeviceptr d, CUdeviceptr s, size_t n, CUstream h) { ENTER STREAM(st, h) return copy(st, true, line(d, true, s, true, n)); }


API cuMemsetD32Async(CUdeviceptr d, unsigned v, size_t n, CUstream h) {
	ENTER STREAM(s, h)
	if (!n) return CUDA_SUCCESS;
	if (d % 4 || !memoryRange(d, 4 * n)) return CUDA_ERROR_INVALID_VALUE;
	Op o{Op::Set};
	o.dst = d, o.value = v, o.width = n;
	return submit(s, std::move(o));
}

// ---- modules

API cuModuleLoadData(CUmodule *m, const void *image) {
	ENTER UNSAFE
	if (!m || !image) return CUDA_ERROR_INVALID_VALUE;
	if (!memcmp(image, "\177ELF", 4)) { // a cubin: code that only a GPU executes
		cubins++;
		return CUDA_ERROR_NO_BINARY_FOR_GPU;
	}
	static std::unordered_map<std::string, std::shared_ptr<Module>> known;
	std::string text((const char *)image), log;
	std::shared_ptr<Module> mod;
	CUresult r = CUDA_SUCCESS;
	try {
		auto it = known.find(text);
		if (it != known.end()) mod = it->second;
		else {
			mod = parseModule(text.data(), text.size());
			if (known.size() > 64) known.clear();
			known[text] = mod;
		}
		if (mod->version > 84) log = "PTX is of a newer version than this driver's, 8.4", r = CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
		else if (mod->sm > settings.sm || (mod->arch && mod->sm != settings.sm))
			log = format("PTX for sm_%d%s does not run on compute capability %d.%d", mod->sm, mod->arch ? "a" : "", settings.sm / 10, settings.sm % 10), r = CUDA_ERROR_NO_BINARY_FOR_GPU;
	} catch (Error &e) {
		log = e.text, r = CUDA_ERROR_INVALID_PTX;
	}
	if (r) {
		if (!settings.quiet) fprintf(stderr, "cudasim: %s\n", log.c_str());
		return r;
	}
	*m = new CUmod_st{mod, {}};
	modules.insert(*m);
	return CUDA_SUCCESS;
}
API cuModuleUnload(CUmodule m) {
	ENTER UNSAFE
	if (!modules.count(m)) return CUDA_ERROR_INVALID_HANDLE;
	if (CUresult r = drain()) return r;
	for (auto &f : m->functions) delete f.second;
	modules.erase(m);
	delete m;
	return CUDA_SUCCESS;
}
API cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
	ENTER
	if (!modules.count(m)) return CUDA_ERROR_INVALID_HANDLE;
	auto it = m->functions.find(name);
	if (it == m->functions.end()) {
		Kernel *k = nullptr;
		for (auto &c : m->module->kernels) if (c->name == name) k = c.get();
		if (!k) return CUDA_ERROR_NOT_FOUND;
		try {
			if (!k->program) decode(*m->module, *k);
		} catch (Error &e) {
			report(Illegal, e.text);
			return CUDA_ERROR_INVALID_PTX;
		}
		it = m->functions.emplace(name, new CUfunc_st{k, m}).first;
	}
	*f = it->second;
	return CUDA_SUCCESS;
}

static bool isFunction(CUfunction f) {
	for (auto *m : modules) for (auto &p : m->functions) if (p.second == f) return true;
	return false;
}
#define FUNCTION(f) if (!isFunction(f)) return CUDA_ERROR_INVALID_HANDLE;

static u32 maxThreads(Kernel *k) { return k->reqntid[0] ? k->reqntid[0] * k->reqntid[1] * k->reqntid[2] : k->maxThreads; }
API cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v) {
	ENTER FUNCTION(f)
	if (a != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || v < 0 || u32(v) + staticShared(*f->kernel) > sharedOptIn()) return CUDA_ERROR_INVALID_VALUE;
	f->dynamicLimit = u32(v);
	return CUDA_SUCCESS;
}

API cuFuncGetAttribute(int *v, CUfunction_attribute a, CUfunction f) {
	ENTER FUNCTION(f)
	if (!v || a != CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES) return CUDA_ERROR_INVALID_VALUE;
	*v = localBytes;
	return CUDA_SUCCESS;
}

// prepare checks a launch and copies its parameters, as the driver does when it is called.
static CUresult prepare(Op &o, CUfunction f, const u32 grid[3], const u32 block[3], u32 shared, void **params) {
	FUNCTION(f)
	Kernel *k = f->kernel;
	auto refuse = [&](const std::string &why, CUresult r = CUDA_ERROR_INVALID_VALUE) {
		report(Illegal, "launch of " + k->name + ": " + why);
		return r;
	};
	u64 threads = u64(block[0]) * block[1] * block[2];
	for (int i = 0; i < 3; i++)
		if (!grid[i] || !block[i]) return refuse("a dimension of the grid or block is 0");
	if (grid[0] > 0x7fffffff || grid[1] > 65535 || grid[2] > 65535) return refuse(format("the grid %u x %u x %u is too large", grid[0], grid[1], grid[2]));
	if (threads > 1024 || block[2] > 64) return refuse(format("%llu threads in a block: at most 1024", (unsigned long long)threads));
	if (k->reqntid[0] && (block[0] != k->reqntid[0] || block[1] != k->reqntid[1] || block[2] != k->reqntid[2]))
		return refuse(format("a block of %u x %u x %u threads, .reqntid says %u x %u x %u", block[0], block[1], block[2], k->reqntid[0], k->reqntid[1], k->reqntid[2]));
	if (threads > maxThreads(k)) return refuse(format("%llu threads in a block, .maxntid says %u", (unsigned long long)threads, maxThreads(k)));
	if (shared > f->dynamicLimit)
		return refuse(format("%u bytes of dynamic shared memory, the function's limit is %u (cuFuncSetAttribute)", shared, f->dynamicLimit));
	if (shared + staticShared(*k) > sharedOptIn()) return refuse(format("%u bytes of shared memory, the GPU has %u", shared + staticShared(*k), sharedOptIn()));
	o.type = Op::Kernel;
	o.func = f;
	o.launch.kernel = k;
	memcpy(o.launch.grid, grid, 12);
	memcpy(o.launch.block, block, 12);
	o.launch.shared = shared;
	o.launch.params.assign(k->paramBytes, 0);
	if (params) {
		for (size_t i = 0; i < k->params.size(); i++) {
			if (!params[i]) return refuse(format("parameter %zu of %zu is a null pointer", i, k->params.size()));
			memcpy(&o.launch.params[k->params[i].offset], params[i], k->params[i].size);
		}
	} else if (!k->params.empty()) {
		return refuse("no parameters");
	}
	return CUDA_SUCCESS;
}

API cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, CUstream h, void **params, void **extra) {
	ENTER STREAM(s, h)
	if (extra) return CUDA_ERROR_NOT_SUPPORTED;
	u32 g[3] = {gx, gy, gz}, b[3] = {bx, by, bz};
	Op o{Op::Kernel};
	if (CUresult r = prepare(o, f, g, b, shared, params)) return r;
	launches++;
	if (failLaunch >= 0 && failLaunch-- == 0) return sticky = CUDA_ERROR_LAUNCH_FAILED;
	return submit(s, std::move(o));
}

API cuLaunchHostFunc(CUstream h, CUhostFn f, void *data) {
	ENTER STREAM(s, h)
	if (!f) return CUDA_ERROR_INVALID_VALUE;
	Op o{Op::Host};
	o.host = f, o.data = data;
	return submit(s, std::move(o));
}

// ---- streams and events

API cuStreamCreate(CUstream *s, unsigned) { ENTER *s = new CUstream_st; streams.insert(*s); return CUDA_SUCCESS; }
API cuStreamDestroy_v2(CUstream s) {
	BEGIN
	if (!streams.count(s)) return CUDA_ERROR_INVALID_HANDLE;
	CUresult r = drain();
	delete s->capture;
	streams.erase(s);
	delete s;
	return r;
}
API cuStreamSynchronize(CUstream h) {
	ENTER STREAM(s, h)
	if (s->capture) { s->broken = true; return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED; }
	return drain();
}
API cuEventCreate(CUevent *e, unsigned flags) { ENTER *e = new CUevent_st{flags}; events.insert(*e); return CUDA_SUCCESS; }
API cuEventDestroy_v2(CUevent e) { BEGIN if (!events.count(e)) return CUDA_ERROR_INVALID_HANDLE; CUresult r = drain(); events.erase(e); delete e; return r; }
API cuEventRecord(CUevent e, CUstream h) {
	ENTER STREAM(s, h)
	if (!events.count(e)) return CUDA_ERROR_INVALID_HANDLE;
	Op o{Op::Record};
	o.event = e;
	return submit(s, std::move(o));
}
API cuEventSynchronize(CUevent e) { ENTER if (!events.count(e)) return CUDA_ERROR_INVALID_HANDLE; return drain(); }
API cuEventElapsedTime(float *ms, CUevent a, CUevent b) {
	ENTER
	if (!events.count(a) || !events.count(b) || !a->recorded || !b->recorded || ((a->flags | b->flags) & CU_EVENT_DISABLE_TIMING)) return CUDA_ERROR_INVALID_HANDLE;
	for (auto &o : queue) if (o.event == a || o.event == b) return CUDA_ERROR_NOT_READY;
	*ms = std::chrono::duration<float, std::milli>(b->at - a->at).count();
	return CUDA_SUCCESS;
}

// ---- capture and graphs

API cuStreamBeginCapture_v2(CUstream h, CUstreamCaptureMode mode) {
	ENTER STREAM(s, h)
	if (s == &legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	if (s->capture) return CUDA_ERROR_ILLEGAL_STATE;
	s->capture = new CUgraph_st;
	s->mode = mode;
	s->broken = false;
	return CUDA_SUCCESS;
}
API cuStreamEndCapture(CUstream h, CUgraph *g) {
	ENTER STREAM(s, h)
	if (!s->capture) return CUDA_ERROR_ILLEGAL_STATE;
	CUgraph_st *c = s->capture;
	s->capture = nullptr;
	*g = nullptr;
	if (s->broken) { delete c; return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED; }
	graphs.insert(c);
	*g = c;
	return CUDA_SUCCESS;
}
API cuGraphDestroy(CUgraph g) { BEGIN if (!graphs.erase(g)) return CUDA_ERROR_INVALID_VALUE; delete g; return CUDA_SUCCESS; }
API cuGraphInstantiateWithFlags(CUgraphExec *e, CUgraph g, unsigned long long) {
	ENTER
	if (!graphs.count(g)) return CUDA_ERROR_INVALID_VALUE;
	allocs++;
	if (failAlloc >= 0 && failAlloc-- == 0) return CUDA_ERROR_OUT_OF_MEMORY;
	*e = new CUgraphExec_st{g->ops};
	execs.insert(*e);
	return CUDA_SUCCESS;
}
API cuGraphExecDestroy(CUgraphExec e) { BEGIN if (!execs.erase(e)) return CUDA_ERROR_INVALID_VALUE; delete e; return CUDA_SUCCESS; }
API cuGraphLaunch(CUgraphExec e, CUstream h) {
	ENTER STREAM(s, h)
	if (!execs.count(e)) return CUDA_ERROR_INVALID_VALUE;
	if (s->capture) return CUDA_ERROR_NOT_SUPPORTED;
	launches++;
	if (failLaunch >= 0 && failLaunch-- == 0) return sticky = CUDA_ERROR_LAUNCH_FAILED;
	for (auto &o : e->ops) {
		if (o.type == Op::Kernel && !isFunction(o.func)) return CUDA_ERROR_INVALID_HANDLE;
		submit(s, Op(o));
	}
	return CUDA_SUCCESS;
}

// ---- functions for tests, which a real driver does not have

// yocosim_set changes a setting: check, threads, quiet, limit (instructions of a warp), local (bytes of a thread's memory,
// reported by cuFuncGetAttribute), fail_alloc and fail_launch (the n-th call from now fails; 0: none).
EXTRA int yocosim_set(const char *name, long long v) {
	Call c;
	std::string n = name;
	if (n == "check") settings.check = v != 0;
	else if (n == "threads") settings.threads = (int)v;
	else if (n == "quiet") settings.quiet = v != 0;
	else if (n == "limit") settings.limit = (u64)v;
	else if (n == "local") localBytes = (int)v;
	else if (n == "fail_alloc") failAlloc = v - 1;
	else if (n == "fail_launch") failLaunch = v - 1;
	else return 0;
	return 1;
}
// yocosim_get reads a setting or counter; -1 if the name is unknown.
EXTRA long long yocosim_get(const char *name) {
	Call c;
	std::string n = name;
	if (n == "check") return settings.check;
	if (n == "threads") return settings.threads;
	if (n == "sm") return settings.sm;
	if (n == "memory") return (long long)settings.memory;
	if (n == "multiprocessors") return settings.multiprocessors;
	if (n == "live_blocks") return (long long)live.blocks;
	if (n == "live_bytes") return (long long)live.bytes;
	if (n == "peak_bytes") return (long long)live.peak;
	if (n == "allocs") return (long long)allocs;
	if (n == "launches") return (long long)launches;
	if (n == "cubins") return (long long)cubins; // that were refused
	if (n == "pinned") return (long long)pinned.size();
	if (n == "streams") return (long long)streams.size();
	if (n == "events") return (long long)events.size();
	if (n == "modules") return (long long)modules.size();
	if (n == "graphs") return (long long)graphs.size();
	if (n == "graph_execs") return (long long)execs.size();
	if (n == "leaked") return (long long)leaked;
	if (n == "contexts") return (long long)contexts.size();
	if (n == "instructions") return (long long)executed;
	if (n == "nanoseconds") return (long long)nanoseconds;
	if (n == "findings") return (long long)findings.size();
	return -1;
}
// yocosim_finding copies the i-th finding to buf and returns its length, or -1.
EXTRA int yocosim_finding(int i, char *buf, int len) {
	Call c;
	std::lock_guard<std::mutex> g(findingsLock);
	if (i < 0 || size_t(i) >= findings.size()) return -1;
	snprintf(buf, len, "%s", findings[i].c_str());
	return (int)findings[i].size();
}
// yocosim_reset clears the findings and the error state that they caused, like a new process.
EXTRA void yocosim_reset() {
	Call c;
	std::lock_guard<std::mutex> g(findingsLock);
	findings.clear();
	queue.clear();
	sticky = CUDA_SUCCESS;
}
// yocosim_poison marks device memory as never written: the bytes are 0xff, and reading them is a finding. Like a memset,
// it is executed after the operations submitted before it.
EXTRA int yocosim_poison(unsigned long long address, unsigned long long bytes) {
	Call c;
	if (!memoryRange(address, bytes)) return 0;
	Op o{Op::Poison};
	o.dst = address, o.width = bytes;
	return submit(&legacy, std::move(o)) == CUDA_SUCCESS;
}
// yocosim_touch checks an access to device memory by a host function (cuLaunchHostFunc) of a simulated library, like an
// access by a kernel, and marks written bytes as written. It returns 1 if the access is valid; an invalid one fails the
// context.
EXTRA int yocosim_touch(const char *who, unsigned long long address, unsigned long long bytes, int write) {
	Call c;
	if (touched) return 0;
	if (!memoryRange(address, bytes)) {
		report(OutOfBounds, format("%s %s %llu bytes: %s", who, write ? "writes" : "reads", bytes, memoryPlace(address).c_str()));
		touched = CUDA_ERROR_ILLEGAL_ADDRESS;
	} else if (write) {
		memoryMark(address, bytes, true);
	} else if (settings.check) {
		const u8 *state = mem.state + (address - (u64)mem.base);
		for (u64 i = 0; i < bytes && !touched; i++)
			if (state[i] != stBoth) {
				report(Uninitialised, format("%s reads %s", who, memoryPlace(address + i).c_str()));
				touched = CUDA_ERROR_ILLEGAL_ADDRESS;
			}
	}
	return !touched;
}
// yocosim_parse parses a module and decodes all its kernels. It returns 1 if the module is valid, and else writes
// the error to buf.
EXTRA int yocosim_parse(const char *text, unsigned long long n, char *buf, int len) {
	Call c;
	try {
		auto m = parseModule(text, n);
		for (auto &k : m->kernels) decode(*m, *k);
		return 1;
	} catch (Error &e) {
		if (buf && len > 0) snprintf(buf, len, "%s", e.text.c_str());
		return 0;
	}
}
