//go:build cuda

// cuBLAS is found at run time, as the driver is: nothing of it is needed to build or to run the program.

#include "cublas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// From NVIDIA's cublas_api.h and library_types.h, the same in CUDA 11, 12 and 13.
enum { OP_N = 0, OP_T = 1, R_32F = 0, R_16BF = 14, COMPUTE_32F = 68, GEMM_DEFAULT = -1 };
// Sums are float32 to the end: where k is split, parts are not added in bfloat16. float32 is not rounded to TF32, which would be another mode.
enum { DISALLOW_REDUCED_PRECISION_REDUCTION = 16 };

struct cublas {
	int (*create)(void **), (*destroy)(void *), (*set_stream)(void *, void *), (*set_workspace)(void *, void *, size_t);
	int (*set_math_mode)(void *, int), (*get_property)(int, int *);
	int (*gemm_ex)(void *, int, int, int, int, int, const void *, const void *, int, int, const void *, int, int, const void *, void *, int, int, int, int);
};

const cublas *cublas_open(const char *name, int version[3], char *why, size_t n) {
	// PyTorch's packages have cuBLAS next to the library that it needs, which is not on the loader's path.
	const char *base = strrchr(name, '/'), *rest = base ? strstr(base, "libcublas.") : NULL;
	char needed[4096];
	if (rest && snprintf(needed, sizeof needed, "%.*slibcublasLt.%s", (int)(rest - name), name, rest + strlen("libcublas.")) < (int)sizeof needed)
		dlopen(needed, RTLD_LAZY | RTLD_GLOBAL); // where it is not there, the next call says what is missing
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		snprintf(why, n, "%s", dlerror());
		return NULL;
	}
	cublas l;
	struct {
		void *to;
		const char *name;
	} names[] = {{&l.create, "cublasCreate_v2"}, {&l.destroy, "cublasDestroy_v2"}, {&l.set_stream, "cublasSetStream_v2"}, {&l.set_workspace, "cublasSetWorkspace_v2"},
		{&l.set_math_mode, "cublasSetMathMode"}, {&l.get_property, "cublasGetProperty"}, {&l.gemm_ex, "cublasGemmEx"}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!(*(void **)names[i].to = dlsym(library, names[i].name))) {
			snprintf(why, n, "%s has no %s", name, names[i].name);
			dlclose(library);
			return NULL;
		}
	for (int i = 0; i < 3; i++)
		if (l.get_property(i, &version[i]) != 0) version[i] = 0;
	cublas *p = malloc(sizeof *p);
	if (!p) {
		snprintf(why, n, "no memory");
		dlclose(library);
		return NULL;
	}
	*p = l;
	return p;
}

int cublas_create(const cublas *l, void *stream, uint64_t workspace, size_t bytes, void **handle) {
	*handle = NULL;
	int r = l->create(handle);
	if (r) return r;
	// Setting the stream takes the workspace away, so it comes first.
	if (!(r = l->set_stream(*handle, stream)) && !(r = l->set_workspace(*handle, (void *)workspace, bytes))) r = l->set_math_mode(*handle, DISALLOW_REDUCED_PRECISION_REDUCTION);
	if (r) {
		l->destroy(*handle);
		*handle = NULL;
	}
	return r;
}

// By columns, as cuBLAS sees memory, a is aᵀ [k, m], b is bᵀ [k, n] and c is cᵀ [n, m] = b aᵀ.
int cublas_multiply(const cublas *l, void *handle, int kind, int bf16, uint64_t c, uint64_t a, uint64_t b, int m, int n, int k, int ldc, int lda, int ldb) {
	const float one = 1, beta = kind == PRODUCT_ADD;
	int in = bf16 ? R_16BF : R_32F, out = kind == PRODUCT_T ? in : R_32F;
	return l->gemm_ex(handle, OP_T, OP_N, n, m, k, &one, (void *)b, in, ldb, (void *)a, in, lda, &beta, (void *)c, out, ldc, COMPUTE_32F, GEMM_DEFAULT);
}

int cublas_destroy(const cublas *l, void *handle) { return l->destroy(handle); }
