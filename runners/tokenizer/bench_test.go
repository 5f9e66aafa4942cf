//go:build unix

package tokenizer_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/yocobench/yocobench/runners/tokenizer"
)

// project returns up to n bytes of the documentation and the Go code of this project.
func project(t testing.TB, n int) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || d.IsDir() || ext != ".go" && ext != ".md" || b.Len() >= n {
			return err
		}
		text, err := os.ReadFile(path)
		b.Write(text)
		return err
	})
	if err != nil || b.Len() == 0 {
		t.Fatal("no text", err)
	}
	return b.String()[:min(n, b.Len())]
}

// mixed returns text in many scripts without much repetition: the strings of texts.json in
// different orders.
func mixed(t testing.TB, n int) string {
	strs := texts(t)
	var b strings.Builder
	for i, step := 0, 1; b.Len() < n; i++ {
		if i%len(strs) == 0 {
			step += 2
		}
		b.WriteString(strs[i*step%len(strs)])
		b.WriteByte(" \n."[i%3])
	}
	return b.String()[:n]
}

// cpuSeconds returns the CPU time of this process, which other load changes little.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// loop runs do, which processes a text of n bytes, and reports megabytes per second of CPU time.
func loop(b *testing.B, n int, do func()) {
	b.SetBytes(int64(n))
	b.ReportAllocs()
	start := cpuSeconds()
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64(n)*float64(b.N)/1e6/(cpuSeconds()-start), "MB/cpu-s")
}

func BenchmarkEncode(b *testing.B) {
	for _, name := range names(b) {
		tok := published(b, name)
		for kind, text := range map[string]string{"code": project(b, 4<<20), "mixed": mixed(b, 1<<20)} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				loop(b, len(text), func() { tok.Encode(text) })
			})
		}
	}
}

func BenchmarkSpans(b *testing.B) {
	for _, name := range []string{"gguf_smollm2", "hf_qwen3", "hf_llama2"} {
		tok, text := published(b, name), project(b, 4<<20)
		b.Run(name, func(b *testing.B) {
			loop(b, len(text), func() { tok.Spans(text) })
		})
	}
}

// A single word: it is neither split nor cached.
func BenchmarkLongWord(b *testing.B) {
	for _, name := range []string{"gguf_smollm2", "hf_gemma3", "gguf_nomic-bert-moe"} {
		tok, text := published(b, name), strings.Repeat("a", 10<<20)
		b.Run(name, func(b *testing.B) {
			loop(b, len(text), func() { tok.Encode(text) })
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, name := range names(b) {
		path := vocabulary(b, name)
		b.Run(name, func(b *testing.B) {
			start := cpuSeconds()
			for b.Loop() {
				open(b, name, path)
			}
			b.ReportMetric((cpuSeconds()-start)*1e3/float64(b.N), "cpu-ms/op")
		})
	}
}

var _ tokenizer.Spanner = (*tokenizer.Subword)(nil)
