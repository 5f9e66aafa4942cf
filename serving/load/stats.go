package load

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// Limits are the largest latencies of a good request; 0 means no limit.
type Limits struct{ TTFT, TPOT, E2EL time.Duration }

// Any reports whether there is a limit.
func (l Limits) Any() bool { return l != Limits{} }

// Stats summarises measured requests. Times are in seconds.
type Stats struct {
	// Sent is the number of requests. Answered is that of requests which did not fail, Good that of
	// answered ones within the Limits.
	Sent, Answered, Good int
	// TTFT and E2EL have a value for each answered request, TPOT for each with two or more tokens
	// in two or more chunks, ITL for each chunk after the first of an answer.
	TTFT, ITL, TPOT, E2EL []float64
	// Late holds the delays of the client (Sample.Late).
	Late []float64
	// Prompt, Output and Cached hold the numbers of tokens of answered requests: of the prompts, of
	// the answers, and of the prompts' tokens that were not computed. Prompt and Cached are empty
	// if the server does not report them.
	Prompt, Output, Cached []float64
	// Counted is the number of answers whose tokens were counted as chunks because the server did
	// not report them. Packed is the number of answers with more tokens than chunks, Whole that of
	// answers with several tokens in a single chunk, Short that of answers with fewer tokens than
	// requested, Long that of answers with more tokens, as the server counts them, or more chunks.
	Counted, Packed, Whole, Short, Long int
	// Retries is the number of failed attempts that were repeated.
	Retries int
	// First is the error of the first failed request, or nil.
	First *runners.RequestError

	output int
	limits Limits
	faults map[string]*result.Fault
	// first and last are the earliest and latest Due, end is the latest End. busy is the sum of the
	// times that requests were in flight.
	first, last, end time.Time
	busy             time.Duration
}

// NewStats returns empty statistics of requests for a number of output tokens.
func NewStats(output int, limits Limits) *Stats {
	return &Stats{output: output, limits: limits, faults: map[string]*result.Fault{}}
}

// Add adds a measured request.
func (s *Stats) Add(x Sample) {
	s.Sent++
	if s.Sent == 1 || x.Due.Before(s.first) {
		s.first = x.Due
	}
	if x.Due.After(s.last) {
		s.last = x.Due
	}
	if x.End.After(s.end) {
		s.end = x.End
	}
	sent := x.Due
	if late, ok := x.Late(); ok {
		s.Late = append(s.Late, late.Seconds())
	}
	if x.Response != nil {
		sent = x.Response.Sent
	}
	s.busy += x.End.Sub(sent)
	if x.Err != nil {
		s.retried(x.Err.Retries)
		f := s.fault(x.Err.Kind)
		f.Failed++
		if f.Example == "" {
			f.Example = oneLine(x.Err.Error())
		}
		if s.First == nil {
			s.First = x.Err
		}
		return
	}
	s.retried(x.Response.Retries)
	s.answer(x.Response)
}

// answer adds the latencies and tokens of an answered request.
func (s *Stats) answer(r *runners.Response) {
	s.Answered++
	chunks := r.Chunks
	first, last := chunks[0].At, chunks[len(chunks)-1].At
	s.TTFT = append(s.TTFT, first.Seconds())
	s.E2EL = append(s.E2EL, last.Seconds())
	for i, c := range chunks[1:] {
		s.ITL = append(s.ITL, (c.At - chunks[i].At).Seconds())
	}
	tokens := r.OutputTokens
	switch {
	case tokens <= 0: // none reported, or none counted although some arrived
		tokens = len(chunks)
		s.Counted++
	case tokens > len(chunks)+1: // a server may count the end token, which has no chunk
		s.Packed++
	}
	if tokens < s.output {
		s.Short++
	}
	if max(tokens, len(chunks)) > s.output+1 {
		s.Long++
	}
	good := (s.limits.TTFT == 0 || first <= s.limits.TTFT) && (s.limits.E2EL == 0 || last <= s.limits.E2EL)
	switch {
	case tokens > 1 && len(chunks) > 1:
		tpot := (last - first).Seconds() / float64(tokens-1)
		s.TPOT = append(s.TPOT, tpot)
		good = good && (s.limits.TPOT == 0 || tpot <= s.limits.TPOT.Seconds())
	case tokens > 1: // the time per token is unknown
		s.Whole++
		good = good && s.limits.TPOT == 0
	}
	if good {
		s.Good++
	}
	s.Output = append(s.Output, float64(tokens))
	if r.PromptTokens >= 0 {
		s.Prompt = append(s.Prompt, float64(r.PromptTokens))
	}
	if r.CachedTokens >= 0 {
		s.Cached = append(s.Cached, float64(r.CachedTokens))
	}
}

func (s *Stats) retried(retries []runners.Retry) {
	s.Retries += len(retries)
	for _, r := range retries {
		s.fault(r.Reason).Retried++
	}
}

// fault returns the counts of a kind of error. Kinds beyond maxKinds share one.
func (s *Stats) fault(kind string) *result.Fault {
	const maxKinds = 50
	if kind = oneLine(kind); s.faults[kind] == nil {
		if len(s.faults) >= maxKinds {
			kind = "other"
		}
		if s.faults[kind] == nil {
			s.faults[kind] = &result.Fault{Kind: kind}
		}
	}
	return s.faults[kind]
}

// oneLine returns text on one line of limited length.
func oneLine(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// Faults returns the errors by kind, the most frequent first.
func (s *Stats) Faults() []result.Fault {
	var out []result.Fault
	for _, f := range slices.SortedFunc(maps.Values(s.faults), func(a, b *result.Fault) int {
		return cmp.Or(b.Failed+b.Retried-a.Failed-a.Retried, strings.Compare(a.Kind, b.Kind))
	}) {
		out = append(out, *f)
	}
	return out
}

// Err returns an error if no request was answered. It wraps that of the first request.
func (s *Stats) Err() error {
	switch {
	case s.Answered > 0:
		return nil
	case s.First == nil:
		return fmt.Errorf("no request was sent")
	}
	var kinds []string
	for _, f := range s.Faults() {
		if f.Failed > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s", f.Failed, f.Kind))
		}
	}
	return fmt.Errorf("all %d requests failed (%s): %w", s.Sent, strings.Join(kinds, ", "), s.First)
}

// Window returns the seconds from when the first request was due to the end of the last answer.
func (s *Stats) Window() float64 { return s.end.Sub(s.first).Seconds() }

// InFlight returns the mean number of requests in flight.
func (s *Stats) InFlight() float64 { return s.busy.Seconds() / s.Window() }

// OutputRate returns the output tokens of all answers per second.
func (s *Stats) OutputRate() float64 {
	return stats.Mean(s.Output) * float64(len(s.Output)) / s.Window()
}

// SentRate returns the mean number of requests per second of an open loop, as they were due.
func (s *Stats) SentRate() float64 {
	return float64(s.Sent-1) / s.last.Sub(s.first).Seconds()
}

// Behind returns the number of requests that were sent later than an allowed delay.
func (s *Stats) Behind(allowed time.Duration) (n int) {
	for _, x := range s.Late {
		if x > allowed.Seconds() {
			n++
		}
	}
	return n
}

// Percentile returns the p-th percentile of values, by linear interpolation. It is NaN without
// values.
func Percentile(values []float64, p float64) float64 {
	return stats.Quantile(slices.Sorted(slices.Values(values)), p/100)
}

// Bounds returns an interval of a percentile at .95, for values that are independent. ok is false
// if there are too few.
func Bounds(values []float64, p float64) (lo, hi float64, ok bool) {
	return stats.QuantileBounds(slices.Sorted(slices.Values(values)), p/100, .95)
}

// notes returns remarks on how far the numbers can be trusted. length is the requested length of
// the prompts in tokens.
func (s *Stats) notes(length int) (notes []string) {
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if n := s.Sent - s.Answered; n > 0 {
		add("%d of %d requests failed; latencies are those of the others", n, s.Sent)
	}
	switch {
	case s.Answered == 0:
	case len(s.Prompt) == 0:
		add("the server does not report the length of prompts")
	default:
		if lo, hi := slices.Min(s.Prompt), slices.Max(s.Prompt); max(hi-float64(length), float64(length)-lo) > max(4, 0.01*float64(length)) {
			add("prompts have %.0f to %.0f tokens as the server counts them, and should have %d", lo, hi, length)
		}
	}
	if len(s.Cached) > 0 && slices.Max(s.Cached) > 0 {
		add("the server took up to %.0f tokens of a prompt from a cache, although no two prompts begin alike: their time is not in ttft", slices.Max(s.Cached))
	}
	if s.Counted > 0 {
		add("the server does not report the length of answers: chunks are counted as tokens")
	}
	if s.Whole > 0 {
		add("%d of %d answers arrived in one chunk: their ttft is the time of the whole answer, and their time per token is unknown", s.Whole, s.Answered)
	}
	if s.Packed > s.Whole {
		add("chunks hold several tokens: itl is the time between chunks, tpot is per token")
	}
	if s.Long > 0 {
		add("%d of %d answers have more than the %d tokens requested, by chunks or by the server's count: tokens/s and tpot may be wrong", s.Long, s.Answered, s.output)
	}
	if s.Short > 0 {
		add("%d of %d answers have fewer than the %d tokens requested", s.Short, s.Answered, s.output)
	}
	return notes
}
