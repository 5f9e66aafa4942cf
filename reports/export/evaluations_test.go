package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/suites/result"
)

// The journal testdata/quality.jsonl has cases of needle, contrast, nll, ruler and downstream, and
// two of tasks that do not measure quality. One case of ruler is unsupported.

func quality(t *testing.T) *result.Journal {
	t.Helper()
	j, err := result.ReadFile("testdata/quality.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return j
}

var names = Names{
	Models:   map[string]string{"tiny-yoco-gret": "acme/tiny"},
	Datasets: []Dataset{{Pattern: "downstream arc", ID: "allenai/ai2_arc", Task: "ARC-Challenge", Revision: "0123abcd"}, {Pattern: "ruler niah*", ID: "acme/ruler", Task: "niah"}},
}

// compileSchema compiles a schema.
func compileSchema(t *testing.T, path string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate validates a JSON text, and checks that the schema rejects it without each of its
// required parts.
func validate(t *testing.T, s *jsonschema.Schema, text []byte, required ...string) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%v\n%.2000s", err, text)
	}
	for _, name := range required {
		w, _ := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if m, ok := w.(map[string]any); ok {
			delete(m, name)
		} else {
			delete(w.([]any)[0].(map[string]any), name)
		}
		if s.Validate(w) == nil {
			t.Errorf("the schema accepts a file without %s", name)
		}
	}
}

// TestSearches checks that the export of a search of an effective length has each length with its
// own trials.
func TestSearches(t *testing.T) {
	j := quality(t)
	i := slices.IndexFunc(j.Records, func(r result.Record) bool { return r.Task == "ruler" && r.Status == result.OK })
	r := j.Records[i]
	score := func(x float64) *float64 { return &x }
	r.Case, r.Label, r.Params = "abc", "ruler vt 1Ki to 2Ki, adaptive", map[string]any{"kind": "vt"}
	r.Metrics = map[string]result.Metric{"passes_to": {Value: 1024, Unit: "tokens", Better: result.Higher}}
	r.Series = []result.Series{{Name: "score", XUnit: "tokens", YUnit: "fraction", X: []float64{1024, 2048}, Y: []float64{1, 0.25},
		Lo: []float64{0.5, 0}, Hi: []float64{1, 0.9}, N: []int{1, 2}}}
	r.Trials = []result.Trial{{Answer: "a", Score: score(1)}, {Answer: "b", Score: score(0.5)}, {Answer: "c", Score: score(0)}}
	j.Records = []result.Record{r}
	files, err := LMEval(j, names)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	validate(t, compileSchema(t, "testdata/lm-eval-results.schema.json"), files[0].Data)
	for _, want := range []string{`"ruler_vt_1Ki_to_2Ki_adaptive_at_1024"`, `"ruler_vt_1Ki_to_2Ki_adaptive_at_2048"`, `"score,none": 0.25`, `"length": 2048`} {
		if !strings.Contains(string(files[0].Data), want) {
			t.Errorf("no %s in\n%s", want, files[0].Data)
		}
	}
	if files, err = EveryEvalEver(j, names); err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	lines := strings.Split(strings.TrimSpace(string(files[0].Data)), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], `"evaluation_result_id":"abc-2048.score"`) || !strings.Contains(lines[1], `"score":0.5`) {
		t.Errorf("%q", lines)
	}
	// A series whose parts differ in length, as in a damaged file.
	j.Records[0].Params = nil
	j.Records[0].Series[0].Y, j.Records[0].Series[0].N, j.Records[0].Series[0].Lo = []float64{1, 0}, []int{-1, 9}, []float64{0}
	if files, err = EveryEvalEver(j, names); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

func TestLMEvalMatchesSchema(t *testing.T) {
	j := quality(t)
	files, err := LMEval(j, names)
	if err != nil || len(files) != 1 || !strings.HasPrefix(files[0].Path, "acme_tiny/results_2026-") {
		t.Fatalf("%d files, %v", len(files), err)
	}
	s := compileSchema(t, "testdata/lm-eval-results.schema.json")
	validate(t, s, files[0].Data, "results", "configs", "n-samples", "higher_is_better", "config")
	var f struct {
		Results map[string]map[string]any          `json:"results"`
		Samples map[string]struct{ Effective int } `json:"n-samples"`
	}
	if err := json.Unmarshal(files[0].Data, &f); err != nil {
		t.Fatal(err)
	}
	tasks := map[string]string{"needle_single_512_50": "exact", "nll_prose_512": "nll", "contrast_512": "literal", "ruler_niah_single_1_1Ki": "score",
		"downstream_arc": "acc_norm", "downstream_gsm": "exact_match", "downstream_text": "word_perplexity"}
	if len(f.Results) != len(tasks) {
		t.Errorf("%d tasks, want %d", len(f.Results), len(tasks))
	}
	for name, metric := range tasks {
		i := slices.IndexFunc(j.Records, func(r result.Record) bool { return slug(r.Label) == name })
		if i < 0 || f.Results[name][metric+",none"] != j.Records[i].Metrics[metric].Value || f.Samples[name].Effective == 0 {
			t.Errorf("%s: %v", name, f.Results[name])
		}
	}
	if _, ok := f.Results["downstream_arc"]["acc_stderr,none"].(float64); !ok || f.Results["downstream_text"]["word_perplexity_stderr,none"] != "N/A" {
		t.Errorf("standard errors: %v, %v", f.Results["downstream_arc"], f.Results["downstream_text"])
	}
	for _, bad := range [][2]string{{`"acc,none":`, `"acc":`}, {`"N/A"`, `"none"`}, {`"effective":`, `"used":`}, {`"date": `, `"date": "1" , "x":`}} {
		w, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.Replace(string(files[0].Data), bad[0], bad[1], 1)))
		if err != nil || s.Validate(w) == nil {
			t.Errorf("the schema accepts %s: %v", bad[1], err)
		}
	}
}

func TestEveryEvalEverMatchesSchema(t *testing.T) {
	folder := testenv.Download(t, "YOCOBENCH_EVAL_SCHEMAS", "tools/evalschemas.sh")
	aggregate := compileSchema(t, filepath.Join(folder, "eval.schema.json"))
	instance := compileSchema(t, filepath.Join(folder, "instance_level_eval.schema.json"))
	files, err := EveryEvalEver(quality(t), names)
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	samples, all := files[0], files[1]
	validate(t, aggregate, all.Data, "schema_version", "evaluation_id", "source_metadata", "model_info", "eval_library", "evaluation_results")
	var a everyEval
	if err := json.Unmarshal(all.Data, &a); err != nil {
		t.Fatal(err)
	}
	if a.Details == nil || a.Details.Path != samples.Path || a.Model.ID != "acme/tiny" || !strings.HasPrefix(all.Path, "data/quality/acme/tiny/") {
		t.Errorf("%+v, %s", a.Details, all.Path)
	}
	known := map[string]bool{}
	hub, negative := 0, false
	for _, r := range a.Results {
		if known[r.ID] = true; r.Score.Details["case"] == "" {
			t.Errorf("%+v", r)
		}
		if least, ok := r.Metric.Minimum.(float64); ok && !(r.Score.Score >= least && r.Score.Score <= r.Metric.Maximum.(float64)) {
			t.Errorf("%s: the score %g is outside %v to %v", r.ID, r.Score.Score, r.Metric.Minimum, r.Metric.Maximum)
		}
		if negative = negative || r.Score.Score < 0 && r.Metric.Unit == "proportion"; r.Metric.ID == "yocobench.contrast.literal" && r.Score.Uncertainty.Samples != 2 {
			t.Errorf("%+v", r)
		}
		if r.Data.Type == "hf_dataset" {
			hub++
		}
	}
	if !negative {
		t.Error("no score is a negative difference")
	}
	if len(known) != len(a.Results) || hub < 4 {
		t.Errorf("%d ids of %d results, %d of data sets", len(known), len(a.Results), hub)
	}
	rows, depths, lengths, choices := 0, 0, 0, 0
	for line := range bytes.Lines(samples.Data) {
		var row everyInstance
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		var required []string
		if rows++; rows == 1 {
			required = []string{"evaluation_id", "sample_id", "input", "output", "answer_attribution", "evaluation", "interaction_type"}
		}
		validate(t, instance, line, required...)
		if !known[row.Result] || row.ID != a.ID {
			t.Errorf("%s: %s belongs to no result", row.Sample, row.Result)
		}
		for _, c := range []struct {
			n  *int
			is bool
		}{{&depths, row.Metadata["actual_depths"] != ""}, {&lengths, row.Metadata["length"] != ""}, {&choices, row.Input.Choices != nil}} {
			if c.is {
				*c.n++
			}
		}
	}
	if rows != a.Details.Rows || depths == 0 || lengths == 0 || choices == 0 {
		t.Errorf("%d rows, want %d; %d with depths, %d with lengths, %d with choices", rows, a.Details.Rows, depths, lengths, choices)
	}
	again, err := EveryEvalEver(quality(t), names)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(files) {
		t.Errorf("a second export differs: %v", err)
	}
}

func TestEvalResultsMatchSchema(t *testing.T) {
	files, err := EvalResults(quality(t), names)
	if err != nil || len(files) != 1 || files[0].Path != "acme_tiny/.eval_results/quality.yaml" {
		t.Fatalf("%+v, %v", files, err)
	}
	var v any
	if err := yaml.Unmarshal(files[0].Data, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	validate(t, compileSchema(t, "testdata/eval-results.schema.json"), text, "dataset", "value")
	var entries []struct {
		Dataset hubDataset
		Value   float64
	}
	if err := yaml.Unmarshal(files[0].Data, &entries); err != nil || len(entries) != 2 || entries[1].Dataset != (hubDataset{"allenai/ai2_arc", "ARC-Challenge", "0123abcd"}) {
		t.Errorf("%+v, %v", entries, err)
	}
	if notes := regexp.MustCompile(`notes: .* of \d+ samples, 95 % interval [\d.]{1,7} to [\d.]{1,7}; yocobench`); !notes.Match(files[0].Data) {
		t.Errorf("no match of %s in\n%s", notes, files[0].Data)
	}
	for _, c := range []struct {
		sets []Dataset
		want string
	}{
		{nil, "name them with --dataset"},
		{[]Dataset{{Pattern: "downstream arcs", ID: "a/b", Task: "c"}}, `no case is named "downstream arcs"; cases: ["needle single`},
		{[]Dataset{{Pattern: "downstream arc", ID: "a/b"}}, "needs a task"},
		{[]Dataset{{Pattern: "downstream *", ID: "a/b", Task: "c"}}, "several cases"},
	} {
		if _, err := EvalResults(quality(t), Names{Datasets: c.sets}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestParseDataset(t *testing.T) {
	for text, want := range map[string]Dataset{
		"downstream arc=allenai/ai2_arc:ARC-Challenge": {"downstream arc", "allenai/ai2_arc", "ARC-Challenge", ""},
		"a*=b/c:d@e": {"a*", "b/c", "d", "e"}, "a=b/c": {"a", "b/c", "", ""},
	} {
		if got, err := ParseDataset(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "arc", "arc=arc", "=a/b:c", "arc=a/b c", "[=a/b:c"} {
		if got, err := ParseDataset(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func FuzzParseDataset(f *testing.F) {
	f.Add("downstream arc=allenai/ai2_arc:ARC-Challenge@main")
	f.Add("[=a/b")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDataset(text)
		if err == nil && (d.Pattern == "" || strings.Count(d.ID, "/") != 1) {
			t.Errorf("%q: %+v", text, d)
		}
	})
}

// A journal with hostile names gives files below the output folder only, and a journal without
// quality gives none.
func TestPathsOfHostileNames(t *testing.T) {
	j := quality(t)
	for i := range j.Records {
		j.Records[i].Model, j.Records[i].Label = "../../x\x00/..", "../\n<b>"
	}
	j.Runs[0].Suite = "../../../etc"
	for _, format := range []func(*result.Journal, Names) ([]File, error){LMEval, EveryEvalEver} {
		files, err := format(j, Names{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !filepath.IsLocal(f.Path) || strings.Contains(f.Path, "..") {
				t.Errorf("path %q", f.Path)
			}
		}
	}
	if _, err := LMEval(journal(), Names{}); err == nil {
		t.Error("a journal without declared tasks of quality is exported")
	}
}
