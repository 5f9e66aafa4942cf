package match

import (
	"errors"
	"math"
	"strings"
	"testing"
)

type size int64

func TestMatch(t *testing.T) {
	f := FieldsOf(map[string]any{"length": size(8192), "depth": 0.5, "batch": "max", "n": uint64(3), "nothing": nil}, "org/tiny-yoco", "yoco", "cpu", "needle @ 8Ki")
	f["case"] = "0123456789abcdef"
	for text, want := range map[string]bool{
		"length=8Ki": true, "length=8192": true, "length<=8K": false, "length<10K": true, "length!=4Ki": true, "length=8*": true,
		"depth=0.5": true, "depth>=0.50": true, "depth<0.5": false, "depth=.5": true, "n>2": true, "n=3.0": true,
		"batch=max": true, "batch=m*": true, "batch<8": false, "batch!=1": true, "nothing=<nil>": true, "nothing>0": false,
		"model=org/*": true, "model=*yoco": true, "model=org/tiny-yoco": true, "model=tiny*": false, "model=org?tiny-*": true,
		"runner=cpu": true, "label=*@ 8Ki": true, "missing=1": false, "missing!=1": false,
		"case=01234567": true, "case=*def": true, "case=1": false, "case!=01": false,
	} {
		c, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := c.Match(f); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
	if c := (Condition{Op: "=", Value: "8Ki"}); !c.Match(f) || c.Match(Fields{"batch": 1}) || !c.Match(Fields{"depth": 8192}) {
		t.Error("the context must be length, or depth without a length")
	}
	if !(All{}).Match(f) || (All{{Key: "n", Op: "=", Value: "3"}, {Key: "n", Op: "=", Value: "4"}}).Match(f) {
		t.Error("a case must meet each condition")
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "length": "", "=1": "", "length=": "", "a b=1": "", "length==4": "", "length!4": "", "<=1": "",
		"length<=long": "not a number", "length>inf": "not a number", "length<0x10": "not a number", "model=[": "malformed pattern",
	} {
		_, err := Parse(text)
		if err == nil || errors.Is(err, ErrForm) != (want == "") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		patterns Patterns
		names    []string
		want     bool
	}{
		{nil, []string{"a"}, true}, {nil, nil, true}, {Patterns{"a"}, nil, false}, {Patterns{"b", "prefill.*"}, []string{"tps", "prefill.tps"}, true},
		{Patterns{"*-3b"}, []string{"models/yoco-3b"}, true}, {Patterns{"a[1]"}, []string{"a[1]"}, true}, {Patterns{"["}, []string{"a"}, false},
	} {
		if got := c.patterns.Match(c.names...); got != c.want {
			t.Errorf("%q of %q: %t", c.patterns, c.names, got)
		}
	}
	if Check("[") == nil || Check("a/*-[0-9]?") != nil {
		t.Error("Check")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("length<=16Ki")
	f.Add("model!=org/*-[a-z]?")
	f.Add("depth = -.5e3")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(c.String())
		if err != nil || again != c {
			t.Fatalf("%q is written as %q, which reads as %+v, %v", text, c, again, err)
		}
		if v, err := Number(c.Value); err == nil && math.IsNaN(v) {
			t.Errorf("%q is not a number", c.Value)
		}
		c.Match(Fields{c.Key: 1.0})
	})
}
