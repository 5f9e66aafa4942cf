package reports

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/yocobench/yocobench/suites/result"
)

// This file turns groups into figures of curves.

// keysOf is the legend of models, in order.
func keysOf(looks map[string]style, models []string) (out []key) {
	for _, m := range models {
		out = append(out, key{style: looks[m], name: label(m)})
	}
	return out
}

// hint is what a point tells on hover.
func hint(name, at, value, bounds string) string {
	s := name + "\n" + at + ": " + value
	if bounds != "" {
		s += "\n95 %: " + bounds
	}
	return s
}

// spreadFigure draws accuracy against length, a panel for each number of needles.
// With one length only, it draws accuracy against the number of needles.
func (v *view) spreadFigure(g *group) *figure {
	lengths, spreads := g.spreads()
	if len(lengths) == 0 {
		return nil
	}
	f := &figure{id: g.id, title: joined("Needle in a haystack", g.name), subtitle: joined("exact score with 95 % intervals", trialsText(g.records), g.describe()), legend: keysOf(v.looks(g.models), g.models)}
	looks := v.looks(g.models)
	f.alt = f.title + ": accuracy by context length; the values stand in the table below."
	var counts []float64
	for _, s := range spreads {
		if !slices.Contains(counts, s.needles) {
			counts = append(counts, s.needles)
		}
	}
	if len(lengths) == 1 && len(counts) > 1 {
		c := &chart{x: axis{label: "needles", log: true, binary: true, unit: "tokens"}, y: axis{label: "exact score", unit: "fraction"}, tall: 150}
		for _, m := range g.models {
			l := curveLine{style: looks[m], bars: true}
			for _, s := range spreads {
				if s.model == m {
					l.point(s.at[0], "exact", s.needles, joined(label(m), tokens(lengths[0])), tokens(s.needles)+" needles")
				}
			}
			c.add(l)
		}
		f.rows = [][]panel{{c}}
		return f.ready(c)
	}
	var all []*chart
	columns := min(len(counts), 2)
	for i, n := range counts {
		c := &chart{x: axis{label: "context length (tokens)", log: true, binary: true, unit: "tokens"}, y: axis{label: "exact score", unit: "fraction"}, tall: 105}
		if n != 0 {
			c.title = tokens(n) + map[bool]string{true: " needle", false: " needles"}[n == 1]
		}
		c.y.quiet = i%columns > 0
		c.x.quiet = i+columns < len(counts)
		for _, s := range spreads {
			if s.needles != n {
				continue
			}
			l := curveLine{style: looks[s.model], bars: true}
			for k, r := range s.at {
				l.point(r, "exact", lengths[k], label(s.model), tokens(lengths[k]))
			}
			c.add(l)
		}
		c.y.see(0)
		c.y.see(1)
		all = append(all, c)
	}
	sameRange(all)
	for i := 0; i < len(all); i += columns {
		var row []panel
		for _, c := range all[i:min(i+columns, len(all))] {
			row = append(row, c)
		}
		f.rows = append(f.rows, row)
	}
	return f.ready(all...)
}

// point adds a record's metric to a curve, or why it has none.
func (l *curveLine) point(r *result.Record, name string, x float64, who, where string) {
	m, ok := metric(r, name)
	if !ok {
		if words := short(r); words != "" && r.Status != result.OK {
			l.lost = append(l.lost, x)
			l.reasons = append(l.reasons, hint(who, where, words, ""))
		}
		return
	}
	l.x, l.y = append(l.x, x), append(l.y, m.Value)
	lo, hi := m.Value, m.Value
	bounds := ""
	if m.Lo != nil && m.Hi != nil {
		lo, hi, bounds = *m.Lo, *m.Hi, interval(m)
	}
	l.lo, l.hi = append(l.lo, lo), append(l.hi, hi)
	l.hints = append(l.hints, hint(who, where, withUnit(m.Value, m.Unit), bounds))
}

// withUnit is amount with the unit's name where amount leaves it out.
func withUnit(v float64, unit string) string {
	s := amount(v, unit)
	switch unit {
	case "tokens/s", "nats/token", "bits/byte", "tokens", "nats":
		s += " " + unit
	}
	return s
}

// sameRange gives charts beside each other the same axes.
func sameRange(all []*chart) {
	for _, pick := range []func(*chart) *axis{func(c *chart) *axis { return &c.x }, func(c *chart) *axis { return &c.y }} {
		for _, a := range all {
			for _, b := range all {
				if from := pick(a); from.some {
					pick(b).see(from.lo)
					pick(b).see(from.hi)
				}
			}
		}
	}
}

// ready completes a figure: nil when its charts show nothing, and with the
// legend entry for crosses where there are any.
func (f *figure) ready(charts ...*chart) *figure {
	empty, lost := true, false
	for _, c := range charts {
		empty = empty && c.empty()
		for _, l := range c.lines {
			lost = lost || len(l.lost) > 0
		}
	}
	if empty {
		return nil
	}
	if lost {
		f.legend = append(f.legend, key{cross: true, name: "no result (oom, over budget, …)"})
	}
	return f
}

// figures leaves out the empty ones.
func figures(all ...*figure) []*figure {
	return slices.DeleteFunc(all, func(f *figure) bool { return f == nil })
}

// nllFigures draws a corpus: loss by position with its fit, cumulatively, and parted by AR-hit and first-occur.
func (v *view) nllFigures(g *group) []*figure {
	loss := func(title string, tall vg.Length) *chart {
		return &chart{title: title, tall: tall, x: axis{label: "position n (tokens)", log: true, binary: true, unit: "tokens"}, y: axis{label: "nats per token", unit: "nats/token"}}
	}
	bucket, cumulative := loss("Loss at each position, with power-law fit", 165), loss("Mean loss up to a context length", 135)
	cumulative.x.label = "context length (tokens)"
	hit, first := loss("AR-hit tokens", 120), loss("First-occur tokens", 120)
	f := &figure{id: g.id, title: joined("Loss over long contexts", g.name), subtitle: joined("bands: 95 % over documents", g.describe())}
	split := &figure{id: g.id + "-split", title: joined("Loss by kind of token", g.name), subtitle: joined("bands: 95 % over documents", g.describe())}
	looks := v.looks(g.models)
	var fits []key
	var shown []string
	for _, r := range g.records {
		st, name := looks[r.Model], label(r.Model)
		add := func(c *chart, curve string, x string) bool {
			s, ok := series(r, curve)
			if !ok {
				return false
			}
			l := curveLine{style: st, x: s.X, y: s.Y, lo: s.Lo, hi: s.Hi, fine: len(s.X) > 12}
			for i := range s.X {
				bounds := ""
				if s.Lo != nil {
					bounds = sig4(s.Lo[i]) + "–" + sig4(s.Hi[i])
				}
				l.hints = append(l.hints, hint(name, x+" "+tokens(s.X[i]), sig4(s.Y[i])+" nats/token", bounds))
			}
			c.add(l)
			return true
		}
		any := add(bucket, "nll_bucket", "position")
		any = add(cumulative, "nll_cumulative", "context") || any
		any = add(hit, "ar_hit_bucket", "position") || any
		any = add(first, "first_occur_bucket", "position") || any
		if any {
			shown = append(shown, r.Model)
		}
		if s, ok := series(r, "nll_fit"); ok {
			bucket.add(curveLine{style: st, x: s.X, y: s.Y, dotted: true})
			fits = append(fits, key{style: st, dotted: true, apart: len(fits) == 0, name: fitName(r)})
		}
	}
	f.legend = append(keysOf(looks, shown), fits...)
	split.legend = keysOf(looks, shown)
	for _, c := range []*chart{bucket, cumulative} {
		if !c.empty() {
			f.rows = append(f.rows, []panel{c})
		}
	}
	f.alt = f.title + ": loss in nats per token by position and up to each context length; cumulative values stand in the table below."
	split.alt = split.title + ": loss in nats per token by position."
	split.rows = [][]panel{{hit, first}}
	return figures(f.ready(bucket, cumulative), split.ready(hit, first))
}

// fitName is a power law with its parameters.
func fitName(r *result.Record) string {
	a, okA := metric(r, "fit_a")
	b, okB := metric(r, "fit_alpha")
	c, okC := metric(r, "fit_c")
	if okA && okB && okC {
		return fmt.Sprintf("fit %s + %s n^-%s", sig(c.Value, 3), sig(a.Value, 3), sig(b.Value, 2))
	}
	return "fit, " + label(r.Model)
}

// scalingFigures draws a family's curves against the length, with the ratio to the Transformer below.
func (v *view) scalingFigures(g *group, k kin, name, id string) []*figure {
	t := scalingTasks[g.task]
	var out []*figure
	for i, m := range t.measures {
		if m.metric == "tps" {
			continue // drawn with ttft
		}
		fid := id
		if i > 0 {
			fid += "-" + slug(strings.TrimSuffix(m.metric, "_tps"))
		}
		out = append(out, v.pairFigure(g, k, m, name, fid))
	}
	if g.task == "kv" {
		out = append(out, v.partFigure(g, k, name, id+"-parts"))
	}
	return figures(out...)
}

// batchColumns bounds the batch sizes beside each other in one picture.
const batchColumns = 3

// pairFigure draws one measure: a column of panels for each batch size, the values above the ratio.
func (v *view) pairFigure(g *group, k kin, m measure, name, id string) *figure {
	t := scalingTasks[g.task]
	xs, curves := g.curves(k.models)
	f := &figure{id: id, title: joined(m.title, name), subtitle: g.describe(), legend: keysOf(v.looks(k.models), k.order())}
	f.alt = f.title + ": against " + t.xTitle + " length, on logarithmic axes, with the ratio to the Transformer; the values stand in the tables below."
	var batches []float64
	for _, c := range curves {
		if !slices.Contains(batches, c.batch) {
			batches = append(batches, c.batch)
		}
	}
	columns := max(1, min(len(batches), batchColumns))
	xLabel := map[string]string{"kv": "context length (tokens)", "prefill": "prompt length (tokens)", "throughput": "context before the first token generated (tokens)"}[g.task]
	if columns > 1 {
		xLabel = "context (tokens)"
	}
	unitLabel := map[string]string{"bytes": "memory", "s": "time to first token", "tokens/s": "tokens per second"}
	x := axis{label: xLabel, log: true, binary: true, unit: "tokens", zero: zeroOf(xs)}
	var values, speeds, ratios []*chart
	for i, b := range batches {
		quiet := i%columns > 0
		value := &chart{x: x, y: axis{label: unitLabel[m.unit], log: true, binary: m.unit == "bytes", unit: m.unit, quiet: quiet}, tall: 150}
		speed := &chart{x: x, y: axis{label: "prompt tokens per second", log: true, unit: "tokens/s", quiet: quiet}, tall: 110}
		ratio := &chart{x: x, y: axis{label: map[bool]string{true: "ratio to Transformer", false: "Transformer / model"}[m.up], log: true, unit: "ratio", quiet: quiet}, tall: 95, one: true}
		if len(batches) > 1 {
			value.title = "batch " + tokens(b)
		}
		for _, c := range curves {
			if c.batch == b {
				v.drawPair(g, k, m, c, xs, curves, value, speed, ratio)
			}
		}
		values, speeds, ratios = append(values, value), append(speeds, speed), append(ratios, ratio)
	}
	sameRange(values)
	sameRange(ratios)
	hollow := false
	for i := 0; i < len(values); i += columns {
		var top, middle, bottom []panel
		some := false
		for n := i; n < min(i+columns, len(values)); n++ {
			top, middle, bottom = append(top, values[n]), append(middle, speeds[n]), append(bottom, ratios[n])
			some = some || !ratios[n].empty()
		}
		f.rows = append(f.rows, top)
		if g.task == "prefill" && !speeds[i].empty() {
			f.rows = append(f.rows, middle)
		}
		if some {
			f.rows = append(f.rows, bottom)
		}
	}
	quietX(f.rows)
	for _, c := range append(slices.Clone(values), ratios...) {
		for _, l := range c.lines {
			hollow = hollow || l.hollow
		}
	}
	if hollow {
		f.legend = append(f.legend, key{hollow: true, style: style{color: muted}, name: "published"})
	}
	return f.ready(append(values, ratios...)...)
}

// quietX leaves the x labels to the lowest panel of each column.
func quietX(rows [][]panel) {
	for i, row := range rows {
		for k, cell := range row {
			if c, ok := cell.(*chart); ok && i+1 < len(rows) && k < len(rows[i+1]) {
				c.x.label = ""
			}
		}
	}
}

// zeroOf is the place of 0 on a logarithmic axis: a step of four before the smallest length, 0 where there is no zero.
func zeroOf(xs []float64) float64 {
	if !slices.Contains(xs, 0) {
		return 0
	}
	for _, x := range xs {
		if x > 0 {
			return x / 4
		}
	}
	return 1
}

// drawPair adds one model's curve, its published figures and its ratio to the charts.
func (v *view) drawPair(g *group, k kin, m measure, c curve, xs []float64, curves []curve, value, speed, ratio *chart) {
	st, who := v.looks(k.models)[c.model], label(c.model)
	if c.batch != 0 {
		who = joined(who, "batch "+tokens(c.batch))
	}
	l, tps := curveLine{style: st}, curveLine{style: st}
	quotient, published, publishedRatio := curveLine{style: st}, curveLine{style: st, hollow: true}, curveLine{style: st, hollow: true}
	for i, r := range c.at {
		if r == nil {
			continue
		}
		at := tokens(xs[i])
		l.point(r, m.metric, xs[i], who, at)
		if s, ok := metric(r, "tps"); ok && g.task == "prefill" {
			tps.x, tps.y, tps.hints = append(tps.x, xs[i]), append(tps.y, s.Value), append(tps.hints, hint(who, at, withUnit(s.Value, s.Unit), ""))
		}
		if ref, ok := v.reference(r, m.metric); ok {
			published.publish(ref, m.unit, xs[i], who, at)
		}
		var base *result.Record
		for _, o := range curves {
			if o.model == k.base && o.batch == c.batch {
				base = o.at[i]
			}
		}
		if q, ok := m.ratio(r, base); ok {
			quotient.x, quotient.y, quotient.hints = append(quotient.x, xs[i]), append(quotient.y, q), append(quotient.hints, hint(who, at, times(q), ""))
		}
		if ref, ok := v.ratioReference(g.task, m, c.model, k.base, xs[i]); ok {
			publishedRatio.publish(ref, "ratio", xs[i], who, at)
		}
	}
	l.lo, l.hi = nil, nil
	value.add(l)
	value.add(published)
	speed.add(tps)
	ratio.add(quotient)
	ratio.add(publishedRatio)
}

// publish adds a published figure to a curve of them.
func (l *curveLine) publish(ref result.Reference, unit string, x float64, who, at string) {
	y, ok := published(ref, unit)
	if !ok {
		return
	}
	words := decimal(y, unit)
	if unit == "tokens/s" {
		words = withUnit(y, unit)
	}
	l.x, l.y = append(l.x, x), append(l.y, y)
	l.hints = append(l.hints, hint(who+", published", at, words, ""))
}

// partStyles are the looks of the parts of memory: the total is drawn in ink.
var partStyles = map[string]style{
	"weights":   {styles[6].color, square, []vg.Length{3, 3}},
	"global_kv": {styles[0].color, circle, nil},
	"window_kv": {styles[2].color, triangle, []vg.Length{8, 2, 1.5, 2}},
	"state":     {styles[3].color, diamond, []vg.Length{2, 2}},
	"workspace": {styles[4].color, wedge, []vg.Length{10, 3}},
	"total":     {ink, noMarker, nil},
}

// partFigure draws where the memory goes: a panel for each model.
func (v *view) partFigure(g *group, k kin, name, id string) *figure {
	xs, curves := g.curves(k.order())
	f := &figure{id: id, title: joined("Memory by part", name), subtitle: g.describe()}
	f.alt = f.title + ": bytes by context length, on logarithmic axes; the values stand in the tables below."
	columns := max(1, min(len(curves), 3))
	var all []*chart
	used := map[string]bool{}
	for i, c := range curves {
		chart := &chart{title: label(c.model), tall: 170, x: axis{label: "context (tokens)", log: true, binary: true, unit: "tokens", zero: zeroOf(xs)},
			y: axis{label: "memory", log: true, binary: true, unit: "bytes", quiet: i%columns > 0}}
		for _, p := range parts {
			l := curveLine{style: partStyles[p.metric], fine: true}
			for n, r := range c.at {
				if _, ok := metric(r, p.metric); ok || p.metric == "total" {
					l.point(r, p.metric, xs[n], joined(label(c.model), p.head), tokens(xs[n]))
				}
			}
			l.lo, l.hi = nil, nil
			before := len(chart.lines)
			chart.add(l)
			if len(chart.lines) > before {
				used[p.metric] = true
			}
		}
		all = append(all, chart)
	}
	for _, p := range parts {
		if used[p.metric] {
			f.legend = append(f.legend, key{style: partStyles[p.metric], name: p.head})
		}
	}
	sameRange(all)
	for i := 0; i < len(all); i += columns {
		var row []panel
		for _, c := range all[i:min(i+columns, len(all))] {
			row = append(row, c)
		}
		f.rows = append(f.rows, row)
	}
	quietX(f.rows)
	return f.ready(all...)
}
