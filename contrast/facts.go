package contrast

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/yocobench/yocobench/corpus/rng"
)

//go:embed facts.json
var factsJSON []byte

// relation is a kind of facts about persons. Its wordings follow "the one who".
type relation struct {
	Name string `json:"name"`
	// Fact is the wording in the text and of the literal question. It contains {key}, as does
	// Paraphrase. Association contains {hint}.
	Fact        string `json:"fact"`
	Paraphrase  string `json:"paraphrase"`
	Association string `json:"association"`
	// Keys holds pairs of a key and its hint.
	Keys [][2]string `json:"keys"`
}

// tables is the content of facts.json.
type tables struct {
	Names     []string   `json:"names"`
	Relations []relation `json:"relations"`
}

// known returns the facts. The file is embedded and tested.
var known = sync.OnceValue(func() (t tables) {
	if err := json.Unmarshal(factsJSON, &t); err != nil {
		panic(err)
	}
	return t
})

// factsHash identifies the facts and the wordings of prompts.
func factsHash() string {
	sum := sha256.Sum256(append(slices.Clone(factsJSON), ask+askInChat...))
	return hex.EncodeToString(sum[:4])
}

// entry is one fact: a key of a relation.
type entry struct{ relation, key int }

func (e entry) of() *relation { return &known().Relations[e.relation] }

// words returns the key and the hint.
func (e entry) words() (key, hint string) {
	pair := e.of().Keys[e.key]
	return pair[0], pair[1]
}

// about returns the beginning of a sentence that names a person. The name is at the end of facts,
// where the question asks for it.
func about(what, name string) string { return "The one who " + what + " is " + name }

// fact returns the fact about a person with another key.
func (r *relation) fact(name, key string) string {
	return about(strings.ReplaceAll(r.Fact, "{key}", key), name) + "."
}

// fact returns the fact about a person.
func (e entry) fact(name string) string {
	key, _ := e.words()
	return e.of().fact(name, key)
}

// maxDistractors is the largest number of other keys that every relation has.
func maxDistractors() int {
	n := len(known().Names)
	for _, r := range known().Relations {
		n = min(n, len(r.Keys))
	}
	return n - 1
}

// entries returns all facts in random order, with those of one relation spread evenly, so that a
// few trials cover all relations.
func entries(r *rng.Rand) (out []entry) {
	type placed struct {
		entry
		at float64
	}
	var all []placed
	for i, rel := range known().Relations {
		shift := r.Float64()
		for k, key := range r.Perm(len(rel.Keys)) {
			all = append(all, placed{entry{i, key}, (float64(k) + shift) / float64(len(rel.Keys))})
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	for _, p := range all {
		out = append(out, p.entry)
	}
	return out
}

// nearKeys returns n different keys that differ from key in one letter of its longest word, not the
// first. A vowel is replaced by a vowel, a consonant by a consonant. None of them is a known key.
func nearKeys(r *rng.Rand, key string, n int) (out []string) {
	word := ""
	for _, w := range strings.Fields(key) {
		if len(w) >= len(word) {
			word = w
		}
	}
	first := strings.Index(key, word) + 1
	for len(out) < n {
		near := []byte(key)
		i := first + r.IntN(len(word)-1)
		near[i] = alike(r, key[i])
		if s := string(near); s != key && !slices.Contains(out, s) && !isKey(s) {
			out = append(out, s)
		}
	}
	return out
}

// alike returns a random vowel for a vowel, and a random frequent consonant for a consonant.
func alike(r *rng.Rand, b byte) byte {
	const vowels, consonants = "aeiou", "bcdfgklmnprstvz"
	class := consonants
	if strings.IndexByte(vowels, b) >= 0 {
		class = vowels
	}
	return class[r.IntN(len(class))]
}

// isKey reports whether a fact has the key.
func isKey(s string) bool {
	for _, r := range known().Relations {
		if slices.ContainsFunc(r.Keys, func(k [2]string) bool { return k[0] == s }) {
			return true
		}
	}
	return false
}
