package export

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/stats"
	"github.com/yocobench/yocobench/suites/match"
	"github.com/yocobench/yocobench/suites/result"
)

// This file selects what the formats for results of evaluations contain: the measured cases of all
// tasks that measure quality (MetricInfo.Role), whatever they are named.

// File is a file to write below the output folder. Path is relative, with slashes.
type File struct {
	Path string
	Data []byte
}

// Names are what a journal does not contain: the names of its models and data sets elsewhere.
type Names struct {
	// Models maps a model's name to its id, such as "HuggingFaceTB/SmolLM2-135M-Instruct".
	Models map[string]string
	// Datasets name the data set of cases.
	Datasets []Dataset
	// Organization is the name of who ran the evaluation; empty if it is not stated. Relationship
	// is first_party, third_party, collaborative or other.
	Organization, Relationship string
}

// Dataset is the data set of the cases whose labels match a pattern.
type Dataset struct {
	// Pattern is a label such as "downstream arc", or a pattern such as "downstream arc*".
	Pattern string
	// ID is the data set on the Hub, Task one of its tasks and Revision a commit or empty.
	ID, Task, Revision string
}

var datasetText = regexp.MustCompile(`^([^=]+)=([\w.-]+/[\w.-]+)(?::([\w./-]+))?(?:@([\w.-]+))?$`)

// ParseDataset parses PATTERN=OWNER/NAME:TASK@REVISION. The task and the revision may be missing.
func ParseDataset(s string) (Dataset, error) {
	m := datasetText.FindStringSubmatch(s)
	if m == nil {
		return Dataset{}, fmt.Errorf("%q is not a data set; expected CASE=OWNER/NAME:TASK, such as 'downstream arc=allenai/ai2_arc:ARC-Challenge'", s)
	}
	if err := match.Check(m[1]); err != nil {
		return Dataset{}, err
	}
	return Dataset{Pattern: m[1], ID: m[2], Task: m[3], Revision: m[4]}, nil
}

// of returns the data set of a record.
func (n Names) of(r *result.Record) (Dataset, bool) {
	i := slices.IndexFunc(n.Datasets, func(d Dataset) bool { return match.Patterns{d.Pattern}.Match(r.Label) })
	if i < 0 {
		return Dataset{}, false
	}
	return n.Datasets[i], true
}

// model returns the id of a model.
func (n Names) model(name string) string {
	if id := n.Models[name]; id != "" {
		return id
	}
	return name
}

// evaluated holds the cases of one model.
type evaluated struct {
	model string
	cases []evaluation
}

// evaluation is a case that measured quality.
type evaluation struct {
	*result.Record
	task *result.Task
	// name is the label in letters, digits, "_", "-" and ".", unique among the model's cases.
	name string
	// metrics are the metrics of quality, the main one first.
	metrics []result.MetricInfo
}

// evaluations returns the cases of each model, in the order of the journal.
func evaluations(j *result.Journal) (out []*evaluated, err error) {
	tasks := j.Tasks()
	used := map[string]bool{}
	var records []*result.Record
	for i := range j.Records {
		if r := &j.Records[i]; r.Status == result.OK && r.Source == result.Measured && tasks.Find(r.Task) != nil {
			records = append(records, byLength(tasks.Find(r.Task), r)...)
		}
	}
	for _, r := range records {
		t := tasks.Find(r.Task)
		metrics := qualityMetrics(t, r)
		if len(metrics) == 0 {
			continue
		}
		k := slices.IndexFunc(out, func(e *evaluated) bool { return e.model == r.Model })
		if k < 0 {
			k = len(out)
			out = append(out, &evaluated{model: r.Model})
		}
		name := slug(r.Label)
		for n := 2; used[r.Model+"\x00"+name]; n++ {
			name = fmt.Sprintf("%s_%d", slug(r.Label), n)
		}
		used[r.Model+"\x00"+name] = true
		out[k].cases = append(out[k].cases, evaluation{r, t, name, metrics})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the run has no measured case of a task that measures quality")
	}
	return out, nil
}

// byLength returns a record for each length of a search of an effective length, which has its score
// of quality as a series and the trials in the order of the lengths. It returns any other record as
// it is.
func byLength(t *result.Task, r *result.Record) (out []*result.Record) {
	i := slices.IndexFunc(t.Metrics, func(m result.MetricInfo) bool { return m.Role == result.Quality && m.Kind == result.Share })
	if i < 0 || len(t.Axes) == 0 {
		return []*result.Record{r}
	}
	info, axis := t.Metrics[i], t.Axes[0]
	k := slices.IndexFunc(r.Series, func(s result.Series) bool { return s.Name == info.Name && s.XUnit == axis.Unit })
	if _, ok := r.Metrics[info.Name]; ok || k < 0 {
		return []*result.Record{r}
	}
	s, trials, seconds := r.Series[k], r.Trials, r.Seconds
	for i, x := range s.X[:min(len(s.X), len(s.Y))] {
		one := *r
		one.Case, one.Label = fmt.Sprintf("%s-%.0f", r.Case, x), fmt.Sprintf("%s at %.0f", r.Label, x)
		one.Params = map[string]any{axis.Param: x}
		maps.Copy(one.Params, r.Params)
		one.Trials, one.Seconds, seconds = nil, seconds, 0
		m := result.Metric{Value: s.Y[i], Unit: info.Unit, Better: info.Better}
		if i < len(s.N) && s.N[i] >= 0 && s.N[i] <= len(trials) {
			one.Trials, trials = trials[:s.N[i]], trials[s.N[i]:]
			for _, trial := range one.Trials {
				if trial.Score != nil {
					m.Samples = append(m.Samples, *trial.Score)
				}
			}
		}
		if i < len(s.Lo) && i < len(s.Hi) {
			m = m.Interval(s.Lo[i], s.Hi[i], stats.EffectiveLevel, "sequential")
		}
		one.Metrics = map[string]result.Metric{info.Name: m}
		out = append(out, &one)
	}
	return out
}

// qualityMetrics returns the metrics of quality that a record has: none if its task measures other
// things.
func qualityMetrics(t *result.Task, r *result.Record) (out []result.MetricInfo) {
	if !slices.ContainsFunc(t.Metrics, func(m result.MetricInfo) bool { return m.Role == result.Quality }) {
		return nil
	}
	for _, m := range t.Metrics {
		_, ok := r.Metrics[m.Name]
		if ok && m.Better != result.None && (m.Kind == result.Share || m.Kind == result.Mean || m.Kind == result.Estimate) {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b result.MetricInfo) int { return mainRank(a) - mainRank(b) })
	return out
}

// mainRank orders metrics: the primary one, other shares, the rest.
func mainRank(m result.MetricInfo) int {
	switch {
	case m.Primary:
		return 0
	case m.Kind == result.Share:
		return 1
	}
	return 2
}

// samples returns the number of scores of the main metric, or else of questions.
func (e evaluation) samples() int {
	return cmp.Or(len(e.Metrics[e.metrics[0].Name].Samples), len(e.Trials))
}

// standardError returns the standard error of a mean of samples. ok is false if the value is not
// their mean.
func standardError(info result.MetricInfo, m result.Metric) (se float64, ok bool) {
	n := float64(len(m.Samples))
	if n < 2 || info.Kind == result.Estimate {
		return 0, false
	}
	mean, squares := stats.Mean(m.Samples), 0.0
	for _, x := range m.Samples {
		squares += (x - mean) * (x - mean)
	}
	return math.Sqrt(squares / (n - 1) / n), math.Abs(mean-m.Value) <= 1e-9*max(1, math.Abs(mean))
}

var runs = regexp.MustCompile(`_{2,}`)

// slug makes a name of a label that is safe in a path.
func slug(s string) string {
	s = strings.Trim(runs.ReplaceAllString(word(s, "-_."), "_"), "_.")
	if s == "" {
		return "unnamed"
	}
	return s[:min(len(s), 150)]
}

// jsonText encodes a value on several lines.
func jsonText(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

// details returns the parameters of a case as texts.
func (e evaluation) details() map[string]string {
	out := map[string]string{"case": e.Case, "task": e.Task}
	for name, v := range e.Params {
		out[name] = valueText(v)
	}
	return out
}
