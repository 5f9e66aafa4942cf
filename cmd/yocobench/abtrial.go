package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/yocobench/yocobench/compare"
	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/result"
)

// trial is an A/B measurement: rounds of two fresh processes that take turns.
//
// The unit of the statistics is the round, not the visit: two processes of one binary differ for as long as they live, by where
// their memory happens to lie (decoding by half a per cent), and no number of visits within one pair of processes
// shows that. And since a coin decides which side goes first, in starting as in every block, exchanging two equal binaries
// exchanges nothing but the sign of a round's logarithmic ratio, whatever the noise is.
type trial struct {
	suite    *suites.Suite
	gates    []gate.Gate
	device   device
	budget   time.Duration
	progress io.Writer
	sides    [2]abSide // base, new
	// out is the folder that the user gave, dir the one in use, "" before the first round is kept.
	out, dir string

	cases    []*turn
	journals [2][]*result.Journal
	command  string
	began    time.Time
	seconds  float64
	// firsts are the sides that went first, one a round.
	firsts   []string
	verdicts *compare.Judgement
}

// turn is a case that gates are about.
type turn struct {
	// place is that in the list of each side's worker; -1 where the case is not there or no gate needs it.
	place [2]int
	// ids are those of the case on each side.
	ids [2]string
	// metrics are those that gates are about.
	metrics []string
	// done: it is not measured any more.
	done bool
}

// blocksPerRound is how many blocks of four visits a case gets in a round, one A B B A and one B A A B.
const blocksPerRound = 2

func (t *trial) rounds() int { return len(t.journals[0]) }

// resolve finds or builds the two binaries.
func (t *trial) resolve(ctx context.Context, base, fresh, tmp string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t.sides = [2]abSide{{name: "base", source: base}, {name: "new", source: fresh}}
	if fresh == "" {
		t.sides[1] = abSide{name: "new", source: "this program", binary: self}
	}
	for i := range t.sides {
		if t.sides[i].binary != "" {
			continue
		}
		if err := t.sides[i].resolve(ctx, tmp); err != nil {
			return err
		}
	}
	return nil
}

// run measures rounds until every gate is decided, the budget ends or no look is left.
func (t *trial) run(ctx context.Context) error {
	t.began = time.Now().UTC().Round(time.Second)
	start := time.Now()
	for longest := 0.0; ; {
		began := time.Now()
		if err := t.round(ctx); err != nil {
			return err
		}
		n, took := t.rounds(), time.Since(began).Seconds()
		if longest = max(longest, took); n == 2 {
			longest = took // the first round, which measures accuracy too, is no measure of the others
		}
		t.seconds = time.Since(start).Seconds()
		if n == 1 || compare.IsLook(n) {
			t.judge()
			fmt.Fprintf(t.progress, "round %d, %s: %s\n", n, suites.ShortDuration(t.seconds), t.standing())
			if !t.open() || n >= compare.MaxRounds() {
				return nil
			}
		}
		if t.seconds+longest > t.budget.Seconds() {
			return nil
		}
	}
}

// judge judges what was measured and closes the cases that no undecided gate needs.
func (t *trial) judge() {
	base, fresh := compare.NewTurns("base", t.journals[0]), compare.NewTurns("new", t.journals[1])
	t.verdicts = compare.Judge(t.gates, fresh, base)
	open := t.verdicts.Open()
	for _, c := range t.cases {
		c.done = c.done || !open[c.ids[0]] && !open[c.ids[1]]
	}
}

// standing says how many gates are decided.
func (t *trial) standing() string {
	decided := 0
	for _, g := range t.verdicts.Gates {
		if g.Verdict != compare.Undecided {
			decided++
		}
	}
	return fmt.Sprintf("%d of %d gates decided", decided, len(t.gates))
}

func (t *trial) open() bool {
	for _, c := range t.cases {
		if !c.done {
			return true
		}
	}
	return false
}

// round starts a fresh worker of each side, lets them take turns, and keeps a journal of each.
func (t *trial) round(ctx context.Context) error {
	first := rand.IntN(2)
	var workers [2]*process
	for _, i := range []int{first, 1 - first} {
		p, err := startWorker(ctx, t.sides[i].name, t.sides[i].binary, t.job())
		if err != nil {
			return err
		}
		defer p.end()
		workers[i] = p
	}
	for _, p := range workers {
		if err := p.await(); err != nil {
			return err
		}
	}
	if t.cases == nil {
		if err := t.choose(workers[0].ready.Cases, workers[1].ready.Cases); err != nil {
			return err
		}
	}
	var visits [2][][]*result.Record
	for i := range visits {
		visits[i] = make([][]*result.Record, len(t.cases))
	}
	for block := range blocksPerRound {
		for k, c := range t.cases {
			if c.done {
				continue
			}
			for turn, i := range order(first, block) {
				if c.place[i] < 0 || block+turn/2 > 0 && !c.repeats(workers[0].ready.tasks(), visits[0][k]) && !c.repeats(workers[1].ready.tasks(), visits[1][k]) {
					continue
				}
				r, err := workers[i].visit(c.place[i])
				if err != nil {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					return err
				}
				visits[i][k] = append(visits[i][k], r)
			}
		}
	}
	return t.keep(workers, visits, first)
}

// order is whose visits a block consists of: A B B A, or in every other block B A A B.
func order(first, block int) [4]int {
	a := first ^ block&1
	return [4]int{a, 1 - a, 1 - a, a}
}

// job is what both workers are given: the same text of the suite, whatever suites their binaries hold.
func (t *trial) job() workerJob {
	return workerJob{
		Protocol: workerProtocol, Suite: t.suite.Text, File: t.suite.File, Dir: t.suite.Dir,
		Threads: t.device.threads, Tier: t.device.tier,
	}
}

// choose finds the cases that gates are about, and pairs those of both sides.
func (t *trial) choose(base, fresh []result.Record) error {
	baseNames, freshNames := namesOf(base), namesOf(fresh)
	for i, r := range fresh {
		c := &turn{place: [2]int{-1, i}, ids: [2]string{"", r.Case}}
		against := false
		for _, g := range t.gates {
			if needs(g, r, fresh) {
				c.metrics = append(c.metrics, g.Metric)
				against = against || g.Over == gate.Baseline
			}
		}
		if b := slices.Index(baseNames, freshNames[i]); b >= 0 && against {
			c.place[0], c.ids[0] = b, base[b].Case
		}
		if len(c.metrics) > 0 {
			t.cases = append(t.cases, c)
		}
	}
	for i, r := range base { // what new has no more
		lost := slices.ContainsFunc(t.gates, func(g gate.Gate) bool { return g.Over == gate.Baseline && needs(g, r, base) })
		if lost && !slices.Contains(freshNames, baseNames[i]) {
			t.cases = append(t.cases, &turn{place: [2]int{i, -1}, ids: [2]string{r.Case, ""}})
		}
	}
	if len(t.cases) == 0 {
		return fmt.Errorf("no case of the suite is one that a gate is about\n  hint: `yocobench run --dry-run` lists the cases")
	}
	return nil
}

// namesOf are what cases of one side are found by on the other: what each measures and, of equal names, which it is.
func namesOf(cases []result.Record) (names []string) {
	seen := map[string]int{}
	for _, r := range cases {
		name := fmt.Sprintf("%s %s: %s", r.Task, r.Model, r.Label)
		seen[name]++
		names = append(names, fmt.Sprintf("%s #%d", name, seen[name]))
	}
	return names
}

// needs reports whether a gate needs a case: as one that it is about, or as the measure of one.
func needs(g gate.Gate, r result.Record, all []result.Record) bool {
	about := func(r result.Record) bool {
		return g.Match(r.Task, r.Model, r.Arch, gate.FieldsOf(r.Params, r.Model, r.Arch, r.Runner, r.Label))
	}
	if about(r) {
		return true
	}
	if g.Over == "" || g.Over == gate.Baseline || r.Task != g.Task || !gate.Picks(g.Over, r.Model, r.Arch) {
		return false
	}
	for _, o := range all {
		if o.Task == r.Task && about(o) && sameParams(o, r) {
			return true
		}
	}
	return false
}

func sameParams(a, b result.Record) bool {
	x, errA := json.Marshal(a.Params)
	y, errB := json.Marshal(b.Params)
	return errA == nil && errB == nil && string(x) == string(y)
}

// repeats reports whether a gate is about a time or a speed among a case's visits on one side.
func (c *turn) repeats(tasks result.Tasks, visits []*result.Record) bool {
	for _, r := range visits {
		for _, m := range c.metrics {
			if compare.Repeats(tasks, r, m) {
				return true
			}
		}
	}
	return false
}

// keep puts a round's visits together, as one journal a side, and writes them.
func (t *trial) keep(workers [2]*process, visits [2][][]*result.Record, first int) error {
	n := t.rounds() + 1
	if n == 1 {
		if err := t.claim(); err != nil {
			return err
		}
	}
	for i, p := range workers {
		j := &result.Journal{Runs: []result.Run{{
			Type: "run", Schema: result.SchemaVersion, Suite: t.suite.Name, Title: t.suite.Title, SuiteHash: p.ready.Hash,
			SuiteText: t.suite.Text, SuiteFile: cleantext.LastElement(t.suite.File), Start: t.began, Command: t.command,
			Cases: len(t.cases), Round: n, Env: p.ready.Env, Tasks: p.ready.Tasks,
		}}}
		for _, v := range visits[i] {
			if len(v) == 0 {
				continue
			}
			r := merged(p.ready.tasks(), v)
			if r.Status != result.OK && n > 1 {
				return fmt.Errorf("%s: %s %s: %s in round %d: %s", p.name, r.Model, r.Label, r.Status, n, r.Reason)
			}
			j.Records = append(j.Records, r)
		}
		t.journals[i] = append(t.journals[i], j)
		if err := writeJournal(filepath.Join(t.dir, p.name, fmt.Sprintf("%03d.jsonl", n)), j); err != nil {
			return err
		}
	}
	t.firsts = append(t.firsts, t.sides[first].name)
	return nil
}

// claim makes the folders for the rounds, which no other process may use.
func (t *trial) claim() (err error) {
	if t.dir == "" {
		if t.dir, _, err = newFolder(t.out, "ab-"+t.suite.Name); err != nil {
			return err
		}
	}
	for _, name := range []string{"base", "new"} {
		if err := os.Mkdir(filepath.Join(t.dir, name), 0o755); errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s is being written by another process\n  hint: give another --out", t.dir)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// merged is the record of several visits to a case: the samples of its times and speeds are those of all visits.
func merged(tasks result.Tasks, visits []*result.Record) result.Record {
	r := *visits[0]
	r.Metrics = map[string]result.Metric{}
	for name, m := range visits[0].Metrics {
		if compare.Repeats(tasks, visits[0], name) {
			m.Samples = nil
			for _, v := range visits {
				if one := v.Metrics[name]; len(one.Samples) > 0 {
					m.Samples = append(m.Samples, one.Samples...)
				} else {
					m.Samples = append(m.Samples, one.Value)
				}
			}
			m.Value = stats.Quantile(slices.Sorted(slices.Values(m.Samples)), 0.5)
		}
		r.Metrics[name] = m
	}
	r.Seconds = 0
	for _, v := range visits {
		r.Seconds += v.Seconds
		if v.Status != result.OK {
			return *v
		}
	}
	return r
}

// writeJournal writes a journal, whole or not at all.
func writeJournal(path string, j *result.Journal) error {
	return toFile(path, nil, func(w io.Writer) error {
		for _, h := range j.Runs {
			if err := encodeTo(w, h); err != nil {
				return err
			}
		}
		for _, r := range j.Records {
			if err := encodeTo(w, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func encodeTo(w io.Writer, v any) error {
	b, err := result.Encode(v)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// report tells what came out.
func (t *trial) report() *compare.Turns {
	t.judge()
	about := func(i int) string {
		s := cleantext.LastElement(t.sides[i].source)
		if e := t.journals[i][0].Runs[0].Env; e.Commit != "" && e.Commit != s {
			s += " (" + e.Commit + ")"
		}
		return s
	}
	return &compare.Turns{
		Base: about(0), New: about(1), Rounds: t.rounds(), Seconds: t.seconds, First: t.firsts, Gates: t.verdicts,
		Differences: compare.Differences(t.journals[0][0].Runs[0].Env, t.journals[1][0].Runs[0].Env),
	}
}
