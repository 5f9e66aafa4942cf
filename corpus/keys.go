package corpus

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/yocobench/yocobench/corpus/prose"
	"github.com/yocobench/yocobench/corpus/rng"
)

// KeyHeldOut reports whether a needle key is excluded from training, which is so if the FNV-1a-32
// hash of its bytes is a multiple of 8. Training recipes use only keys for which it is false, tasks
// only keys for which it is true.
func KeyHeldOut(key string) bool { return fnv32(key)%8 == 0 }

// PackageHeldOut reports whether a package of Go's sources is excluded from training, which is so
// if the FNV-1a-32 hash of its directory path is a multiple of 10. The path is relative to
// GOROOT/src, with slashes ("net/http"; "." for the root).
func PackageHeldOut(path string) bool { return fnv32(path)%10 == 0 }

func fnv32(s string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s))
	return h.Sum32()
}

// KeyShape is the form of a needle key.
type KeyShape string

// The shapes of keys. The zero value is equivalent to KeyWord.
const (
	KeyWord    KeyShape = "word"    // one lower-case word of 5 to 10 letters: "brasket"
	KeyWords   KeyShape = "words"   // two such words: "brasket molune"
	KeyHyphen  KeyShape = "hyphen"  // "brasket-molune"
	KeyCapital KeyShape = "capital" // "Brasket"
	KeyCamel   KeyShape = "camel"   // "BrasketMolune"
	KeyCode    KeyShape = "code"    // letters and digits: "brask482"
	KeyMixed   KeyShape = "mixed"   // one of the above, drawn for each key
)

// KeyShapes lists the shapes in the order of the constants.
func KeyShapes() []KeyShape {
	return []KeyShape{KeyWord, KeyWords, KeyHyphen, KeyCapital, KeyCamel, KeyCode, KeyMixed}
}

// Keys returns n keys for needles in evaluation texts. Each is held out of training (KeyHeldOut),
// and none is a prefix of another, ignoring case, so that keys cannot be confused. An unknown shape
// is an error.
func Keys(r *rng.Rand, n int, shape KeyShape) ([]string, error) { return keys(r, n, shape, true) }

// TrainingKeys is Keys for training texts: none of its keys is held out.
func TrainingKeys(r *rng.Rand, n int, shape KeyShape) ([]string, error) {
	return keys(r, n, shape, false)
}

func keys(r *rng.Rand, n int, shape KeyShape, heldOut bool) ([]string, error) {
	if shape == "" {
		shape = KeyWord
	}
	if !knownShape(shape) {
		return nil, fmt.Errorf("unknown key shape %q (known: %v)", shape, KeyShapes())
	}
	whole := make(map[string]bool)  // the keys, in lower case
	begins := make(map[string]bool) // all proper prefixes of the keys
	var out []string
	for len(out) < n {
		s := shape
		if s == KeyMixed {
			s = rng.Pick(r, KeyShapes()[:6])
		}
		key := oneKey(r, s)
		lower := strings.ToLower(key)
		if KeyHeldOut(key) != heldOut || whole[lower] || begins[lower] || beginsWithAny(lower, whole) {
			continue
		}
		whole[lower] = true
		for i := 1; i < len(lower); i++ {
			begins[lower[:i]] = true
		}
		out = append(out, key)
	}
	return out, nil
}

func knownShape(s KeyShape) bool {
	for _, k := range KeyShapes() {
		if k == s {
			return true
		}
	}
	return false
}

// beginsWithAny reports whether one of the whole words is a prefix of s.
func beginsWithAny(s string, whole map[string]bool) bool {
	for i := 1; i < len(s); i++ {
		if whole[s[:i]] {
			return true
		}
	}
	return false
}

func oneKey(r *rng.Rand, shape KeyShape) string {
	switch shape {
	case KeyWords:
		return prose.Word(r, 4, 8) + " " + prose.Word(r, 4, 8)
	case KeyHyphen:
		return prose.Word(r, 4, 8) + "-" + prose.Word(r, 4, 8)
	case KeyCapital:
		return capital(prose.Word(r, 5, 10))
	case KeyCamel:
		return capital(prose.Word(r, 4, 7)) + capital(prose.Word(r, 4, 7))
	case KeyCode:
		return fmt.Sprintf("%s%d", prose.Word(r, 3, 6), r.Range(100, 9999))
	}
	return prose.Word(r, 5, 10)
}

// capital returns a lower-case word with its first letter capitalised.
func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
