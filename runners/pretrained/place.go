package pretrained

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/suggest"
	"github.com/yocobench/yocobench/runners"
)

// place is where a parameter is stored: rows of a tensor.
type place struct {
	tensor string
	// from is the first of its rows.
	from int
	// order maps a row of the parameter to a row of the stored matrix, both counted from 0; nil is
	// the identity.
	order func(row int) int
	// add is added to each value.
	add float32
}

// key identifies a parameter.
type key struct {
	layer int
	role  runners.Role
}

// norms are the roles of norms.
var norms = []runners.Role{
	runners.RoleNorm, runners.RoleMixerNorm, runners.RoleFFNNorm, runners.RoleMixerPost, runners.RoleFFNPost, runners.RoleQNorm, runners.RoleKNorm,
}

// rotated are the roles whose rows are dimensions of heads that positions rotate.
var rotated = []runners.Role{runners.RoleQ, runners.RoleK, runners.RoleQBias, runners.RoleKBias}

// places finds the tensor of each parameter of c.
type places struct {
	layout layout
	params map[key]runners.TensorSpec
	// at maps parameters to places; shapes has the required shapes of the tensors, by name.
	at     map[key]place
	shapes map[string][]int
}

// findPlaces computes where a layout stores the parameters of c, without looking at a file.
func findPlaces(c *runners.Config, l layout) (*places, error) {
	p := &places{layout: l, params: map[key]runners.TensorSpec{}, at: map[key]place{}, shapes: map[string][]int{}}
	specs := c.Parameters()
	for _, s := range specs {
		p.params[key{s.Layer, s.Role}] = s
	}
	parts := c.LayerParts()
	for _, e := range l.entries {
		numbered := strings.Contains(e.name, "%d")
		if !numbered && e.part == "" {
			p.stack(c, -1, e.name, e.roles)
			continue
		}
		n := 0 // layers of the part so far
		for i, part := range parts {
			if e.part != "" && part != e.part {
				continue
			}
			name := e.name
			if numbered {
				name = fmt.Sprintf(name, n)
			}
			p.stack(c, i, name, e.roles)
			n++
		}
	}
	for _, s := range specs {
		if _, ok := p.at[key{s.Layer, s.Role}]; !ok {
			return nil, fmt.Errorf("no tensor name is known for the %s of %s", s.Role, c.Label)
		}
	}
	return p, nil
}

// stack records that a tensor holds roles of a layer, if the layer has them.
func (p *places) stack(c *runners.Config, layer int, name string, roles []runners.Role) {
	rows := 0
	for _, r := range roles {
		k := key{layer, r}
		spec, ok := p.params[k]
		if !ok {
			return
		}
		at := place{tensor: name, from: rows}
		if p.layout.minusOne && slices.Contains(norms, r) {
			at.add = 1
		}
		if slices.Contains(rotated, r) {
			at.order = p.order(c.Layers[layer].Mixer)
		}
		p.at[k] = at
		rows += spec.Shape[0]
		p.shapes[name] = append([]int{rows}, spec.Shape[1:]...)
	}
}

// order returns the order in which a head's rows are stored, nil if it is the runners' order.
// Runners rotate the pairs (j, j+n/2) of a head of n dimensions; if only some pairs are rotated,
// these are the first ones.
func (p *places) order(m runners.Mixer) func(row int) int {
	n := m.HeadDim
	half := n / 2
	if p.layout.interleaved { // the pairs are (2j, 2j+1)
		return func(row int) int {
			head, i := row/n*n, row%n
			return head + i%half*2 + i/half
		}
	}
	turned := 2 * m.Rope.Pairs(n)
	if m.Rope.None || turned == n {
		return nil
	}
	// The pairs are (j, j+turned/2); dimensions from turned on are not rotated.
	return func(row int) int {
		head, i := row/n*n, row%n
		first, j := i < half, i%half
		switch {
		case j < turned/2 && first:
			return head + j
		case j < turned/2:
			return head + turned/2 + j
		case first:
			return head + turned/2 + j
		}
		return head + half + j
	}
}

// stored describes a tensor of a file.
type stored struct {
	name, kind string
	// readable: the type can be converted to float32.
	readable bool
	shape    []int
	bytes    int64
}

// check compares the tensors of a file with the required ones.
func (p *places) check(file string, tensors []stored, unused func(name string) bool, tied bool) error {
	have := make(map[string]stored, len(tensors))
	names := make([]string, 0, len(tensors))
	for _, t := range tensors {
		have[t.name] = t
		names = append(names, t.name)
	}
	needed := make([]string, 0, len(p.shapes))
	for name := range p.shapes {
		needed = append(needed, name)
	}
	slices.Sort(needed)
	for _, name := range needed {
		t, ok := have[name]
		if !ok {
			return fmt.Errorf("%s: no tensor %q%s; want %v", file, name, didYouMean(name, names), p.shapes[name])
		}
		if !slices.Equal(t.shape, p.shapes[name]) {
			return fmt.Errorf("%s: tensor %q has shape %v, but the config makes it %v", file, name, t.shape, p.shapes[name])
		}
		if !t.readable {
			return fmt.Errorf("%s: tensor %q: the type %s is not supported", file, name, t.kind)
		}
	}
	output := p.layout.holding(runners.RoleOutput)
	var extra []string
	for _, t := range tensors {
		if _, ok := p.shapes[t.name]; ok || unused(t.name) || tied && t.name == output {
			continue
		}
		extra = append(extra, t.name)
	}
	if len(extra) > 0 {
		slices.Sort(extra)
		return fmt.Errorf("%s: the model has no place for %d tensors of the file, such as %q of shape %v", file, len(extra), extra[0], have[extra[0]].shape)
	}
	return nil
}

// didYouMean suggests the most similar name.
func didYouMean(name string, known []string) string {
	if near := suggest.Nearest(name, known[:min(len(known), 10000)]); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}
