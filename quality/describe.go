package quality

import "github.com/yocobench/yocobench/suites/result"

// Describe declares the metrics of a family.
func (t Task) Describe() result.Task {
	return result.Task{
		Name:  t.family.Name,
		Title: t.family.Title,
		Lead: t.family.Lead + " Intervals are Wilson's at 95 %, one observation per question. guess is the expected score of guessing without the context, " +
			"repeat the score of an answer that repeats the whole prompt.",
		Metrics: []result.MetricInfo{
			{Name: "score", Unit: "fraction", Better: result.Higher, Kind: result.Share, Primary: true, Role: result.Quality},
			{Name: "guess", Unit: "fraction", Better: result.None, Kind: result.Exact, Title: "guessing rate"},
			{Name: "repeat", Unit: "fraction", Better: result.None, Kind: result.Exact, Title: "score of repeating the context"},
			{Name: "tokens", Unit: "tokens", Better: result.None, Kind: result.Exact},
			{Name: "trials", Unit: "", Better: result.None, Kind: result.Exact, Title: "questions of an adaptive search"},
			{Name: "passes_to", Unit: "tokens", Better: result.Higher, Kind: result.Exact, Title: "longest length shown to pass 0.856"},
			{Name: "fails_from", Unit: "tokens", Better: result.Higher, Kind: result.Exact, Title: "shortest length shown to fail 0.856"},
			{Name: "base_passes_to", Unit: "tokens", Better: result.Higher, Kind: result.Exact, Title: "longest length shown to pass 0.85 of the base"},
			{Name: "base_fails_from", Unit: "tokens", Better: result.Higher, Kind: result.Exact, Title: "shortest length shown to fail 0.85 of the base"},
		},
		Axes: []result.Axis{
			{Param: "length", Title: "context", Label: "context length", Unit: "tokens", Log: true},
			{Param: "kind"},
		},
		Repeats:         []string{"samples"},
		PlaceParams:     []string{"lengths", "haystack", "text", "data", "questions"},
		ModelParams:     []string{"dtype", "kv"},
		DescribedParams: []string{"adaptive", "answer_prefix", "chat", "dtype", "haystack", "kv", "wording"},
		Views:           []result.View{{Kind: result.ViewPanels, Metrics: []string{"score"}, Guess: "guess", Repeat: "repeat", Effective: effective}},
	}
}
