//go:build cuda

package cuda

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"gorgonia.org/cu"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
	"github.com/yocobench/yocobench/runners"
)

// Info describes a GPU.
type Info struct {
	Name string `json:"name"`
	// Capability is the compute capability as 10 major + minor.
	Capability int `json:"capability"`
	// Multiprocessors is the number of multiprocessors, SharedMemory the bytes available to one
	// block.
	Multiprocessors int `json:"multiprocessors"`
	SharedMemory    int `json:"shared_memory"`
	// Memory is its size in bytes.
	Memory int64 `json:"memory"`
	// Driver is the CUDA version that the driver supports, such as "12.4".
	Driver string `json:"driver"`
	// Watched reports whether the driver ends kernels that take seconds, as it does if the GPU
	// drives a display.
	Watched bool `json:"watched,omitempty"`
	// Exclusive reports whether the GPU accepts only one process at a time.
	Exclusive bool `json:"exclusive,omitempty"`
}

// maxSharedOptIn is CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, which gorgonia.org/cu
// does not name.
const maxSharedOptIn cu.DeviceAttribute = 97

// exclusiveProcess is CU_COMPUTEMODE_EXCLUSIVE_PROCESS.
const exclusiveProcess = 3

// Inspect describes the first GPU listed by the driver (CUDA_VISIBLE_DEVICES selects it).
func Inspect() (Info, error) {
	if err := Available(); err != nil {
		return Info{}, err
	}
	_, i, err := inspect()
	return i, err
}

func inspect() (cu.Device, Info, error) {
	i := Info{Driver: cudaVersion(cu.Version())}
	dev, err := cu.GetDevice(0)
	if err != nil {
		return dev, i, failure("the first GPU", err)
	}
	if i.Name, err = dev.Name(); err != nil {
		return dev, i, failure("the GPU's name", err)
	}
	if i.Memory, err = dev.TotalMem(); err != nil {
		return dev, i, failure("the GPU's memory", err)
	}
	var major, minor, watched, mode int
	for _, a := range []struct {
		to   *int
		attr cu.DeviceAttribute
	}{{&major, cu.ComputeCapabilityMajor}, {&minor, cu.ComputeCapabilityMinor}, {&i.Multiprocessors, cu.MultiprocessorCount}, {&i.SharedMemory, maxSharedOptIn},
		{&watched, cu.KernelExecTimeout}, {&mode, cu.ComputeMode}} {
		if *a.to, err = dev.Attribute(a.attr); err != nil {
			return dev, i, failure("the GPU's attributes", err)
		}
	}
	i.Capability, i.Watched, i.Exclusive = 10*major+minor, watched != 0, mode == exclusiveProcess
	return dev, i, nil
}

// device is a stream in the process's context on a GPU, with the kernels of one build. Contexts
// belong to threads, but goroutines move between threads: bind directs the driver calls of a
// goroutine to this context.
type device struct {
	info   Info
	ctx    cu.CUContext
	stream cu.Stream
	set    *kernels.Set
	loaded map[*kernels.Kernel]loaded
	params [kernels.MaxParams]uint64
	argv   [kernels.MaxParams]unsafe.Pointer
	blas   *blas  // nil if cuBLAS is not used
	clock  *model // nil if the time is not needed, and during a pause
	// since lists the kernels enqueued since the last wait for the device.
	since []*kernels.Kernel
	// blocking means that every launch is waited for, so that an error names the kernel.
	blocking bool
}

// launchBlocking is the environment variable that makes the driver wait for each launch.
const launchBlocking = "CUDA_LAUNCH_BLOCKING"

// pause stops the model's clock, after everything enqueued so far, until resume is called. It
// excludes work that is done once per process or context from the model's time.
func (d *device) pause() (resume func()) {
	m := d.clock
	if m == nil {
		return func() {}
	}
	m.count()
	d.clock = nil // a nested pause has no effect
	return func() {
		d.clock = m
		m.restart()
	}
}

// loaded is a kernel in the context.
type loaded struct {
	fn cu.Function
	ok bool
}

// target chooses the kernels for a GPU: those of tier, or the best that it can run. With a target
// as tier, its kernels compute everything; with TierCUBLAS, cuBLAS computes what it can.
func (i Info) target(tier string) (target, why string, err error) {
	best := ""
	for _, t := range kernels.Targets() {
		switch {
		case t == "sm_90a" && i.Capability == 90:
			best, why = t, "the GPU has compute capability 9.0"
		case t == "sm_80" && best == "" && i.Capability >= 80:
			best, why = t, fmt.Sprintf("runs on compute capability %d.%d", i.Capability/10, i.Capability%10)
		}
	}
	switch {
	case best == "":
		return "", "", fmt.Errorf("%w: %s has compute capability %d.%d, and the kernels need 8.0", runners.ErrUnsupported, i.Name, i.Capability/10, i.Capability%10)
	case tier == "" || tier == best:
		return best, why, nil
	case tier == "sm_80":
		return tier, "requested", nil
	case tier == TierCUBLAS:
		return best, why + ", with products by cuBLAS as requested", nil
	}
	return "", "", fmt.Errorf("no kernel tier %q on %s: it can run %s, sm_80 and %s", tier, i.Name, best, TierCUBLAS)
}

// openDevice makes a context and its stream.
func openDevice(build, tier string) (d *device, err error) {
	if err := Available(); err != nil {
		return nil, err
	}
	dev, info, err := inspect()
	if err != nil {
		return nil, err
	}
	target, _, err := info.target(tier)
	if err != nil {
		return nil, err
	}
	d = &device{info: info, loaded: map[*kernels.Kernel]loaded{}, blocking: os.Getenv(launchBlocking) == "1"}
	if d.set, err = kernels.Choose(build, target); err != nil {
		return nil, err
	}
	for i := range d.argv {
		d.argv[i] = unsafe.Pointer(&d.params[i])
	}
	if d.ctx, err = shared.hold(dev); err != nil {
		return nil, failure("a context on "+info.Name, err)
	}
	defer d.bind()()
	if d.stream, err = cu.MakeStream(cu.NonBlocking); err != nil {
		return nil, errors.Join(failure("a stream", err), shared.release())
	}
	return d, nil
}

// sharedContext is the context shared by all models of the process, with the kernels loaded into
// it. It is created on first use and destroyed when its last user releases it.
type sharedContext struct {
	sync.Mutex
	ctx     cu.CUContext
	held    int
	modules map[*kernels.Kernel]cu.Module
}

var shared sharedContext

// hold returns the context. Call release when it is no longer needed.
func (c *sharedContext) hold(dev cu.Device) (cu.CUContext, error) {
	c.Lock()
	defer c.Unlock()
	if c.held == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := attempt(callContext)
		if err == nil {
			c.ctx, err = dev.MakeContext(cu.SchedAuto)
		}
		if err != nil {
			return c.ctx, err
		}
		c.modules = map[*kernels.Kernel]cu.Module{}
		if _, err := cu.PopCurrentCtx(); err != nil {
			return c.ctx, errors.Join(err, c.ctx.Destroy())
		}
	}
	c.held++
	return c.ctx, nil
}

// release destroys the context, with its kernels, if it has no other users.
func (c *sharedContext) release() error {
	c.Lock()
	defer c.Unlock()
	if c.held--; c.held > 0 {
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = cu.SetCurrentContext(c.ctx) // an invalid context fails the calls that follow
	var first error
	for _, m := range c.modules {
		first = cmp.Or(first, failure("unload kernels", m.Unload()))
	}
	c.modules = nil
	return cmp.Or(first, failure("destroy the context", c.ctx.Destroy()))
}

// Hold keeps the process's context on the GPU, with its loaded kernels, until release is called, so
// that models loaded one after another need not load kernels again.
func Hold() (release func() error, err error) {
	if err := Available(); err != nil {
		return nil, err
	}
	dev, info, err := inspect()
	if err != nil {
		return nil, err
	}
	if _, err := shared.hold(dev); err != nil {
		return nil, failure("a context on "+info.Name, err)
	}
	return shared.release, nil
}

// bind directs the driver calls of this goroutine to the context until the returned function is
// called.
func (d *device) bind() func() {
	runtime.LockOSThread()
	_ = cu.SetCurrentContext(d.ctx) // an invalid context fails the call that follows
	return runtime.UnlockOSThread
}

// close frees everything that the device holds in the context.
func (d *device) close() error {
	if d == nil || d.ctx == (cu.CUContext{}) {
		return nil
	}
	defer d.bind()()
	var first error
	keep := func(what string, err error) {
		if first == nil {
			first = failure(what, err)
		}
	}
	keep("destroy the stream", d.stream.Destroy())
	d.ctx, d.loaded = cu.CUContext{}, nil
	return cmp.Or(first, shared.release())
}

// function returns the function of a kernel, loading it on first use.
func (d *device) function(k *kernels.Kernel) (cu.Function, error) {
	if f := d.loaded[k]; f.ok {
		return f.fn, nil
	}
	if k.Shared > d.info.SharedMemory {
		return cu.Function{}, fmt.Errorf("%w: the kernel %s for %s needs %d bytes of shared memory in a block, and %s has %d",
			runners.ErrUnsupported, k.Name, d.set.Target, k.Shared, d.info.Name, d.info.SharedMemory)
	}
	defer d.pause()()
	m, err := shared.module(d, k)
	if err != nil {
		return cu.Function{}, err
	}
	fn, err := m.Function(k.Name)
	if err != nil {
		return fn, failure("find the kernel "+k.Name, err)
	}
	if k.Shared > 48<<10 {
		if err := setShared(fn, k.Shared); err != nil {
			return fn, failure(fmt.Sprintf("give the kernel %s %d bytes of shared memory", k.Name, k.Shared), err)
		}
	}
	d.loaded[k] = loaded{fn, true}
	return fn, nil
}

// module loads a kernel's cubin if it has one that this driver and GPU accept, otherwise its PTX,
// which the driver compiles.
func (d *device) module(k *kernels.Kernel) (m cu.Module, cubin bool, err error) {
	if k.Cubin != "" {
		image, err := k.CubinImage()
		if err == nil {
			m, err = loadImage(image)
		}
		if r := codeOf(err); r != driverError(cu.InvalidImage) && r != noBinaryForGPU {
			return m, err == nil, err
		}
	}
	text, err := k.PTX()
	if err == nil {
		m, err = loadImage(text)
	}
	return m, false, err
}

// noBinaryForGPU is CUDA_ERROR_NO_BINARY_FOR_GPU, which gorgonia.org/cu does not name.
const noBinaryForGPU driverError = 209

func loadImage(image string) (m cu.Module, err error) {
	if err = attempt(callLoad); err == nil {
		m, err = cu.LoadData(image)
	}
	return m, err
}

// Loaded describes how the kernels of a build were loaded onto the GPU.
type Loaded struct {
	// Kernels is the number of kernels loaded, and Cubins the number of those loaded as cubins,
	// which were compiled ahead of time; the driver compiled the PTX of the others.
	Kernels int `json:"kernels"`
	Cubins  int `json:"cubins"`
	// Spills lists the kernels that spill registers to local memory, which is in device memory.
	Spills []string `json:"spills,omitempty"`
	// Note warns of a driver that compiles the kernels badly.
	Note string `json:"note,omitempty"`
}

// String describes where the code comes from.
func (l Loaded) String() string {
	from := fmt.Sprintf("%d of %d compiled ahead of time (cubins), the others from PTX compiled by the driver", l.Cubins, l.Kernels)
	switch l.Cubins {
	case l.Kernels:
		from = "compiled ahead of time (cubins)"
	case 0:
		from = "PTX compiled by the driver"
	}
	if l.Note != "" {
		from += "; " + l.Note
	}
	return from
}

// wgmmaDriver is the CUDA version of the first driver that compiles the attention kernels for
// sm_90a without serializing their wgmma instructions.
const wgmmaDriver = 12040

// Load loads at most most kernels (0: all) of the build and tier of opts, in the way that a model
// does.
func Load(opts runners.Options, most int) (l Loaded, err error) {
	d, err := openDevice(opts.Weights.String(), opts.Tier)
	if err != nil {
		return l, err
	}
	defer func() {
		if e := d.close(); err == nil {
			err = e
		}
	}()
	defer d.bind()()
	var modules []cu.Module
	defer func() {
		for _, m := range modules {
			_ = m.Unload()
		}
	}()
	for _, k := range d.set.All() {
		if most > 0 && l.Kernels == most {
			break
		}
		if k.Shared > d.info.SharedMemory {
			continue
		}
		m, cubin, err := d.module(k)
		if err != nil {
			return l, d.failure("load the kernel "+k.File, err)
		}
		modules = append(modules, m)
		l.Kernels++
		if cubin {
			l.Cubins++
		}
		fn, err := m.Function(k.Name)
		if err != nil {
			return l, d.failure("find the kernel "+k.Name, err)
		}
		bytes, err := localBytes(fn)
		if err != nil {
			return l, d.failure("the memory of a thread of the kernel "+k.Name, err)
		}
		if bytes > 0 {
			l.Spills = append(l.Spills, fmt.Sprintf("%s (%d bytes)", k.Name, bytes))
		}
	}
	if v := cu.Version(); d.set.Target == "sm_90a" && l.Cubins < l.Kernels && v < wgmmaDriver {
		l.Note = fmt.Sprintf("this driver, for CUDA %s, compiles attention to slow code; use one for %s or later", cudaVersion(v), cudaVersion(wgmmaDriver))
	}
	return l, nil
}

// module returns a kernel's module in the context, loading it on first use. The context must be
// bound.
func (c *sharedContext) module(d *device, k *kernels.Kernel) (cu.Module, error) {
	c.Lock()
	defer c.Unlock()
	m, ok := c.modules[k]
	if ok {
		return m, nil
	}
	m, _, err := d.module(k)
	if err != nil {
		return m, failure("load the kernel "+k.File, err)
	}
	c.modules[k] = m
	return m, nil
}

// launch enqueues a call. The context must be bound.
func (d *device) launch(c *kernels.Call) error {
	if c.Kernel == cublasGemm {
		return d.blas.multiply(c)
	}
	fn, err := d.function(c.Kernel)
	if err != nil {
		return err
	}
	copy(d.params[:], c.Params[:c.N])
	if err = attempt(callLaunch); err == nil {
		err = fn.Launch(int(c.Grid[0]), int(c.Grid[1]), int(c.Grid[2]), c.Kernel.Threads, 1, 1, c.Kernel.Shared, d.stream, d.argv[:c.N])
	}
	if err == nil && d.blocking {
		if err = d.stream.Synchronize(); err != nil {
			return failure("the kernel "+c.Kernel.Name, err)
		}
	}
	if err != nil {
		return d.failure("launch "+c.Kernel.Name, err)
	}
	if launched != nil {
		launched(c.Kernel)
	}
	if !d.blocking {
		d.enqueued(c.Kernel)
	}
	return nil
}

// enqueued records a kernel that has not been waited for.
func (d *device) enqueued(k *kernels.Kernel) {
	if !slices.Contains(d.since, k) {
		d.since = append(d.since, k)
	}
}

// waited handles the result of a wait for everything enqueued.
func (d *device) waited(err error) error {
	if err == nil {
		d.since = d.since[:0]
	}
	return d.failure("wait for the device", err)
}

// failure is like the function failure; if the device is lost, it names the kernels that may have
// caused it.
func (d *device) failure(what string, err error) error {
	if slices.Contains(losing, codeOf(err)) && len(d.since) > 0 {
		var names []string
		for _, k := range d.since {
			names = append(names, k.Name)
		}
		what = "one of the kernels " + strings.Join(names, ", ") + " (" + launchBlocking + "=1 in the environment shows which)"
	}
	return failure(what, err)
}

// launched, if not nil, is called for every kernel launch (tests).
var launched func(k *kernels.Kernel)

// sync waits for everything enqueued.
func (d *device) sync() error {
	defer d.bind()()
	return d.wait()
}

// wait is sync with the context already bound.
func (d *device) wait() error {
	err := attempt(callSync)
	if err == nil {
		err = d.stream.Synchronize()
	}
	return d.waited(err)
}

// memoryInfo returns the GPU's memory as reported by the driver: bytes free, and the total.
func (d *device) memoryInfo() (free, total int64, err error) {
	defer d.bind()()
	free, total, err = cu.MemInfo()
	return free, total, failure("the device's memory", err)
}
