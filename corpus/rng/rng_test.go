package rng

import (
	"regexp"
	"testing"
)

func TestUUID(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	r, seen := New("test", 1), map[string]bool{}
	for range 1000 {
		u := r.UUID()
		if !form.MatchString(u) || seen[u] {
			t.Fatalf("%q", u)
		}
		seen[u] = true
	}
}
