//go:build cuda

package cuda

import (
	"slices"
	"unsafe"

	kernels "github.com/yocobench/yocobench/kernels/cuda"
)

// queue sends calls to the device.
//
// A pass over many rows launches each call at once, because the device is busy for longer than a
// launch takes. In a pass of single rows (a decode step) it is not, so calls are collected until
// their result is needed. If the list of calls equals that of the preceding pass, it is captured as
// a graph; if it equals that of the graph, the graph is launched with one driver call. Data that
// change from step to step are not parameters of calls; they are in the arena, at the same
// addresses.
type queue struct {
	d *device
	// deferred means that calls are collected.
	deferred bool
	list     []kernels.Call
	// last is the list of the preceding deferred pass; graph, if not nil, was made from it.
	last  []kernels.Call
	graph unsafe.Pointer
	// whole is false once a part of the current pass was launched separately.
	whole bool

	// Counters for tests: single launches, graphs made and graphs launched.
	launched, captured, replayed int
}

// call enqueues c. The caller may reuse c.
func (q *queue) call(c *kernels.Call) error {
	if q.deferred {
		q.list = append(q.list, *c)
		return nil
	}
	defer q.d.bind()()
	q.launched++
	return q.d.launch(c)
}

// begin starts a pass; the list must be empty.
func (q *queue) begin(deferred bool) { q.deferred, q.whole = deferred, true }

// flush launches the collected calls. end is true at the end of a pass.
func (q *queue) flush(end bool) error {
	if len(q.list) == 0 {
		return nil
	}
	defer q.d.bind()()
	if !end {
		q.whole = false
	}
	same := q.whole && !q.d.blocking && slices.Equal(q.list, q.last)
	switch {
	case same && q.graph != nil:
		for i := range q.list {
			q.d.enqueued(q.list[i].Kernel)
		}
		q.list = q.list[:0]
		q.replayed++
		return failure("launch the graph of a step", launchGraph(q.graph, q.d.stream))
	case same:
		return q.capture()
	}
	err := q.launchAll()
	q.drop()
	if q.whole && err == nil {
		q.last, q.list = q.list, q.last
	}
	q.list = q.list[:0]
	return err
}

func (q *queue) launchAll() error {
	for i := range q.list {
		if err := q.d.launch(&q.list[i]); err != nil {
			return err
		}
	}
	q.launched += len(q.list)
	return nil
}

// capture makes a graph of the list and launches it. All its kernels are loaded, because they ran
// before.
func (q *queue) capture() error {
	defer func() { q.list = q.list[:0] }()
	if err := beginCapture(q.d.stream); err != nil {
		return failure("capture a step", err)
	}
	err := q.launchAll()
	graph, endErr := endCapture(q.d.stream)
	if err == nil {
		err = failure("make a graph of a step", endErr)
	}
	if err != nil {
		if graph != nil {
			_ = destroyGraph(graph)
		}
		q.drop()
		return err
	}
	q.captured++
	q.graph = graph
	return failure("launch the graph of a step", launchGraph(graph, q.d.stream))
}

// drop discards the graph and the list that it was made from.
func (q *queue) drop() {
	if q.graph != nil {
		_ = destroyGraph(q.graph) // a running graph is freed when it ends
		q.graph = nil
	}
	q.last = q.last[:0]
}

// close discards everything.
func (q *queue) close() {
	defer q.d.bind()()
	q.drop()
	q.list = nil
}
