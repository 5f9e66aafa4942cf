package suites

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
)

// TestEqualKeysAreRefusedInLinearTime checks that every reader of YAML rejects duplicate keys and
// huge mappings before the library compares all pairs. For a suite of 0.3 MB, that comparison
// allocated 10 GB.
func TestEqualKeysAreRefusedInLinearTime(t *testing.T) {
	repeat := func(form string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, strings.ReplaceAll(form, "#", "%[1]d"), i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"inner mapping":   "about: {" + repeat("a: x, ", 50000) + "}\n",
		"anchors":         repeat("a: &a [x]\n", 50000),
		"distinct keys":   "about: {" + repeat("a#: x, ", 50000) + "}\n",
		"complex keys":    "about:\n" + repeat("  ? {a: b}\n  : x\n", 50000),
		"deep":            "tasks: [fake: {part: {n: [{b: {" + repeat("a: 1, ", 50000) + "}}]}}]\n",
		"merge keys":      "about: {" + repeat("<<: x, ", 50000) + "}\n",
		"distinct, outer": repeat("a#: x\n", 50000),
	} {
		text = "name: s\nmodels: [a]\ngates: [x]\n" + text
		for reader, read := range map[string]func() error{
			"Parse":     func() error { _, err := parse(text); return err },
			"ReadGates": func() error { _, err := ReadGates(text, "f"); return err },
			"--set":     func() error { _, err := parse(good, "about="+text[strings.Index(text, "\ngates")+12:]); return err },
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := read()
			runtime.ReadMemStats(&after)
			var p *Problem
			if !errors.As(err, &p) || !strings.Contains(p.Msg, "twice") && !strings.Contains(p.Msg, "more than 1000") && !strings.Contains(p.Msg, "must not be longer") {
				t.Errorf("%s by %s: %.200v", name, reader, err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 400<<20 {
				t.Errorf("%s by %s took %d MiB", name, reader, took>>20)
			}
		}
	}
}

// TestHugeSuiteFileIsNotRead checks that a file is not read beyond the maximum size of a suite.
func TestHugeSuiteFileIsNotRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(name, []byte(good), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 4<<30); err != nil {
		testenv.Missing(t, "no sparse files in the temporary folder: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Load(name, nil, []Task{fakeTask{}})
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "must not be longer") {
		t.Errorf("got %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
		t.Errorf("rejecting it allocated %d MiB", took>>20)
	}
}

// TestValuesThatYAMLReadsOtherwise checks that values that YAML silently reads differently are
// errors with a line and a hint.
func TestValuesThatYAMLReadsOtherwise(t *testing.T) {
	suite := func(models, task string) string {
		return "name: s\nmodels: " + models + "\ntasks:\n  - fake: {" + task + "}\n"
	}
	for text, want := range map[string]string{
		suite("[a]", "trials: 010"):                                    "s.yaml:4: 010 has a leading zero, which YAML reads as an octal number\n  hint: write 10",
		suite("[a]", "trials: -007"):                                   "hint: write -7",
		suite("[a]", "trials: 00"):                                     "hint: write 0,",
		suite("[a]", "lengths: [010]"):                                 "s.yaml:4: 010 has",
		suite("[{model: a, seed: 08}]", "trials: 1"):                   "s.yaml:2: 08 has",
		suite("\n  -\n  - a", "trials: 1"):                             "s.yaml:3: an empty item",
		suite("[a, ~]", "trials: 1"):                                   "s.yaml:2: an empty item",
		suite("[a]", "trials: 1") + "gates:\n  -\n":                    "s.yaml:6: an empty item",
		suite("[a]", "lengths: [1, null]"):                             "s.yaml:4: an empty item",
		"seed: 18446744073709551616\n" + suite("[a]", "trials: 1"):     "s.yaml:1: expected a whole number of at most 64 bits",
		"seed: 1e300\n" + suite("[a]", "trials: 1"):                    "s.yaml:1: expected a whole number of at most 64 bits",
		suite("[{model: a, seed: 99999999999999999999}]", "trials: 1"): "s.yaml:2: expected a whole number of at most 64 bits",
		"seed: -1\n" + suite("[a]", "trials: 1"):                       "s.yaml:1: expected a whole number",
	} {
		s, err := parse(text)
		if err == nil {
			_, err = s.blocks[0].params()
			err = s.place(err)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q for\n%s", err, want, text)
		}
	}
	for _, text := range []string{
		"seed: 18446744073709551615\n" + suite("[a]", "trials: 0x10"),
		suite("['007']", "trials: 0"),
		suite("[a]", "trials: 1e3, lengths: [1.5Ki]"),
		"about: |\n  010\n" + suite("[a]", "trials:"),
	} {
		if _, err := parse(text); err != nil {
			t.Errorf("%v for\n%s", err, text)
		}
	}
	if _, err := parse(suite("[a]", "trials: 1"), "tasks.fake.trials=010"); err == nil || !strings.Contains(err.Error(), "--set tasks.fake.trials=010: 010 has") {
		t.Errorf("by --set: %v", err)
	}
}

// TestOldGatesAreStillRead checks that the gates of an old journal are read even if its suite is no
// longer valid.
func TestOldGatesAreStillRead(t *testing.T) {
	gates, err := ReadGates("name: s\ntasks: [fake: {trials: 010}]\nmodels:\n  -\ngates: ['fake.x <= 010']\n", "old")
	if err != nil || len(gates) != 1 {
		t.Errorf("got %v, %v", gates, err)
	}
	if gates, err := ReadGates("", "old"); err != nil || len(gates) != 0 {
		t.Errorf("no text: %v, %v", gates, err)
	}
}

// FuzzReadGates checks that ReadGates never panics.
func FuzzReadGates(f *testing.F) {
	f.Add("gates: [x.y <= 1, {gate: x.y >= 2, confidence: 0.9}]")
	f.Add("a: &a [*a]\ngates: *a\n")
	f.Add("? {a: b}\n: [c]\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = ReadGates(text, "f")
	})
}
