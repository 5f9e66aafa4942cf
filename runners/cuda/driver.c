//go:build cuda

// The driver's library is found at run time. The program is linked with its
// symbols unresolved and bound when they are first called (see the Makefile), so
// it also runs where there is no driver, and can say so.

#include "driver.h"

#include <dlfcn.h>
#include <stdio.h>

static void *library;
static char missing[512];
static int init_result = -1;

__attribute__((constructor)) static void find(void) {
	library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_GLOBAL);
	if (!library) snprintf(missing, sizeof missing, "%s", dlerror());
}

// gorgonia.org/cu calls cuInit before main, and ends the program where it
// fails. This one keeps the result for driver_status and always succeeds.
CUresult cuInit(unsigned int flags) {
	if (!library) return CUDA_SUCCESS;
	CUresult (*init)(unsigned int) = (CUresult(*)(unsigned int))dlsym(library, "cuInit");
	if (!init)
		snprintf(missing, sizeof missing, "libcuda.so.1 has no cuInit");
	else
		init_result = init(flags);
	return CUDA_SUCCESS;
}

const char *driver_missing(void) { return missing; }
int driver_init_result(void) { return init_result; }

const char *driver_error_name(int result) {
	const char *name = NULL;
	return library && cuGetErrorName((CUresult)result, &name) == CUDA_SUCCESS ? name : NULL;
}

int driver_shared(void *function, int bytes) {
	return cuFuncSetAttribute((CUfunction)function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
}

int driver_local(void *function, int *bytes) { return cuFuncGetAttribute(bytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, (CUfunction)function); }

int driver_pinned(void **host, size_t bytes) { return cuMemHostAlloc(host, bytes, 0); }

int driver_capture(void *stream) {
	return cuStreamBeginCapture((CUstream)stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

int driver_captured(void *stream, void **exec) {
	CUgraph graph = NULL;
	*exec = NULL;
	int r = cuStreamEndCapture((CUstream)stream, &graph);
	if (r != CUDA_SUCCESS) return r;
	r = cuGraphInstantiateWithFlags((CUgraphExec *)exec, graph, 0);
	int d = cuGraphDestroy(graph);
	return r != CUDA_SUCCESS ? r : d;
}

int driver_graph_launch(void *exec, void *stream) { return cuGraphLaunch((CUgraphExec)exec, (CUstream)stream); }
int driver_graph_destroy(void *exec) { return cuGraphExecDestroy((CUgraphExec)exec); }
