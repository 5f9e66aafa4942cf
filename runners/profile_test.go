package runners

import (
	"math"
	"strings"
	"testing"
)

func TestProfilesAreValid(t *testing.T) {
	for _, p := range append(Profiles(), ThisMachine(100, 20, 8<<30)) {
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
		if p.Source == "" || p.Efficiency.Source == "" {
			t.Errorf("%s: figures without a source", p.Name)
		}
	}
	for _, name := range []string{"h100-sxm", "h200", "a100-80gb", "rtx-4090"} {
		if _, err := FindProfile(name); err != nil {
			t.Error(err)
		}
	}
}

func TestSecondsIsARoofline(t *testing.T) {
	p := Profile{Name: "p", Peak: map[DType]float64{F32: 100, BF16: 200}, Bandwidth: 10, Memory: 1,
		Efficiency: Efficiency{Compute: .5, Bandwidth: .1}}
	for _, tt := range []struct {
		w    Work
		d    DType
		want float64
	}{
		{Work{}, F32, 0},
		{Work{Self: Cost{FLOPs: 100}}, F32, 2},
		{Work{Self: Cost{FLOPs: 100}}, BF16, 1},
		{Work{Self: Cost{FLOPs: 100}}, F16, 2}, // no peak of its own: float32's applies
		{Work{Self: Cost{FLOPs: 100, Read: 2, Write: 1}}, F32, 3},
		{Work{Self: Cost{FLOPs: 100, Read: 1}, Head: Cost{Read: 4}}, F32, 6}, // parts run one after another
	} {
		if got := p.Seconds(tt.w, tt.d); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("Seconds(%+v, %s) = %g, want %g", tt.w, tt.d, got, tt.want)
		}
	}
	if got := p.LimitSeconds(Work{Self: Cost{FLOPs: 100}}, F32); got != 1 {
		t.Errorf("LimitSeconds = %g, want 1", got)
	}
	if p.Efficiency.Compute != .5 {
		t.Error("LimitSeconds changed the profile")
	}
}

func TestFindProfileErrors(t *testing.T) {
	for name, want := range map[string]string{
		"h100":              "known: h100-sxm,",
		"h100-sxm@":         "want two fractions",
		"h100-sxm@0.5":      "want two fractions",
		"h100-sxm@0.5/1.1":  "want two fractions",
		"h100-sxm@NaN/0.5":  "want two fractions",
		"h100-sxm@0/0.5":    "want two fractions",
		"h100-sxm@.5/.5/.5": "want two fractions",
	} {
		if _, err := FindProfile(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("FindProfile(%q): %v, want %q", name, err, want)
		}
	}
	p, err := FindProfile("a100-80gb@0.26/0.5")
	if err != nil || p.Efficiency.Compute != .26 || p.Efficiency.Bandwidth != .5 || p.Name != "a100-80gb@0.26/0.5" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestValidateRefusesNaN(t *testing.T) {
	good := Profiles()[0]
	for name, spoil := range map[string]func(*Profile){
		"peak":       func(p *Profile) { p.Peak = map[DType]float64{F32: math.NaN()} },
		"no peak":    func(p *Profile) { p.Peak = nil },
		"bf16":       func(p *Profile) { p.Peak = map[DType]float64{F32: 1, BF16: -1} },
		"bandwidth":  func(p *Profile) { p.Bandwidth = math.Inf(1) },
		"efficiency": func(p *Profile) { p.Efficiency.Compute = math.NaN() },
		"memory":     func(p *Profile) { p.Memory = 0 },
	} {
		p := good
		spoil(&p)
		if p.Validate() == nil {
			t.Errorf("%s: accepted %+v", name, p)
		}
	}
}
