package lookup

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/kindtest"
)

func TestFamily(t *testing.T) {
	kindtest.Check(t, Family(), func(k *quality.Kind, s *quality.Sample) string { return " " + s.References[0] + ".\n" })
}

var (
	object = regexp.MustCompile(`(?s)\{.*\}`)
	keyed  = regexp.MustCompile(`Key: (\S+)\n\w.*: (\S+)`)
)

// The prompts contain a JSON object in which the references are found.
func TestObjects(t *testing.T) {
	depths := map[float64]bool{}
	for i, hops := range []int{1, 2, 4} {
		k := Family().Kinds[i]
		for seed := range uint64(60) {
			d, err := k.Draw(rng.New("test", seed), kindtest.Settings(t, 4<<10, quality.WordingOwn))
			if err != nil {
				t.Fatal(err)
			}
			s, err := d.Make(37)
			if err != nil {
				t.Fatal(err)
			}
			var pairs map[string]string
			if err := json.Unmarshal([]byte(object.FindString(s.Prompt())), &pairs); err != nil {
				t.Fatalf("%s: %v", k.Name, err)
			}
			if want := 37 + max(hops, 3-2*(hops-1)); len(pairs) != want {
				t.Errorf("%s: %d pairs, want %d", k.Name, len(pairs), want)
			}
			prompt := s.Prompt()
			key := prompt[strings.LastIndex(prompt, " ")+1:]
			if hops > 1 {
				_, rest, _ := strings.Cut(prompt, "Start with the key ")
				key, _, _ = strings.Cut(rest, ".")
			} else {
				shots := keyed.FindAllStringSubmatch(prompt, -1)
				if len(shots) != 2 || pairs[shots[0][1]] != shots[0][2] || pairs[shots[1][1]] != shots[1][2] || shots[0][1] == key {
					t.Errorf("examples %q", shots)
				}
				depths[s.Depths[0]] = true
			}
			for range hops {
				key = pairs[key]
			}
			if key != s.References[0] {
				t.Errorf("%s: %s, want %s", k.Name, s.References[0], key)
			}
			if pairs[key] != "" {
				t.Errorf("%s: the chain does not end", k.Name)
			}
			if len(s.Depths) != hops {
				t.Errorf("%s: depths %v", k.Name, s.Depths)
			}
		}
	}
	if len(depths) > 60 || len(depths) < 6 {
		t.Errorf("depths %v", depths)
	}
}

// A number string has ten digits in at most five runs of equal digits, since copies are adjacent.
func TestNumberString(t *testing.T) {
	r := rng.New("test", 1)
	for range 200 {
		s := numberString(r)
		if len(s) != 10 {
			t.Fatalf("%q", s)
		}
		runs := 1
		for i := 1; i < len(s); i++ {
			if s[i] != s[i-1] {
				runs++
			}
		}
		if runs > 5 {
			t.Errorf("%q has %d runs of equal digits", s, runs)
		}
	}
}

func TestDone(t *testing.T) {
	kinds := Family().Kinds
	s := &quality.Sample{References: []string{"12345"}}
	const u = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
	for _, c := range []struct {
		kind   int
		answer string
		want   bool
	}{
		{3, "", false}, {3, " 123", false}, {3, " 12345", false}, {3, " 12345.", true}, {3, "It is 99, no", true}, {3, "no digits.", false},
		{1, u, false}, {1, u + "\n", true}, {1, "chain:\n", false}, {0, "12345", true}, {0, "1234", false},
	} {
		if got := kinds[c.kind].Done(c.answer, s); got != c.want {
			t.Errorf("%s: %q: %v", kinds[c.kind].Name, c.answer, got)
		}
	}
}
