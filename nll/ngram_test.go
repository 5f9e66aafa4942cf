package nll

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// bruteHits is the definition: an n-gram that ended earlier in the text.
func bruteHits(tokens []int, n int) []bool {
	hits := make([]bool, len(tokens))
	seen := map[string]bool{}
	for end := n - 1; end < len(tokens); end++ {
		gram := fmt.Sprint(tokens[end-n+1 : end+1])
		hits[end] = seen[gram]
		seen[gram] = true
	}
	return hits
}

func TestARHits(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, length := range []int{0, 1, 2, 3, 17, 500, 3000} {
		for _, alphabet := range []int{1, 2, 26, 100000} {
			for _, n := range []int{1, 2, 3, 8} {
				tokens := make([]int, length)
				for i := range tokens {
					tokens[i] = r.IntN(alphabet)
				}
				if got, want := arHits(tokens, n), bruteHits(tokens, n); !slices.Equal(got, want) {
					t.Errorf("%d tokens of %d kinds, n %d: differs from the definition", length, alphabet, n)
				}
			}
		}
	}
	// "ab" of "abxab" is known at the last b, "xa" is not.
	if got := arHits([]int{'a', 'b', 'x', 'a', 'b'}, 2); !slices.Equal(got, []bool{false, false, false, false, true}) {
		t.Errorf("abxab: %v", got)
	}
}

func FuzzARHits(f *testing.F) {
	f.Add([]byte("the cat and the cat"), 2)
	f.Add([]byte{}, 1)
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		if n < 1 || n > maxNgram {
			return
		}
		tokens := make([]int, len(text))
		for i, b := range text {
			tokens[i] = int(b)
		}
		if got, want := arHits(tokens, n), bruteHits(tokens, n); !slices.Equal(got, want) {
			t.Errorf("%q, n %d: got %v, want %v", text, n, got, want)
		}
	})
}

// TestARHitsCollisions checks that tokens with colliding hashes are distinguished. Here all share
// one slot of the table.
func TestARHitsCollisions(t *testing.T) {
	want := hashGram([]int{0}) & 15
	var tokens []int
	for v := 0; len(tokens) < 7; v++ {
		if hashGram([]int{v})&15 == want {
			tokens = append(tokens, v)
		}
	}
	if got := arHits(tokens, 1); slices.Contains(got, true) {
		t.Errorf("a hit among %v, which are all different: %v", tokens, got)
	}
}
