package export

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/suites/result"
)

// hubResult is an entry of a file in .eval_results of a model on the Hugging Face Hub.
type hubResult struct {
	Dataset hubDataset `yaml:"dataset"`
	Value   float64    `yaml:"value"`
	Date    string     `yaml:"date,omitempty"`
	Notes   string     `yaml:"notes,omitempty"`
}

type hubDataset struct {
	ID       string `yaml:"id"`
	Task     string `yaml:"task_id"`
	Revision string `yaml:"revision,omitempty"`
}

// EvalResults writes MODEL/.eval_results/SUITE.yaml for the Hugging Face Hub: the main metric of
// the cases that names.Datasets name, as a fraction or in the metric's unit.
func EvalResults(j *result.Journal, names Names) (files []File, err error) {
	models, err := evaluations(j)
	if err != nil {
		return nil, err
	}
	if len(names.Datasets) == 0 {
		return nil, fmt.Errorf("the results are those of data sets on the Hub: name them with --dataset CASE=OWNER/NAME:TASK; cases: %s", caseList(models))
	}
	h := header(j)
	used := map[string]bool{}
	for _, m := range models {
		var all []hubResult
		for _, e := range m.cases {
			d, ok := names.of(e.Record)
			if !ok {
				continue
			}
			if used[d.Pattern] = true; d.Task == "" {
				return nil, fmt.Errorf("the data set %s of %q needs a task: OWNER/NAME:TASK", d.ID, d.Pattern)
			}
			info := e.metrics[0]
			v := e.Metrics[info.Name]
			notes := fmt.Sprintf("%s of %d samples", info.Name, e.samples())
			if v.Lo != nil && v.Hi != nil {
				notes += fmt.Sprintf(", %.4g %% interval %.4g to %.4g", 100*v.Level, *v.Lo, *v.Hi)
			}
			notes += fmt.Sprintf("; yocobench %s, case %s", h.Env.Version, e.Case)
			if same := slices.IndexFunc(all, func(r hubResult) bool { return r.Dataset == (hubDataset{d.ID, d.Task, d.Revision}) }); same >= 0 {
				return nil, fmt.Errorf("%s: several cases of the model %s are the data set %s:%s: name one case", d.Pattern, m.model, d.ID, d.Task)
			}
			all = append(all, hubResult{hubDataset{d.ID, d.Task, d.Revision}, v.Value, e.Start.UTC().Format(time.RFC3339), printable(notes)})
		}
		if len(all) == 0 {
			continue
		}
		var b bytes.Buffer
		y := yaml.NewEncoder(&b)
		y.SetIndent(2)
		if err := y.Encode(all); err != nil {
			return nil, err
		}
		files = append(files, File{folderOf(names.model(m.model)) + "/.eval_results/" + slug(h.Suite) + ".yaml", b.Bytes()})
	}
	for _, d := range names.Datasets {
		if !used[d.Pattern] {
			return nil, fmt.Errorf("--dataset: no case is named %q; cases: %s", d.Pattern, caseList(models))
		}
	}
	return files, nil
}

// caseList lists the labels of a few cases.
func caseList(models []*evaluated) string {
	var labels []string
	for _, m := range models {
		for _, e := range m.cases {
			if !slices.Contains(labels, e.Label) {
				labels = append(labels, e.Label)
			}
		}
	}
	more := ""
	if n := len(labels) - 10; n > 0 {
		labels, more = labels[:10], fmt.Sprintf(" and %d more", n)
	}
	return printable(fmt.Sprintf("%q", labels)) + more
}
