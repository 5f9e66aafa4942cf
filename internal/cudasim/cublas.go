//go:build cuda

package cudasim

/*
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct {
	int (*create)(void **), (*destroy)(void *), (*setStream)(void *, void *), (*setWorkspace)(void *, void *, size_t), (*setMathMode)(void *, int);
	int (*gemm)(void *, int, int, int, int, int, const void *, const void *, int, int, const void *, int, int, const void *, void *, int, int, int, int);
} Blas;

static const char *loadBlas(Blas *b, const char *path) {
	void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h) return dlerror();
	struct { void *to; const char *name; } names[] = {
		{&b->create, "cublasCreate_v2"}, {&b->destroy, "cublasDestroy_v2"}, {&b->setStream, "cublasSetStream_v2"},
		{&b->setWorkspace, "cublasSetWorkspace_v2"}, {&b->setMathMode, "cublasSetMathMode"}, {&b->gemm, "cublasGemmEx"},
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!(*(void **)names[i].to = dlsym(h, names[i].name))) return dlerror();
	return 0;
}
static int blasCreate(Blas *b, void **h) { return b->create(h); }
static int blasDestroy(Blas *b, void *h) { return b->destroy(h); }
static int blasSetStream(Blas *b, void *h, void *s) { return b->setStream(h, s); }
static int blasSetWorkspace(Blas *b, void *h, uint64_t p, size_t n) { return b->setWorkspace(h, (void *)p, n); }
static int blasSetMathMode(Blas *b, void *h, int mode) { return b->setMathMode(h, mode); }
static int blasGemm(Blas *b, void *h, int ta, int tb, int m, int n, int k, float alpha, uint64_t a, int at, int lda, uint64_t x, int xt, int ldx, float beta, uint64_t c, int ct, int ldc, int compute, int algorithm) {
	return b->gemm(h, ta, tb, m, n, k, &alpha, (void *)a, at, lda, (void *)x, xt, ldx, &beta, (void *)c, ct, ldc, compute, algorithm);
}

static int blasHandles(void) {
	void *h = dlopen("libcublas.so.12", RTLD_NOW | RTLD_NOLOAD);
	int (*f)(void) = h ? (int (*)(void))dlsym(h, "yocosim_cublas_handles") : 0;
	int n = f ? f() : 0;
	if (h) dlclose(h);
	return n;
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// CUBLASHandles returns the number of handles of the simulated cuBLAS that have not been destroyed,
// in a process that has loaded it.
func CUBLASHandles() int { return int(C.blasHandles()) }

// CUBLAS is a handle of the simulated cuBLAS.
type CUBLAS struct {
	lib    C.Blas
	handle unsafe.Pointer
}

// CUBLASMatrix is column-major, with columns ld elements apart. Its type is a cudaDataType: 0 for
// float32, 14 for bfloat16.
type CUBLASMatrix struct {
	At       uint64
	Type, LD int
}

// CUBLAS makes a handle of the library at path on a stream, with a workspace in device memory (none
// if bytes is 0) and a math mode.
func (s *Sim) CUBLAS(path string, st Stream, workspace uint64, bytes, mode int) (*CUBLAS, error) {
	b := &CUBLAS{}
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	if e := C.loadBlas(&b.lib, p); e != nil {
		return nil, fmt.Errorf("%s: %s", path, C.GoString(e))
	}
	if err := status(C.blasCreate(&b.lib, &b.handle)); err != nil {
		return nil, err
	}
	err := status(C.blasSetStream(&b.lib, b.handle, unsafe.Pointer(st)))
	if err == nil && bytes > 0 {
		err = status(C.blasSetWorkspace(&b.lib, b.handle, C.uint64_t(workspace), C.size_t(bytes)))
	}
	if err == nil {
		err = status(C.blasSetMathMode(&b.lib, b.handle, C.int(mode)))
	}
	return b, err
}

// Gemm is c = alpha op(a) op(x) + beta c, where op(a) is M x K and op(x) is K x N. op transposes if
// TransA or TransX is set.
type Gemm struct {
	TransA, TransB     bool
	M, N, K            int
	Alpha, Beta        float32
	A, X, C            CUBLASMatrix
	Compute, Algorithm int // a cublasComputeType_t and a cublasGemmAlgo_t
}

// Gemm enqueues a product.
func (b *CUBLAS) Gemm(g Gemm) error {
	op := map[bool]C.int{true: 1}
	return status(C.blasGemm(&b.lib, b.handle, op[g.TransA], op[g.TransB], C.int(g.M), C.int(g.N), C.int(g.K), C.float(g.Alpha), C.uint64_t(g.A.At), C.int(g.A.Type), C.int(g.A.LD),
		C.uint64_t(g.X.At), C.int(g.X.Type), C.int(g.X.LD), C.float(g.Beta), C.uint64_t(g.C.At), C.int(g.C.Type), C.int(g.C.LD), C.int(g.Compute), C.int(g.Algorithm)))
}

// Close destroys the handle.
func (b *CUBLAS) Close() error { return status(C.blasDestroy(&b.lib, b.handle)) }

// Status is a cublasStatus_t other than success.
type Status int

func (s Status) Error() string { return fmt.Sprintf("cublasStatus %d", int(s)) }

func status(r C.int) error {
	if r != 0 {
		return Status(r)
	}
	return nil
}
