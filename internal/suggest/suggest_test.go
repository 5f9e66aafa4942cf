package suggest

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"lengths", "depths", "trials", "haystack", "KV"}
	for name, want := range map[string]string{
		"length":                    "lengths",
		"Depth":                     "depths",
		"trails":                    "trials",
		"hay":                       "",
		"haystakc":                  "haystack",
		"temperature":               "",
		"kv":                        "KV",
		strings.Repeat("x", 100000): "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := Nearest("ab", []string{"ac", "abc"}); got != "ac" {
		t.Errorf("of two at distance 1 not the first but %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if distance(c.a, c.b) != c.want || distance(c.b, c.a) != c.want {
			t.Errorf("%q, %q: %d and %d, want %d", c.a, c.b, distance(c.a, c.b), distance(c.b, c.a), c.want)
		}
	}
}
