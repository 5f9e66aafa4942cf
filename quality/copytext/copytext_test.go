package copytext

import (
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/kindtest"
)

func TestFamily(t *testing.T) {
	kindtest.Check(t, Family(), func(_ *quality.Kind, s *quality.Sample) string { return "\n" + s.References[0] + " " })
}

// The text has one changed word, and a copy without it scores almost 1 by similarity and 0 by
// position.
func TestChange(t *testing.T) {
	kinds := Family().Kinds
	for _, wording := range []string{quality.WordingOwn, Published} {
		for seed := range uint64(50) {
			d, err := kinds[0].Draw(rng.New("test", seed), kindtest.Settings(t, 1<<10, wording))
			if err != nil {
				t.Fatal(err)
			}
			s, err := d.Make(100)
			if err != nil {
				t.Fatal(err)
			}
			text, word, common := s.References[0], s.References[1], s.Distractors[0]
			if !strings.HasSuffix(s.Prompt(), text) {
				t.Errorf("the prompt ends with %q", s.Prompt()[len(s.Prompt())-50:])
			}
			if n := strings.Count(" "+text+" ", " "+word+" "); n != 1 {
				t.Errorf("%q occurs %d times in %q", word, n, text)
			}
			count := 100
			if strings.HasPrefix(common, word) {
				count++
			}
			if want := strings.Repeat(common+" ", count); strings.Replace(" "+text+" ", " "+word+" ", " ", 1) != " "+want {
				t.Errorf("%q is not %q with one %q", text, want, word)
			}
			plain := strings.TrimSpace(strings.Repeat(common+" ", 101))
			if a, b := kinds[0].Score(plain, s), kinds[1].Score(plain, s); !(a > 0.95 && a < 1) || b != 0 {
				t.Errorf("%q for %q: a copy without the change scores %g and %g", word, common, a, b)
			}
		}
	}
}

// TestShortTexts checks the position of changed words that are often the last one: a copy without
// the change scores 0, an exact copy 1.
func TestShortTexts(t *testing.T) {
	changed := Family().Kinds[1]
	for _, wording := range []string{quality.WordingOwn, Published} {
		for seed := range uint64(400) {
			d, err := changed.Draw(rng.New("test", seed), kindtest.Settings(t, 1<<10, wording))
			if err != nil {
				t.Fatal(err)
			}
			s, err := d.Make(4)
			if err != nil {
				t.Fatal(err)
			}
			plain := strings.Repeat(s.Distractors[0]+" ", 6)
			if a, b := changed.Score(plain, s), changed.Score(s.References[0], s); a != 0 || b != 1 {
				t.Errorf("%q: a copy without the change scores %g, an exact one %g", s.References[0], a, b)
			}
		}
	}
}
