package reports

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// TestLargeGridsShowAllModels draws a grid of 100000 cells, of which the cases of the models follow
// each other.
func TestLargeGridsShowAllModels(t *testing.T) {
	j := &result.Journal{Runs: []result.Run{{Suite: "cells"}}}
	for m := range 3 {
		for length := range 100 {
			for depth := range 333 {
				r := record("needle", fmt.Sprint("m", m), "yoco-gret", "needle", map[string]any{"kind": "single", "length": float64(length + 1), "depth": float64(depth) / 332, "trials": 1.0})
				r.Metrics = map[string]result.Metric{"exact": {Value: 1, Unit: "fraction"}}
				j.Records = append(j.Records, r)
			}
		}
	}
	g := newView(context.Background(), j, nil).groups[0]
	if len(g.records) > maxDrawn || len(g.records) < maxDrawn/2 || len(g.models) != 3 {
		t.Errorf("%d records of the models %v", len(g.records), g.models)
	}
	of := map[string]int{}
	for _, r := range g.records {
		of[r.Model]++
	}
	if lengths, depths := numbers(g.records, "length"), numbers(g.records, "depth"); of["m0"] != of["m2"] || len(lengths) != 100 || depths[0] != 0 || depths[len(depths)-1] != 1 {
		t.Errorf("records by model %v, %d lengths, depths from %g to %g", of, len(lengths), depths[0], depths[len(depths)-1])
	}
	if !strings.Contains(g.describe(), "66 of 333 depths, evenly spaced; all are in results.csv") {
		t.Errorf("the group is described as %q", g.describe())
	}
}
