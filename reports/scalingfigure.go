package reports

import (
	"slices"
	"strings"

	"github.com/yocobench/yocobench/suites/result"
)

// scalingFigures draws a family's curves against the length, with the ratio to the baseline below.
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

// bars says what the bars at a measure's points are, where there are any.
func (g *group) bars(m measure) string {
	if slices.ContainsFunc(g.records, func(r *result.Record) bool { x, ok := metric(r, m.metric); return ok && len(x.Samples) > 1 }) {
		return "bars: smallest to largest sample"
	}
	return ""
}

// wide tells whether a measure's samples spread so far that bars at the same place would hide each other.
func (g *group) wide(m measure) bool {
	return slices.ContainsFunc(g.records, func(r *result.Record) bool {
		x, ok := metric(r, m.metric)
		return ok && len(x.Samples) > 1 && slices.Max(x.Samples) > 1.25*slices.Min(x.Samples)
	})
}

// batchColumns bounds the batch sizes beside each other in one picture.
const batchColumns = 3

// pairFigure draws one measure: a column of panels for each batch size, the values above the ratio.
func (v *view) pairFigure(g *group, k kin, m measure, name, id string) *figure {
	t := scalingTasks[g.task]
	p := g.pair(k, m)
	f := &figure{id: id, title: joined(m.title, name), legend: keysOf(v.looks(k.models), k.order())}
	f.subtitle = joined(append([]string{g.describe(), g.bars(m)}, g.remarks()...)...)
	f.alt = f.title + ": against " + t.xTitle + " length, on logarithmic axes, with the ratio to the baseline; the values stand in the tables below."
	columns := max(1, min(len(p.batches), batchColumns))
	var values, speeds, ratios []*chart
	for i, b := range p.batches {
		value, speed, ratio := g.pairCharts(p, columns, i%columns > 0)
		if len(p.batches) > 1 {
			value.title = "batch " + tokens(b)
		}
		for _, c := range p.curves {
			if c.batch == b {
				v.drawPair(p, c, value, speed, ratio)
			}
		}
		values, speeds, ratios = append(values, value), append(speeds, speed), append(ratios, ratio)
	}
	share(yOf, values...)
	share(yOf, ratios...)
	share(xOf, slices.Concat(values, speeds, ratios)...)
	for i := 0; i < len(values); i += columns {
		to := min(i+columns, len(values))
		f.rows = append(f.rows, panels(values[i:to]))
		for _, row := range [][]*chart{speeds[i:to], ratios[i:to]} {
			if slices.ContainsFunc(row, func(c *chart) bool { return !c.empty() }) {
				f.rows = append(f.rows, panels(row))
			}
		}
	}
	quietX(f.rows)
	if slices.ContainsFunc(slices.Concat(values, ratios), func(c *chart) bool {
		return slices.ContainsFunc(c.lines, func(l curveLine) bool { return l.hollow })
	}) {
		f.legend = append(f.legend, key{hollow: true, style: style{color: muted}, name: "published"})
	}
	return f.ready(slices.Concat(values, ratios)...)
}

// pairCharts makes the empty charts of one column: values, prompt tokens per second (of prefill), ratio.
func (g *group) pairCharts(p pair, columns int, quiet bool) (value, speed, ratio *chart) {
	xLabel := map[string]string{"kv": "context length (tokens)", "prefill": "prompt length (tokens)", "throughput": "context before the first token generated (tokens)"}[g.task]
	if columns > 1 {
		xLabel = "context (tokens)"
	}
	yLabel := map[string]string{"bytes": "memory", "s": "time to first token", "tokens/s": "tokens per second"}[p.m.unit]
	ratioLabel := "baseline / model"
	if p.m.up {
		ratioLabel = "model / baseline"
	}
	x := axis{label: xLabel, log: true, binary: true, unit: "tokens", zero: zeroOf(p.xs)}
	value = &chart{x: x, y: axis{label: yLabel, log: true, binary: p.m.unit == "bytes", unit: p.m.unit, quiet: quiet}, tall: 150, dodge: g.wide(p.m)}
	speed = &chart{x: x, y: axis{label: "prompt tokens per second", log: true, unit: "tokens/s", quiet: quiet}, tall: 110}
	ratio = &chart{x: x, y: axis{label: ratioLabel, log: true, unit: "ratio", quiet: quiet}, tall: 95, one: true}
	return value, speed, ratio
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
func (v *view) drawPair(p pair, c curve, value, speed, ratio *chart) {
	st, who := v.looks(p.k.models)[c.model], label(c.model)
	if c.batch != 0 {
		who = joined(who, "batch "+tokens(c.batch))
	}
	values, tps, quotient := curveLine{style: st, bars: true}, curveLine{style: st}, curveLine{style: st}
	published, publishedRatio := curveLine{style: st, hollow: true}, curveLine{style: st, hollow: true}
	length := tokensOf(p.xs)
	for i, r := range c.at {
		if r == nil {
			continue
		}
		x, at := p.xs[i], length(p.xs[i])
		values.point(r, p.m.metric, x, who, at)
		if s, ok := metric(r, "tps"); ok && r.Task == "prefill" {
			tps.add(x, s.Value, hint(who, at, withUnit(s.Value, s.Unit), ""))
		}
		if ref, ok := v.reference(r, p.m.metric); ok {
			published.publish(ref, p.m.unit, x, who, at)
		}
		if q, ok := p.m.ratio(r, p.find(v.baseOf(p.k, c.model), c.batch, i)); ok {
			quotient.add(x, q, hint(who, at, times(q), ""))
		}
		if ref, ok := v.ratioReference(r.Task, p.m, c.model, v.baseOf(p.k, c.model), x); ok {
			publishedRatio.publish(ref, "ratio", x, who, at)
		}
	}
	value.add(values)
	value.add(published)
	speed.add(tps)
	ratio.add(quotient)
	ratio.add(publishedRatio)
}

// add adds a point without an interval.
func (l *curveLine) add(x, y float64, hint string) {
	l.x, l.y, l.hints = append(l.x, x), append(l.y, y), append(l.hints, hint)
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
	l.add(x, y, hint(who+", published", at, words, ""))
}
