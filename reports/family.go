package reports

import (
	"slices"
	"strings"
)

// family is a model's name without its architecture: models of one family are
// compared with each other, such as tiny-yoco-gret and tiny-transformer.
func family(model, arch string) string {
	name := strings.ToLower(model)
	for _, part := range []string{strings.ToLower(arch), "yoco-gret", "yoco-swa", "yoco", "transformer", "llama"} {
		if part != "" && strings.Contains(name, part) {
			name = strings.Replace(name, part, "", 1)
			break
		}
	}
	return strings.Trim(strings.ReplaceAll(name, "--", "-"), "-_ ")
}

// families gives the models of a group by family, and each family's Transformer
// baseline ("" where it has none).
func (v *view) families(g *group) []kin {
	var out []kin
	for _, m := range g.models {
		name := family(m, v.archs[m])
		i := slices.IndexFunc(out, func(k kin) bool { return k.name == name })
		if i < 0 {
			i = len(out)
			out = append(out, kin{name: name})
		}
		out[i].models = append(out[i].models, m)
		if v.archs[m] == "transformer" && out[i].base == "" {
			out[i].base = m
		}
	}
	return out
}

// kin are the models of one family in a group.
type kin struct {
	name   string
	models []string
	base   string
}

// order gives the models of a family with its baseline first, as ratios read.
func (k kin) order() []string {
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
