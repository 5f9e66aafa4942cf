package gate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/yocobench/yocobench/suites/match"
)

// parseCondition parses a condition (package match), or a bare size, which means the context of a
// case.
func parseCondition(text string) (match.Condition, error) {
	text = strings.TrimSpace(text)
	if !strings.ContainsAny(text, "<>=!") {
		if _, err := match.Number(text); err != nil {
			return match.Condition{}, fmt.Errorf("after @: expected a size such as 16Ki or a condition such as batch=4, got %q", text)
		}
		return match.Condition{Op: "=", Value: text}, nil
	}
	c, err := match.Parse(text)
	if errors.Is(err, match.ErrForm) || err == nil && !nameForm.MatchString(c.Key) {
		return match.Condition{}, fmt.Errorf("after @: expected a condition such as length<=16Ki, got %q", text)
	}
	if err != nil {
		return match.Condition{}, fmt.Errorf("after @: %s: %w", text, err)
	}
	return c, nil
}

// Match reports whether the gate applies to a case: whether task, model and conditions match.
func (g Gate) Match(task, model, arch string, f match.Fields) bool {
	return task == g.Task && Picks(g.Models, model, arch) && g.Where.Match(f)
}
