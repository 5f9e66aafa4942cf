// Package kindtest tests families of questions.
package kindtest

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
)

var update = flag.Bool("update", false, "rewrite testdata/samples.txt")

// samples is the number of samples of each kind and wording.
const samples = 24

// Check draws samples of all kinds of a family in all wordings, and compares them with
// testdata/samples.txt, which has the hash of all and the first one of each kind with few units. So
// they are the same on all machines. It tests what quality.Draft and quality.Sample require, and
// that the answer which right returns scores 1, no answer 0, and distractors, guesses and
// repetitions a number from 0 to 1, of which a distractor's is not 1.
func Check(t *testing.T, f quality.Family, right func(*quality.Kind, *quality.Sample) string) {
	var out bytes.Buffer
	for i := range f.Kinds {
		for _, wording := range append([]string{quality.WordingOwn}, f.Wordings...) {
			checkKind(t, &out, &f.Kinds[i], wording, right)
		}
	}
	const path = "testdata/samples.txt"
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("samples differ from %s; go test -update rewrites it", path)
	}
}

// Settings returns settings for tests.
func Settings(t testing.TB, length int, wording string) *quality.Settings {
	prose, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
	if err != nil {
		t.Fatal(err)
	}
	return &quality.Settings{Length: length, Wording: wording, Haystack: prose, Seed: 7}
}

func checkKind(t *testing.T, out *bytes.Buffer, k *quality.Kind, wording string, right func(*quality.Kind, *quality.Sample) string) {
	const length = 4 << 10
	settings := Settings(t, length, wording)
	if n := k.Answer(length); n < 1 || n >= length {
		t.Errorf("%s: an answer of %d tokens in %d", k.Name, n, length)
	}
	hash := sha256.New()
	var first *quality.Sample
	for i := range samples {
		name := fmt.Sprintf("%s, %s, sample %d", k.Name, wording, i)
		draw := func() quality.Draft {
			d, err := k.Draw(rng.New("kindtest "+k.Name, uint64(i)), settings)
			if err != nil && i == 0 && wording != quality.WordingOwn {
				fmt.Fprintf(out, "=== %s, wording %s: %v\n\n", k.Name, wording, err)
				return nil
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return d
		}
		d := draw()
		if d == nil {
			return
		}
		again := draw() // makes longer samples first
		least, step := d.Units()
		if step < 1 {
			t.Fatalf("%s: step %d", name, step)
		}
		units := []int{least, least + step, least + 2*step, least + 7*step, least + 50*step}
		later := make([]*quality.Sample, len(units))
		for j := range units {
			j = len(units) - 1 - j
			later[j] = make1(t, name, again, units[j])
		}
		before := 0
		for j, n := range units {
			s := make1(t, name, d, n)
			if text(s) != text(later[j]) {
				t.Fatalf("%s: %d units differ after more units", name, n)
			}
			checkSample(t, name, k, s, right(k, s))
			if len(s.Prompt()) < before {
				t.Errorf("%s: %d units give a shorter prompt", name, n)
			}
			before = len(s.Prompt())
			hash.Write([]byte(text(s)))
			if first == nil {
				first = s
			}
		}
	}
	fmt.Fprintf(out, "=== %s, wording %s: %x\n%s[%s]\n--- references %q, distractors %q\n\n", k.Name, wording, hash.Sum(nil), first.Prompt(), first.Prefix, first.References, first.Distractors)
}

func make1(t *testing.T, name string, d quality.Draft, n int) *quality.Sample {
	s, err := d.Make(n)
	if err != nil {
		t.Fatalf("%s, %d units: %v", name, n, err)
	}
	at := 0
	for _, e := range s.Edits {
		if e.From < at || e.To < e.From || e.To > len(s.Base) {
			t.Fatalf("%s, %d units: edits %+v of %d bytes", name, n, s.Edits, len(s.Base))
		}
		at = e.To
	}
	return s
}

// text returns all of a sample.
func text(s *quality.Sample) string {
	return fmt.Sprintf("%q %q %q %q %.9f\n", s.Prompt(), s.Prefix, s.References, s.Distractors, s.Depths)
}

func checkSample(t *testing.T, name string, k *quality.Kind, s *quality.Sample, right string) {
	t.Helper()
	prompt := s.Prompt()
	if strings.TrimSpace(prompt) != prompt || prompt == "" {
		t.Errorf("%s: the prompt begins or ends with white space: %.40q ... %q", name, prompt, prompt[max(0, len(prompt)-40):])
	}
	if s.Prefix != "" && strings.TrimSpace(s.Prefix) != strings.TrimLeft(s.Prefix, " \n") {
		t.Errorf("%s: the prefix %q ends with white space", name, s.Prefix)
	}
	if got := k.Score(right, s); got != 1 {
		t.Errorf("%s: the right answer %q scores %g; references %q, distractors %q", name, right, got, s.References, s.Distractors)
	}
	if k.Done != nil && k.Done(right, s) && k.Score(right+" x\nx.", s) != 1 {
		t.Errorf("%s: the right answer is done, but a continuation is wrong", name)
	}
	if got := k.Score("", s); got != 0 {
		t.Errorf("%s: no answer scores %g", name, got)
	}
	for _, answer := range s.Distractors {
		if got := k.Score(answer, s); !(got >= 0 && got < 1) {
			t.Errorf("%s: the distractor %q scores %g", name, answer, got)
		}
	}
	for _, answer := range []string{prompt, s.Prefix, prompt + s.Prefix + right, strings.Repeat(right+"\n", 3), "\n", "I do not know.", "\xff\x00"} {
		if got := k.Score(answer, s); !(got >= 0 && got <= 1) {
			t.Errorf("%s: the answer %.60q scores %g", name, answer, got)
		}
	}
	for _, depth := range s.Depths {
		if !(depth >= 0 && depth <= 1) {
			t.Errorf("%s: depths %v", name, s.Depths)
		}
	}
}
