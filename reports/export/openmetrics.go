package export

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// openUnits maps units to their names in metric names.
var openUnits = map[string]string{"s": "seconds", "bytes": "bytes", "tokens/s": "tokens_per_second", "fraction": "ratio"}

// promFamily is a metric family with its samples.
type promFamily struct {
	name, unit, help string
	samples          []string // each with labels and value
}

// OpenMetrics writes the metrics as OpenMetrics 1.0 text: a gauge for each task and metric, such as
// yocobench_prefill_ttft_seconds, with one sample per case.
func OpenMetrics(w io.Writer, j *result.Journal) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# TYPE yocobench_run info\n# HELP yocobench_run %s\nyocobench_run_info{%s} 1\n", runHelp, runLabels(j))
	for _, f := range promFamilies(j) {
		fmt.Fprintf(&b, "# TYPE %s gauge\n", f.name)
		if f.unit != "" {
			fmt.Fprintf(&b, "# UNIT %s %s\n", f.name, f.unit)
		}
		fmt.Fprintf(&b, "# HELP %s %s\n", f.name, escape(f.help))
		f.write(&b)
	}
	b.WriteString("# EOF\n")
	_, err := w.Write(b.Bytes())
	return err
}

// Prometheus writes the same metrics in the Prometheus text format 0.0.4, for the textfile
// collector.
func Prometheus(w io.Writer, j *result.Journal) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# HELP yocobench_run_info %s\n# TYPE yocobench_run_info gauge\nyocobench_run_info{%s} 1\n", runHelp, runLabels(j))
	for _, f := range promFamilies(j) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", f.name, strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(cleantext.Line(f.help)), f.name)
		f.write(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (f *promFamily) write(b *bytes.Buffer) {
	for _, s := range f.samples {
		b.WriteString(f.name + s + "\n")
	}
}

const runHelp = "The run and its environment."

func runLabels(j *result.Journal) string {
	e := env(j)
	return pairs("suite", header(j).Suite, "version", e.Version, "commit", e.Commit, "cpu", e.CPU, "gpu", e.GPU, "kernel_tier", e.KernelTier)
}

// promFamilies collects the samples by metric, sorted by name.
func promFamilies(j *result.Journal) []*promFamily {
	families := map[string]*promFamily{}
	for i := range j.Records {
		r := &j.Records[i]
		if r.Status != result.OK {
			continue
		}
		of := "{" + labels(r) + "} "
		taken := map[string]bool{} // so that two metrics of a record never share a name
		for _, n := range metricNames(r, true) {
			m := r.Metrics[n]
			unit, ok := openUnits[m.Unit]
			if !ok {
				unit = strings.ToLower(strings.Trim(word(strings.ReplaceAll(m.Unit, "/", "_per_"), "_"), "_"))
			}
			suffix := ""
			if unit != "" {
				suffix = "_" + unit
			}
			base := strings.TrimSuffix(strings.ToLower("yocobench_"+word(r.Task, "_")+"_"+word(n, "_")), suffix)
			name := base + suffix
			for k := 2; taken[name]; k++ {
				name = fmt.Sprintf("%s_%d%s", base, k, suffix)
			}
			taken[name] = true
			f := families[name]
			if f == nil {
				f = &promFamily{name: name, unit: unit, help: fmt.Sprintf("%s of task %s in %s, better: %s", n, r.Task, m.Unit, m.Better)}
				families[name] = f
			}
			f.samples = append(f.samples, of+number(m.Value))
		}
	}
	out := make([]*promFamily, 0, len(families))
	for _, f := range families {
		out = append(out, f)
	}
	sort.Slice(out, func(a, b int) bool { return out[a].name < out[b].name })
	return out
}

// labels returns the labels of a case. The id makes them unique; parameters have the prefix p_.
func labels(r *result.Record) string {
	kv := []string{"case", r.Case, "model", r.Model, "arch", r.Arch, "runner", r.Runner, "source", string(r.Source), "label", r.Label}
	taken := map[string]bool{}
	for _, p := range paramNames(r) {
		base := "p_" + word(p, "_")
		name := base
		for k := 2; taken[name]; k++ {
			name = fmt.Sprintf("%s_%d", base, k)
		}
		taken[name] = true
		kv = append(kv, name, valueText(r.Params[p]))
	}
	return pairs(kv...)
}

// pairs formats names and values. It omits empty values.
func pairs(kv ...string) string {
	var out []string
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] != "" {
			out = append(out, kv[i]+`="`+escape(kv[i+1])+`"`)
		}
	}
	return strings.Join(out, ",")
}

// escape cleans and escapes text for a quoted label value.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(cleantext.Line(s))
}
