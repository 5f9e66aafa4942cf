#pragma once
#include <cuda.h>

const char *driver_missing(void);
int driver_init_result(void);
const char *driver_error_name(int result); // NULL where the driver has none
int driver_shared(void *function, int bytes);
int driver_local(void *function, int *bytes);
int driver_pinned(void **host, size_t bytes);
int driver_capture(void *stream);
int driver_captured(void *stream, void **exec);
int driver_graph_launch(void *exec, void *stream);
int driver_graph_destroy(void *exec);
