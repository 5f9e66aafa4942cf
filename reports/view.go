package reports

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// view is a journal grouped for presentation. All writers use it.
type view struct {
	ctx     context.Context
	journal *result.Journal
	// verdicts holds the verdicts on the run's gates, or nil.
	verdicts *Gates
	// run is the journal's header (Journal.Header), or zero.
	run result.Run
	// machines lists the kinds of machines, measuring is the number of those with results, and on
	// holds the index of the machine of each record, -1 if it is unknown.
	machines  []machine
	measuring int
	on        []int
	// models is in the order of the first records, which determines colours and markers.
	models []string
	archs  map[string]string
	// baselines maps models to their baselines.
	baselines map[string]string
	// tasks maps names to the journal's tasks; order lists the names in the order of sections.
	tasks  map[string]*task
	order  []string
	groups []*group
	// left describes what is omitted.
	left []string
	// published holds the references by subject, flags the flags for reproduce by suite.
	published map[refKey]result.Reference
	flags     map[string][][2]string
	// sections holds the tables and figures of the groups, in order.
	sections []section
}

// section is a chapter of a report.
type section struct {
	id, title string
	// lead explains how to read the section, in a sentence or two.
	lead    string
	tables  []table
	figures []*figure
}

// group holds the records of one task that differ only in the model and in the axes of the task.
type group struct {
	about          *task
	runner, device string
	source         result.Source
	// served reports whether the models answered requests (result.Record.Served).
	served bool
	// devices lists the devices of the records if the group is not divided by device.
	devices []string
	// settings holds the parameters that all records of the group share, by name.
	settings map[string]string
	records  []*result.Record
	// left describes what is omitted of the group.
	left string
	// mixed describes the models' number types, if they differ.
	mixed []string
	// models lists the group's models, in the view's order.
	models []string
	// index caches the result of spots.
	index map[spot]*result.Record
	// byModel caches the index of recordsOf.
	byModel map[string][]*result.Record
	// name distinguishes the group from others of its task; id is for file names.
	name, id string
}

// newView groups a journal. If ctx ends it stops early, and rendering the view returns an error.
func newView(ctx context.Context, j *result.Journal, g *Gates) *view {
	v := &view{ctx: ctx, journal: j, verdicts: g, archs: map[string]string{}, baselines: baselines(j)}
	if h := j.Header(); h != nil {
		v.run = *h
	}
	v.findMachines()
	for i := range j.Records {
		r := &j.Records[i]
		if _, ok := v.archs[r.Model]; !ok {
			v.archs[r.Model] = r.Arch
			v.models = append(v.models, r.Model)
		}
	}
	v.declare()
	v.groups = v.group()
	v.build()
	return v
}

// group groups the records. Two records with the same position in a group (because they differ in
// weights or seed, say) go to separate groups.
func (v *view) group() []*group {
	var groups []*group
	index := map[string]*group{}
	taken := map[string]int{}
	own, placed := v.ownParams(), v.placeParams()
	for i := range v.journal.Records {
		r := &v.journal.Records[i]
		settings, place := v.tasks[r.Task].split(r)
		for name := range settings {
			if own[ownParam{r.Task, name}] || placed[ownParam{r.Task, name}] {
				delete(settings, name)
			}
		}
		device := v.deviceOf(i)
		key, _ := json.Marshal([]any{r.Task, r.Runner, device, r.Source, r.Served, settings})
		spot := string(key) + "\x00" + r.Model + "\x00" + place
		taken[spot]++
		id := fmt.Sprintf("%s#%d", key, taken[spot])
		g := index[id]
		if g == nil {
			g = &group{about: v.tasks[r.Task], runner: r.Runner, device: device, source: r.Source, served: r.Served, settings: settings}
			if n := taken[spot]; n > 1 {
				g.settings = map[string]string{"set": fmt.Sprint(n)}
				for k, s := range settings {
					g.settings[k] = s
				}
			}
			index[id] = g
			groups = append(groups, g)
		}
		g.records = append(g.records, r)
		if device == "" && r.Device != "" && !slices.Contains(g.devices, r.Device) && len(g.devices) < 4 {
			g.devices = append(g.devices, r.Device)
		}
	}
	for _, g := range groups {
		if len(g.devices) > 0 {
			g.device = strings.Join(g.devices, ", ")
		}
		g.keepOwn(own)
		g.keepPlaced(placed)
	}
	rank := func(g *group) int { return slices.Index(v.order, g.about.Name) }
	slices.SortStableFunc(groups, func(a, b *group) int { return rank(a) - rank(b) })
	groups = v.bound(groups)
	v.nameGroups(groups)
	return groups
}

// ownParam is a parameter of a task that belongs to the model rather than to the question.
type ownParam struct{ task, name string }

// ownParams returns the parameters that belong to models, such as number types. Models with
// different values are shown together, unless a model was measured with several values.
func (v *view) ownParams() map[ownParam]bool {
	out := map[ownParam]bool{}
	type value struct {
		ownParam
		model string
	}
	values := map[value]string{}
	for i := range v.journal.Records {
		r := &v.journal.Records[i]
		for _, name := range v.tasks[r.Task].ModelParams {
			p := ownParam{r.Task, name}
			x := paramText(name, r.Params[name])
			old, seen := values[value{p, r.Model}]
			values[value{p, r.Model}] = x
			if was, known := out[p]; !known || was {
				out[p] = !seen || old == x
			}
		}
	}
	return out
}

// placeParams returns the declared parameters (Task.PlaceParams) that have one value at each
// position on the axes, given the settings that separate groups.
func (v *view) placeParams() map[ownParam]bool {
	out := map[ownParam]bool{}
	for task, t := range v.tasks {
		for i, name := range t.PlaceParams {
			p := ownParam{task, name}
			out[p] = true
			values := map[string]string{}
			for k := range v.journal.Records {
				r := &v.journal.Records[k]
				if r.Task != task {
					continue
				}
				settings, place := t.split(r)
				for j, other := range t.PlaceParams {
					if j >= i || out[ownParam{task, other}] {
						delete(settings, other)
					}
				}
				at, _ := json.Marshal([]any{settings, place})
				x := paramText(name, r.Params[name])
				if old, seen := values[string(at)]; seen && old != x {
					out[p] = false
					break
				}
				values[string(at)] = x
			}
		}
	}
	return out
}

// keepPlaced keeps a parameter as a setting if all records of the group that have it agree.
func (g *group) keepPlaced(placed map[ownParam]bool) {
	for _, name := range g.about.PlaceParams {
		if !placed[ownParam{g.about.Name, name}] {
			continue
		}
		value, agree := "", true
		for _, r := range g.records {
			x := paramText(name, r.Params[name])
			agree = agree && (x == "" || value == "" || x == value)
			value = cmp.Or(value, x)
		}
		if agree && value != "" {
			g.settings[name] = value
		}
	}
}

// keepOwn describes the parameters of models: as a setting if all models of the group have the same
// value, otherwise in mixed.
func (g *group) keepOwn(own map[ownParam]bool) {
	for _, name := range g.about.ModelParams {
		if !own[ownParam{g.about.Name, name}] {
			continue
		}
		var values []string
		models, seen := map[string][]string{}, map[string]bool{}
		for _, r := range g.records {
			x := paramText(name, r.Params[name])
			if len(models[x]) == 0 {
				values = append(values, x)
			}
			if !seen[r.Model] {
				seen[r.Model] = true
				models[x] = append(models[x], label(r.Model))
			}
		}
		if len(values) == 1 && values[0] != "" {
			g.settings[name] = values[0]
		}
		if len(values) > 1 {
			for _, x := range values {
				g.mixed = append(g.mixed, fmt.Sprintf("%s %s: %s", name, x, cleantext.Ellipsis(strings.Join(models[x], ", "), 80)))
			}
		}
	}
}

// split splits a record's parameters into settings, which determine its group, and its position on
// the axes.
func (t *task) split(r *result.Record) (settings map[string]string, place string) {
	settings = map[string]string{}
	at := map[string]any{}
	for name, value := range r.Params {
		if i := slices.IndexFunc(t.Axes, func(a result.Axis) bool { return a.Param == name }); i >= 0 {
			_, isNumber := number(r, name)
			_, other := number(r, t.Axes[i].Without)
			if (isNumber || !t.Axes[i].Numbers) && !other {
				at[name] = value
				continue
			}
		} else if slices.Contains(t.Repeats, name) {
			continue
		}
		settings[name] = paramText(name, value)
	}
	b, _ := json.Marshal(at)
	return settings, string(b)
}

// nameGroups names each group by settings that distinguish it from the other groups of its task.
// Some settings are always used, others only if necessary.
func (v *view) nameGroups(groups []*group) {
	ids := map[string]bool{}
	for _, g := range groups {
		var words, parts []string
		alike := slices.DeleteFunc(g.others(groups), func(o *group) bool { return o.served != g.served }) // marked below
		for _, name := range g.about.NameParams {
			value := g.settings[name]
			if value == "" {
				continue
			}
			words = append(words, value)
			if slices.ContainsFunc(g.others(groups), func(o *group) bool { return o.settings[name] != value }) {
				parts = append(parts, value)
			}
			alike = slices.DeleteFunc(alike, func(o *group) bool { return o.settings[name] != value })
		}
		for _, name := range g.differing(alike) {
			if s := g.settings[name]; s != "" && !slices.Contains(g.about.NameParams, name) {
				words, parts = append(words, clean(name)+" "+s), append(parts, name+" "+s)
			}
		}
		runner, device := g.apart(alike)
		switch on := clean(g.device); {
		case runner && on != "" && on != g.runner:
			words, parts = append(words, strings.TrimPrefix(clean(g.runner)+" on "+on, " on ")), append(parts, g.runner)
		case runner:
			words, parts = append(words, clean(g.runner)), append(parts, g.runner)
		case device:
			words = append(words, on)
		}
		if device {
			parts = append(parts, g.device)
		}
		if g.served {
			parts = append(parts, "served")
		}
		g.name = cleantext.Ellipsis(strings.Join(words, ", "), 120)
		if g.source == result.Computed {
			g.name = strings.TrimPrefix(g.name+" (computed)", " ")
		}
		if g.served {
			g.name = strings.TrimPrefix(g.name+" (served)", " ")
		}
		g.id = unique(ids, slug(g.about.Name+" "+strings.Join(parts, " ")))
		of := map[string]bool{}
		for _, r := range g.records {
			of[r.Model] = true
		}
		for _, m := range v.models {
			if of[m] {
				g.models = append(g.models, m)
			}
		}
	}
}

// others returns the other groups of the same task.
func (g *group) others(groups []*group) (out []*group) {
	for _, o := range groups {
		if o != g && o.about == g.about {
			out = append(out, o)
		}
	}
	return out
}

// differing returns the settings in which a group differs from one of others. Hashes and depths in
// words are omitted if something else differs too.
func (g *group) differing(others []*group) []string {
	differs := map[string]bool{}
	for _, o := range others {
		for name := range union(o.settings, g.settings) {
			if o.settings[name] != g.settings[name] {
				differs[name] = true
			}
		}
	}
	for _, minor := range []string{"text", "wording", "depth"} {
		if len(differs) > 1 {
			delete(differs, minor)
		}
	}
	return sortedKeys(differs)
}

// apart reports whether others used a different runner, and whether they used a different device of
// the same runner.
func (g *group) apart(others []*group) (runner, device bool) {
	for _, o := range others {
		runner = runner || o.runner != g.runner
		device = device || o.runner == g.runner && o.device != g.device
	}
	return runner, device
}

// unique returns name, with a number if it is already taken.
func unique(taken map[string]bool, name string) string {
	if name = strings.Trim(name, "-"); name == "" {
		name = "x"
	}
	out := name
	for n := 2; taken[out]; n++ {
		out = fmt.Sprintf("%s-%d", name, n)
	}
	taken[out] = true
	return out
}

func union(a, b map[string]string) map[string]bool {
	out := map[string]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// describe lists a group's settings that are not in its name, its runner and its device in one
// line.
func (g *group) describe() string {
	var words []string
	described := g.about.DescribedParams
	if !g.about.declared {
		described = sortedKeys(g.settings)
		described = described[:min(len(described), 12)]
	}
	for _, name := range described {
		s := g.settings[name]
		if s != "" && !slices.Contains(g.about.NameParams, name) && !strings.Contains(g.name, name+" "+s) {
			words = append(words, clean(name)+" "+cleantext.Ellipsis(s, 60))
		}
	}
	words = append(words, g.mixed...)
	how := "measured"
	if g.source == result.Computed {
		how = "computed"
	}
	on := g.runner
	if g.device != "" && g.device != g.runner {
		on = strings.TrimPrefix(on+" on "+g.device, " on ")
	}
	if on != "" {
		how += " by " + clean(on)
	}
	if g.served {
		how += ", with the network and the server's queue"
	}
	return joined(append(words, how, g.left)...)
}
