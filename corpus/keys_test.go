package corpus

import (
	"regexp"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
)

var keyPatterns = map[KeyShape]string{
	KeyWord:    `^[a-z]{5,10}$`,
	KeyWords:   `^[a-z]{4,8} [a-z]{4,8}$`,
	KeyHyphen:  `^[a-z]{4,8}-[a-z]{4,8}$`,
	KeyCapital: `^[A-Z][a-z]{4,9}$`,
	KeyCamel:   `^[A-Z][a-z]{3,6}[A-Z][a-z]{3,6}$`,
	KeyCode:    `^[a-z]{3,6}[1-9][0-9]{2,3}$`,
	KeyMixed:   `^[A-Za-z][A-Za-z0-9 -]+$`,
	"":         `^[a-z]{5,10}$`,
}

func TestKeys(t *testing.T) {
	for shape, pattern := range keyPatterns {
		re := regexp.MustCompile(pattern)
		keys, err := Keys(rng.New("test keys", 1), 300, shape)
		if err != nil {
			t.Fatal(err)
		}
		train, err := TrainingKeys(rng.New("test keys", 1), 300, shape)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range keys {
			if !re.MatchString(k) || !KeyHeldOut(k) || KeyHeldOut(train[i]) {
				t.Errorf("shape %q: key %q, held out %v; training key %q, held out %v", shape, k, KeyHeldOut(k), train[i], KeyHeldOut(train[i]))
			}
			for j, other := range keys {
				if i != j && strings.HasPrefix(strings.ToLower(other), strings.ToLower(k)) {
					t.Errorf("shape %q: %q begins with %q", shape, other, k)
				}
			}
		}
		again, _ := Keys(rng.New("test keys", 1), 300, shape)
		if strings.Join(again, " ") != strings.Join(keys, " ") {
			t.Errorf("shape %q: different keys from the same seed", shape)
		}
	}
	if _, err := Keys(rng.New("", 1), 1, "sonnet"); err == nil {
		t.Error("an unknown shape is accepted")
	}
}

// TestSplitRules pins the rules with values computed independently: training
// recipes in other languages depend on them.
func TestSplitRules(t *testing.T) {
	for _, c := range []struct {
		s    string
		hash uint32
	}{{"", 2166136261}, {"a", 0xe40c292c}, {"foobar", 0xbf9cf968}} {
		if h := fnv32(c.s); h != c.hash {
			t.Errorf("FNV-1a-32(%q) = %#x, want %#x", c.s, h, c.hash)
		}
	}
	for _, s := range []string{"", "a", "foobar", "net/http"} {
		if KeyHeldOut(s) != (fnv32(s)%8 == 0) || PackageHeldOut(s) != (fnv32(s)%10 == 0) {
			t.Errorf("split of %q", s)
		}
	}
}
