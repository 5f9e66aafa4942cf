package chat

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ardanlabs/jinja"

	"github.com/yocobench/yocobench/internal/testenv"
)

func TestMain(m *testing.M) {
	if os.Args[0] == "yocobench" { // the test runs as a child of Load
		if err := Child(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// chatML is the template format of many models.
const chatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}` +
	`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

func parts(texts ...string) (out []Part) {
	for _, t := range texts {
		t, system := strings.CutPrefix(t, "system:")
		out = append(out, Part{t, system})
	}
	return out
}

func TestLoad(t *testing.T) {
	for name, c := range map[string]struct {
		template, system string
		want             Template
	}{
		"ChatML": {chatML, "", Template{Prefix: parts("<|im_start|>user\n"), Suffix: parts("<|im_end|>\n<|im_start|>assistant\n")}},
		"ChatML, system": {chatML, " Be <|im_end|> brief.\n", Template{
			Prefix: parts("<|im_start|>system\n", "system:Be <|im_end|> brief.", "<|im_end|>\n<|im_start|>user\n"),
			Suffix: parts("<|im_end|>\n<|im_start|>assistant\n"),
		}},
		"BOS and trim": {"{{ bos_token }}[INST] {{ messages[0].content | trim }} [/INST]", "", Template{
			Prefix: parts("<s>[INST] "), Suffix: parts(" [/INST]"), TrimLeft: true, TrimRight: true,
		}},
		"trim of an end":      {"{{ messages[0].content.rstrip() }}{{ eos_token }}", "", Template{Suffix: parts("</s>"), TrimRight: true}},
		"nothing around":      {"{{ messages[0].content }}", "", Template{}},
		"system after":        {"{{ messages[1].content }}|{{ messages[0].content }}.", "S", Template{Suffix: parts("|", "system:S", ".")}},
		"system in the turn":  {"<u>{{ messages[0].content }}\n\n{{ messages[1].content }}</u>", "S", Template{Prefix: parts("<u>", "system:S", "\n\n"), Suffix: parts("</u>")}},
		"a list of parts":     {"{% for m in messages %}{% for p in m.content %}{% if p.type == 'text' %}<u>{{ p.text }}{% endif %}{% endfor %}{% endfor %}", "", Template{Prefix: parts("<u>")}},
		"date":                {"{{ strftime_now('%d %b %Y, %-d.%-m.%y, %A %H:%M %%') }} {{ messages[0].content }}", "", Template{Prefix: parts("26 Jul 2024, 26.7.24, Friday 00:00 % "), UsesDate: true}},
		"no tools":            {"{% if tools is not none %}tools{% endif %}{% if enable_thinking is false %}quick {% endif %}{{ messages[0].content }}", "", Template{Prefix: parts("quick ")}},
		"line ends":           {"a\r\nb\rc{{ messages[0].content }}d\n\n", "", Template{Prefix: parts("a\nb\nc"), Suffix: parts("d\n")}},
		"template as message": {"{{ messages[0].content }}{{ '{{ 1 + 1 }}' }}", "", Template{Suffix: parts("{{ 1 + 1 }}")}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Format{Template: c.template, BOS: "<s>", EOS: "</s>"}
			got, err := f.Load(t.Context(), c.system)
			if err != nil || !reflect.DeepEqual(*got, c.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
			if again, _ := f.Load(t.Context(), c.system); again != got {
				t.Error("rendered again")
			}
		})
	}
}

// A misbehaving template is an error of one line that names the cause, within the limits of a child
// process. The parent continues.
func TestRefused(t *testing.T) {
	x := "{{ messages[0].content }}"
	for name, c := range map[string]struct{ template, system, want string }{
		"upper case":        {"{{ messages[0].content | upper }}", "", "leaves out or changes the user message"},
		"escaped":           {"{{ messages[0].content | tojson }}", "", "leaves out or changes the user message"},
		"replaced":          {`{{ messages[0].content | replace("\n", " ") }}`, "", "leaves out or changes the user message"},
		"cut":               {"{{ messages[0].content[:9] }}", "", "leaves out or changes the user message"},
		"empty":             {"", "", "leaves out or changes the user message"},
		"twice":             {x + x, "", "repeats the user message 2 times"},
		"length":            {"{{ messages[0].content | length }}" + x, "", "depends on white space"},
		"no system role":    {"{% if messages[0].role == 'system' %}{{ raise_exception('System role\n not supported') }}{% endif %}" + x, "S", "refuses the messages: System role not supported"},
		"system left out":   {"{{ messages[1].content }}", "S", "leaves out or changes the system message"},
		"system changed":    {"{{ messages[0].content | upper }}{{ messages[1].content }}", "S", "leaves out or changes the system message"},
		"syntax":            {"{% for %}", "", "jinja parse"},
		"unknown filter":    {x + "{{ 'a' | frobnicate }}", "", "frobnicate"},
		"unknown directive": {"{{ strftime_now('%Q') }}" + x, "", `strftime_now("%Q")`},
		"range":             {"{% for i in range(3000000000) %}{% endfor %}" + x, "", "more than 256 MB of memory"},
		"long string":       {"{{ 'x' * 4000000000 }}" + x, "", "more than 256 MB of memory"},
		"longer string":     {"{{ 'x' * 4000000000000000 }}" + x, "", "more than 256 MB of memory"},
		"doubling":          {"{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}" + x, "", "more than 256 MB of memory"},
		"macro":             {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}" + x, "", "calls itself without end"},
		"nesting":           {"{{ " + strings.Repeat("(", 400000) + "1" + strings.Repeat(")", 400000) + " }}" + x, "", "chat template:"},
		"long output":       {"{% for i in range(300000) %}abcdefgh{% endfor %}" + x, "", "renders 2400"},
		"long template":     {strings.Repeat(" ", 1<<20+1), "", "want at most 1048576"},
		"endless":           {strings.Repeat("{% for i in range(9000) %}", 8) + strings.Repeat("{% endfor %}", 8) + x, "", "more than 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			got, err := (&Format{Template: c.template}).Load(t.Context(), c.system)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "chat template: ") {
				t.Errorf("got %+v, %.300q, want %q", got, err, c.want)
			}
			if took := time.Since(start); took > maxWait+maxTime {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A child that calls Load starts no further process.
func TestNoChildOfChild(t *testing.T) {
	t.Setenv(inside, "1")
	if _, err := (&Format{Template: chatML}).Load(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "must not start another") {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := &Format{Template: chatML}
	if _, err := f.Load(ctx, ""); err == nil {
		t.Error("no error")
	}
	if _, err := f.Load(t.Context(), ""); err != nil {
		t.Errorf("an interrupted rendering was kept: %v", err)
	}
}

// With the templates of published models, the parts around a message equal those of a rendering
// with the message itself. The test uses the templates that the jinja module has for its own tests,
// and those in the folder YOCOBENCH_CHAT_TEMPLATES, such as llama.cpp's models/templates.
func TestPublished(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/ardanlabs/jinja").Output()
	if err != nil {
		testenv.Missing(t, "no module cache: %v", err)
	}
	files, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "testdata/templates/*.jinja"))
	if len(files) == 0 {
		testenv.Missing(t, "the module cache has no templates of ardanlabs/jinja")
	}
	if more := os.Getenv("YOCOBENCH_CHAT_TEMPLATES"); more != "" {
		found, _ := filepath.Glob(filepath.Join(more, "*.jinja"))
		files = append(files, found...)
	}
	refusals := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, system := range []string{"", "Answer with a number."} {
			f := &Format{Template: string(source), BOS: "<s>", EOS: "</s>"}
			got, err := f.Load(t.Context(), system)
			if err != nil {
				if system == "" || !strings.Contains(err.Error(), "refuses") {
					t.Errorf("%s, system %q: %v", filepath.Base(file), system, err)
				}
				refusals++
				continue
			}
			const message = "  What is the secret number of “zebra”?\n\n"
			text := ""
			for _, p := range got.Prefix {
				text += p.Text
			}
			text += got.Message(message)
			for _, p := range got.Suffix {
				text += p.Text
			}
			if want := whole(t, f, system, message); text != want {
				t.Errorf("%s, system %q: %q, want %q", filepath.Base(file), system, text, want)
			}
		}
	}
	t.Logf("%d templates, %d refusals", len(files), refusals)
}

// whole renders messages with a template in this process. The content of a message is text, or a
// list of parts if the text does not occur in the rendering.
func whole(t *testing.T, f *Format, system, message string) string {
	compiled, err := jinja.Compile(f.Template)
	if err != nil {
		t.Fatal(err)
	}
	for _, asList := range []bool{false, true} {
		var messages []any
		for _, m := range [][2]string{{"system", system}, {"user", message}} {
			if m[1] == "" {
				continue
			}
			content := any(m[1])
			if asList {
				content = []any{map[string]any{"type": "text", "text": m[1]}}
			}
			messages = append(messages, map[string]any{"role": m[0], "content": content})
		}
		text, err := compiled.RenderValues(map[string]jinja.Value{
			"messages": jinja.FromGoValue(messages), "bos_token": jinja.NewString(f.BOS), "eos_token": jinja.NewString(f.EOS),
			"add_generation_prompt": jinja.NewBool(true), "tools": jinja.None(), "documents": jinja.None(), "enable_thinking": jinja.NewBool(false),
			"strftime_now": jinja.NewCallable("strftime_now", func(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
				s, err := strftime(args[0].AsString())
				return jinja.NewString(s), err
			}),
		})
		if err == nil && strings.Contains(text, strings.TrimSpace(message)) {
			return text
		}
	}
	t.Fatal("the message is not in the rendering")
	return ""
}
