package kindtest_test

import (
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/babilong"
	"github.com/yocobench/yocobench/quality/copytext"
	"github.com/yocobench/yocobench/quality/graphwalks"
	"github.com/yocobench/yocobench/quality/kindtest"
	"github.com/yocobench/yocobench/quality/lookup"
	"github.com/yocobench/yocobench/quality/mrcr"
)

// FuzzAnswers scores any answer to a question of each kind. If an answer is done, what follows does
// not change its score.
func FuzzAnswers(f *testing.F) {
	type asked struct {
		kind   quality.Kind
		sample *quality.Sample
	}
	var list []asked
	for _, family := range []quality.Family{mrcr.Family(), graphwalks.Family(), lookup.Family(), babilong.Family(), copytext.Family()} {
		for _, k := range family.Kinds {
			d, err := k.Draw(rng.New("fuzz", 1), kindtest.Settings(f, 4<<10, quality.WordingOwn))
			if err != nil {
				f.Fatal(err)
			}
			s, err := d.Make(8)
			if err != nil {
				f.Fatal(err)
			}
			list = append(list, asked{k, s})
			last := s.References[len(s.References)-1]
			f.Add(last+" "+s.References[0], ".\nno")
			f.Add(" ["+strings.Join(s.References, ", ")+"]\n", "Final Answer: []")
			f.Add("Final Answer: ["+last+"]", "\nFinal Answer: [x]")
			f.Add(s.References[0]+"\n", strings.Join(s.Distractors, "\n"))
			f.Add("It is the "+last+".", " Or not.")
		}
	}
	f.Fuzz(func(t *testing.T, answer, more string) {
		if len(answer)+len(more) > 1<<13 {
			return
		}
		for _, a := range list {
			score := a.kind.Score(answer, a.sample)
			if !(score >= 0 && score <= 1) {
				t.Errorf("%s: %q scores %g", a.kind.Name, answer, score)
			}
			if a.kind.Done == nil || !a.kind.Done(answer, a.sample) {
				continue
			}
			if got := a.kind.Score(answer+more, a.sample); got != score {
				t.Errorf("%s: %q is done with %g, but scores %g with %q after it", a.kind.Name, answer, score, got, more)
			}
		}
	})
}
