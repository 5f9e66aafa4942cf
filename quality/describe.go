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
		},
		Axes: []result.Axis{
			{Param: "length", Title: "context", Label: "context length", Unit: "tokens", Log: true},
			{Param: "kind"},
		},
		Repeats:         []string{"samples"},
		PlaceParams:     []string{"haystack", "text", "data", "questions"},
		ModelParams:     []string{"dtype", "kv"},
		DescribedParams: []string{"answer_prefix", "chat", "dtype", "haystack", "kv", "wording"},
		Views:           []result.View{{Kind: result.ViewPanels, Metrics: []string{"score"}, Guess: "guess", Repeat: "repeat"}},
	}
}
