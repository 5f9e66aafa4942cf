//go:build cuda

package cudasim

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

typedef uint64_t u64;
typedef struct {
	void *handle;
	int (*Init)(unsigned), (*CtxCreate)(void **, unsigned, int), (*CtxDestroy)(void *), (*CtxSetCurrent)(void *), (*CtxSynchronize)(void);
	int (*MemAlloc)(u64 *, size_t), (*MemFree)(u64), (*MemcpyHtoD)(u64, const void *, size_t), (*MemcpyDtoH)(void *, u64, size_t);
	int (*MemcpyHtoDAsync)(u64, const void *, size_t, void *), (*MemcpyDtoHAsync)(void *, u64, size_t, void *);
	int (*MemHostAlloc)(void **, size_t, unsigned), (*MemFreeHost)(void *);
	int (*ModuleLoadData)(void **, const void *), (*ModuleGetFunction)(void **, void *, const char *), (*ModuleUnload)(void *);
	int (*FuncSetAttribute)(void *, int, int);
	int (*LaunchKernel)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
	int (*StreamCreate)(void **, unsigned), (*StreamDestroy)(void *), (*StreamSynchronize)(void *), (*StreamBeginCapture)(void *, int), (*StreamEndCapture)(void *, void **);
	int (*GraphInstantiate)(void **, void *, u64), (*GraphLaunch)(void *, void *), (*GraphExecDestroy)(void *), (*GraphDestroy)(void *);
	int (*set)(const char *, long long);
	long long (*get)(const char *);
	int (*finding)(int, char *, int);
	void (*reset)(void);
	int (*poison)(u64, u64);
	int (*parse)(const char *, u64, char *, int);
} Lib;

static const char *load(Lib *l, const char *path) {
	if (!(l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL))) return dlerror();
	struct { void *to; const char *name; } names[] = {
		{&l->Init, "cuInit"}, {&l->CtxCreate, "cuCtxCreate_v2"}, {&l->CtxDestroy, "cuCtxDestroy_v2"}, {&l->CtxSetCurrent, "cuCtxSetCurrent"}, {&l->CtxSynchronize, "cuCtxSynchronize"},
		{&l->MemAlloc, "cuMemAlloc_v2"}, {&l->MemFree, "cuMemFree_v2"}, {&l->MemcpyHtoD, "cuMemcpyHtoD_v2"}, {&l->MemcpyDtoH, "cuMemcpyDtoH_v2"},
		{&l->MemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2"}, {&l->MemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2"}, {&l->MemHostAlloc, "cuMemHostAlloc"}, {&l->MemFreeHost, "cuMemFreeHost"},
		{&l->ModuleLoadData, "cuModuleLoadData"}, {&l->ModuleGetFunction, "cuModuleGetFunction"}, {&l->ModuleUnload, "cuModuleUnload"},
		{&l->FuncSetAttribute, "cuFuncSetAttribute"}, {&l->LaunchKernel, "cuLaunchKernel"},
		{&l->StreamCreate, "cuStreamCreate"}, {&l->StreamDestroy, "cuStreamDestroy_v2"}, {&l->StreamSynchronize, "cuStreamSynchronize"},
		{&l->StreamBeginCapture, "cuStreamBeginCapture_v2"}, {&l->StreamEndCapture, "cuStreamEndCapture"},
		{&l->GraphInstantiate, "cuGraphInstantiateWithFlags"}, {&l->GraphLaunch, "cuGraphLaunch"}, {&l->GraphExecDestroy, "cuGraphExecDestroy"}, {&l->GraphDestroy, "cuGraphDestroy"},
		{&l->set, "yocosim_set"}, {&l->get, "yocosim_get"}, {&l->finding, "yocosim_finding"}, {&l->reset, "yocosim_reset"}, {&l->poison, "yocosim_poison"}, {&l->parse, "yocosim_parse"},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!(*(void **)names[i].to = dlsym(l->handle, names[i].name))) return dlerror();
	return 0;
}

#define CALL(name, params, args) static int call##name(Lib *l, params) { return l->name args; }
#define P(...) __VA_ARGS__
static int callInit(Lib *l) { return l->Init(0); }
static int callCtxSynchronize(Lib *l) { return l->CtxSynchronize(); }
CALL(CtxCreate, P(void **c), (c, 0, 0))
CALL(CtxDestroy, P(void *c), (c))
CALL(CtxSetCurrent, P(void *c), (c))
CALL(MemAlloc, P(u64 *p, size_t n), (p, n))
CALL(MemFree, P(u64 p), (p))
CALL(MemcpyHtoD, P(u64 d, const void *s, size_t n), (d, s, n))
CALL(MemcpyDtoH, P(void *d, u64 s, size_t n), (d, s, n))
CALL(MemcpyHtoDAsync, P(u64 d, const void *s, size_t n, void *st), (d, s, n, st))
CALL(MemcpyDtoHAsync, P(void *d, u64 s, size_t n, void *st), (d, s, n, st))
CALL(MemHostAlloc, P(void **p, size_t n), (p, n, 0))
CALL(MemFreeHost, P(void *p), (p))
CALL(ModuleLoadData, P(void **m, const char *s), (m, s))
CALL(ModuleGetFunction, P(void **f, void *m, const char *s), (f, m, s))
CALL(ModuleUnload, P(void *m), (m))
CALL(FuncSetAttribute, P(void *f, int a, int v), (f, a, v))
static int callLaunchKernel(Lib *l, void *f, unsigned *g, unsigned shared, void *stream, u64 *values, int n) {
	void *params[64];
	for (int i = 0; i < n && i < 64; i++) params[i] = &values[i];
	return l->LaunchKernel(f, g[0], g[1], g[2], g[3], g[4], g[5], shared, stream, params, 0);
}
CALL(StreamCreate, P(void **s), (s, 1))
CALL(StreamDestroy, P(void *s), (s))
CALL(StreamSynchronize, P(void *s), (s))
CALL(StreamBeginCapture, P(void *s), (s, 1))
CALL(StreamEndCapture, P(void *s, void **g), (s, g))
CALL(GraphInstantiate, P(void **e, void *g), (e, g, 0))
CALL(GraphLaunch, P(void *e, void *s), (e, s))
CALL(GraphExecDestroy, P(void *e), (e))
CALL(GraphDestroy, P(void *g), (g))
CALL(set, P(const char *n, long long v), (n, v))
static long long callget(Lib *l, const char *n) { return l->get(n); }
CALL(finding, P(int i, char *b, int n), (i, b, n))
static void callreset(Lib *l) { l->reset(); }
CALL(poison, P(u64 a, u64 n), (a, n))
CALL(parse, P(const char *s, u64 n, char *b, int bn), (s, n, b, bn))
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Result is the CUresult of a driver call, other than CUDA_SUCCESS.
type Result int

func (r Result) Error() string { return fmt.Sprintf("CUresult %d", int(r)) }

// Results used by tests.
const (
	invalidValue       Result = 1
	outOfMemory        Result = 2
	noBinary           Result = 209
	invalidPTX         Result = 218
	illegalAddress     Result = 700
	launchTimeout      Result = 702
	illegalInstruction Result = 715
	misalignedAddress  Result = 716
	launchFailed       Result = 719
	captureUnsupported Result = 900
	captureInvalidated Result = 901
)

func result(r C.int) error {
	if r != 0 {
		return Result(r)
	}
	return nil
}

// Sim is the simulated driver. Like contexts, its calls belong to one OS thread.
type Sim struct {
	lib C.Lib
	ctx unsafe.Pointer
}

// Open loads the library and makes a context that is current on this thread.
func Open(path string) (*Sim, error) {
	s := &Sim{}
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	if e := C.load(&s.lib, p); e != nil {
		return nil, fmt.Errorf("%s: %s", path, C.GoString(e))
	}
	if err := result(C.callInit(&s.lib)); err != nil {
		return nil, err
	}
	return s, result(C.callCtxCreate(&s.lib, &s.ctx))
}

// Attach returns the library that this process uses as its driver, without a context of its own:
// for settings, counters and Poison. It returns an error if the driver is not the simulator.
func Attach() (*Sim, error) {
	s := &Sim{}
	p := C.CString("libcuda.so.1")
	defer C.free(unsafe.Pointer(p))
	if e := C.load(&s.lib, p); e != nil {
		return nil, errors.New(C.GoString(e))
	}
	return s, nil
}

// Renew destroys the context, if there is one, with everything that it holds, and makes a new one.
func (s *Sim) Renew() error {
	if s.ctx != nil {
		if err := result(C.callCtxDestroy(&s.lib, s.ctx)); err != nil {
			return err
		}
		s.ctx = nil
	}
	return result(C.callCtxCreate(&s.lib, &s.ctx))
}

// Use makes the context current on this thread.
func (s *Sim) Use() error { return result(C.callCtxSetCurrent(&s.lib, s.ctx)) }

// Set changes a setting (see yocosim_set in src/driver.cpp).
func (s *Sim) Set(name string, v int) {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	if C.callset(&s.lib, n, C.longlong(v)) == 0 {
		panic("no setting " + name)
	}
}

// Get reads a setting or counter.
func (s *Sim) Get(name string) int {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	return int(C.callget(&s.lib, n))
}

// Findings returns the checker's findings since the last Reset.
func (s *Sim) Findings() (out []string) {
	buf := make([]byte, 2000)
	for i := 0; ; i++ {
		n := int(C.callfinding(&s.lib, C.int(i), (*C.char)(unsafe.Pointer(&buf[0])), C.int(len(buf))))
		if n < 0 {
			return out
		}
		out = append(out, string(buf[:min(n, len(buf)-1)]))
	}
}

// Reset clears the findings and the error state that they caused, like a new process.
func (s *Sim) Reset() { C.callreset(&s.lib) }

// Poison marks device memory as never written.
func (s *Sim) Poison(at uint64, bytes int) bool {
	return C.callpoison(&s.lib, C.u64(at), C.u64(bytes)) != 0
}

// Parse parses PTX and decodes its kernels.
func (s *Sim) Parse(text []byte) error {
	buf := make([]byte, 1000)
	text = append(text, 0)
	if C.callparse(&s.lib, (*C.char)(unsafe.Pointer(&text[0])), C.u64(len(text)-1), (*C.char)(unsafe.Pointer(&buf[0])), C.int(len(buf))) == 1 {
		return nil
	}
	return fmt.Errorf("%s", C.GoString((*C.char)(unsafe.Pointer(&buf[0]))))
}

func (s *Sim) Alloc(bytes int) (uint64, error) {
	var p C.u64
	err := result(C.callMemAlloc(&s.lib, &p, C.size_t(bytes)))
	return uint64(p), err
}
func (s *Sim) Free(p uint64) error { return result(C.callMemFree(&s.lib, C.u64(p))) }
func (s *Sim) Write(p uint64, b []byte) error {
	return result(C.callMemcpyHtoD(&s.lib, C.u64(p), unsafe.Pointer(unsafe.SliceData(b)), C.size_t(len(b))))
}
func (s *Sim) Read(b []byte, p uint64) error {
	return result(C.callMemcpyDtoH(&s.lib, unsafe.Pointer(unsafe.SliceData(b)), C.u64(p), C.size_t(len(b))))
}
func (s *Sim) Sync() error { return result(C.callCtxSynchronize(&s.lib)) }

// Pinned allocates host memory that is known to the driver.
func (s *Sim) Pinned(bytes int) ([]byte, error) {
	var p unsafe.Pointer
	if err := result(C.callMemHostAlloc(&s.lib, &p, C.size_t(bytes))); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), bytes), nil
}
func (s *Sim) FreePinned(b []byte) error {
	return result(C.callMemFreeHost(&s.lib, unsafe.Pointer(&b[0])))
}

// Stream, Module, Function, Graph and Exec are the driver's handles.
type (
	Stream   unsafe.Pointer
	Module   unsafe.Pointer
	Function unsafe.Pointer
	Graph    unsafe.Pointer
	Exec     unsafe.Pointer
)

func (s *Sim) Stream() (Stream, error) {
	var p unsafe.Pointer
	err := result(C.callStreamCreate(&s.lib, &p))
	return Stream(p), err
}
func (s *Sim) EndStream(st Stream) error {
	return result(C.callStreamDestroy(&s.lib, unsafe.Pointer(st)))
}
func (s *Sim) SyncStream(st Stream) error {
	return result(C.callStreamSynchronize(&s.lib, unsafe.Pointer(st)))
}
func (s *Sim) WriteAsync(p uint64, b []byte, st Stream) error {
	return result(C.callMemcpyHtoDAsync(&s.lib, C.u64(p), unsafe.Pointer(unsafe.SliceData(b)), C.size_t(len(b)), unsafe.Pointer(st)))
}
func (s *Sim) ReadAsync(b []byte, p uint64, st Stream) error {
	return result(C.callMemcpyDtoHAsync(&s.lib, unsafe.Pointer(unsafe.SliceData(b)), C.u64(p), C.size_t(len(b)), unsafe.Pointer(st)))
}
func (s *Sim) BeginCapture(st Stream) error {
	return result(C.callStreamBeginCapture(&s.lib, unsafe.Pointer(st)))
}
func (s *Sim) EndCapture(st Stream) (Graph, error) {
	var p unsafe.Pointer
	err := result(C.callStreamEndCapture(&s.lib, unsafe.Pointer(st), &p))
	return Graph(p), err
}
func (s *Sim) Instantiate(g Graph) (Exec, error) {
	var p unsafe.Pointer
	err := result(C.callGraphInstantiate(&s.lib, &p, unsafe.Pointer(g)))
	return Exec(p), err
}
func (s *Sim) LaunchGraph(e Exec, st Stream) error {
	return result(C.callGraphLaunch(&s.lib, unsafe.Pointer(e), unsafe.Pointer(st)))
}
func (s *Sim) EndExec(e Exec) error {
	return result(C.callGraphExecDestroy(&s.lib, unsafe.Pointer(e)))
}
func (s *Sim) EndGraph(g Graph) error { return result(C.callGraphDestroy(&s.lib, unsafe.Pointer(g))) }

// Load loads a module.
func (s *Sim) Load(ptx string) (Module, error) {
	p := C.CString(ptx)
	defer C.free(unsafe.Pointer(p))
	var m unsafe.Pointer
	err := result(C.callModuleLoadData(&s.lib, &m, p))
	return Module(m), err
}
func (s *Sim) Unload(m Module) error { return result(C.callModuleUnload(&s.lib, unsafe.Pointer(m))) }
func (s *Sim) Function(m Module, name string) (Function, error) {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	var f unsafe.Pointer
	err := result(C.callModuleGetFunction(&s.lib, &f, unsafe.Pointer(m), n))
	return Function(f), err
}

// AllowShared sets how much dynamic shared memory the function may be launched with.
func (s *Sim) AllowShared(f Function, bytes int) error {
	return result(C.callFuncSetAttribute(&s.lib, unsafe.Pointer(f), 8, C.int(bytes)))
}

// Launch launches grid blocks of block threads. Each parameter is passed in 8 bytes.
func (s *Sim) Launch(f Function, grid, block [3]uint32, shared int, st Stream, params ...uint64) error {
	g := [6]C.uint{C.uint(grid[0]), C.uint(grid[1]), C.uint(grid[2]), C.uint(block[0]), C.uint(block[1]), C.uint(block[2])}
	p := append(params, 0)
	return result(C.callLaunchKernel(&s.lib, unsafe.Pointer(f), &g[0], C.uint(shared), unsafe.Pointer(st), (*C.u64)(unsafe.Pointer(&p[0])), C.int(len(params))))
}
