package nll

import "github.com/yocobench/yocobench/suites/result"

// Describe declares the task and the metrics of (*output).metrics.
func (Task) Describe() result.Task {
	return result.Task{
		Name:  Task{}.Name(),
		Title: "Language modelling over long contexts",
		Lead: "Does the loss keep falling as the context grows? Loss in nats per token at each position, and cumulatively up to each context length. " +
			"AR-hit: the last token of an n-gram that occurred before in the context (n: ar_ngram); first-occur: the rest.",
		Metrics: []result.MetricInfo{
			{Name: "nll", Unit: "nats/token", Better: result.Lower, Kind: result.Mean, Head: "nats/token", Primary: true, Role: result.Quality},
			{Name: "bits_per_byte", Unit: "bits/byte", Better: result.Lower, Kind: result.Mean, Head: "bits/byte"},
			{Name: "nll_ar_hit", Unit: "nats/token", Better: result.Lower, Kind: result.Mean, Head: "AR-hit"},
			{Name: "nll_first_occur", Unit: "nats/token", Better: result.Lower, Kind: result.Mean, Head: "first-occur"},
			{Name: "ar_hit_fraction", Unit: "fraction", Better: result.None, Kind: result.Estimate},
			{Name: "fit_c", Unit: "nats/token", Better: result.None, Kind: result.Estimate},
			{Name: "fit_a", Unit: "nats/token", Better: result.None, Kind: result.Estimate},
			{Name: "fit_alpha", Unit: "exponent", Better: result.None, Kind: result.Estimate},
			{Name: "fit_r2", Unit: "fraction", Better: result.None, Kind: result.Estimate},
		},
		ModelParams:     []string{"dtype", "kv", "tokenizer"},
		NameParams:      []string{"corpus"},
		DescribedParams: []string{"corpus", "documents", "dtype", "kv", "length"},
		Views:           []result.View{{Kind: result.ViewLoss, Metrics: []string{"nll", "bits_per_byte", "nll_ar_hit", "nll_first_occur"}}},
	}
}
