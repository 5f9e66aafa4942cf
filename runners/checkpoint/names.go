package checkpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/runners"
)

// wrappers are the modules that PyTorch wraps around a model or a part of it (torch.compile,
// DataParallel, FSDP, activation checkpointing, SWA). Each adds a component to the names of the
// tensors inside.
var wrappers = []string{"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

// unwrapped returns a tensor's name without the wrappers' components:
// "module._orig_mod.layers.0._orig_mod.wq.weight" becomes "layers.0.wq.weight".
func unwrapped(name string) string {
	parts := strings.Split(name, ".")
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return slices.Contains(wrappers, p) }), ".")
}

// unwrap returns w with tensors named without wrappers.
func unwrap(w opened, names []string) (opened, []string, error) {
	u := unwrappedWeights{opened: w, stored: make(map[string]string, len(names))}
	plain := make([]string, len(names))
	for i, name := range names {
		p := unwrapped(name)
		if other, twice := u.stored[p]; twice && other != name {
			return nil, nil, fmt.Errorf("%s: the tensors %q and %q are both %q without the wrappers' components", w.Source(), other, name, p)
		}
		plain[i], u.stored[p] = p, name
	}
	if slices.Equal(plain, names) {
		return w, names, nil
	}
	return u, plain, nil
}

// unwrappedWeights finds tensors by their names without wrappers.
type unwrappedWeights struct {
	opened
	stored map[string]string // plain name -> name in the file
}

func (u unwrappedWeights) inFile(p runners.TensorSpec) runners.TensorSpec {
	if name, ok := u.stored[p.Name]; ok {
		p.Name = name
	}
	return p
}

func (u unwrappedWeights) check(p runners.TensorSpec) error { return u.opened.check(u.inFile(p)) }

// Tensor returns the tensor under its plain name, so a model's fingerprint does not depend on
// wrappers.
func (u unwrappedWeights) Tensor(p runners.TensorSpec) (runners.Tensor, error) {
	t, err := u.opened.Tensor(u.inFile(p))
	t.Name = p.Name
	return t, err
}

// prefix returns the common prefix of all parameters' names in have, "" if there is none.
func prefix(ps []runners.TensorSpec, have map[string]bool) string {
	for name := range have {
		before, ok := strings.CutSuffix(name, "."+ps[0].Name)
		if !ok {
			continue
		}
		before += "."
		if !slices.ContainsFunc(ps, func(p runners.TensorSpec) bool { return !have[before+p.Name] }) {
			return before
		}
	}
	return ""
}
