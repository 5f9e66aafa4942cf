package nll

import (
	"math"
	"slices"
	"testing"
)

func TestSpans(t *testing.T) {
	s := newSpans(20, 1, []int{5, 8, 20})
	if want := []int{1, 2, 4, 5, 8, 16, 20}; !slices.Equal(s.edges, want) {
		t.Errorf("edges %v, want %v", s.edges, want)
	}
	var got [][2]int
	for _, b := range s.buckets {
		got = append(got, [2]int{s.edges[b.from], s.edges[b.to]})
	}
	if want := [][2]int{{1, 2}, {2, 4}, {4, 8}, {8, 16}, {16, 20}}; !slices.Equal(got, want) {
		t.Errorf("buckets %v, want %v", got, want)
	}
	if c := s.center(s.buckets[2]); c != math.Sqrt(4*7) {
		t.Errorf("center of 4..7 is %g", c)
	}
	if u := s.upTo(8); s.edges[u.from] != 1 || s.edges[u.to] != 8 {
		t.Errorf("the first 8 tokens are pieces %v", u)
	}
	for _, per := range []int{1, 2, 3, 8} {
		for _, length := range []int{2, 3, 7, 64, 1000, 1 << 15} {
			s := newSpans(length, per, []int{length})
			next := 0
			for _, b := range s.buckets {
				if b.from != next || b.to <= b.from {
					t.Fatalf("length %d, %d an octave: buckets %v leave a gap", length, per, s.buckets)
				}
				next = b.to
			}
			if next != s.pieces() || s.edges[0] != 1 || s.edges[next] != length {
				t.Fatalf("length %d, %d an octave: buckets end at piece %d of %v", length, per, next, s.edges)
			}
		}
	}
}

// TestStatistics compares statistics with a computation from single tokens, in which documents are
// repeated.
func TestStatistics(t *testing.T) {
	s := newSpans(32, 1, []int{6, 32})
	lt := &tallies{spans: s}
	type token struct {
		doc, pos  int
		hit       bool
		loss, len float64
	}
	var all []token
	for d := range 4 {
		lt.docs = append(lt.docs, newTally(s))
		for pos := 1; pos < 32-4*d; pos++ {
			tk := token{d, pos, (pos+d)%3 == 0, 1 / float64(pos+d), float64(1 + pos%2)}
			all = append(all, tk)
			piece := 0
			for s.edges[piece+1] <= pos {
				piece++
			}
			to := lt.docs[d].first
			if tk.hit {
				to = lt.docs[d].hit
			}
			to[piece].add(sum{1, tk.len, tk.loss}, 1)
		}
	}
	lt.weigh(1)
	mean := func(times []int, keep func(token) bool) float64 {
		var loss, n float64
		for _, tk := range all {
			if keep(tk) {
				loss += tk.loss * float64(times[tk.doc])
				n += float64(times[tk.doc])
			}
		}
		return loss / n
	}
	for _, times := range [][]int{{1, 1, 1, 1}, {0, 3, 1, 0}} {
		out := make([]float64, lt.width())
		lt.statistics(times, out)
		check := func(what string, got, want float64) {
			if math.Abs(got-want) > 1e-12 {
				t.Errorf("%v: %s is %g, want %g", times, what, got, want)
			}
		}
		check("nll", out[statNLL], mean(times, func(token) bool { return true }))
		check("hit", out[statHit], mean(times, func(k token) bool { return k.hit }))
		check("first", out[statFirst], mean(times, func(k token) bool { return !k.hit }))
		check("cumulative 6", out[lt.curve(1)], mean(times, func(k token) bool { return k.pos < 6 }))
		check("cumulative 32", out[lt.curve(1)+1], out[statNLL])
		check("bits 32", out[lt.curve(2)+1], out[statBits])
		check("bucket 4..7", out[lt.curve(0)+2], mean(times, func(k token) bool { return k.pos >= 4 && k.pos < 8 }))
		check("hit bucket 8..15", out[lt.curve(3)+3], mean(times, func(k token) bool { return k.hit && k.pos >= 8 && k.pos < 16 }))
		check("first bucket 8..15", out[lt.curve(4)+3], mean(times, func(k token) bool { return !k.hit && k.pos >= 8 && k.pos < 16 }))
	}
	nilTimes, ones := make([]float64, lt.width()), make([]float64, lt.width())
	lt.statistics(nil, nilTimes)
	lt.statistics([]int{1, 1, 1, 1}, ones)
	for i := range ones {
		if nilTimes[i] != ones[i] && !(math.IsNaN(ones[i]) && math.IsNaN(nilTimes[i])) {
			t.Errorf("statistic %d: %g with no counts, %g with ones", i, nilTimes[i], ones[i])
		}
	}
}
