package merge

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/yocobench/yocobench/suites/result"
)

// BenchmarkMerge merges a million cases in ten thousand journals, and reports the heap that it
// takes.
func BenchmarkMerge(b *testing.B) {
	p := plan{1_000_000, 10_000}
	dir := b.TempDir()
	var paths []string
	params := map[string]any{"kind": "single", "length": 65536, "depth": 0.5, "trials": 2, "haystack": "prose", "template": "secret-number", "kv": "bf16", "text": "6239dfa74de9a611e2d1272"}
	for n := 1; n <= p.count; n++ {
		path := filepath.Join(dir, fmt.Sprint(n))
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		add := func(v any) {
			line, err := result.Encode(v)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := f.Write(line); err != nil {
				b.Fatal(err)
			}
		}
		add(p.header(n, fmt.Sprintf("%016x", n), fmt.Sprint("node-", n)))
		for i := n - 1; i < p.n; i += p.count {
			r := p.record(i, float64(i), 1)
			r.Params, r.SuiteHash, r.Suite, r.Arch, r.Runner, r.Device = params, "fbd236b7cc90886a", "sweep", "yoco-gret", "cuda", "NVIDIA H200"
			s := r.Metrics["s"]
			s.Samples = []float64{1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.09, 1.1}
			r.Metrics["s"] = s
			add(r)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
		paths = append(paths, path)
	}
	for b.Loop() {
		spool, err := os.Create(filepath.Join(dir, "lines"))
		if err != nil {
			b.Fatal(err)
		}
		s := NewSet(spool)
		for _, path := range paths {
			if err := s.Add(path); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Complete(); err != nil {
			b.Fatal(err)
		}
		h, _, err := s.Header("")
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if err := s.Write(io.Discard, h); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s-write")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/1e9, "GB")
		b.ReportMetric(float64(s.size)/1e9, "GB-lines")
		spool.Close()
	}
}
