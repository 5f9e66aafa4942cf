package reports

import (
	"slices"

	"github.com/yocobench/yocobench/suites/result"
)

// baselines returns, by model, the model that it is compared with. It comes from the journal's
// headers; if none has any, it is the journal's only Transformer.
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

// A family consists of the models of a group that share tables and pictures, because they have the
// same baseline. It includes the baseline if the group does.
type family struct {
	// name is the name in titles if there are several families.
	name   string
	models []string
	base   string // "" if the group lacks the baseline
}

// families splits the models of a group by baseline. If there is only one baseline, models without
// a baseline join its family.
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

// order returns the models of a family, the baseline first.
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

// baseOf returns the baseline of a model of the family, or "".
func (v *view) baseOf(k family, model string) string {
	if model == k.base || v.baselines[model] != k.base {
		return ""
	}
	return k.base
}
