//go:build cuda

package cuda

// #include "cublas.h"
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unsafe"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
)

// cublasNames are the file names with which the library is opened, in order of preference.
// UseCUBLAS replaces them by one path.
var cublasNames = []string{"libcublas.so.12", "libcublas.so.13", "libcublas.so.11"}

// cublas is NVIDIA's library of matrix products, loaded at run time.
type cublas struct {
	lib *C.cublas
	// name is the library with its version, such as "cuBLAS 12.4.5".
	name string
}

// UseCUBLAS makes this process use the cuBLAS in file instead of the one that the system's loader
// finds. It opens the file at once. Call it before anything else of this package.
func UseCUBLAS(file string) error {
	path, err := filepath.Abs(file)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return fmt.Errorf("cuBLAS: %w", err)
	}
	cublasNames = []string{path}
	_, err = findCUBLAS()
	return err
}

// CUBLAS returns the name and version of the cuBLAS in use, or why there is none.
func CUBLAS() (string, error) {
	l, err := findCUBLAS()
	if err != nil {
		return "", err
	}
	return l.name, nil
}

// opened holds the libraries that were loaded, by file; they stay open.
var opened sync.Map // of *cublas

func findCUBLAS() (*cublas, error) {
	var missing []string
	for _, name := range cublasNames {
		if l, ok := opened.Load(name); ok {
			return l.(*cublas), nil
		}
		var version [3]C.int
		var why [512]C.char
		file := C.CString(name)
		lib := C.cublas_open(file, &version[0], &why[0], C.size_t(len(why)))
		C.free(unsafe.Pointer(file))
		if lib != nil {
			l, _ := opened.LoadOrStore(name, &cublas{lib, fmt.Sprintf("cuBLAS %d.%d.%d", version[0], version[1], version[2])})
			return l.(*cublas), nil
		}
		if text := C.GoString(&why[0]); !strings.Contains(text, "No such file") {
			return nil, fmt.Errorf("cuBLAS cannot be used: %s", text)
		}
		missing = append(missing, name)
	}
	return nil, fmt.Errorf("%w (%s)", errNoCUBLAS, strings.Join(missing, ", "))
}

var errNoCUBLAS = errors.New("no cuBLAS is installed")

// cublasStatus is a cublasStatus_t.
type cublasStatus int

func (s cublasStatus) Error() string {
	name, ok := map[cublasStatus]string{1: "not initialized", 3: "allocation failed", 7: "invalid value", 8: "architecture mismatch",
		11: "mapping error", 13: "execution failed", 14: "internal error", 15: "not supported"}[s]
	if !ok {
		return fmt.Sprintf("cuBLAS status %d", int(s))
	}
	return fmt.Sprintf("cuBLAS status %d, %s", int(s), name)
}

// statusAllocFailed is CUBLAS_STATUS_ALLOC_FAILED.
const statusAllocFailed cublasStatus = 3

// blas is a handle of cuBLAS on a device's stream.
type blas struct {
	*cublas
	handle unsafe.Pointer
	// work is cuBLAS's workspace. The runner allocates it so that it is counted, and so that cuBLAS
	// allocates nothing while a graph is captured.
	work *block
}

// openCUBLAS makes a handle if opts allow cuBLAS and it is installed. Its absence is an error only
// if opts ask for cuBLAS.
func (o *ops) openCUBLAS() error {
	if o.opts.Tier != "" && o.opts.Tier != TierCUBLAS {
		return nil
	}
	lib, err := findCUBLAS()
	if err == nil {
		err = o.newBLAS(lib)
	}
	switch {
	case err == nil:
	case o.opts.Tier == TierCUBLAS:
		return fmt.Errorf("the kernel tier %s: %w", TierCUBLAS, err)
	case !errors.Is(err, errNoCUBLAS):
		o.noCUBLAS = err.Error()
	}
	return nil
}

func (o *ops) newBLAS(lib *cublas) error {
	bytes := int64(cublasWorkspace)
	if o.d.info.Capability < 90 {
		bytes = 4 << 20
	}
	work, err := o.pool.take(runners.MemoryWorkspace, bytes)
	if err != nil {
		return fmt.Errorf("the workspace of %s: %w", lib.name, err)
	}
	defer o.d.bind()()
	b := &blas{cublas: lib, work: work}
	if err = attempt(callCUBLAS); err == nil {
		err = statusOf(C.cublas_create(lib.lib, unsafe.Pointer(o.d.stream.C()), C.uint64_t(work.at(0)), C.size_t(bytes), &b.handle))
	}
	if err != nil {
		work.free()
		return fmt.Errorf("%s does not start: %w", lib.name, err)
	}
	o.d.blas = b
	return nil
}

// closeCUBLAS frees the handle and its workspace.
func (o *ops) closeCUBLAS() error {
	b := o.d.blas
	if b == nil {
		return nil
	}
	o.d.blas = nil
	unbind := o.d.bind()
	err := statusOf(C.cublas_destroy(b.lib, b.handle))
	unbind()
	b.work.free()
	if err != nil {
		return fmt.Errorf("end %s: %w", b.name, err)
	}
	return nil
}

func statusOf(r C.int) error {
	switch s := cublasStatus(r); s {
	case 0:
		return nil
	case statusAllocFailed:
		return fmt.Errorf("%w: %w", runners.ErrOutOfMemory, s)
	default:
		return s
	}
}

// cublasGemm represents cublasGemmEx as a kernel, so that its calls go into lists and graphs like
// kernel launches.
var cublasGemm = &kernels.Kernel{Name: "cublasGemmEx"}

// viaCUBLAS fills o.c with a product by cuBLAS.
func (o *ops) viaCUBLAS(g *gemm) {
	o.c = kernels.Call{Kernel: cublasGemm}
	bf16 := 0
	if o.t == runners.BF16 {
		bf16 = 1
	}
	for i, v := range [...]int{int(g.kind), bf16, g.m, g.n, g.k, g.ldc, g.lda, g.ldb} {
		o.c.Params[i] = uint64(v)
	}
	o.c.Params[8], o.c.Params[9], o.c.Params[10] = g.c, g.a, g.b
}

// multiply enqueues a product made by viaCUBLAS. The context must be bound.
func (b *blas) multiply(c *kernels.Call) error {
	err := attempt(callCUBLAS)
	if err == nil {
		p := &c.Params
		i := func(n int) C.int { return C.int(p[n]) }
		err = statusOf(C.cublas_multiply(b.lib, b.handle, i(0), i(1), C.uint64_t(p[8]), C.uint64_t(p[9]), C.uint64_t(p[10]), i(2), i(3), i(4), i(5), i(6), i(7)))
	}
	if err != nil {
		return fmt.Errorf("a product by %s: %w", b.name, err)
	}
	return nil
}
