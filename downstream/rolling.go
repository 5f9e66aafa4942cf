package downstream

import (
	"context"
	"fmt"

	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/suites/result"
)

// roll measures the perplexity of whole texts.
func (r *run) roll(ctx context.Context, m runners.Model) error {
	var t texts
	unscored, tokens := false, 0
	for i, it := range r.items {
		text := it.targets[0]
		rolled, err := runners.Roll(ctx, m, r.tok, text, r.limit)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", r.source.name, it.line, err)
		}
		t.add(rolled.LogProb, text)
		tokens += rolled.Tokens
		unscored = unscored || rolled.Unscored > 0
		r.out.Trials[i] = result.Trial{Question: r.clip(text), Tokens: rolled.Tokens, LogProb: rolled.LogProb}
		r.progress(float64(i+1) / float64(len(r.items)))
	}
	if tokens == 0 {
		return fmt.Errorf("%s: no text has a token to score: texts are empty, or have one token that no other precedes", r.source.name)
	}
	if unscored {
		r.out.Notes = append(r.out.Notes, "the first token of each text has no log-probability, because no token precedes it")
	}
	all := t.metrics()
	r.out.Metrics = map[string]result.Metric{}
	for _, name := range r.metrics {
		if m, ok := all[name]; ok {
			r.out.Metrics[name] = m
		}
	}
	return nil
}
