// A libcublas.so.12 for tests. It implements the few calls that runners/cuda makes, and computes them on the CPU
// when the stream reaches them. It is stricter than NVIDIA's and refuses everything that the runner does not use:
// products other than aT b and aT b + c, a handle without its own workspace, other math modes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <cuda.h>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))
extern "C" int yocosim_touch(const char *who, unsigned long long address, unsigned long long bytes, int write);

// As in NVIDIA's cublas_api.h and library_types.h.
enum { Success = 0, NotInitialized = 1, AllocFailed = 3, InvalidValue = 7, ExecutionFailed = 13, NotSupported = 15 };
enum { R32F = 0, R16BF = 14, Compute32F = 68, OpN = 0, OpT = 1, Default = -1, DisallowReducedPrecisionReduction = 16 };

namespace {

struct Product;
struct Handle {
	CUstream stream = nullptr;
	uint64_t work = 0, workBytes = 0;
	int mode = 0;
	// Products live as long as the handle: a graph may run them again.
	std::vector<std::unique_ptr<Product>> products;
};
std::mutex lock;
std::set<Handle *> handles;

// fault reports whether YOCOSIM_CUBLAS selects this fault: create, fail, nan, wrong, slow; empty for none. With fast, a
// product that repeats the previous one takes no time.
bool fault(const char *kind) {
	const char *s = getenv("YOCOSIM_CUBLAS");
	return s && !strcmp(s, kind);
}

int size(int type) { return type == R32F ? 4 : 2; }

// Matrix is rows x cols, column-major, with columns ld elements apart.
struct Matrix {
	uint64_t at;
	int type, rows, cols, ld;
	bool touch(bool write) const {
		for (int j = 0; j < cols; j++)
			if (!yocosim_touch("cublasGemmEx", at + uint64_t(j) * ld * size(type), uint64_t(rows) * size(type), write)) return false;
		return true;
	}
	float get(int i, int j) const {
		uint64_t p = at + (uint64_t(j) * ld + i) * size(type);
		uint32_t bits = type == R32F ? *(uint32_t *)p : uint32_t(*(uint16_t *)p) << 16;
		float x;
		memcpy(&x, &bits, 4);
		return x;
	}
	void set(int i, int j, float x) const {
		uint64_t p = at + (uint64_t(j) * ld + i) * size(type);
		uint32_t bits;
		memcpy(&bits, &x, 4);
		if (type == R32F) *(uint32_t *)p = bits;
		else *(uint16_t *)p = std::isnan(x) ? 0x7fff : uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
	}
};

struct Product {
	Handle *handle = nullptr;
	Matrix a{}, b{}, c{}; // k x m, k x n, m x n
	float beta = 0;

	bool repeats(const Product &o) const {
		return handle == o.handle && a.at == o.a.at && b.at == o.b.at && c.at == o.c.at && c.rows == o.c.rows && c.cols == o.c.cols && a.rows == o.a.rows && beta == 0 && o.beta == 0;
	}
	void run() const {
		static Product last;
		if (fault("fast") && repeats(last)) return;
		last = *this;
		uint64_t edge = std::min<uint64_t>(handle->workBytes, 4096);
		for (uint64_t at : {handle->work, handle->work + handle->workBytes - edge}) {
			if (!yocosim_touch("cublasGemmEx's workspace", at, edge, 1)) return;
			memset((void *)at, 0xff, edge);
		}
		if (!a.touch(false) || !b.touch(false) || (beta != 0 && !c.touch(false)) || !c.touch(true)) return;
		auto columns = [&](const Matrix &x) {
			std::vector<float> v;
			for (int j = 0; j < x.cols; j++)
				for (int i = 0; i < x.rows; i++) v.push_back(x.get(i, j));
			return v;
		};
		std::vector<float> x = columns(a), y = columns(b);
		for (int j = 0; j < c.cols; j++)
			for (int i = 0; i < c.rows; i++) {
				float sum = 0;
				for (int l = 0; l < a.rows; l++) sum += x[size_t(i) * a.rows + l] * y[size_t(j) * a.rows + l];
				if (beta != 0) sum += c.get(i, j);
				bool last = i == c.rows - 1 && j == c.cols - 1;
				if (last && fault("wrong")) sum += 0.5f + std::fabs(sum);
				if (last && fault("nan")) sum = NAN;
				c.set(i, j, sum);
			}
		if (fault("slow")) usleep(200000);
	}
};

void CUDA_CB runProduct(void *p) { ((Product *)p)->run(); }

} // namespace

#define ENTER(h)                            \
	std::lock_guard<std::mutex> guard(lock); \
	if (!handles.count(h)) return NotInitialized;

API int cublasCreate_v2(Handle **h) {
	CUcontext c = nullptr;
	if (cuCtxGetCurrent(&c) || !c) return NotInitialized;
	if (fault("create")) return AllocFailed;
	std::lock_guard<std::mutex> guard(lock);
	handles.insert(*h = new Handle);
	return Success;
}
API int cublasDestroy_v2(Handle *h) {
	{
		ENTER(h)
		handles.erase(h);
	}
	int r = cuCtxSynchronize() ? ExecutionFailed : Success;
	delete h;
	return r;
}
API int cublasGetProperty(int which, int *value) {
	if (which < 0 || which > 2) return InvalidValue;
	*value = which == 0 ? 12 : 0;
	return Success;
}
// Setting a stream resets the workspace, as in NVIDIA's library.
API int cublasSetStream_v2(Handle *h, CUstream s) { ENTER(h) h->stream = s, h->work = h->workBytes = 0; return Success; }
API int cublasSetWorkspace_v2(Handle *h, void *p, size_t n) {
	ENTER(h)
	if ((uint64_t)p % 256) return InvalidValue;
	h->work = (uint64_t)p, h->workBytes = n;
	return Success;
}
API int cublasSetMathMode(Handle *h, int mode) { ENTER(h) h->mode = mode; return Success; }

API int cublasGemmEx(Handle *h, int transA, int transB, int m, int n, int k, const void *alpha, const void *a, int aType, int lda,
	const void *b, int bType, int ldb, const void *beta, void *c, int cType, int ldc, int compute, int algorithm) {
	CUstream stream;
	Product *p;
	{
		ENTER(h)
		float one = *(const float *)alpha, add = *(const float *)beta;
		if (m < 0 || n < 0 || k < 0 || lda < std::max(1, k) || ldb < std::max(1, k) || ldc < std::max(1, m)) return InvalidValue;
		if (transA != OpT || transB != OpN || one != 1 || (add != 0 && add != 1) || compute != Compute32F || algorithm != Default || h->mode != DisallowReducedPrecisionReduction ||
			aType != bType || (aType != R32F && aType != R16BF) || (cType != R32F && cType != aType) || !h->workBytes || fault("fail"))
			return NotSupported;
		p = new Product{h, {(uint64_t)a, aType, k, m, lda}, {(uint64_t)b, bType, k, n, ldb}, {(uint64_t)c, cType, m, n, ldc}, add};
		h->products.emplace_back(p);
		stream = h->stream;
	}
	return cuLaunchHostFunc(stream, runProduct, p) ? ExecutionFailed : Success;
}

// yocosim_cublas_handles returns the number of handles that have not been destroyed, for tests.
API int yocosim_cublas_handles() {
	std::lock_guard<std::mutex> guard(lock);
	return (int)handles.size();
}
