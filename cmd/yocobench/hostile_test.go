package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/internal/units"
)

// TestNothingPrintsRawEscapes checks that no command and no format prints terminal escapes of a
// model's name.
func TestNothingPrintsRawEscapes(t *testing.T) {
	const evil = "x\x1b[31mred\x1b]0;pwn\a\u202e\u009b2J\r"
	dir := t.TempDir()
	t.Chdir(dir)
	suite := `name: hostile
title: "x\e[31mred\e]0;pwn\a\u202e\r"
models:
  - {name: "x\e[31mred\e]0;pwn\a\u202e\x9b2J\r", model: tiny-yoco-gret}
  - {name: "=1+1", model: tiny-transformer}
  - {name: "模型", model: tiny-yoco-swa}
tasks:
  - kv: {lengths: [64, 128]}
  - needle: {lengths: [256], depths: [0.5], trials: 1}
`
	if err := os.WriteFile("s.yaml", []byte(suite), 0o644); err != nil {
		t.Fatal(err)
	}
	check := func(what, text string) {
		t.Helper()
		for i, r := range text {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%s holds %q: %q", what, r, text[max(0, i-20):min(len(text), i+20)])
				return
			}
		}
	}
	do := func(codes string, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		code := run(context.Background(), args, &out, &errs)
		if !strings.Contains(codes, string(rune('0'+code))) {
			t.Errorf("yocobench %q: exit %d\n%s", args, code, errs.String())
		}
		check(strings.Join(args, " ")+": stdout", out.String())
		check(strings.Join(args, " ")+": stderr", errs.String())
		return out.String() + errs.String()
	}
	for _, args := range [][]string{
		{"run", "s.yaml", "--dry-run"}, {"run", "s.yaml", "--dry-run", "--format", "json"}, {"run", "s.yaml", "--out", "a"}, {"run", "s.yaml", "--out", "b", "--format", "json"},
		{"report", "a"}, {"report", "a", "--format", "markdown"}, {"report", "a", "--format", "json"},
		{"compare", "a", "b"}, {"compare", "a", "b", "--format", "markdown"}, {"compare", "a", "b", "--format", "json"},
		{"gate", "a", "--gate", "kv.total <= 1GiB"},
		{"export", "a", "--as", "gobench"}, {"export", "a", "--as", "junit"}, {"export", "a", "--as", "openmetrics"}, {"export", "a", "--as", "prometheus"},
		{"export", "a", "--as", "github-action-benchmark", "--out", "action"},
		{"history", "a", "b"}, {"history", "a", "b", "--format", "markdown"}, {"history", "a", "b", "--format", "json"},
		{"suite", "check", "s.yaml"},
	} {
		text := do("0", args...)
		if (args[0] == "run" || args[0] == "report" || args[0] == "export" && args[len(args)-1] != "action") && !strings.Contains(text, "red") {
			t.Errorf("%q lost the model's name:\n%s", args, text)
		}
	}
	for _, args := range [][]string{
		{"run", evil}, {"run", "s.yaml", "--filter", "model=" + evil}, {"run", "s.yaml", "--set", evil + "=1"}, {"run", "s.yaml", "--set", "baseline=" + evil},
		{"report", evil}, {"compare", evil, evil}, {"export", "a", "--as", evil}, {"model", "inspect", evil}, {evil}, {"run", "--" + evil}, {"list", evil},
	} {
		do("12", args...)
	}
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".png" || path == "s.yaml" {
			return err
		}
		b, err := os.ReadFile(path)
		if filepath.Base(path) != journalName { // the journal stores the names unchanged, as JSON
			check(path, string(b))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	csv, err := os.ReadFile("a/results.csv")
	if err != nil || strings.Contains(string(csv), ",=1+1") || !strings.Contains(string(csv), ",'=1+1,") {
		t.Errorf("results.csv: %v; a model's name can be read as a formula", err)
	}
}

// TestProgressFits checks that a progress line, bar included, fits the terminal.
func TestProgressFits(t *testing.T) {
	for _, name := range []string{"tiny-yoco-gret needle single 8Ki @ 50%", strings.Repeat("模型甲", 20), "🦜", "x\x1b[31mred\n\t" + strings.Repeat("y", 90)} {
		for _, width := range []int{20, 30, 40, 60, 80, 200} {
			line := describe(width, 123, 456, name, 3*86400)
			if got := cleantext.Width(line); got > width-18 || strings.ContainsAny(line, "\x1b\n\t") {
				t.Errorf("%d columns, %q: %d columns: %q", width, name, got, line)
			}
		}
	}
}

// TestTableFits checks that tables fit the width for any content, and lose nothing.
func TestTableFits(t *testing.T) {
	var b bytes.Buffer
	for _, limit := range []int{40, 60, 80} {
		b.Reset()
		tab := newTable(&b, "case", "time", "model", "what")
		tab.row("0123abcd", units.ShortDuration(3), strings.Repeat("模型甲", 15), "needle single 8Ki @ 50% and more words that wrap")
		tab.row("0123abcd", "", "=1+1\n\x1b[31m", strings.Repeat("很长的名字", 12))
		if err := tab.writeTo(limit, true); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if w := cleantext.Width(strings.TrimSuffix(line, "\n")); w > limit {
				t.Errorf("%d columns: %d: %q", limit, w, line)
			}
		}
		if n := strings.Count(b.String(), "甲"); n != 15 {
			t.Errorf("%d columns: %d of 15 parts of the name:\n%s", limit, n, b.String())
		}
	}
}
