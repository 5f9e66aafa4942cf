//go:build cuda

package cuda

import (
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// TestSharedContext: models share the context and the kernels loaded into it, in whatever order
// they are closed. While the context is held, later models load nothing again.
func TestSharedContext(t *testing.T) {
	loads, contexts := 0, 0
	inject = func(call string) error {
		switch call {
		case callLoad:
			loads++
		case callContext:
			contexts++
		}
		return nil
	}
	defer func() { inject = nil }()
	c := tiny(runners.Transformer)
	run := func() runners.Instance {
		m, err := tried(c, scenario)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, b := run(), run()
	first := loads
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := scenario(b); err != nil {
		t.Errorf("after the other model was closed: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if contexts != 1 || loads != first || first == 0 {
		t.Errorf("%d contexts, %d loads by the first model, %d in all", contexts, first, loads)
	}
	if now := held(); now != (holding{}) {
		t.Errorf("after both were closed the driver holds %+v", now)
	}
	release, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := run().Close(); err != nil {
			t.Fatal(err)
		}
	}
	if contexts != 2 || loads != 2*first {
		t.Errorf("held: %d contexts and %d loads in all, by one model %d", contexts, loads, first)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if now := held(); now != (holding{}) {
		t.Errorf("released, the driver holds %+v", now)
	}
}
