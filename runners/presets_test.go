package runners

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestPresetsAreValidAndUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Presets() {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if seen[c.Name] {
			t.Errorf("two presets named %s", c.Name)
		}
		seen[c.Name] = true
		if got, err := Preset(c.Name); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("Preset(%q) = %+v, %v", c.Name, got, err)
		}
	}
}

// The published sizes count one of the two vocabulary matrices (160M to 13B) or neither (3B);
// LLaMA's count both.
func TestPresetSizes(t *testing.T) {
	const none, one, both = 0, 1, 2
	for _, tt := range []struct {
		name      string
		published float64
		matrices  int
		within    float64
	}{
		{"transformer-160m", 160e6, one, .02},
		{"transformer-400m", 400e6, one, .03},
		{"transformer-830m", 830e6, one, .02},
		{"transformer-1.4b", 1.4e9, one, .03},
		{"transformer-2.7b", 2.7e9, one, .04},
		{"transformer-6.8b", 6.8e9, one, .02},
		{"transformer-13b", 13e9, one, .02},
		{"yoco-gret-3b", 2.83e9, none, .002},
		{"transformer-3b", 2.62e9, none, .002},
		{"transformer-30b", 32.5e9, both, .002},
		{"transformer-65b", 65.2e9, both, .002},
		{"transformer-smollm2-135m", 134.5e6, one, .002},
	} {
		c, err := Preset(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		_, n := c.Count()
		got := float64(n) + float64(tt.matrices)*float64(c.Vocab)*float64(c.Dim)
		if math.Abs(got/tt.published-1) > tt.within {
			t.Errorf("%s has %.4g parameters, published %.4g", tt.name, got, tt.published)
		}
	}
}

// Models of one size have equally many parameters, except at 3B (see sizes).
func TestPresetTwinsAreEqual(t *testing.T) {
	for _, s := range sizes {
		_, want := s.shape(Transformer).Config().Count()
		for _, a := range []Arch{YOCOGatedRetention, YOCOSlidingWindow} {
			c := s.shape(a)
			_, got := c.Config().Count()
			if off := float64(got)/float64(want) - 1; math.Abs(off) > .015 && !s.sameFFN {
				t.Errorf("%s has %+.1f %% of the Transformer's parameters", c.Name, 100*off)
			}
			if a == YOCOGatedRetention && s.name != "3b" && c.SelfHeadDim() != 256 {
				t.Errorf("%s has retention heads of %d, want 256", c.Name, c.SelfHeadDim())
			}
		}
	}
}

// The published cache sizes.
func TestPresetCaches(t *testing.T) {
	get := func(name string) Config {
		c, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	y, x := get("yoco-gret-3b"), get("transformer-3b")
	if got := y.CacheBytes(1, BF16).GlobalKV; got != 4096 {
		t.Errorf("yoco-gret-3b keeps %d B a token, want 4096", got)
	}
	if got := x.CacheBytes(1, BF16).GlobalKV; got != 106496 {
		t.Errorf("transformer-3b keeps %d B a token, want 106496", got)
	}
	// 9.75 MiB in bfloat16; the state is float32.
	if got := y.CacheBytes(1, BF16).State; got != 2*9.75*(1<<20) {
		t.Errorf("yoco-gret-3b keeps a state of %d B, want 19.5 MiB", got)
	}
	for size, ratio := range map[string]int64{"3b": 26, "6.8b": 32, "13b": 40, "30b": 60, "65b": 80} {
		y, x := get("yoco-gret-"+size).CacheBytes(1, BF16), get("transformer-"+size).CacheBytes(1, BF16)
		if x.GlobalKV != ratio*y.GlobalKV {
			t.Errorf("%s: %d B a token in a Transformer, %d in a YOCO, want %d to 1", size, x.GlobalKV, y.GlobalKV, ratio)
		}
	}
	// 86 GB at 512K in 65B: grouped keys and values at one byte each.
	if got := float64(get("transformer-65b").CacheBytes(512<<10, BF16).GlobalKV) / 2; math.Abs(got/86e9-1) > .01 {
		t.Errorf("transformer-65b keeps %.3g B at 512K in 8 bits, want 86 GB", got)
	}
}

func TestPresetSuggests(t *testing.T) {
	for name, want := range map[string]string{
		"yoco-gret-3":     `did you mean "yoco-gret-3b"?`,
		"transfomer-160m": `did you mean "transformer-160m"?`,
		"gpt-oss":         `there are transformer-smollm2-135m,`,
	} {
		_, err := Preset(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Preset(%q): %v, want %s", name, err, want)
		}
		if name == "gpt-oss" && strings.Contains(err.Error(), "did you mean") {
			t.Errorf("Preset(%q) suggests: %v", name, err)
		}
	}
}
