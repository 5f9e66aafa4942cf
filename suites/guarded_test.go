package suites

import (
	"errors"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// A tokenizer that gives up on a text fails the case with its own words, any other panic as a
// panic.
func TestGuarded(t *testing.T) {
	slow := &tokenizer.PatternError{Tokenizer: "hostile", Err: errors.New("too slow")}
	if err := guarded(func() error { panic(slow) }); err == nil || err.Error() != "tokenizer hostile: too slow" {
		t.Errorf("a slow pattern: %v", err)
	}
	if err := guarded(func() error { panic("broken") }); err == nil || !strings.HasPrefix(err.Error(), "panic: broken") {
		t.Errorf("another panic: %v", err)
	}
	if err := guarded(func() error { return nil }); err != nil {
		t.Error(err)
	}
}
