package export

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/yocobench/yocobench/suites/result"
)

// openUnits are the words for units in names of metrics.
var openUnits = map[string]string{"s": "seconds", "bytes": "bytes", "tokens/s": "tokens_per_second", "fraction": "ratio"}

// OpenMetrics writes the figures as OpenMetrics 1.0 text: a gauge for each task and metric, such as
// yocobench_prefill_ttft_seconds, with a sample a case.
func OpenMetrics(w io.Writer, j *result.Journal) error {
	type family struct {
		unit, help string
		lines      []string
	}
	families := map[string]*family{}
	var names []string
	for i := range j.Records {
		r := &j.Records[i]
		if r.Status != result.OK {
			continue
		}
		for _, n := range metricNames(r, true) {
			m := r.Metrics[n]
			unit, ok := openUnits[m.Unit]
			if !ok {
				unit = strings.Trim(word(strings.ReplaceAll(m.Unit, "/", "_per_"), "_"), "_")
			}
			name := strings.ToLower("yocobench_" + word(r.Task, "_") + "_" + word(n, "_"))
			if unit != "" && !strings.HasSuffix(name, "_"+unit) {
				name += "_" + unit
			}
			f := families[name]
			if f == nil {
				f = &family{unit: unit, help: fmt.Sprintf("%s of task %s in %s, better: %s", n, r.Task, m.Unit, m.Better)}
				families[name] = f
				names = append(names, name)
			}
			f.lines = append(f.lines, fmt.Sprintf("%s{%s} %s", name, labels(r), number(m.Value)))
		}
	}
	sort.Strings(names)
	var b bytes.Buffer
	e := env(j)
	fmt.Fprintf(&b, "# TYPE yocobench_run info\n# HELP yocobench_run The run and its environment.\nyocobench_run_info{%s} 1\n", pairs(
		"suite", header(j).Suite, "version", e.Version, "commit", e.Commit, "cpu", e.CPU, "gpu", e.GPU, "kernel_tier", e.KernelTier))
	for _, name := range names {
		f := families[name]
		fmt.Fprintf(&b, "# TYPE %s gauge\n", name)
		if f.unit != "" {
			fmt.Fprintf(&b, "# UNIT %s %s\n", name, f.unit)
		}
		fmt.Fprintf(&b, "# HELP %s %s\n", name, escape(f.help))
		for _, l := range f.lines {
			b.WriteString(l + "\n")
		}
	}
	b.WriteString("# EOF\n")
	_, err := w.Write(b.Bytes())
	return err
}

// labels are those of a case: its id makes them unique, its parameters stand behind p_.
func labels(r *result.Record) string {
	kv := []string{"case", r.Case, "model", r.Model, "arch", r.Arch, "runner", r.Runner, "source", string(r.Source), "label", r.Label}
	for _, p := range paramNames(r) {
		kv = append(kv, "p_"+word(p, "_"), valueText(r.Params[p]))
	}
	return pairs(kv...)
}

// pairs writes names and values; empty values are left out.
func pairs(kv ...string) string {
	var out []string
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] != "" {
			out = append(out, kv[i]+`="`+escape(kv[i+1])+`"`)
		}
	}
	return strings.Join(out, ",")
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "?"))
}
