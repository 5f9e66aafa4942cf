package contrast

import "github.com/yocobench/yocobench/suites/result"

// Describe declares the task and the metrics of a length.
func (Task) Describe() result.Task {
	t := result.Task{
		Name:  Task{}.Name(),
		Title: "Needle contrast",
		Lead: "Does the model find a fact by its meaning, or by its words? Each fact is asked for in its own words (literal), in others (paraphrase), " +
			"without a shared word (association), and literally among facts with other keys (distractors) or keys that differ in one letter (near). " +
			"Text and depths are the same; differences from literal are by trial. " +
			"Ranked first is access apart from use: the right name has a higher log-probability than the other persons' names.",
		Axes:            []result.Axis{{Param: "length", Title: "context", Label: "context length", Unit: "tokens", Log: true}},
		Repeats:         []string{"trials"},
		ModelParams:     []string{"dtype", "kv"},
		NameParams:      []string{"haystack"},
		DescribedParams: []string{"chat", "distractors", "dtype", "haystack", "kv"},
	}
	score := func(suffix, title string) {
		view := result.View{Kind: result.ViewConditions, Title: title}
		for i, c := range conditions {
			m := result.MetricInfo{Name: c + suffix, Unit: "fraction", Better: result.Higher, Kind: result.Share, Head: c}
			if suffix == "" && c == association {
				m.Primary, m.Role = true, result.Quality
			}
			t.Metrics = append(t.Metrics, m)
			view.Metrics = append(view.Metrics, m.Name)
			if i > 0 {
				t.Metrics = append(t.Metrics, result.MetricInfo{Name: c + suffix + difference, Unit: "fraction", Better: result.Higher, Kind: result.Mean, Head: c + " - " + conditions[0]})
			}
		}
		t.Views = append(t.Views, view)
	}
	score("", "Right answers")
	score(ranked, "Ranked first")
	t.Views[0].Guess, t.Views[1].Guess = "guess", "guess"
	margins := result.View{Kind: result.ViewConditions, Title: "Margin"}
	for _, c := range conditions {
		t.Metrics = append(t.Metrics, result.MetricInfo{Name: c + margin, Unit: "nats", Better: result.Higher, Kind: result.Mean, Head: c})
		margins.Metrics = append(margins.Metrics, c+margin)
	}
	t.Views = append(t.Views, margins)
	t.Metrics = append(t.Metrics, result.MetricInfo{Name: "guess", Unit: "fraction", Better: result.None, Kind: result.Exact})
	t.Metrics = append(t.Metrics, result.MetricInfo{Name: "tokens", Unit: "tokens", Better: result.None, Kind: result.Exact})
	return t
}
