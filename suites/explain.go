package suites

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

const explainHead = `A suite is a YAML file that names models, tasks and a time limit.

  name: example
  title: Does it find a needle, and how fast?
  seed: 1
  models:
    - tiny-yoco-gret                      # an embedded model, by its name
    - {name: big, model: yoco-gret-160m}  # a preset, with random weights
    - {name: mine, model: path/to/folder} # config.json and weights.safetensors
    - name: served                        # behind an OpenAI-compatible endpoint
      url: http://127.0.0.1:8000/v1
      model: name-on-the-server
      key_env: OPENAI_API_KEY
    - name: gemma-like                    # defined by layers, with random weights
      dim: 768
      vocab: 32000
      heads: 12
      ffn: 2048
      layers:
        - repeat: 2
          layers: [{mixer: attention, window: 1024, repeat: 5}, {mixer: attention}]
  tasks:
    - needle: {lengths: [1Ki, 4Ki], depths: [0, 0.5, 1], trials: 3}
    - prefill: {lengths: {from: 1Ki, to: 16Ki, factor: 4}}
  budget: 3m

Sizes are written 4096, 4Ki, 1M; lists of sizes [1Ki, 4Ki]
or {from: 1Ki, to: 1Mi, factor: 2}. Any field can be set on the command line:
--set tasks.needle.trials=3 --set 'models=[tiny-transformer]'.
`

// Explain writes the schema of suites, or only that of one task.
func Explain(w io.Writer, tasks []Task, only string) error {
	if only != "" {
		t := taskNamed(tasks, only)
		if t == nil {
			var names []string
			for _, t := range tasks {
				names = append(names, t.Name())
			}
			return &Problem{Msg: fmt.Sprintf("unknown task %q", only), Hint: Suggest(only, names)}
		}
		return explainTask(w, t)
	}
	fmt.Fprint(w, explainHead+"\n")
	fmt.Fprintln(w, "FIELDS")
	explainStruct(w, reflect.ValueOf(Suite{}), "  ")
	fmt.Fprintln(w, "\nA MODEL is a name or a mapping")
	explainStruct(w, reflect.ValueOf(Entry{}), "  ")
	fmt.Fprintln(w, "\nA LAYER of a model is a mapping")
	explainStruct(w, reflect.ValueOf(Block{}), "  ")
	for _, t := range tasks {
		fmt.Fprintln(w)
		if err := explainTask(w, t); err != nil {
			return err
		}
	}
	return nil
}

func explainTask(w io.Writer, t Task) error {
	_, err := fmt.Fprintln(w, strings.Join(wrap("TASK "+t.Name()+": "+t.About(), 78), "\n  "))
	explainStruct(w, reflect.ValueOf(t.Params()).Elem(), "  ")
	if c, ok := t.(interface{ Choices() []Choice }); ok {
		field := ""
		for _, choice := range c.Choices() {
			if choice.Field != field {
				field = choice.Field
				fmt.Fprintf(w, "  values of %s:\n", field)
			}
			explainField(w, "    ", choice.Name, choice.About)
		}
	}
	return err
}

// Choice is a value of a task's field that depends on the task, such as a kind of questions. A task
// with a method Choices() []Choice has them explained, in groups by field.
type Choice struct{ Field, Name, About string }

// explainField writes a name and its explanation.
func explainField(w io.Writer, indent, name, doc string) {
	for i, line := range wrap(doc, 60-len(indent)) {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(w, "%s%-18s %s\n", indent, name, line)
	}
}

// explainStruct writes a line for each documented field of a struct: name, doc and default.
func explainStruct(w io.Writer, v reflect.Value, indent string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if inlined(f) {
			explainStruct(w, v.Field(i), indent)
			continue
		}
		name, doc := yamlName(f), f.Tag.Get("doc")
		if name == "" || doc == "" {
			continue
		}
		if d := defaultText(v.Field(i)); d != "" && !strings.Contains(doc, "default") {
			doc += " (default " + d + ")"
		}
		explainField(w, indent, name, doc)
	}
}

// defaultText formats a default value, and zero values as "".
func defaultText(v reflect.Value) string {
	if v.IsZero() || v.Kind() == reflect.Pointer || v.Kind() == reflect.Struct {
		return ""
	}
	if s, ok := v.Interface().(Sizes); ok {
		var parts []string
		for _, x := range s {
			parts = append(parts, Size(x).String())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

func wrap(s string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
