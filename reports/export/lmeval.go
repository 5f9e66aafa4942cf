package export

import (
	"fmt"
	"strings"
	"time"

	"github.com/yocobench/yocobench/suites/result"
)

// LMEval writes the results of each model in the layout of lm-evaluation-harness's results files:
// MODEL/results_TIME.json. A metric's name ends in its filter, which is always none.
func LMEval(j *result.Journal, names Names) (files []File, err error) {
	models, err := evaluations(j)
	if err != nil {
		return nil, err
	}
	h := header(j)
	for _, m := range models {
		type object = map[string]any
		results, configs, versions, shots, better, samples, hashes, subtasks := object{}, object{}, object{}, object{}, object{}, object{}, object{}, object{}
		seconds := 0.0
		for _, e := range m.cases {
			values, higher := object{"alias": e.Label, "name": e.name, "sample_len": e.samples()}, object{}
			var list []object
			for _, info := range e.metrics {
				v := e.Metrics[info.Name]
				values[info.Name+",none"] = v.Value
				values[info.Name+"_stderr,none"] = "N/A"
				if se, ok := standardError(info, v); ok {
					values[info.Name+"_stderr,none"] = se
				}
				higher[info.Name] = info.Better == result.Higher
				list = append(list, object{"metric": info.Name, "higher_is_better": info.Better == result.Higher})
			}
			config := object{"task": e.name, "num_fewshot": 0, "metric_list": list, "metadata": object{"label": e.Label, "task": e.Task, "case": e.Case}}
			for name, v := range e.Params {
				if _, taken := config[name]; !taken {
					config[name] = v
				}
			}
			results[e.name], configs[e.name], better[e.name] = values, config, higher
			versions[e.name], shots[e.name], hashes[e.name], subtasks[e.name] = nil, 0, e.Case, []string{}
			samples[e.name] = object{"original": e.samples(), "effective": e.samples()}
			seconds += e.Seconds
		}
		first := m.cases[0]
		id := names.model(m.model)
		file := object{
			"results": results, "group_subtasks": subtasks, "configs": configs, "versions": versions, "n-shot": shots,
			"higher_is_better": better, "n-samples": samples, "task_hashes": hashes,
			"config": object{
				"model": first.Runner, "model_args": nil, "model_dtype": first.Params["dtype"], "batch_size": nil, "batch_sizes": []int{},
				"device": first.Device, "use_cache": nil, "limit": nil, "bootstrap_iters": 0, "gen_kwargs": nil,
			},
			"git_hash": h.Env.Commit, "date": float64(h.Start.UnixMilli()) / 1000,
			"pretty_env_info": fmt.Sprintf("yocobench %s, %s/%s, %s", h.Env.Version, h.Env.OS, h.Env.Arch, h.Env.CPU), "upper_git_hash": nil,
			"model_source": first.Runner, "model_name": id, "model_name_sanitized": strings.ReplaceAll(id, "/", "__"),
			"system_instruction": nil, "system_instruction_sha": nil, "fewshot_as_multiturn": false, "chat_template": nil, "chat_template_sha": nil,
			"total_evaluation_time_seconds": number(seconds), "yocobench_version": h.Env.Version, "suite": h.Suite, "suite_hash": h.SuiteHash,
		}
		if first.TrainedContext > 0 {
			file["max_length"] = first.TrainedContext
		}
		data, err := jsonText(file)
		if err != nil {
			return nil, err
		}
		path := folderOf(id) + "/results_" + strings.ReplaceAll(h.Start.UTC().Format(time.DateOnly+"T15:04:05.000000"), ":", "-") + ".json"
		files = append(files, File{path, data})
	}
	return files, nil
}

// folderOf returns the name of a model's folder.
func folderOf(id string) string { return slug(strings.ReplaceAll(id, "/", "__")) }
