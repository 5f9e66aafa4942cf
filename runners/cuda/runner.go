//go:build cuda

package cuda

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorgonia.org/cu"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/arch"
)

// Runner runs models on the first GPU listed by the driver.
type Runner struct{}

// New returns the CUDA runner. Available reports whether it can be used.
func New() *Runner { return &Runner{} }

// Name is "cuda".
func (*Runner) Name() string { return "cuda" }

// Device describes the GPU, with the default kernels of Load.
func (*Runner) Device() runners.Device {
	d, _ := Describe(runners.Options{})
	return d
}

// Describe describes the GPU with the kernels and memory that Load uses for opts.
func Describe(opts runners.Options) (runners.Device, error) {
	d := runners.Device{Kind: "cuda", Memory: opts.MemoryBudget}
	i, err := Inspect()
	if err != nil {
		return d, err
	}
	d.Name = i.Name
	if d.Memory <= 0 || d.Memory > i.Memory {
		d.Memory = i.Memory
	}
	d.Room = d.Memory - d.Memory/10 // the rest is for contexts, kernels and cuBLAS
	d.Tier, d.Why, err = i.target(opts.Tier)
	return d, err
}

// Load lays out the weights on the GPU and makes the model. Weights, keys and values are all
// float32 or all bfloat16. With bfloat16 the residual stream, sums, retention states and logits are
// still float32, and intermediate results inside a block are bfloat16.
func (*Runner) Load(cfg runners.Config, w runners.Weights, opts runners.Options) (runners.Instance, error) {
	if err := Supports(cfg, opts); err != nil {
		return nil, err
	}
	o, err := newOps(opts)
	if err != nil {
		return nil, err
	}
	m, err := arch.New(cfg, w, o, opts)
	if err != nil {
		return nil, err // New has closed ops
	}
	c := &model{Model: m.(*arch.Model), o: o}
	if err := c.startClock(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	o.d.clock = c
	return c, nil
}

// model is an arch.Model that reports the device's time.
type model struct {
	*arch.Model
	o *ops
	// last is the event up to which passed counts; next is a spare event.
	last, next cu.Event
	passed     float64 // milliseconds
	// fed holds the tokens of a greedy step.
	fed []int
}

func (m *model) startClock() (err error) {
	defer m.o.d.bind()()
	for _, e := range []*cu.Event{&m.last, &m.next} {
		if *e, err = makeEvent(cu.DefaultEvent); err != nil {
			return err
		}
	}
	return failure("record an event", m.last.Record(m.o.d.stream))
}

// Now implements runners.Clock with events of the device, after everything enqueued. The time
// between two events is float32 in milliseconds, so it is summed over short intervals to keep its
// precision.
func (m *model) Now() time.Duration {
	m.o.check(m.o.flush(true))
	m.count()
	return time.Duration(m.passed * float64(time.Millisecond))
}

// count adds the time until everything enqueued is done.
func (m *model) count() {
	defer m.o.d.bind()()
	err := m.next.Record(m.o.d.stream)
	if err == nil {
		err = m.o.d.waited(m.next.Synchronize())
	}
	var ms float64
	if err == nil {
		ms, err = m.last.Elapsed(m.next)
	}
	if m.o.check(failure("read the device's clock", err)) {
		m.passed += ms
		m.last, m.next = m.next, m.last
	}
}

// restart starts a new interval: the time since the last count is excluded.
func (m *model) restart() {
	defer m.o.d.bind()()
	m.o.check(failure("record an event", m.last.Record(m.o.d.stream)))
}

// Greedy implements runners.Greedy. It copies 4 bytes per sequence to the host.
func (m *model) Greedy(ctx context.Context, ss []runners.Sequence, tokens, out []int) error {
	if len(out) != len(ss) {
		return fmt.Errorf("a greedy step needs room for as many tokens as sequences, got %d and %d", len(out), len(ss))
	}
	m.fed = append(m.fed[:0], tokens...) // out may alias tokens
	l, err := m.BeginStep(ctx, ss, m.fed)
	if err != nil {
		return err
	}
	if err := m.o.argmax(l, out); err != nil {
		return err
	}
	m.EndStep(ss, m.fed)
	return nil
}

// AlgorithmLog implements runners.Chooser.
func (m *model) AlgorithmLog() []string { return m.o.choices() }

// DeviceMemory returns the GPU's memory as reported by the driver: bytes in use by any process, and
// the total.
func (m *model) DeviceMemory() (used, total int64, err error) {
	free, total, err := m.o.d.memoryInfo()
	return total - free, total, err
}

func (m *model) Close() error {
	unbind := m.o.d.bind()
	destroyEvent(&m.last)
	destroyEvent(&m.next)
	unbind()
	return m.Model.Close()
}
