package mrcr

import (
	"regexp"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/kindtest"
)

func right(_ *quality.Kind, s *quality.Sample) string { return s.References[1] + s.References[0] }

func TestFamily(t *testing.T) {
	kindtest.Check(t, Family(), func(k *quality.Kind, s *quality.Sample) string { return "\n" + right(k, s) })
}

// The i-th writing that was asked for in the words of the question is the reference, and the asks
// occur as often as the kind says.
func TestAnswer(t *testing.T) {
	final := regexp.MustCompile(`User: Prepend (\w{10}) to the (\d)\w\w \(1 indexed\) ([\w ]+)\. Do not include any other text in your response\.$`)
	for i, n := range []int{2, 4, 8} {
		for seed := range uint64(20) {
			k := Family().Kinds[i]
			d, err := k.Draw(rng.New("test", seed), kindtest.Settings(t, 8<<10, Published))
			if err != nil {
				t.Fatal(err)
			}
			s, err := d.Make(40)
			if err != nil {
				t.Fatal(err)
			}
			m := final.FindStringSubmatch(s.Prompt())
			if m == nil {
				t.Fatalf("no question at the end of %q", s.Prompt())
			}
			parts := strings.Split(s.Prompt(), "User: Write a "+m[3]+".\n\nAssistant: ")
			if len(parts) != n+1 {
				t.Fatalf("%d asks for %s, want %d", len(parts)-1, m[3], n)
			}
			which := int(m[2][0] - '0')
			writing, _, _ := strings.Cut(parts[which], "\n\nUser: ")
			if writing = strings.TrimSuffix(writing, "\n\n"); writing != s.References[0] || m[1] != s.References[1] {
				t.Errorf("the %s %s is %q, want %q", m[2], m[3], s.References[0], writing)
			}
			if at := float64(strings.Index(s.Prompt(), parts[which])) / float64(len(s.Prompt())); at < s.Depths[0]-0.03 || at > s.Depths[0]+0.03 {
				t.Errorf("depth %g, want %g", s.Depths[0], at)
			}
			if others := len(s.Distractors); others != n-1 {
				t.Errorf("%d distractors", others)
			}
			if got := k.Answer(8 << 10); len(right(nil, s)) > got {
				t.Errorf("an answer of %d bytes for %d", got, len(right(nil, s)))
			}
		}
	}
}

// wrong are a small letter after a full stop, a wrong article, two spaces and an unknown slot.
var wrong = regexp.MustCompile(`[.?!]\s[a-z]|\b[Aa] [aeiou]|\b[Aa]n [^aeiou]|  |[{}]`)

// Writings are about as long as size says, not longer, and have popular characters.
func TestSize(t *testing.T) {
	r := rng.New("test", 1)
	for _, length := range []int{1 << 10, 4 << 10, 16 << 10, 1 << 20} {
		most := size(length)
		for range 300 {
			f := rng.Pick(r, forms)
			text := f.write(r, rng.Pick(r, topics), most)
			if n := len(text); n > most || n < max(200, most-140) {
				t.Errorf("a %s of %d bytes at %d tokens, want %d: %q", f.name, n, length, most, text)
			}
			if bad := wrong.FindString(text); bad != "" {
				t.Errorf("%q in %q", bad, text)
			}
		}
	}
}

// An answer without the random string is done at once.
func TestDone(t *testing.T) {
	k, s := Family().Kinds[0], &quality.Sample{References: []string{"text", "abcdefghij"}}
	for answer, want := range map[string]bool{"": false, " abcde": false, "Sure, here it is": true, "abcdefghij": false, "abcdefghijk": false, "abcdefghiX": true} {
		if got := k.Done(answer, s); got != want {
			t.Errorf("%q: %v", answer, got)
		}
	}
}
