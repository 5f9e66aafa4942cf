package gate

import (
	"reflect"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/suites/match"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Gate{
		"throughput.decode_tps >= 0.95x baseline": {Task: "throughput", Metric: "decode_tps", AtLeast: true, Value: 0.95, Over: Baseline},
		"prefill.ttft <= 250ms @ length=16Ki":     {Task: "prefill", Metric: "ttft", Value: 0.25, Unit: "s", Where: match.All{{Key: "length", Op: "=", Value: "16Ki"}}},
		"kv.total<=1.5GiB@16Ki,kv=bf16":           {Task: "kv", Metric: "total", Value: 1.5 * (1 << 30), Unit: "bytes", Where: match.All{{Key: "", Op: "=", Value: "16Ki"}, {Key: "kv", Op: "=", Value: "bf16"}}},
		"needle.exact >= 0.95":                    {Task: "needle", Metric: "exact", AtLeast: true, Value: 0.95},
		"pooled tiny-yoco-*.needle.exact >= 95 %": {Pooled: true, Models: "tiny-yoco-*", Task: "needle", Metric: "exact", AtLeast: true, Value: 0.95, Unit: "fraction"},
		"yoco-gret.prefill.tps >= 4x transformer @ 16Ki": {
			Models: "yoco-gret", Task: "prefill", Metric: "tps", AtLeast: true, Value: 4, Over: "transformer", Where: match.All{{Key: "", Op: "=", Value: "16Ki"}}},
		"yoco-gret-1.4b.prefill.tps >= 1e1x transformer-1.4b": {Models: "yoco-gret-1.4b", Task: "prefill", Metric: "tps", AtLeast: true, Value: 10, Over: "transformer-1.4b"},
		"throughput.decode_tps >= 900 tokens/s @ depth>=1Ki, batch!=1, label=*@ 4Ki*": {
			Task: "throughput", Metric: "decode_tps", AtLeast: true, Value: 900, Unit: "tokens/s",
			Where: match.All{{Key: "depth", Op: ">=", Value: "1Ki"}, {Key: "batch", Op: "!=", Value: "1"}, {Key: "label", Op: "=", Value: "*@ 4Ki*"}}},
		"needle.logprob >= -0.5": {Task: "needle", Metric: "logprob", AtLeast: true, Value: -0.5},
		"kv.total <= 0.5x a/b":   {Task: "kv", Metric: "total", Value: 0.5, Over: "a/b"},
	} {
		g, err := Parse(text)
		want.Text, want.Confidence = text, DefaultConfidence
		if err != nil || !reflect.DeepEqual(g, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", text, g, err, want)
			continue
		}
		again, err := Parse(g.String())
		again.Text = g.Text
		if err != nil || !reflect.DeepEqual(again, g) {
			t.Errorf("%s: written as %s, which reads as %+v, %v", text, g.String(), again, err)
		}
	}
}

func TestParseRejects(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "expected >= or <=",
		"prefill.ttft":                      "expected >= or <=",
		"prefill.ttft = 3":                  "expected >= or <=",
		"prefill.ttft > 3":                  "expected >= or <=",
		"ttft <= 3":                         "is not [models.]task.metric",
		".prefill.ttft <= 3":                "starts with a dot",
		"prefill ttft <= 3":                 "before the operator",
		"prefill.ttft <= fast":              "expected a number",
		"prefill.ttft <= 3 parsecs":         `unknown unit "parsecs"`,
		"prefill.ttft <= 1x":                "1x of what?",
		"prefill.ttft <= 1xbaseline":        "expected one word after x",
		"prefill.ttft <= 1x base line":      "expected one word after x",
		"prefill.ttft <= 0x baseline":       "above 0",
		"prefill.ttft <= 1e999":             "out of range",
		"prefill.ttft <= 1e308 min":         "out of range",
		"prefill.ttft <= 3s @":              "after @",
		"prefill.ttft <= 3s @ long":         "after @",
		"prefill.ttft <= 3s @ length<=long": "not a number",
		"prefill.ttft <= 3s @ length==4":    "after @",
		"prefill.ttft <= 3s @ model=[":      "malformed pattern",
		"[.prefill.ttft <= 3s":              "not a model's name",
		strings.Repeat("a", 2000) + ".b<=1": "too long",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestMatch(t *testing.T) {
	params := map[string]any{"depth": 4096.0, "batch": "max", "generate": 64}
	f := match.FieldsOf(params, "org/tiny-yoco-gret", "yoco-gret", "cpu", "throughput @ 4Ki x max")
	for text, want := range map[string]bool{
		"throughput.tps >= 1":                           true,
		"prefill.tps >= 1":                              false,
		"yoco-gret.throughput.tps >= 1":                 true,
		"*-gret.throughput.tps >= 1":                    true,
		"transformer.throughput.tps >= 1":               false,
		"throughput.tps >= 1 @ 4Ki":                     true,
		"throughput.tps >= 1 @ 4096":                    true,
		"throughput.tps >= 1 @ 8Ki":                     false,
		"throughput.tps >= 1 @ depth<8Ki,batch=max":     true,
		"throughput.tps >= 1 @ batch<8":                 false,
		"throughput.tps >= 1 @ batch!=max":              false,
		"throughput.tps >= 1 @ generate>64":             false,
		"throughput.tps >= 1 @ generate>=64":            true,
		"throughput.tps >= 1 @ nothing!=1":              false,
		"throughput.tps >= 1 @ label=*4Ki*, arch=yoco*": true,
	} {
		g, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Match("throughput", "org/tiny-yoco-gret", "yoco-gret", f); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("throughput.decode_tps >= 0.95x baseline")
	f.Add("pooled tiny-yoco-*.needle.exact >= 95 % @ length<=16Ki, depth=0.5")
	f.Add("yoco-gret-1.4b.prefill.ttft <= 1.5e-3ms @ 16Ki")
	f.Add("a.b<=+.5x c@!=")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(g.String())
		if err != nil {
			t.Fatalf("%q was written as %q: %v", text, g.String(), err)
		}
		again.Text = g.Text
		if !reflect.DeepEqual(again, g) {
			t.Fatalf("%q was written as %q:\n%+v\n%+v", text, g.String(), again, g)
		}
		g.Match(g.Task, "m", "a", match.Fields{"length": 1.0})
	})
}
