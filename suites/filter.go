package suites

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/yocobench/yocobench/suites/match"
)

// Filter selects cases. It is a list of alternatives. In each, all conditions must hold.
type Filter []match.All

// ParseFilter parses filters of the form key=glob[,key<=number…] (package match). A case passes if
// it matches any of them. Keys are task, model, arch, runner, label, case and the case's params.
func ParseFilter(texts []string) (Filter, error) {
	var f Filter
	for _, t := range texts {
		var all match.All
		for _, part := range strings.Split(t, ",") {
			c, err := match.Parse(part)
			if errors.Is(err, match.ErrForm) {
				return nil, fmt.Errorf("--filter %q: expected conditions such as task=needle,model=tiny-*,length<=8Ki", part)
			}
			if err != nil {
				return nil, fmt.Errorf("--filter %q: %w", part, err)
			}
			all = append(all, c)
		}
		f = append(f, all)
	}
	return f, nil
}

// Match reports whether a case with these fields passes. A filter without alternatives passes all
// cases.
func (f Filter) Match(fields match.Fields) bool {
	for _, all := range f {
		if all.Match(fields) {
			return true
		}
	}
	return len(f) == 0
}

// Check returns an error for a key that no case has.
func (f Filter) Check(p *Plan) error {
	known := map[string]bool{}
	for _, c := range p.Cases {
		for k := range c.fields() {
			known[k] = true
		}
	}
	return f.check(known)
}

// check returns an error for a key that is not known.
func (f Filter) check(known map[string]bool) error {
	for _, all := range f {
		for _, c := range all {
			if !known[c.Key] {
				var names []string
				for k := range known {
					names = append(names, k)
				}
				sort.Strings(names)
				return &Problem{Msg: fmt.Sprintf("--filter: no case has a field %q", c.Key), Hint: Suggest(c.Key, names)}
			}
		}
	}
	return nil
}

// none returns the error of a filter that selects no case.
func (f Filter) none() error {
	return &Problem{Msg: fmt.Sprintf("no case matches --filter %s; `--dry-run` without it lists them all", f)}
}

// String returns the filters as they were written.
func (f Filter) String() string {
	var alts []string
	for _, all := range f {
		var cs []string
		for _, c := range all {
			cs = append(cs, c.String())
		}
		alts = append(alts, strings.Join(cs, ","))
	}
	return strings.Join(alts, " --filter ")
}
