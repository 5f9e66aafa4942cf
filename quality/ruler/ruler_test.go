package ruler

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
)

var update = flag.Bool("update", false, "rewrite testdata/hashes.json")

// dataset is a small data set of questions.
func dataset(t testing.TB) any {
	t.Helper()
	var b bytes.Buffer
	for i := range 40 {
		line := map[string]any{
			"question": fmt.Sprintf("Who built house %d?", i), "answers": []string{fmt.Sprintf("Mason%d", i), fmt.Sprintf("the mason of house %d", i)},
			"documents": []string{fmt.Sprintf("House %d was built by Mason%d.", i, i)}, "related": []string{fmt.Sprintf("House %d has a garden.", i)},
		}
		if err := json.NewEncoder(&b).Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	v, err := openQA("data.jsonl", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func settings(t testing.TB, length int, wording string) *quality.Settings {
	t.Helper()
	source, err := corpus.Open(corpus.Spec{Kind: corpus.KindProse}, "")
	if err != nil {
		t.Fatal(err)
	}
	return &quality.Settings{Length: length, Wording: wording, Haystack: source, Data: dataset(t), Seed: 11}
}

func draw(t testing.TB, k *quality.Kind, s *quality.Settings, sample int) quality.Draft {
	t.Helper()
	s.Sample = sample
	d, err := k.Draw(rng.New("ruler test/"+k.Name, uint64(sample)), s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func sample(t testing.TB, d quality.Draft, n int) *quality.Sample {
	t.Helper()
	s, err := d.Make(n)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var lengths = []int{1000, 4096, 40000}

func each(t *testing.T, do func(t *testing.T, k *quality.Kind, wording string, length int)) {
	family := Family()
	for i := range family.Kinds {
		k := &family.Kinds[i]
		for _, wording := range []string{quality.WordingOwn, WordingRULER} {
			for _, length := range lengths {
				t.Run(fmt.Sprintf("%s/%s/%d", k.Name, wording, length), func(t *testing.T) { do(t, k, wording, length) })
			}
		}
	}
}

// TestSamples checks what holds for all kinds.
func TestSamples(t *testing.T) {
	each(t, func(t *testing.T, k *quality.Kind, wording string, length int) {
		s := settings(t, length, wording)
		seen := map[string]bool{}
		for i := range 6 {
			d := draw(t, k, s, i)
			least, step := d.Units()
			size := 0
			for n := least; n < least+40*step; n += step {
				x := sample(t, d, n)
				p := x.Prompt()
				if strings.TrimSpace(p) != p || x.Prefix == "" || strings.ContainsAny(p+x.Prefix, "\x00\r\uFFFD") {
					t.Fatalf("prompt %q, prefix %q", p, x.Prefix)
				}
				if len(p) < size {
					t.Errorf("%d units give %d bytes, fewer than %d", n, len(p), size)
				}
				size = len(p)
				for _, placeholder := range []string{"TYPE", "KEY", "VALUE", "CONTEXT"} {
					if strings.Contains(p+x.Prefix, placeholder) {
						t.Fatalf("%s in %q", placeholder, p)
					}
				}
			}
			x := sample(t, d, least+20*step)
			p := x.Prompt()
			if again := sample(t, draw(t, k, settings(t, length, wording), i), least+20*step); again.Prompt() != p || again.Prefix != x.Prefix {
				t.Errorf("sample %d differs when it is made again", i)
			}
			if seen[p] {
				t.Errorf("sample %d is like one before", i)
			}
			seen[p] = true
			if !slices.Equal(slices.Compact(slices.Sorted(slices.Values(x.References))), slices.Sorted(slices.Values(x.References))) {
				t.Errorf("equal references: %q", x.References)
			}
			if got := k.Score("It is "+strings.ToUpper(strings.Join(x.References, " ")), x); got != 1 || !k.Done(strings.Join(x.References, ","), x) {
				t.Errorf("the right answer scores %g", got)
			}
			if got := k.Score("I do not know.", x); got != 0 || k.Done("", x) {
				t.Errorf("a wrong answer scores %g", got)
			}
			for _, ref := range x.References[:1] {
				if !strings.Contains(p, ref) {
					t.Errorf("%q is not in the prompt", ref)
				}
			}
			for _, other := range x.Distractors {
				if !strings.Contains(p, other) || slices.Contains(x.References, other) {
					t.Errorf("distractor %q", other)
				}
			}
			for _, at := range x.Depths {
				if !(at >= 0 && at <= 1) {
					t.Errorf("depths %v", x.Depths)
				}
			}
		}
	})
}

// TestSameEverywhere compares the prompts with recorded hashes.
func TestSameEverywhere(t *testing.T) {
	got := map[string]string{}
	each(t, func(t *testing.T, k *quality.Kind, wording string, length int) {
		h, s := sha256.New(), settings(t, length, wording)
		for i := range 3 {
			d := draw(t, k, s, i)
			least, step := d.Units()
			for _, n := range []int{least, least + 50*step} {
				x := sample(t, d, n)
				fmt.Fprintln(h, x.Prompt(), x.Prefix, x.References, x.Distractors)
			}
		}
		got[strings.TrimPrefix(t.Name(), "TestSameEverywhere/")] = hex.EncodeToString(h.Sum(nil)[:8])
	})
	b, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "hashes.json")
	if *update {
		if err := os.WriteFile(path, append(b, '\n'), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(b, '\n'), want) {
		t.Errorf("other prompts than recorded (-update rewrites the hashes):\n%s", b)
	}
}

// TestHaystackWithoutWords checks that a file of almost only white space is an error.
func TestHaystackWithoutWords(t *testing.T) {
	for name, text := range map[string]string{"lines": strings.Repeat("\n", 5000) + ".", "sparse": strings.Repeat(" ", 5000) + "word"} {
		path := filepath.Join(t.TempDir(), "text.txt")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		source, err := corpus.Open(corpus.Spec{Kind: corpus.KindFiles, Paths: []string{path}}, "")
		if err != nil {
			t.Fatal(err)
		}
		s := settings(t, 4096, quality.WordingOwn)
		s.Haystack = source
		family := Family()
		i := slices.IndexFunc(family.Kinds, func(k quality.Kind) bool { return k.Name == "niah_single_2" })
		if _, err := family.Kinds[i].Draw(rng.New("blank", 1), s); err == nil || !strings.Contains(err.Error(), "too few words") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
