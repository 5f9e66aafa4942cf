package reports

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/suites/result"
)

// TestNamesInOtherScripts checks that names in scripts that the main font lacks look different in
// PNG files, and that SVG files contain them as text.
func TestNamesInOtherScripts(t *testing.T) {
	names := []string{"模型甲", "模型乙", "モデル", "모델", "🦜", "🦜🦜", "\U0001f99a", "???"}
	seen := map[string]string{}
	for _, n := range names {
		v := newView(t.Context(), ofModels([]string{n, "base"}, result.Run{}), nil)
		var f *figure
		for _, s := range v.sections {
			if s.id == "prefill" {
				f = s.figures[0]
			}
		}
		png, err := f.png(100)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[string(png)]; ok {
			t.Errorf("%s looks like %s", n, other)
		}
		seen[string(png)] = n
		svg, _, err := f.svg()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(svg, []byte(n)) {
			t.Errorf("the SVG lacks %s", n)
		}
	}
	for in, want := range map[string]string{"plain": "[{plain false}]", "a模b": "[{a false} {模 true} {b false}]", "µ—é": "[{µ—é false}]", "x🦜模型": "[{x<1f99c> false} {模型 true}]"} {
		if got := fmt.Sprint(pieces(in)); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	l := lettering{Plain: text.Plain{Fonts: fonts}}
	fnt := font.Font{Typeface: "Liberation", Variant: "Sans", Size: 12}
	if w, _, _ := l.Box("模型", fnt); w != 24 {
		t.Errorf("two wide characters of 12 points are %v points", w)
	}
}

// TestOneUnit checks that lengths on one axis or in one column have the same unit.
func TestOneUnit(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{[]float64{32000, 64000, 128000, 256000}, "32k 64k 128k 256k"},
		{[]float64{32 * ki, 64 * ki, 128 * ki, mi}, "32Ki 64Ki 128Ki 1Mi"},
		{[]float64{0, 256, 512, 1024}, "0 256 512 1Ki"},
		{[]float64{32000, 64000, 128000, 256 * ki}, "31.25Ki 62.5Ki 125Ki 256Ki"},
		{[]float64{1000, 2000, 10000, 1e6}, "1000 2000 10k 1M"},
		{[]float64{1000, 1024, 5000}, "1000 1024 5000"},
		{[]float64{1536, 2048}, "1.5Ki 2Ki"},
		{[]float64{100, 33333, 65536}, "100 33333 65536"},
		{[]float64{128000}, "128k"},
		{[]float64{0.5, 1024}, "0.5000 1024"},
	} {
		var words []string
		for _, v := range c.values {
			words = append(words, units.TokensOf(c.values)(v))
		}
		if got := strings.Join(words, " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.values, got, c.want)
		}
	}
	var axis axis
	axis.log, axis.unit = true, "tokens"
	for _, v := range []float64{32000, 64000, 128000, 256000} {
		axis.see(v)
		axis.mark(v)
	}
	axis.close(0.05)
	var words []string
	for _, x := range axis.ticks(9) {
		words = append(words, x.text)
	}
	if got := strings.Join(words, " "); got != "32k 64k 128k 256k" {
		t.Errorf("ticks %s", got)
	}
}
