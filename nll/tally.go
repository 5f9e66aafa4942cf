package nll

import (
	"math"
	"slices"
)

// spans divides the positions 1..length-1 of a text, whose tokens have a context, into the pieces
// that buckets and reported lengths need. Piece i consists of the positions edges[i] to
// edges[i+1]-1.
type spans struct {
	edges []int
	// buckets are log-spaced ranges of pieces. lengths are the contexts to report.
	buckets []span
	lengths []int
}

// span is the range of pieces from to to-1.
type span struct{ from, to int }

// newSpans returns rounded buckets [2^(k/per), 2^((k+1)/per)) of positions, the last one truncated
// at length.
func newSpans(length, per int, lengths []int) *spans {
	var bounds []int
	for k := 0; ; k++ {
		b := int(math.Round(math.Exp2(float64(k) / float64(per))))
		if b >= length {
			bounds = append(bounds, length)
			break
		}
		if len(bounds) == 0 || b > bounds[len(bounds)-1] {
			bounds = append(bounds, b)
		}
	}
	s := &spans{lengths: lengths, edges: append(slices.Clone(bounds), lengths...)}
	slices.Sort(s.edges)
	s.edges = slices.Compact(s.edges)
	for i := range len(bounds) - 1 {
		s.buckets = append(s.buckets, span{s.piece(bounds[i]), s.piece(bounds[i+1])})
	}
	return s
}

// pieces returns the number of pieces.
func (s *spans) pieces() int { return len(s.edges) - 1 }

// piece returns the piece that starts at an edge.
func (s *spans) piece(edge int) int {
	i, _ := slices.BinarySearch(s.edges, edge)
	return i
}

// upTo returns the pieces of the first length tokens.
func (s *spans) upTo(length int) span { return span{0, s.piece(length)} }

// center returns the geometric mean of a bucket's first and last position.
func (s *spans) center(b span) float64 {
	return math.Sqrt(float64(s.edges[b.from]) * float64(s.edges[b.to]-1))
}

// sum holds a number of tokens, their bytes of text, and their loss in nats.
type sum struct {
	n, bytes, loss float64
}

func (a *sum) add(b sum, times float64) {
	a.n += times * b.n
	a.bytes += times * b.bytes
	a.loss += times * b.loss
}

// mean returns the loss per token, or NaN without tokens.
func (a sum) mean() float64 { return a.loss / a.n }

// bits returns the loss in bits per byte, or NaN without bytes.
func (a sum) bits() float64 { return a.loss / math.Ln2 / a.bytes }

// tally holds the sums of one document by piece, separately for AR-hits and first occurrences.
type tally struct{ hit, first []sum }

func newTally(s *spans) *tally {
	return &tally{hit: make([]sum, s.pieces()), first: make([]sum, s.pieces())}
}

// tallies holds the sums of all documents.
type tallies struct {
	*spans
	docs []*tally
	// texts holds the index of each document's text, 0 to count-1.
	texts []int
	// weights holds the weight of each bucket in the fit; 0 excludes it.
	weights []float64
}

// count returns the number of texts.
func (t *tallies) count() (n int) {
	for _, text := range t.texts {
		n = max(n, text+1)
	}
	return n
}

// over sums a span over all documents. Document i counts times[i] times, or once if times is nil.
func (t *tallies) over(s span, times []int) (hit, first sum) {
	for i, d := range t.docs {
		k := 1.0
		if times != nil {
			k = float64(times[i])
		}
		if k == 0 {
			continue
		}
		for p := s.from; p < s.to; p++ {
			hit.add(d.hit[p], k)
			first.add(d.first[p], k)
		}
	}
	return hit, first
}

func both(hit, first sum) sum {
	hit.add(first, 1)
	return hit
}

// The scalar statistics, in the order in which statistics writes them. The curves follow: bucket
// means, cumulative means, cumulative bits per byte, AR-hit and first-occurrence bucket means, and
// the change from each bucket to the next.
const (
	statNLL = iota
	statBits
	statHit
	statFirst
	statHitFraction
	statC
	statA
	statAlpha
	statR2
	scalars
)

// width returns the number of statistics, curve the index at which a curve starts.
func (t *tallies) width() int { return t.curve(5) + len(t.buckets) - 1 }

func (t *tallies) curve(i int) int {
	b, l := len(t.buckets), len(t.lengths)
	return scalars + []int{0, b, b + l, b + 2*l, 2*b + 2*l, 3*b + 2*l}[i]
}

// statistics computes all numbers of a case from the documents. Document i counts times[i] times.
// Means are over tokens; without tokens they are NaN. The fit uses the weights of t.
func (t *tallies) statistics(times []int, out []float64) {
	whole := span{0, t.pieces()}
	hit, first := t.over(whole, times)
	all := both(hit, first)
	out[statNLL], out[statBits] = all.mean(), all.bits()
	out[statHit], out[statFirst] = hit.mean(), first.mean()
	out[statHitFraction] = hit.n / all.n
	bucket, cumulative, bits := out[t.curve(0):t.curve(1)], out[t.curve(1):t.curve(2)], out[t.curve(2):t.curve(3)]
	hits, firsts, changes := out[t.curve(3):t.curve(4)], out[t.curve(4):t.curve(5)], out[t.curve(5):]
	for i, b := range t.buckets {
		hit, first := t.over(b, times)
		bucket[i], hits[i], firsts[i] = both(hit, first).mean(), hit.mean(), first.mean()
	}
	for i := range changes {
		changes[i] = bucket[i+1] - bucket[i]
	}
	for i, l := range t.lengths {
		all := both(t.over(t.upTo(l), times))
		cumulative[i], bits[i] = all.mean(), all.bits()
	}
	out[statC], out[statA], out[statAlpha], out[statR2] = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if p, ok := t.fit(bucket); ok {
		out[statC], out[statA], out[statAlpha], out[statR2] = p.C, p.A, p.Alpha, p.R2
	}
}

// fit fits the power law to bucket means, except NaN ones.
func (t *tallies) fit(bucket []float64) (powerLaw, bool) {
	x, y, w := make([]float64, len(bucket)), make([]float64, len(bucket)), make([]float64, len(bucket))
	for i, b := range t.buckets {
		x[i], y[i] = t.center(b), bucket[i]
		if !math.IsNaN(bucket[i]) {
			w[i] = t.weights[i]
		}
	}
	return fitPowerLaw(x, y, w)
}

// weigh sets the weights of the fit: 1 / (s² + m), where s is the standard error of a bucket's
// mean, from the spread of the documents' means, and m the median of s² over the buckets. So noisy
// buckets count less, and no bucket counts more than twice as much as a median one because a few
// documents happen to agree. With fewer than 3 documents all weights are equal. Buckets that start
// before position from have weight 0.
func (t *tallies) weigh(from int) {
	t.weights = make([]float64, len(t.buckets))
	variance := make([]float64, len(t.buckets))
	var known []float64
	for i, b := range t.buckets {
		if t.edges[b.from] < from {
			continue
		}
		t.weights[i] = 1
		variance[i] = t.squaredError(b)
		known = append(known, variance[i])
	}
	if len(known) == 0 || len(t.docs) < 3 {
		return
	}
	slices.Sort(known)
	median := known[len(known)/2]
	if median == 0 {
		return
	}
	for i, w := range t.weights {
		t.weights[i] = w / (variance[i] + median)
	}
}

// squaredError returns the squared standard error of a bucket's mean over documents, which is a
// ratio of two sums: sum (loss_d - mean n_d)² / n² x D/(D-1).
func (t *tallies) squaredError(b span) float64 {
	mean := both(t.over(b, nil)).mean()
	var sq, n, docs float64
	for _, d := range t.docs {
		var s sum
		for p := b.from; p < b.to; p++ {
			s.add(d.hit[p], 1)
			s.add(d.first[p], 1)
		}
		if s.n == 0 {
			continue
		}
		e := s.loss - mean*s.n
		sq += e * e
		n += s.n
		docs++
	}
	if docs < 2 {
		return 0
	}
	return sq / (n * n) * docs / (docs - 1)
}
