package servertest

import (
	"hash/fnv"
	"math"
	"slices"
)

// vocab is the number of tokens: a token is a byte.
const vocab = 256

// LogProbs returns the log-probabilities of the bytes after a text, in nats.
func LogProbs(text []byte) []float64 {
	out := make([]float64, vocab)
	sum := 0.0
	for i := range out {
		h := fnv.New32a()
		_, _ = h.Write(text[max(0, len(text)-2):])
		_, _ = h.Write([]byte{byte(len(text) % 3), byte(i)}) // an odd length is no repetition of a period of 3
		out[i] = 8 * float64(h.Sum32()>>8) / (1 << 24)
		if i < ' ' || i > '~' {
			out[i] = -20
		}
		sum += math.Exp(out[i])
	}
	for i := range out {
		out[i] -= math.Log(sum)
	}
	return out
}

// LogProb returns the log-probability of a continuation of a text, in nats.
func LogProb(text, continuation string) (sum float64) {
	all := []byte(text)
	for i := range len(continuation) {
		sum += LogProbs(all)[continuation[i]]
		all = append(all, continuation[i])
	}
	return sum
}

// Greedy returns the n most likely bytes after a text, one after another.
func Greedy(text string, n int) string {
	all := []byte(text)
	for range n {
		all = append(all, byte(best(LogProbs(all))[0]))
	}
	return string(all[len(text):])
}

// best returns the tokens from the most likely to the least likely one.
func best(lps []float64) []int {
	ids := make([]int, len(lps))
	for i := range ids {
		ids[i] = i
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		switch {
		case lps[a] > lps[b]:
			return -1
		case lps[a] < lps[b]:
			return 1
		}
		return 0
	})
	return ids
}
