package families

import (
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/runners"
)

// TestConfigs: a model that runners run has the same weights and caches as the cost model computes,
// and any other model has a reason.
func TestConfigs(t *testing.T) {
	bf16, _ := ParseKVType("bf16")
	run := 0
	for name, m := range published(t) {
		if (m.Config == nil) == (m.NotRun == "") {
			t.Errorf("%s: config %v, reason %q", name, m.Config != nil, m.NotRun)
		}
		if m.Config == nil {
			continue
		}
		run++
		want, _ := m.Parameters()
		if got, _ := m.Config.Count(); got != want {
			t.Errorf("%s: the runners' model has %d parameters, want %d", name, got, want)
		}
		if got, _ := FromConfig(*m.Config, runners.BF16).Parameters(); got != want {
			t.Errorf("%s: the cost of the runners' model has %d parameters, want %d", name, got, want)
		}
		for _, n := range []int{1, 1000, 5000, 1 << 17} {
			if got, want := m.Config.CacheBytes(n, runners.BF16).Cache(), m.CacheBytes(int64(n), bf16); got != want {
				t.Errorf("%s: caches of %d tokens take %d bytes, want %d", name, n, got, want)
			}
		}
	}
	if run < 12 {
		t.Errorf("runners run %d published models, want 12 or more", run)
	}
}

// TestConfigOfGGUF: the model of a GGUF file is that of the folder it was converted from. Numbers
// are stored as float32.
func TestConfigOfGGUF(t *testing.T) {
	files, err := filepath.Glob("../../testdata/real/tiny/*.gguf")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		if !IsConfig(strings.TrimSuffix(path, ".gguf")) {
			continue
		}
		got, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Open(strings.TrimSuffix(path, ".gguf"))
		if err != nil {
			t.Fatal(err)
		}
		if got.Config == nil || want.Config == nil {
			t.Errorf("%s: %s%s", path, got.NotRun, want.NotRun)
			continue
		}
		a, b := rounded(*got.Config), rounded(*want.Config)
		a.Name = b.Name
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: %+v\nwant %+v", path, a, b)
		}
	}
}

// rounded rounds the numbers of a model to six digits.
func rounded(c runners.Config) runners.Config {
	round := func(x *float64) { *x, _ = strconv.ParseFloat(strconv.FormatFloat(*x, 'g', 6, 64), 64) }
	for _, x := range []*float64{&c.EmbedScale, &c.NormEps, &c.LogitScale, &c.LogitCap} {
		round(x)
	}
	for i := range c.Layers {
		m := &c.Layers[i].Mixer
		for _, x := range []*float64{&m.Scale, &m.ScoreCap, &m.Rope.Theta, &m.Rope.Magnitude} {
			round(x)
		}
		d := m.Rope.Divisors.Values()
		for j := range d {
			round(&d[j])
		}
		m.Rope.Divisors = runners.NewDivisors(d)
	}
	return c
}
