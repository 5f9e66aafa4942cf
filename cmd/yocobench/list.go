package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/yocobench/yocobench/internal/units"
	"github.com/yocobench/yocobench/runners"
	"github.com/yocobench/yocobench/runners/checkpoint"
	"github.com/yocobench/yocobench/runners/families"
	"github.com/yocobench/yocobench/suites"
)

// listing is one list that `yocobench list NAME` prints.
type listing struct {
	name, short string
	heads       []string
	rows        func() ([][]string, error)
}

var listings = []listing{
	{"suites", "the embedded suites", []string{"suite", "purpose"}, listSuites},
	{"models", "trained models, presets and published configs", []string{"model", "kind", "params", "non-emb.", "layers", "dim", "kv/token"}, listModels},
	{"runners", "the runners", []string{"runner", "description"}, func() (rows [][]string, _ error) {
		for _, r := range backends {
			rows = append(rows, []string{r.name, r.about})
		}
		return rows, nil
	}},
	{"tasks", "the tasks", []string{"task", "measures"}, func() (rows [][]string, _ error) {
		for _, t := range tasks() {
			rows = append(rows, []string{t.Name(), t.About()})
		}
		return rows, nil
	}},
	{"devices", "device profiles of the analytic runner", []string{"device", "bf16 TFLOP/s", "GB/s", "memory GB", "source"}, func() (rows [][]string, _ error) {
		for _, p := range runners.Profiles() {
			rows = append(rows, []string{p.Name, fmt.Sprintf("%.4g", p.PeakOf(runners.BF16)/1e12), fmt.Sprintf("%.4g", p.Bandwidth/1e9), fmt.Sprintf("%.4g", float64(p.Memory)/1e9), p.Source})
		}
		return rows, nil
	}},
}

func newList() *cobra.Command {
	var format string
	var subs []*cobra.Command
	for _, l := range listings {
		subs = append(subs, &cobra.Command{
			Use: l.name, Short: "List " + l.short, Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				if format != "text" && format != "json" {
					return usagef("--format is text or json, not %q", format)
				}
				rows, err := l.rows()
				if err != nil {
					return err
				}
				return l.print(c.OutOrStdout(), rows, format)
			},
		})
	}
	c := group("list", "List suites, models, runners, tasks or devices", subs...)
	c.PersistentFlags().StringVar(&format, "format", "text", "text or json")
	return c
}

func (l listing) print(w io.Writer, rows [][]string, format string) error {
	if format == "json" {
		var out []map[string]string
		for _, r := range rows {
			m := map[string]string{}
			for i, h := range l.heads {
				m[h] = r[i]
			}
			out = append(out, m)
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(out)
	}
	t := newTable(w, append([]string(nil), l.heads...)...)
	for _, r := range rows {
		t.row(r...)
	}
	return t.write()
}

func listSuites() (rows [][]string, err error) {
	for _, name := range suites.Shipped() {
		s, err := suites.Load(name, nil, tasks())
		if err != nil {
			return nil, err
		}
		rows = append(rows, []string{name, s.Title})
	}
	return rows, nil
}

func listModels() (rows [][]string, err error) {
	add := func(c runners.Config, kind string) {
		total, inner := c.Count()
		perToken := c.CacheBytes(2, runners.BF16).GlobalKV - c.CacheBytes(1, runners.BF16).GlobalKV
		rows = append(rows, []string{c.Name, kind, units.ShortCount(total), units.ShortCount(inner), strconv.Itoa(c.Depth()), strconv.Itoa(c.Dim), units.ShortBytes(perToken)})
	}
	for _, name := range checkpoint.Embedded() {
		c, w, err := checkpoint.OpenEmbedded(name)
		if err != nil {
			return nil, err
		}
		w.Close()
		add(c, "trained")
	}
	for _, c := range runners.Presets() {
		add(c, "preset")
	}
	for _, name := range families.Published() {
		m, err := families.OpenPublished(name)
		if err != nil {
			return nil, err
		}
		total, _ := m.Parameters()
		rows = append(rows, []string{name, "cost only", units.ShortCount(total), units.ShortCount(total - m.Embedding - m.Head), strconv.Itoa(len(m.Layers)),
			strconv.FormatInt(m.Dim, 10), units.ShortBytes(m.BytesPerToken(families.KVTypeOf(runners.BF16)))})
	}
	return rows, nil
}
