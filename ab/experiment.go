package ab

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
	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/gate"
	"github.com/yocobench/yocobench/suites/match"
	"github.com/yocobench/yocobench/suites/result"
)

// Experiment compares two builds in rounds. Each round starts a new process of each build and
// interleaves their cases.
//
// The statistical unit is the round, not the sample. Two processes of one binary differ for their
// whole lifetime by the placement of their memory (0.5 % in decoding), and no number of samples
// from one pair of processes reveals that. A coin decides which side goes first, when processes
// start and in every block. So if the builds are equal, exchanging them only flips the sign of a
// round's log ratio, whatever the noise is.
type Experiment struct {
	Suite *suites.Suite
	Gates []gate.Gate
	// Threads and Tier are the thread count and kernel tier of the workers.
	Threads int
	Tier    string
	// Budget is the time for all rounds.
	Budget time.Duration
	// Progress receives a line each time the gates are tested.
	Progress io.Writer
	// Command is written into the journals.
	Command string
	// Folder creates the folder for the results. It is called before the first round is written.
	Folder func() (string, error)

	sides [2]side // base, candidate
	dir   string  // "" before the first round is written

	cases    []*pairedCase
	journals [2][]*result.Journal
	began    time.Time
	seconds  float64
	// firsts lists which side went first, one entry per round.
	firsts   []string
	verdicts *compare.Judgement
}

// pairedCase is a case that gates refer to.
type pairedCase struct {
	// place is the case's index in the list of each side's worker, or -1 if the case is missing
	// there or no gate needs it.
	place [2]int
	// ids are the case's ids on each side.
	ids [2]string
	// metrics are the metrics that gates refer to.
	metrics []string
	// done reports whether the case is no longer measured.
	done bool
}

// blocksPerRound is the number of blocks of four samples per case and round: one A B B A and one B
// A A B.
const blocksPerRound = 2

// Rounds returns the number of completed rounds.
func (t *Experiment) Rounds() int { return len(t.journals[0]) }

// Resolve finds the two binaries, or builds them below the folder tmp. An empty candidate is this
// program.
func (t *Experiment) Resolve(ctx context.Context, base, candidate, tmp string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t.sides = [2]side{{name: "base", source: base}, {name: "new", source: candidate}}
	if candidate == "" {
		t.sides[1] = side{name: "new", source: "this program", binary: self}
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

// Run measures rounds until every gate is decided, the budget ends or no interim analysis is left.
func (t *Experiment) Run(ctx context.Context) error {
	t.began = time.Now().UTC().Round(time.Second)
	start := time.Now()
	for longest := 0.0; ; {
		began := time.Now()
		if err := t.round(ctx); err != nil {
			return err
		}
		n, took := t.Rounds(), time.Since(began).Seconds()
		if longest = max(longest, took); n == 2 {
			longest = took // the first round also measures accuracy, so it says nothing about the others
		}
		t.seconds = time.Since(start).Seconds()
		if n == 1 || compare.IsInterimAnalysis(n) {
			t.judge()
			fmt.Fprintf(t.Progress, "round %d, %s: %s\n", n, units.ShortDuration(t.seconds), t.standing())
			if !t.open() || n >= compare.MaxRounds() {
				return nil
			}
		}
		if t.seconds+longest > t.Budget.Seconds() {
			return nil
		}
	}
}

// judge tests the gates on all rounds and closes the cases that no undecided gate needs.
func (t *Experiment) judge() {
	base, candidate := compare.NewInterleaved("base", t.journals[0]), compare.NewInterleaved("new", t.journals[1])
	t.verdicts = compare.Judge(t.Gates, candidate, base)
	open := t.verdicts.Open()
	for _, c := range t.cases {
		c.done = c.done || !open[c.ids[0]] && !open[c.ids[1]]
	}
}

// standing describes how many gates are decided.
func (t *Experiment) standing() string {
	decided := 0
	for _, g := range t.verdicts.Gates {
		if g.Verdict != compare.Undecided {
			decided++
		}
	}
	return fmt.Sprintf("%d of %d gates decided", decided, len(t.Gates))
}

func (t *Experiment) open() bool {
	for _, c := range t.cases {
		if !c.done {
			return true
		}
	}
	return false
}

// round starts a new worker of each side, interleaves their samples and writes a journal of each.
func (t *Experiment) round(ctx context.Context) error {
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
	var samples [2][][]*result.Record
	for i := range samples {
		samples[i] = make([][]*result.Record, len(t.cases))
	}
	for block := range blocksPerRound {
		for k, c := range t.cases {
			if c.done {
				continue
			}
			for turn, i := range order(first, block) {
				if c.place[i] < 0 || block+turn/2 > 0 && !c.repeats(workers[0].ready.tasks(), samples[0][k]) && !c.repeats(workers[1].ready.tasks(), samples[1][k]) {
					continue
				}
				r, err := workers[i].sample(c.place[i])
				if err != nil {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					return err
				}
				samples[i][k] = append(samples[i][k], r)
			}
		}
	}
	return t.keep(workers, samples, first)
}

// order returns the sides of a block's samples: A B B A, or in every other block B A A B.
func order(first, block int) [4]int {
	a := first ^ block&1
	return [4]int{a, 1 - a, 1 - a, a}
}

// job returns the job of both workers. Both get the same suite text, whatever suites their binaries
// contain.
func (t *Experiment) job() Job {
	return Job{
		Protocol: workerProtocol, Suite: t.Suite.Text, File: t.Suite.File, Dir: t.Suite.Dir,
		Threads: t.Threads, Tier: t.Tier,
	}
}

// choose finds the cases that gates refer to and pairs those of both sides.
func (t *Experiment) choose(base, candidate []result.Record) error {
	baseNames, candidateNames := namesOf(base), namesOf(candidate)
	for i, r := range candidate {
		c := &pairedCase{place: [2]int{-1, i}, ids: [2]string{"", r.Case}}
		against := false
		for _, g := range t.Gates {
			if needs(g, r, candidate) {
				c.metrics = append(c.metrics, g.Metric)
				against = against || g.Over == gate.Baseline
			}
		}
		if b := slices.Index(baseNames, candidateNames[i]); b >= 0 && against {
			c.place[0], c.ids[0] = b, base[b].Case
		}
		if len(c.metrics) > 0 {
			t.cases = append(t.cases, c)
		}
	}
	for i, r := range base { // cases that new no longer has
		lost := slices.ContainsFunc(t.Gates, func(g gate.Gate) bool { return g.Over == gate.Baseline && needs(g, r, base) })
		if lost && !slices.Contains(candidateNames, baseNames[i]) {
			t.cases = append(t.cases, &pairedCase{place: [2]int{i, -1}, ids: [2]string{r.Case, ""}})
		}
	}
	if len(t.cases) == 0 {
		return fmt.Errorf("no gate matches a case of the suite\n  hint: `yocobench run --dry-run` lists the cases")
	}
	return nil
}

// namesOf returns names by which the cases of one side are found on the other. Equal names are
// numbered.
func namesOf(cases []result.Record) (names []string) {
	seen := map[string]int{}
	for _, r := range cases {
		name := fmt.Sprintf("%s %s: %s", r.Task, r.Model, r.Label)
		seen[name]++
		names = append(names, fmt.Sprintf("%s #%d", name, seen[name]))
	}
	return names
}

// needs reports whether a gate needs a case: because it refers to the case, or because the case is
// the reference that another case is compared with.
func needs(g gate.Gate, r result.Record, all []result.Record) bool {
	about := func(r result.Record) bool {
		return g.Match(r.Task, r.Model, r.Arch, match.FieldsOf(r.Params, r.Model, r.Arch, r.Runner, r.Label))
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

// repeats reports whether a gate refers to a time or a speed of the case, which is measured
// repeatedly.
func (c *pairedCase) repeats(tasks result.Tasks, samples []*result.Record) bool {
	for _, r := range samples {
		for _, m := range c.metrics {
			if compare.Repeats(tasks, r, m) {
				return true
			}
		}
	}
	return false
}

// keep merges a round's samples into one journal per side and writes both.
func (t *Experiment) keep(workers [2]*process, samples [2][][]*result.Record, first int) error {
	n := t.Rounds() + 1
	if n == 1 {
		if err := t.claim(); err != nil {
			return err
		}
	}
	for i, p := range workers {
		j := &result.Journal{Runs: []result.Run{{
			Type: "run", Schema: result.SchemaVersion, Suite: t.Suite.Name, Title: t.Suite.Title, SuiteHash: p.ready.Hash,
			SuiteText: t.Suite.Text, SuiteFile: cleantext.LastElement(t.Suite.File), Start: t.began, Command: t.Command,
			Cases: len(t.cases), Round: n, Env: p.ready.Env, Tasks: p.ready.Tasks,
		}}}
		for _, v := range samples[i] {
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
		if err := result.WriteFile(filepath.Join(t.dir, p.name, fmt.Sprintf("%03d.jsonl", n)), j); err != nil {
			return err
		}
	}
	t.firsts = append(t.firsts, t.sides[first].name)
	return nil
}

// claim creates and locks the folders for the rounds.
func (t *Experiment) claim() (err error) {
	if t.dir == "" {
		if t.dir, err = t.Folder(); err != nil {
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

// merged returns one record for several samples of a case. Its times and speeds hold the samples of
// all of them.
func merged(tasks result.Tasks, samples []*result.Record) result.Record {
	r := *samples[0]
	r.Metrics = map[string]result.Metric{}
	for name, m := range samples[0].Metrics {
		if compare.Repeats(tasks, samples[0], name) {
			m.Samples = nil
			for _, v := range samples {
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
	for _, v := range samples {
		r.Seconds += v.Seconds
		if v.Status != result.OK {
			return *v
		}
	}
	return r
}

// Dir returns the folder of the results, or "" before the first round is written.
func (t *Experiment) Dir() string { return t.dir }

// Report returns the verdicts on all rounds.
func (t *Experiment) Report() *compare.Interleaved {
	t.judge()
	about := func(i int) string {
		s := cleantext.LastElement(t.sides[i].source)
		if e := t.journals[i][0].Runs[0].Env; e.Commit != "" && e.Commit != s {
			s += " (" + e.Commit + ")"
		}
		return s
	}
	return &compare.Interleaved{
		Base: about(0), New: about(1), Rounds: t.Rounds(), Seconds: t.seconds, First: t.firsts, Gates: t.verdicts,
		Differences: compare.Differences(t.journals[0][0].Runs[0].Env, t.journals[1][0].Runs[0].Env),
	}
}
