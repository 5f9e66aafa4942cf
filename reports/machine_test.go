package reports

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/result"
)

// shardedJournal is the small journal as if its cases had been measured on machines in rotation,
// which have the same CPU and the given numbers of threads.
func shardedJournal(t *testing.T, threads ...int) *result.Journal {
	j := small()
	header := j.Runs[0]
	j.Runs = nil
	for i, n := range threads {
		h := header
		h.ID, h.Host, h.Env.Threads = fmt.Sprint("run-", i), fmt.Sprint("node-", i), n
		j.Runs = append(j.Runs, h)
	}
	header.Merged = &result.Merged{Plan: "p", Shards: len(threads)}
	j.Runs = append(j.Runs, header)
	for i := range j.Records {
		j.Records[i].Run = fmt.Sprint("run-", i%len(threads))
	}
	return reread(t, j)
}

func TestTimesOfUnlikeMachinesAreInGroupsOfTheirOwn(t *testing.T) {
	j := shardedJournal(t, 2, 2, 8)
	v := newView(context.Background(), j, nil)
	index := map[*result.Record]int{}
	for i := range j.Records {
		index[&j.Records[i]] = i
	}
	timed, mixed := 0, 0
	for _, g := range v.groups {
		var machines []string
		for _, r := range g.records {
			if m := j.Under(index[r]).Env.Machine(); !slices.Contains(machines, m) {
				machines = append(machines, m)
			}
		}
		switch {
		case g.source == result.Computed:
		case g.about.timed():
			timed++
			if len(machines) > 1 {
				t.Errorf("%s %s has times of %d kinds of machines", g.about.Name, g.name, len(machines))
			}
			if !strings.Contains(g.describe(), "(machine A)") && !strings.Contains(g.describe(), "(machine B)") {
				t.Errorf("%s %s does not name its machine: %s", g.about.Name, g.name, g.describe())
			}
		default:
			mixed += len(machines) - 1
		}
	}
	if timed < 2 || mixed == 0 {
		t.Errorf("%d groups of times, %d machines more in the other groups", timed, mixed)
	}
	var text, table bytes.Buffer
	if err := v.text(&text, 0, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"merged shards", "3 of 3", "2 hosts: node-0, node-1", "1 host: node-2", "machine B"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, &text)
		}
	}
	if err := v.csv(&table); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]string{}
	for _, row := range rows[1:] {
		hosts[row[len(row)-2]] = row[len(row)-1]
	}
	if n := len(rows[0]); rows[0][n-2] != "host" || rows[0][n-1] != "machine" || fmt.Sprint(hosts) != "map[node-0:machine A node-1:machine A node-2:machine B]" {
		t.Errorf("%v, %v", rows[0], hosts)
	}
}

func TestTimesOfLikeMachinesShareGroups(t *testing.T) {
	whole := newView(context.Background(), reread(t, small()), nil)
	merged := newView(context.Background(), shardedJournal(t, 4, 4, 4), nil)
	if a, b := len(whole.groups), len(merged.groups); a != b {
		t.Fatalf("%d groups, merged from like machines %d", a, b)
	}
	for i, g := range whole.groups {
		if o := merged.groups[i]; g.name != o.name || g.id != o.id || g.describe() != o.describe() {
			t.Errorf("%s, merged %s", g.describe(), o.describe())
		}
	}
}
