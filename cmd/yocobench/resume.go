package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites"
	"github.com/yocobench/yocobench/suites/result"
)

// The settings of a run's command line belong to the run. Its header stores them, and a resumed
// run takes them from the last header. A flag given on resuming applies from then on. Only threads
// and the kernel tier cannot change once something was measured, because times with different
// settings cannot be compared.

// suite reads the suite that the arguments name, or that of the run to resume.
func (f *runFlags) suite(args []string) (*suites.Suite, error) {
	if f.inputs != "" {
		if info, err := os.Stat(f.inputs); err != nil || !info.IsDir() {
			return nil, usagef("--inputs %s is not a folder", f.inputs)
		}
	}
	if f.resume == "" {
		if len(args) == 0 {
			return nil, usagef("which suite? A file or one of: %s", strings.Join(suites.Shipped(), ", "))
		}
		return f.named(args[0])
	}
	if f.out != "" {
		return nil, usagef("--resume writes to the run's own folder; --out cannot be given")
	}
	if err := f.reopen(); err != nil {
		return nil, err
	}
	h := f.old.Last()
	if h == nil {
		if len(args) == 0 {
			return nil, usagef("%s: its journal has records but no readable header, so its suite is unknown\n  hint: give the suite and the flags of the run: yocobench run SUITE --resume %s", f.resume, cleantext.ShellQuote(f.resume))
		}
		return f.named(args[0])
	}
	if len(args) > 0 {
		return nil, usagef("--resume uses the suite of the run; change it with --set")
	}
	if err := f.restore(h); err != nil {
		return nil, err
	}
	s, err := suites.Parse([]byte(h.SuiteText), "the suite in "+f.resume, f.settings(), tasks())
	if err != nil {
		return nil, err
	}
	s.Dir = f.inputsOf(h)
	return s, nil
}

func (f *runFlags) named(name string) (*suites.Suite, error) {
	s, err := suites.Load(name, f.settings(), tasks())
	if err == nil && f.inputs != "" {
		s.Dir = f.inputs
	}
	return s, err
}

// reopen opens the run to resume. For a dry run it only reads the journal.
func (f *runFlags) reopen() error {
	file, err := journalAt(f.resume)
	if err != nil {
		return err
	}
	if info, err := os.Stat(f.resume); err == nil && !info.IsDir() {
		f.resume = filepath.Dir(file)
	}
	if f.dryRun {
		f.old, err = result.ReadFile(file)
	} else {
		f.w, f.old, err = result.Reopen(file)
	}
	if err != nil {
		return err
	}
	if h := f.old.Last(); h != nil && h.Merged != nil {
		return usagef("%s is a merged run, and nothing is measured in it\n  hint: resume its shards, then merge them again: yocobench merge SHARD... --out DIR", f.resume)
	}
	return hasLines(f.old, file)
}

// restore takes each setting that the command line does not give from the run's last header.
func (f *runFlags) restore(h *result.Run) error {
	st := h.Settings
	if st == nil { // the header is of an older version
		st = &result.Settings{Threads: h.Env.Threads, Tier: h.Env.KernelTier}
	}
	measured := slices.ContainsFunc(f.old.Records, func(r result.Record) bool { return r.Source != result.Computed && r.Status == result.OK })
	const hint = "\n  hint: remove the flag, or start another run"
	switch given := f.device.threads; {
	case !f.changed("threads"):
		f.device.threads = st.Threads
	case measured && given != st.Threads && given != h.Env.Threads:
		return usagef("--threads %d: the run was measured with %d threads, and times of different numbers cannot be compared%s", given, h.Env.Threads, hint)
	}
	switch given := f.device.tier; {
	case !f.changed("tier"):
		f.device.tier = st.Tier
	case measured && given != st.Tier && given != h.Env.KernelTier:
		return usagef("--tier %s: the run was measured with the kernel tier %s, and times of different tiers cannot be compared%s", given, h.Env.KernelTier, hint)
	}
	if len(f.filters) == 0 {
		f.filters = h.Filter
	}
	if !f.changed("reports") && st.Reports != "" {
		f.reports = st.Reports
	}
	if !f.changed("across-machines") {
		f.baselines.across = st.AcrossMachines
	}
	if len(f.baselines.paths) == 0 {
		for _, p := range st.Baselines {
			path, err := below(f.resume, p)
			if err != nil {
				return err
			}
			if _, err := os.Stat(path); err != nil {
				return usagef("the run's baseline is no longer at %s\n  hint: give its new path: --baseline PATH", path)
			}
			f.baselines.paths = append(f.baselines.paths, path)
		}
	}
	if len(f.gates.gates) == 0 {
		f.gates.stored = st.Gates
		for i := range f.gates.stored {
			if f.changed("confidence") {
				f.gates.stored[i].Confidence = f.gates.confidence
			}
		}
	}
	return nil
}

// inputsOf returns the folder to which the relative paths of a run's suite refer.
func (f *runFlags) inputsOf(h *result.Run) string {
	if f.inputs != "" {
		return f.inputs
	}
	if h.Settings != nil && h.Settings.Inputs != "" {
		dir, err := below(f.resume, h.Settings.Inputs)
		if info, statErr := os.Stat(dir); err == nil && statErr == nil && info.IsDir() {
			return dir
		}
	}
	if info, err := os.Stat(h.SuiteFile); err == nil && info.Mode().IsRegular() {
		return filepath.Dir(h.SuiteFile)
	}
	if slices.Contains(suites.Shipped(), strings.TrimSuffix(h.SuiteFile, ".yaml")) {
		return "."
	}
	return filepath.Join(f.resume, noInputs) // does not exist; only suites with relative paths fail
}

// noInputs is the folder of inputs if it is unknown.
const noInputs = "folder-of-the-suite"

// planError adds to the plan error of a resumed run the folder in which its inputs were searched.
func (f *runFlags) planError(s *suites.Suite, err error) error {
	if f.resume == "" || err == nil {
		return err
	}
	where := "in " + s.Dir
	if filepath.Base(s.Dir) == noInputs {
		where = "nowhere: the run does not know the folder of its suite"
	}
	return fmt.Errorf("%w\n  hint: the suite's relative paths were searched %s; give another folder with --inputs DIR", err, where)
}

// changes lists what changed since the run was measured: texts, weights, the suite. The plan must
// be complete, before filters.
func (f *runFlags) changes(plan *suites.Plan) (changed []string) {
	if f.old == nil || f.old.Last() == nil {
		return nil
	}
	h := f.old.Last()
	for name, fingerprint := range plan.Text {
		if was, ok := h.Env.Text[name]; ok && was != fingerprint {
			changed = append(changed, "the text "+name)
		}
	}
	for name, identity := range weightsOf(plan) {
		if was, ok := h.Weights[name]; ok && was != identity {
			changed = append(changed, "the weights of "+name)
		}
	}
	slices.Sort(changed)
	if plan.Hash != h.SuiteHash {
		changed = append(changed, "the suite")
	}
	return changed
}

// shardOf returns the shard of the run: that of --shard, or of the run to resume. It is zero for a
// whole run.
func (f *runFlags) shardOf(given suites.Shard) (suites.Shard, error) {
	if f.old == nil || f.old.Last() == nil {
		return given, nil
	}
	was := f.old.Last().Shard
	switch {
	case was == nil && given.Count > 0:
		return given, usagef("--shard %s: the run to resume has the whole suite", given)
	case was == nil:
		return given, nil
	case given.Count > 0 && (given.Number != was.Number || given.Count != was.Count):
		return given, usagef("--shard %s: the run to resume is shard %s", given, was)
	}
	return suites.Shard{Number: was.Number, Count: was.Count}, nil
}

// samePlan returns an error if a shard to resume is no longer a part of the same plan: it could
// not be merged with the other shards.
func (f *runFlags) samePlan(plan *suites.Plan, s suites.Shard) error {
	if f.part == nil || f.old == nil || f.old.Last() == nil || f.old.Last().Shard.Plan == f.part.Plan {
		return nil
	}
	changed := f.changes(plan)
	if !slices.Equal(f.filters, f.old.Last().Filter) {
		changed = append(changed, "the filters")
	}
	if len(changed) == 0 {
		changed = []string{"the texts, the weights, the gates or the program"}
	}
	return usagef("%s changed after shard %s was started: its results could not be merged with those of the other shards\n  hint: undo the change, or start all shards again", strings.Join(changed, ", "), s)
}

// drop returns the ids of the run's records that match no case of the plan any more, and the
// reason. The plan must be complete, before filters; that of a shard is, because it has not
// changed (samePlan).
func (f *runFlags) drop(plan *suites.Plan) (ids []string, why string) {
	if f.old == nil {
		return nil, ""
	}
	asked := map[string]bool{}
	for _, c := range plan.Cases {
		asked[c.ID] = true
	}
	for _, r := range f.old.Records {
		if !asked[r.Case] {
			ids = append(ids, r.Case)
		}
	}
	if len(ids) == 0 || f.old.Last() == nil {
		return ids, ""
	}
	changed := f.changes(plan)
	if len(changed) == 0 {
		changed = []string{"the texts, the weights or the program"}
	}
	return ids, fmt.Sprintf("%s changed after the run was measured: %d of its records are dropped", strings.Join(changed, ", "), len(ids))
}

// weightsOf returns the identity of the weights of each model of a plan.
func weightsOf(plan *suites.Plan) map[string]string {
	out := map[string]string{}
	for _, c := range plan.Cases {
		out[c.Model.Name] = c.Model.Identity
	}
	return out
}

// finished returns the records that a resumed run keeps. Skipped and failed cases are tried again,
// and so are cases that ran out of memory if more is available now.
func (f *runFlags) finished(s *suites.Suite, env result.Env) map[string]result.Record {
	done := map[string]result.Record{}
	if f.old == nil {
		return done
	}
	more := map[*result.Run]bool{}
	for i, r := range f.old.Records {
		switch r.Status {
		case result.Skipped, result.Failed:
			continue
		case result.OOM:
			under := f.old.Under(i)
			if _, known := more[under]; !known {
				more[under] = under != nil && moreMemory(*under, s, env)
			}
			if more[under] {
				continue
			}
		}
		done[r.Case] = r
	}
	return done
}

// retry marks the cases that failed in an earlier run.
func retry(p *suites.Plan, j *result.Journal) {
	if j == nil {
		return
	}
	failed := map[string]bool{}
	for _, r := range j.Records {
		failed[r.Case] = r.Status == result.Failed
	}
	for _, c := range p.Cases {
		c.Retry = failed[c.ID]
	}
}

// moreMemory reports whether models may use more memory now than under an earlier header. Free
// memory varies a little from run to run, so without a set limit it must have grown by half.
func moreMemory(was result.Run, s *suites.Suite, env result.Env) bool {
	old := int64(0)
	if o, err := suites.Parse([]byte(was.SuiteText), journalName, nil, tasks()); err == nil {
		old = int64(o.Memory)
	}
	now := int64(s.Memory)
	if old == now {
		return now == 0 && float64(env.Memory) > 1.5*float64(was.Env.Memory)
	}
	if old == 0 {
		old = was.Env.Memory
	}
	if now == 0 {
		now = env.Memory
	}
	return now > old
}

// chosen returns the settings of the command line, as stored in the header of the run in dir.
func (f *runFlags) chosen(dir string, s *suites.Suite) *result.Settings {
	st := &result.Settings{
		Threads: f.device.threads, Tier: f.device.tier, Reports: f.reports, AcrossMachines: f.baselines.across,
		Inputs: relative(dir, s.Dir),
	}
	for _, g := range f.judged[len(s.Gates):] {
		st.Gates = append(st.Gates, result.Gate{Text: g.Text, Confidence: g.Confidence})
	}
	for _, list := range f.baselines.paths {
		for _, p := range split(list) {
			if rel := relative(dir, p); rel != "" {
				st.Baselines = append(st.Baselines, rel)
			}
		}
	}
	return st
}
