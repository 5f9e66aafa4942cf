package export

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/yocobench/yocobench/suites/result"
)

// schemaVersion is the version of Every Eval Ever's schemas.
const schemaVersion = "0.3.0"

// The aggregate and the instance-level records of Every Eval Ever, as far as this package has them.
type (
	everyEval struct {
		SchemaVersion string         `json:"schema_version"`
		ID            string         `json:"evaluation_id"`
		Time          string         `json:"evaluation_timestamp"`
		Retrieved     string         `json:"retrieved_timestamp"`
		Source        everySource    `json:"source_metadata"`
		Library       everyLibrary   `json:"eval_library"`
		Model         everyModel     `json:"model_info"`
		Results       []everyResult  `json:"evaluation_results"`
		Details       *everyDetailed `json:"detailed_evaluation_results,omitempty"`
	}
	everySource struct {
		Type         string `json:"source_type"`
		Organization string `json:"source_organization_name"`
		Relationship string `json:"evaluator_relationship"`
	}
	everyLibrary struct {
		Name    string            `json:"name"`
		Version string            `json:"version"`
		Details map[string]string `json:"additional_details,omitempty"`
	}
	everyModel struct {
		Name      string            `json:"name"`
		ID        string            `json:"id"`
		Developer string            `json:"developer"`
		Engine    map[string]string `json:"inference_engine"`
		Details   map[string]string `json:"additional_details"`
	}
	everyResult struct {
		ID         string          `json:"evaluation_result_id"`
		Name       string          `json:"evaluation_name"`
		Data       everyData       `json:"source_data"`
		Time       string          `json:"evaluation_timestamp"`
		Metric     everyMetric     `json:"metric_config"`
		Score      everyScore      `json:"score_details"`
		Generation everyGeneration `json:"generation_config"`
	}
	everyData struct {
		Name    string            `json:"dataset_name"`
		Type    string            `json:"source_type"`
		Repo    string            `json:"hf_repo,omitempty"`
		Samples int               `json:"samples_number,omitempty"`
		Details map[string]string `json:"additional_details,omitempty"`
	}
	everyMetric struct {
		About   string `json:"evaluation_description"`
		ID      string `json:"metric_id"`
		Name    string `json:"metric_name"`
		Unit    string `json:"metric_unit"`
		Lower   bool   `json:"lower_is_better"`
		Type    string `json:"score_type"`
		Minimum any    `json:"min_score"`
		Maximum any    `json:"max_score"`
	}
	everyScore struct {
		Score       float64           `json:"score"`
		Details     map[string]string `json:"details"`
		Uncertainty *everyUncertainty `json:"uncertainty,omitempty"`
	}
	everyUncertainty struct {
		Error    *everyError    `json:"standard_error,omitempty"`
		Interval *everyInterval `json:"confidence_interval,omitempty"`
		Samples  int            `json:"num_samples,omitempty"`
	}
	everyError struct {
		Value  float64 `json:"value"`
		Method string  `json:"method"`
	}
	everyInterval struct {
		Lower  float64 `json:"lower"`
		Upper  float64 `json:"upper"`
		Level  float64 `json:"confidence_level"`
		Method string  `json:"method"`
	}
	everyGeneration struct {
		Args    map[string]any    `json:"generation_args"`
		Details map[string]string `json:"additional_details"`
	}
	everyDetailed struct {
		Format   string `json:"format"`
		Path     string `json:"file_path"`
		Hash     string `json:"hash_algorithm"`
		Checksum string `json:"checksum"`
		Rows     int    `json:"total_rows"`
	}
	everyInstance struct {
		SchemaVersion string             `json:"schema_version"`
		ID            string             `json:"evaluation_id"`
		Model         string             `json:"model_id"`
		Name          string             `json:"evaluation_name"`
		Result        string             `json:"evaluation_result_id"`
		Sample        string             `json:"sample_id"`
		Hash          string             `json:"sample_hash"`
		Interaction   string             `json:"interaction_type"`
		Input         everyInput         `json:"input"`
		Output        everyOutput        `json:"output"`
		Attribution   []everyAttribution `json:"answer_attribution"`
		Evaluation    everyEvaluation    `json:"evaluation"`
		Metadata      map[string]string  `json:"metadata"`
	}
	everyInput struct {
		Raw       string   `json:"raw"`
		Reference []string `json:"reference"`
		Choices   []string `json:"choices,omitempty"`
	}
	everyOutput struct {
		Raw []string `json:"raw"`
	}
	everyAttribution struct {
		Turn     int    `json:"turn_idx"`
		Source   string `json:"source"`
		Value    string `json:"extracted_value"`
		Method   string `json:"extraction_method"`
		Terminal bool   `json:"is_terminal"`
	}
	everyEvaluation struct {
		Score   float64 `json:"score"`
		Correct bool    `json:"is_correct"`
	}
)

// EveryEvalEver writes the results of each model by the schemas of Every Eval Ever: an aggregate
// file, and a file of all questions whose records have a score of each. The context length, the
// depth and the other parameters of a case are additional details.
func EveryEvalEver(j *result.Journal, names Names) (files []File, err error) {
	models, err := evaluations(j)
	if err != nil {
		return nil, err
	}
	h := header(j)
	version := cmp.Or(h.Env.Version, "unknown")
	for _, m := range models {
		id := names.model(m.model)
		developer, short, ok := strings.Cut(id, "/")
		if !ok {
			developer, short, id = "unknown", id, "unknown/"+id
		}
		first := m.cases[0]
		all := everyEval{
			SchemaVersion: schemaVersion, ID: fmt.Sprintf("%s/%s/%d", slug(h.Suite), id, h.Start.Unix()),
			Time: h.Start.UTC().Format(time.RFC3339), Retrieved: fmt.Sprint(h.Start.Unix()),
			Source:  everySource{"evaluation_run", cmp.Or(names.Organization, "unknown"), cmp.Or(names.Relationship, "other")},
			Library: everyLibrary{"yocobench", version, map[string]string{"commit": h.Env.Commit, "suite": h.Suite, "suite_hash": h.SuiteHash, "command": h.Command}},
			Model: everyModel{Name: m.model, ID: id, Developer: developer,
				Engine:  map[string]string{"name": "yocobench " + first.Runner, "version": version},
				Details: map[string]string{"deployment_type": "self_deployed", "model_availability": "unknown", "architecture": first.Arch, "device": first.Device}},
		}
		if first.Served {
			all.Model.Details["deployment_type"] = "unknown"
		}
		for name, v := range map[string]string{"dtype": valueText(cmp.Or[any](first.Params["dtype"], "")), "weights": h.Weights[m.model]} {
			if v != "" {
				all.Model.Details[name] = v
			}
		}
		var rows bytes.Buffer
		count := 0
		for _, e := range m.cases {
			data := names.data(e)
			for _, info := range e.metrics {
				r := e.everyResult(info, data)
				all.Results = append(all.Results, r)
				n, err := e.instances(&rows, &all, r, info)
				if err != nil {
					return nil, err
				}
				count += n
			}
		}
		uuid := uuidOf(all.ID)
		base := fmt.Sprintf("data/%s/%s/%s/%s", slug(h.Suite), slug(developer), slug(short), uuid)
		if count > 0 {
			sum := sha256.Sum256(rows.Bytes())
			all.Details = &everyDetailed{"jsonl", base + "_samples.jsonl", "sha256", hex.EncodeToString(sum[:]), count}
			files = append(files, File{base + "_samples.jsonl", rows.Bytes()})
		}
		text, err := jsonText(all)
		if err != nil {
			return nil, err
		}
		files = append(files, File{base + ".json", text})
	}
	return files, nil
}

// data returns the data set of a case.
func (n Names) data(e evaluation) everyData {
	details := map[string]string{}
	for _, name := range []string{"file", "text", "haystack", "corpus"} {
		if v, ok := e.Params[name]; ok {
			details[name] = valueText(v)
		}
	}
	d := everyData{Name: e.name, Type: "other", Details: details}
	if set, ok := n.of(e.Record); ok {
		d = everyData{Name: set.ID, Type: "hf_dataset", Repo: set.ID, Samples: e.samples(), Details: details}
		for name, v := range map[string]string{"task_id": set.Task, "revision": set.Revision} {
			if v != "" {
				details[name] = v
			}
		}
	}
	return d
}

// everyResult returns the aggregate result of a metric.
func (e evaluation) everyResult(info result.MetricInfo, data everyData) everyResult {
	v := e.Metrics[info.Name]
	metric := everyMetric{About: e.task.Title + ": " + e.Label, ID: "yocobench." + e.Task + "." + info.Name, Name: info.Name, Unit: v.Unit,
		Lower: info.Better == result.Lower, Type: "continuous", Minimum: "-Infinity", Maximum: "Infinity"}
	if v.Unit == "fraction" {
		metric.Unit = "proportion"
	}
	if info.Kind == result.Share { // not a difference of shares
		metric.Minimum, metric.Maximum = 0, 1
	}
	u := everyUncertainty{Samples: len(v.Samples)}
	if se, ok := standardError(info, v); ok {
		u.Error = &everyError{se, "analytic"}
	}
	if v.Lo != nil && v.Hi != nil {
		u.Interval = &everyInterval{*v.Lo, *v.Hi, v.Level, v.Method}
	}
	details := e.details()
	return everyResult{ID: e.Case + "." + info.Name, Name: e.name, Data: data, Time: e.Start.UTC().Format(time.RFC3339), Metric: metric,
		Score: everyScore{v.Value, details, &u}, Generation: everyGeneration{map[string]any{"temperature": 0}, details}}
}

// instances writes a line for each question of a case, if the metric has a score of each.
func (e evaluation) instances(b *bytes.Buffer, all *everyEval, r everyResult, info result.MetricInfo) (n int, err error) {
	scores := e.Metrics[info.Name].Samples
	if len(scores) != len(e.Trials) || info.Kind != result.Share {
		return 0, nil
	}
	j := json.NewEncoder(b)
	j.SetEscapeHTML(false)
	for i, t := range e.Trials {
		method := "custom"
		if t.Choices != nil {
			method = "log_likelihood"
		}
		reference := t.Expected
		if reference == nil {
			reference = []string{}
		}
		sum := sha256.Sum256([]byte(t.Question + strings.Join(reference, "\n")))
		metadata := map[string]string{"prompt_tokens": fmt.Sprint(t.Tokens)}
		maps.Copy(metadata, e.details())
		if len(t.Depths) > 0 {
			metadata["actual_depths"] = valueText(t.Depths)
		}
		if t.LogProbs != nil {
			metadata["log_likelihoods"] = valueText(t.LogProbs)
		}
		err := j.Encode(everyInstance{
			SchemaVersion: schemaVersion, ID: all.ID, Model: all.Model.ID, Name: e.name, Result: r.ID, Sample: fmt.Sprintf("%s_%d", e.Case, i+1),
			Hash: hex.EncodeToString(sum[:]), Interaction: "single_turn", Input: everyInput{t.Question, reference, t.Choices}, Output: everyOutput{[]string{t.Answer}},
			Attribution: []everyAttribution{{0, "output.raw", cmp.Or(t.Extracted, t.Answer), method, true}},
			Evaluation:  everyEvaluation{scores[i], scores[i] >= 1}, Metadata: metadata,
		})
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// uuidOf returns a UUID that depends on a text. It has the form of a random one (version 4), as the
// schema expects.
func uuidOf(text string) string {
	h := sha256.Sum256([]byte(text))
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80
	x := hex.EncodeToString(h[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}
