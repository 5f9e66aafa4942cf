package contrast

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/yocobench/yocobench/corpus"
	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// functionWords are words without content of their own.
var functionWords = strings.Fields("a able as at be been by can cannot comes for from has have in is must never next of on one some the to was who will")

// contentWords returns the words of a text without function words, in lower case.
func contentWords(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.DeleteFunc(words, func(w string) bool { return slices.Contains(functionWords, w) })
}

// shared returns the words of a that b has too, or that begin with the same four letters as a word
// of b.
func shared(a, b string) (out []string) {
	for _, x := range contentWords(a) {
		if slices.ContainsFunc(contentWords(b), func(y string) bool {
			return x == y || len(x) > 3 && len(y) > 3 && x[:4] == y[:4]
		}) {
			out = append(out, x)
		}
	}
	return out
}

// fill returns a wording with the key and the hint.
func fill(wording string, key [2]string) string {
	return strings.NewReplacer("{key}", key[0], "{hint}", key[1]).Replace(wording)
}

// A question by association shares no content word with its fact, a paraphrase only those of the
// key, and no other association fits the fact.
func TestFactsShareNoWords(t *testing.T) {
	hints := map[string]string{}
	n := 0
	for _, r := range known().Relations {
		for _, k := range r.Keys {
			n++
			fact, para, assoc := fill(r.Fact, k), fill(r.Paraphrase, k), fill(r.Association, k)
			if got := shared(fact, assoc); got != nil {
				t.Errorf("%q and %q share %q", fact, assoc, got)
			}
			if got := shared(strings.ReplaceAll(r.Fact, "{key}", ""), strings.ReplaceAll(r.Paraphrase, "{key}", "")); got != nil {
				t.Errorf("%q and %q share %q", fact, para, got)
			}
			if !strings.Contains(para, k[0]) || strings.Contains(assoc, k[0]) {
				t.Errorf("%q, %q: a paraphrase has the key, an association does not", para, assoc)
			}
			if len(contentWords(k[1])) == 0 {
				t.Errorf("the hint %q has no content word", k[1])
			}
			if other := hints[k[1]]; other != "" {
				t.Errorf("%q is a hint of %s and %s", k[1], other, k[0])
			}
			hints[k[1]] = k[0]
			if strings.Contains(r.Fact, " a {key}") && strings.ContainsRune("aeiou", rune(k[0][0])) {
				t.Errorf("%q: an article before a vowel", fact)
			}
			if strings.ContainsAny(fact+para+assoc, "{}") {
				t.Errorf("unknown place holders: %q, %q, %q", r.Fact, r.Paraphrase, r.Association)
			}
		}
	}
	field, _ := reflect.TypeFor[Params]().FieldByName("Trials")
	if !strings.Contains(field.Tag.Get("doc"), fmt.Sprintf("After %d trials", n)) {
		t.Errorf("there are %d facts; the description of trials says otherwise", n)
	}
}

// The names are plausible alternatives: equally long, and one token each after a space.
func TestNames(t *testing.T) {
	names := known().Names
	if sorted := slices.Compact(slices.Sorted(slices.Values(names))); len(sorted) != len(names) {
		t.Error("a name occurs twice")
	}
	text := string(corpus.Prose(corpus.StreamTest, 1, 1<<20))
	for _, n := range names {
		if len(n) != len(names[0]) {
			t.Errorf("%s has %d letters, %s has %d", n, len(n), names[0], len(names[0]))
		}
		if strings.Contains(text, n) {
			t.Errorf("generated prose has the name %s", n)
		}
	}
}

func TestNamesAreTokens(t *testing.T) {
	path := testenv.SmolLM2(t)
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tok, err := tokenizer.FromGGUF("smollm2", f)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range known().Names {
		if ids := tok.Encode(" " + n); len(ids) != 1 {
			t.Errorf("%s has %d tokens", n, len(ids))
		}
	}
}

func TestNearKeys(t *testing.T) {
	r := rng.New("test", 1)
	for _, rel := range known().Relations {
		for _, k := range rel.Keys {
			got := nearKeys(r, k[0], maxDistractors())
			if len(slices.Compact(slices.Sorted(slices.Values(got)))) != maxDistractors() {
				t.Errorf("%s: %q", k[0], got)
			}
			for _, n := range got {
				differ := 0
				for i := range n {
					if n[i] != k[0][i] {
						differ++
					}
				}
				if len(n) != len(k[0]) || differ != 1 || isKey(n) {
					t.Errorf("%s is not near %s", n, k[0])
				}
			}
		}
	}
}

// A few trials cover all relations evenly.
func TestEntriesAreSpread(t *testing.T) {
	all := entries(rng.New("test", 2))
	seen := map[entry]bool{}
	for _, e := range all {
		seen[e] = true
	}
	if len(seen) != len(all) {
		t.Error("a fact occurs twice")
	}
	count := map[int]int{}
	for _, e := range all[:len(all)/4] {
		count[e.relation]++
	}
	for i, rel := range known().Relations {
		if want := len(rel.Keys) / 4; count[i] < want-1 || count[i] > want+1 {
			t.Errorf("%d of the first quarter are of relation %s, want about %d", count[i], rel.Name, want)
		}
	}
}
