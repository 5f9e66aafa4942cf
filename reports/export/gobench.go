package export

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/yocobench/yocobench/suites/result"
)

// GoBench writes Go benchmark text (go.dev/design/14313-benchmark-format): one line per sample,
// whose name consists of task, model and parameters, and Unit lines that declare which direction is
// better and which units are exact.
//
//	Unit ttft-sec better=lower
//	BenchmarkPrefill/model=tiny-yoco-gret/length=4096/samples=10-2 1 0.05 ttft-sec 81920 tps-tokens/sec
func GoBench(w io.Writer, j *result.Journal) error {
	var b bytes.Buffer
	e := env(j)
	config := func(key, value string) {
		if value = strings.TrimSpace(word(value, " -_.:/+()@,")); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	config("goos", e.OS)
	config("goarch", e.Arch)
	config("cpu", e.CPU)
	config("gpu", e.GPU)
	config("kernel-tier", e.KernelTier)
	config("suite", header(j).Suite)
	config("version", e.Version)
	config("commit", e.Commit)
	units, tasks := map[string]bool{}, j.Tasks()
	state := ""
	for i := range j.Records {
		r := &j.Records[i]
		names := metricNames(r, false)
		if r.Status != result.OK || len(names) == 0 {
			continue
		}
		for _, n := range names {
			m := r.Metrics[n]
			if unit := goUnit(n, m.Unit); !units[unit] {
				units[unit] = true
				exact := ""
				info, declared := tasks.Metric(r.Task, n)
				if info.Kind == result.Exact || !declared && m.Unit == "bytes" {
					exact = " assume=exact"
				}
				fmt.Fprintf(&b, "Unit %s better=%s%s\n", unit, m.Better, exact)
			}
		}
		if s := r.Runner + "\x00" + string(r.Source); s != state {
			state = s
			config("runner", r.Runner)
			config("source", string(r.Source))
		}
		goLines(&b, r, names, max(e.Threads, 1))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// goLines writes a record's samples. The i-th line contains the i-th sample of each metric that has
// one.
func goLines(b *bytes.Buffer, r *result.Record, names []string, threads int) {
	task := word(r.Task, "-_.")
	name := "Benchmark" + strings.ToUpper(task[:min(1, len(task))]) + task[min(1, len(task)):] + "/model=" + word(r.Model, "-_.")
	for _, p := range paramNames(r) {
		name += "/" + word(p, "-_.") + "=" + word(valueText(r.Params[p]), "-_.+")
	}
	for i := 0; ; i++ {
		line := ""
		for _, n := range names {
			m := r.Metrics[n]
			samples := m.Samples
			if len(samples) == 0 {
				samples = []float64{m.Value}
			}
			if i < len(samples) {
				line += " " + number(samples[i]) + " " + goUnit(n, m.Unit)
			}
		}
		if line == "" {
			return
		}
		fmt.Fprintf(b, "%s-%d 1%s\n", name, threads, line)
	}
}

// goUnit returns the unit of a metric: its name and the unit's name in Go benchmarks.
func goUnit(name, unit string) string {
	unit = strings.NewReplacer("tokens/s", "tokens/sec", "seconds", "sec").Replace(unit)
	if unit == "s" {
		unit = "sec"
	}
	return word(name, "_.") + "-" + word(unit, "/_.")
}
