package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// machine is a kind of machine that measured records: all that are equal in what affects times
// (Env.Machine).
type machine struct {
	// name is "machine A".
	name  string
	env   result.Env
	hosts []string
	// records is the number of measured results.
	records int
}

// findMachines fills v.machines, in the order of the headers, and v.on.
func (v *view) findMachines() {
	index := map[string]int{}
	ofRun := map[*result.Run]int{}
	v.on = make([]int, len(v.journal.Records))
	for i := range v.journal.Runs {
		run := &v.journal.Runs[i]
		if run.Merged != nil {
			continue
		}
		key := run.Env.Machine()
		at, ok := index[key]
		if !ok {
			at = len(v.machines)
			index[key] = at
			v.machines = append(v.machines, machine{name: "machine " + letters(at), env: run.Env})
		}
		ofRun[run] = at
		if m := &v.machines[at]; run.Host != "" && !slices.Contains(m.hosts, run.Host) {
			m.hosts = append(m.hosts, run.Host)
		}
	}
	for i := range v.journal.Records {
		at, ok := ofRun[v.journal.Under(i)]
		if !ok {
			at = -1
		}
		v.on[i] = at
		if r := &v.journal.Records[i]; ok && r.Source != result.Computed && r.Status == result.OK {
			if v.machines[at].records++; v.machines[at].records == 1 {
				v.measuring++
			}
		}
	}
}

// letters is A to Z, AA, AB and so on.
func letters(n int) string {
	out := string(rune('A' + n%26))
	if n >= 26 {
		return letters(n/26-1) + out
	}
	return out
}

// several reports whether unlike machines have measured results.
func (v *view) several() bool { return v.measuring > 1 }

// deviceOf is what divides the records of a task by device. Times of unlike machines are never in
// one group; other metrics do not depend on the machine, and are shown together.
func (v *view) deviceOf(i int) string {
	r := &v.journal.Records[i]
	device := r.Device
	if r.Served {
		device = "" // models of several servers are compared; the group's description lists them
	}
	switch at := v.on[i]; {
	case r.Source == result.Computed || !v.several():
		return device
	case !v.tasks[r.Task].timed():
		return ""
	case at < 0:
		return strings.TrimSpace(device + " (unknown machine)")
	default:
		return strings.TrimSpace(device + " (" + v.machines[at].name + ")")
	}
}

// timed reports whether a task has times or speeds. An undeclared task may have some.
func (t *task) timed() bool {
	return !t.declared || slices.ContainsFunc(t.Metrics, func(m result.MetricInfo) bool { return m.Kind == result.Timed })
}

// machineRows describes the shards and machines of a journal for the table of the environment.
func (v *view) machineRows() (rows [][2]string) {
	if m := v.run.Merged; m != nil {
		text := fmt.Sprintf("%d of %d", m.Shards-len(m.Missing), m.Shards)
		if m.Duplicates > 0 {
			text = joined(text, units.Plural(float64(m.Duplicates), "record")+" of repeated cases left out")
		}
		rows = append(rows, [2]string{"merged shards", text})
	} else if s := v.run.Shard; s != nil {
		rows = append(rows, [2]string{"shard", joined(s.String(), "host "+v.run.Host)})
	}
	if !v.several() && v.run.Merged == nil {
		return rows
	}
	const most = 26
	for i, m := range v.machines {
		if i == most {
			rows = append(rows, [2]string{"machines", fmt.Sprintf("and %d more", len(v.machines)-i)})
			break
		}
		e := m.env
		text := joined(m.hostText(), e.CPU, units.Plural(float64(e.Cores), "core"), units.Plural(float64(e.Threads), "thread")+" used", e.KernelTier, e.GPU, units.Plural(float64(m.records), "result"))
		rows = append(rows, [2]string{m.name, text})
	}
	return rows
}

// hostText lists the hosts of a machine.
func (m machine) hostText() string {
	const most = 8
	if len(m.hosts) == 0 {
		return ""
	}
	text := units.Plural(float64(len(m.hosts)), "host") + ": " + strings.Join(m.hosts[:min(len(m.hosts), most)], ", ")
	if more := len(m.hosts) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return cleantext.Ellipsis(clean(text), 300)
}
