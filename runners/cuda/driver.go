//go:build cuda

package cuda

// #cgo LDFLAGS: -ldl
// #include "driver.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
)

// minimumDriver is the CUDA version, as 1000 major + 10 minor, that the driver must support: the
// kernels' PTX is version 8.0.
const minimumDriver = 12000

// Available returns nil if a GPU can be used, otherwise an error that says what is missing.
func Available() error {
	if m := C.GoString(C.driver_missing()); m != "" {
		return fmt.Errorf("no NVIDIA driver: %s", m)
	}
	switch r := int(C.driver_init_result()); r {
	case 0:
	case int(cu.NoDevice):
		return errors.New("the NVIDIA driver finds no GPU")
	default:
		return fmt.Errorf("the NVIDIA driver does not start: %w", driverError(r))
	}
	if v := cu.Version(); v < minimumDriver {
		return fmt.Errorf("the NVIDIA driver is for CUDA %s, and %s is needed: update the driver", cudaVersion(v), cudaVersion(minimumDriver))
	}
	n, err := cu.NumDevices()
	if err != nil {
		return fmt.Errorf("the NVIDIA driver lists no GPUs: %w", err)
	}
	if n < 1 {
		return errors.New("the NVIDIA driver finds no GPU")
	}
	return nil
}

func cudaVersion(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }

// driverError is a CUresult of a call that gorgonia.org/cu lacks.
type driverError int

func (e driverError) Error() string {
	if name := C.GoString(C.driver_error_name(C.int(e))); name != "" {
		return name
	}
	return fmt.Sprintf("CUDA error %d", int(e))
}

func resultOf(r C.int) error {
	if r == 0 {
		return nil
	}
	return driverError(r)
}

// Is reports whether target is the same error of gorgonia.org/cu.
func (e driverError) Is(target error) bool { return codeOf(target) == e }

// codeOf returns the CUresult of an error of the driver, whichever package made it; 0 for other
// errors.
func codeOf(err error) driverError {
	if e, ok := err.(driverError); ok {
		return e
	}
	if v := reflect.ValueOf(err); err != nil && v.Type() == reflect.TypeOf(cu.LaunchFailed) {
		return driverError(v.Int())
	}
	return 0
}

// losing lists the errors after which a process can no longer use the GPU: the driver returns them
// to every later call.
var losing = []driverError{driverError(cu.EccUncorrectable), driverError(cu.NvlinkUncorrectable), driverError(cu.IllegalAddress), driverError(cu.LaunchTimeout),
	driverError(cu.Assert), driverError(cu.HardwareStackError), driverError(cu.IllegalInstruction), driverError(cu.MisalignedAddress),
	driverError(cu.InvalidAddressSpace), driverError(cu.InvalidPc), driverError(cu.LaunchFailed), driverError(cu.Unknown)}

// deviceUnavailable is CUDA_ERROR_DEVICE_UNAVAILABLE, which gorgonia.org/cu does not name.
const deviceUnavailable driverError = 46

// Environment describes those of the driver's environment variables that are set and affect timing.
func Environment() (out []string) {
	for _, v := range []struct{ name, means string }{
		{launchBlocking, "each launch is waited for: speeds are meaningless"},
		{"CUDA_FORCE_PTX_JIT", "the driver compiles kernels when it loads them, ignoring its cache"},
		{"CUDA_CACHE_DISABLE", "the driver does not cache compiled kernels: every process compiles them again"},
	} {
		if s := os.Getenv(v.name); s != "" && s != "0" {
			out = append(out, fmt.Sprintf("%s=%s: %s", v.name, s, v.means))
		}
	}
	return out
}

// failure returns an error that says what the driver could not do, with the driver's name for the
// error. It wraps runners.ErrOutOfMemory if memory ran out, and runners.ErrDeviceLost if this
// process has lost the GPU.
func failure(what string, err error) error {
	if err == nil {
		return nil
	}
	code := codeOf(err)
	switch {
	case code == driverError(cu.OutOfMemory):
		return fmt.Errorf("%w: %s", runners.ErrOutOfMemory, what)
	case slices.Contains(losing, code):
		return fmt.Errorf("%w: %s: %w", runners.ErrDeviceLost, what, code)
	case code == driverError(cu.JitCompilerNotFound):
		return fmt.Errorf("%s: %w: libnvidia-ptxjitcompiler.so.1 is missing; it is part of the driver, and available in a container only with the capability \"compute\" (NVIDIA_DRIVER_CAPABILITIES)", what, code)
	case code == deviceUnavailable:
		return fmt.Errorf("%s: %w: another process uses the GPU, which accepts one at a time (nvidia-smi -c DEFAULT changes that)", what, code)
	case code != 0:
		return fmt.Errorf("%s: %w", what, code)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// inject, if not nil, is called before each call that can fail at run time, and may return an error
// instead of it (tests).
var inject func(call string) error

// The names of the calls passed to inject.
const (
	callContext = "context"
	callAlloc   = "allocation"
	callPinned  = "pinned memory"
	callEvent   = "event"
	callCopy    = "copy"
	callLoad    = "load"
	callLaunch  = "launch"
	callCapture = "capture"
	callGraph   = "graph"
	callSync    = "sync"
	callCUBLAS  = "cuBLAS"
)

func attempt(call string) error {
	if inject != nil {
		return inject(call)
	}
	return nil
}

// setShared lets a function use more dynamic shared memory than the default 48 KiB.
func setShared(f cu.Function, bytes int) error {
	return resultOf(C.driver_shared(*(*unsafe.Pointer)(unsafe.Pointer(&f)), C.int(bytes)))
}

// localBytes returns the local memory of a thread of a function, in bytes.
func localBytes(f cu.Function) (int, error) {
	var n C.int
	err := resultOf(C.driver_local(*(*unsafe.Pointer)(unsafe.Pointer(&f)), &n))
	return int(n), err
}

// pinned allocates host memory for asynchronous copies.
func pinned(bytes int) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	if err := attempt(callPinned); err != nil {
		return nil, err
	}
	err := resultOf(C.driver_pinned(&p, C.size_t(bytes)))
	return p, err
}

func beginCapture(s cu.Stream) error {
	if err := attempt(callCapture); err != nil {
		return err
	}
	return resultOf(C.driver_capture(unsafe.Pointer(s.C())))
}

// endCapture makes an executable graph of everything enqueued since beginCapture.
func endCapture(s cu.Stream) (graph unsafe.Pointer, err error) {
	err = resultOf(C.driver_captured(unsafe.Pointer(s.C()), &graph))
	if err == nil {
		err = attempt(callGraph)
	}
	return graph, err
}

func launchGraph(graph unsafe.Pointer, s cu.Stream) error {
	if err := attempt(callLaunch); err != nil {
		return err
	}
	return resultOf(C.driver_graph_launch(graph, unsafe.Pointer(s.C())))
}

func makeEvent(flags cu.EventFlags) (cu.Event, error) {
	if err := attempt(callEvent); err != nil {
		return cu.Event{}, failure("make an event", err)
	}
	e, err := cu.MakeEvent(flags)
	return e, failure("make an event", err)
}

// destroyEvent destroys an event, if there is one.
func destroyEvent(e *cu.Event) {
	if *e != (cu.Event{}) {
		_ = cu.DestroyEvent(e)
	}
}

// The copies below are enqueued on a stream. Host memory must be pinned.
func copyIn(to cu.DevicePtr, from unsafe.Pointer, bytes int64, s cu.Stream) error {
	err := attempt(callCopy)
	if err == nil {
		err = cu.MemcpyHtoDAsync(to, from, bytes, s)
	}
	return failure("copy to the device", err)
}

// copiedOut, if not nil, is called for every copy to the host (tests).
var copiedOut func(bytes int64)

func copyOut(to unsafe.Pointer, from cu.DevicePtr, bytes int64, s cu.Stream) error {
	if copiedOut != nil {
		copiedOut(bytes)
	}
	err := attempt(callCopy)
	if err == nil {
		err = cu.MemcpyDtoHAsync(to, from, bytes, s)
	}
	return failure("copy from the device", err)
}

func copyWithin(to, from cu.DevicePtr, bytes int64, s cu.Stream) error {
	err := attempt(callCopy)
	if err == nil {
		err = cu.MemcpyDtoDAsync(to, from, bytes, s)
	}
	return failure("copy within the device", err)
}

func destroyGraph(graph unsafe.Pointer) error { return resultOf(C.driver_graph_destroy(graph)) }
