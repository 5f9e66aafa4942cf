#pragma once
#include <stddef.h>
#include <stdint.h>

// cublas is a libcublas that was found.
typedef struct cublas cublas;

// What a product writes: in the type of a and b, in float32, or added to what is there in float32.
enum { PRODUCT_T = 0, PRODUCT_F32 = 1, PRODUCT_ADD = 2 };

// These return cublasStatus_t; 0 is success.
int cublas_create(const cublas *l, void *stream, uint64_t workspace, size_t bytes, void **handle);
// c = a bᵀ, or c += a bᵀ: a [m, k], b [n, k], c [m, n] by rows, ld_* elements apart; a and b are bfloat16 or float32.
int cublas_multiply(const cublas *l, void *handle, int kind, int bf16, uint64_t c, uint64_t a, uint64_t b, int m, int n, int k, int ldc, int lda, int ldb);
int cublas_destroy(const cublas *l, void *handle);

// cublas_open finds a library and its version, or writes why not to why.
const cublas *cublas_open(const char *name, int version[3], char *why, size_t n);
