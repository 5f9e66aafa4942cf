package reports

import (
	"slices"

	"github.com/yocobench/yocobench/suites/result"
)

// baselines gives, by model, the model that it is compared with: what the journal's headers say or,
// where none does, the journal's only Transformer for all models.
func baselines(j *result.Journal) map[string]string {
	out := map[string]string{}
	for _, run := range j.Runs {
		for model, base := range run.Baselines {
			out[model] = base
		}
	}
	if len(out) > 0 {
		return out
	}
	base := ""
	for i := range j.Records {
		if r := &j.Records[i]; r.Arch == "transformer" && r.Model != base {
			if base != "" {
				return out
			}
			base = r.Model
		}
	}
	if base != "" {
		for i := range j.Records {
			out[j.Records[i].Model] = base
		}
	}
	return out
}

// A family is the models of a group that share tables and pictures: those with one baseline, which
// is among them where the group has it.
type family struct {
	// name is what titles call them where there are several families.
	name   string
	models []string
	base   string // "" where the group lacks the baseline
}

// families parts the models of a group by their baseline. Where they have one baseline in all,
// models without one are shown with the others.
func (v *view) families(g *group) []family {
	var bases []string
	for _, m := range g.models {
		if b := v.baselines[m]; b != "" && !slices.Contains(bases, b) {
			bases = append(bases, b)
		}
	}
	if len(bases) == 0 {
		bases = []string{""}
	}
	var out []family
	for _, b := range bases {
		k := family{name: "baseline " + label(b)}
		for _, m := range g.models {
			if m == b {
				k.base = b
			}
			if m == b || v.baselines[m] == b || v.baselines[m] == "" && len(bases) == 1 {
				k.models = append(k.models, m)
			}
		}
		out = append(out, k)
	}
	rest := family{name: "without a baseline"}
	for _, m := range g.models {
		if v.baselines[m] == "" && len(bases) > 1 && !slices.Contains(bases, m) {
			rest.models = append(rest.models, m)
		}
	}
	if len(rest.models) > 0 {
		out = append(out, rest)
	}
	return out
}

// order gives the models of a family with its baseline first, as ratios read.
func (k family) order() []string {
	var out []string
	if k.base != "" {
		out = append(out, k.base)
	}
	for _, m := range k.models {
		if m != k.base {
			out = append(out, m)
		}
	}
	return out
}

// baseOf is the baseline of a model of the family, "" where it has none.
func (v *view) baseOf(k family, model string) string {
	if model == k.base || v.baselines[model] != k.base {
		return ""
	}
	return k.base
}
