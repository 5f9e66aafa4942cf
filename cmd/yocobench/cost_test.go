package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/cost.txt and examples")

const costConfigs = "../../runners/families/configs/"

// TestCostTables compares the tables of published configs, at three lengths, with
// testdata/cost.txt.
func TestCostTables(t *testing.T) {
	files, err := filepath.Glob(costConfigs + "*.json")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d configs, %v", len(files), err)
	}
	var out, stderr bytes.Buffer
	args := append([]string{"cost", "--lengths", "4Ki,128Ki,1Mi", "--device", "h200"}, files...)
	if code := run(t.Context(), args, &out, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	for line := range strings.Lines(out.String()) {
		if n := len(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	golden := filepath.Join("testdata", "cost.txt")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the tables differ from %s (rewrite it with -update, and read the diff)", golden)
	}
}

// TestCostJSON checks the JSON fields, which scripts rely on.
func TestCostJSON(t *testing.T) {
	var out, stderr bytes.Buffer
	if code := run(t.Context(), []string{"cost", costConfigs + "gemma-3-27b.json", "--format", "json", "--lengths", "512..128Ki", "--batch", "3", "--kv", "q8_0"}, &out, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	var got struct {
		Name, Family string
		Layers       []struct {
			Kind  string
			Count int
		}
		Weights  int64 `json:"weights_bytes"`
		PerToken int64 `json:"bytes_per_token"`
		Fixed    int64 `json:"fixed_bytes"`
		Lengths  []struct {
			Tokens int64
			Cache  int64 `json:"cache_bytes"`
			Total  int64 `json:"total_bytes"`
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	// In q8_0, 32 values take 34 bytes. A layer stores 4096 values per token.
	const layer = 4096 / 32 * 34
	if got.Name != "gemma-3-27b" || got.Family != "gemma3_text" || got.PerToken != 10*layer || got.Fixed != 52*1024*layer || got.Weights != 2*27009346304 {
		t.Errorf("%+v", got)
	}
	if len(got.Layers) != 2 || got.Layers[0].Kind != "global" || got.Layers[0].Count != 10 || got.Layers[1].Kind != "window" || got.Layers[1].Count != 52 {
		t.Errorf("layers %+v", got.Layers)
	}
	if len(got.Lengths) != 9 {
		t.Fatalf("%d lengths, want 9", len(got.Lengths))
	}
	for _, l := range got.Lengths {
		want := 3 * layer * (10*l.Tokens + 52*min(l.Tokens, 1024))
		if l.Cache != want || l.Total != want+got.Weights {
			t.Errorf("%d tokens: %d and %d bytes, want %d and %d", l.Tokens, l.Cache, l.Total, want, want+got.Weights)
		}
	}
}

// TestCostSuite checks models of a suite, both layer lists and named models.
func TestCostSuite(t *testing.T) {
	var out, stderr bytes.Buffer
	if code := run(t.Context(), []string{"cost", "../../suites/zoo.yaml", "--format", "json", "--lengths", "64Ki"}, &out, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	var got []costReport
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	byName := map[string]costReport{}
	for _, r := range got {
		byName[r.Name] = r
	}
	// mine-160m has one cache over the whole context: 4 heads of 64.
	if mine := byName["mine-160m"]; mine.PerToken != 2*4*64*2 || mine.Fixed == 0 {
		t.Errorf("mine-160m: %d bytes a token, %d fixed", mine.PerToken, mine.Fixed)
	}
	if r := byName["transformer-3b"]; r.PerToken != 106496 {
		t.Errorf("transformer-3b: %d bytes a token, want 106496", r.PerToken)
	}
}

func TestCostRefuses(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "config.json")
	if err := os.WriteFile(odd, []byte(`{"model_type":"llama","hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4,"vocab_size":100,"kv_ratio":3}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{odd}, "kv_ratio (3) is not known"},
		{[]string{odd}, "--ignore kv_ratio"},
		{[]string{"yoco-gret-3", "--kv", "bf16"}, `did you mean "yoco-gret-3b"`},
		{[]string{"no/such.json"}, "no such file"},
		{[]string{"yoco-gret-3b", "--kv", "int2"}, "unknown cache type"},
		{[]string{"yoco-gret-3b", "--lengths", "0"}, "is not a length"},
		{[]string{"yoco-gret-3b", "--lengths", "8Ki..4Ki"}, "is more than"},
		{[]string{"yoco-gret-3b", "--batch", "0"}, "--batch is 1 to"},
		{[]string{"yoco-gret-3b", "--device", "h1000"}, "unknown device"},
		{[]string{"yoco-gret-3b", "--device", `{"memory": 1e9}`}, "device"},
		{[]string{"yoco-gret-3b", "--device", `{"peak": {"bf16": 1e12}, "bandwidth": 1e12, "memory": 1e9, "speed": 3}`}, "unknown field"},
		{[]string{"yoco-gret-3b", "--price", "-1"}, "0 or more"},
		{[]string{"yoco-gret-3b", "--format", "xml"}, "text or json"},
		{nil, "requires at least 1 arg"},
	} {
		var out, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"cost"}, tt.args...), &out, &stderr)
		if code == exitOK || !strings.Contains(stderr.String(), tt.want) {
			t.Errorf("cost %q: exit code %d, %s; want an error with %q", tt.args, code, stderr.String(), tt.want)
		}
	}
	var out, stderr bytes.Buffer
	if code := run(t.Context(), []string{"cost", odd, "--ignore", "kv_ratio"}, &out, &stderr); code != exitOK {
		t.Errorf("with the field ignored: exit code %d: %s", code, stderr.String())
	}
}

func TestCostOwnDevice(t *testing.T) {
	var out, stderr bytes.Buffer
	png := filepath.Join(t.TempDir(), "c.png")
	args := []string{"cost", "transformer-3b", "mamba", "--device", `{"name": "mine", "peak": {"bf16": 1e14}, "bandwidth": 1e12, "memory": 64e9, "watts": 200}`,
		"--price", "2", "--format", "json", "--lengths", "64Ki", "--png", png}
	args[2] = costConfigs + "mamba-codestral-7b.json"
	if code := run(t.Context(), args, &out, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	var got []costReport
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got) != 2 {
		t.Fatalf("%v: %s", err, out.String())
	}
	for _, r := range got {
		l := r.Lengths[0]
		seconds := max(l.DecodeFLOPs/1e14, l.DecodeBytes/1e12)
		if r.Device != "mine" || l.DecodeSeconds != seconds || math.Abs(l.Dollars/(seconds*1e6*2/3600)-1) > 1e-12 || math.Abs(l.Joules/(seconds*1e6*200)-1) > 1e-12 {
			t.Errorf("%+v", r)
		}
	}
	if got[1].LargestContext != -1 {
		t.Errorf("a state-space model's largest context is %d, want -1", got[1].LargestContext)
	}
	b, err := os.ReadFile(png)
	if err != nil || !bytes.HasPrefix(b, []byte("\x89PNG")) {
		t.Errorf("the picture: %v, %d bytes", err, len(b))
	}
}
