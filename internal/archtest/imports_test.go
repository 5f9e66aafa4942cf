// Package archtest tests the structure of the code: which package may import which, and that no
// code asks for a model's architecture.
package archtest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/yocobench/yocobench/"

// mayImport is the table of packages (docs/architecture.md): for each package, the packages of this
// module that it may import ("*": all). A package that is not listed may not exist.
var mayImport = [][2]string{
	{"cmd/yocobench", "*"},
	{"ab", "compare internal/cleantext internal/safefile internal/stats internal/units suites suites/gate suites/match suites/result"},
	{"corpus", "corpus/prose corpus/rng internal/lfs"},
	{"corpus/haystack", "corpus runners/chat runners/tokenizer"},
	{"corpus/prose", "corpus/rng"},
	{"corpus/rng", ""},
	{"suites", "corpus internal/cleantext internal/suggest internal/units runners runners/chat runners/tokenizer suites/gate suites/match suites/result"},
	{"suites/result", "internal/safefile"},
	{"suites/merge", "internal/cleantext suites/result"},
	{"gpucheck", "internal/cleantext internal/safefile internal/units reports runners runners/cpu runners/cuda runners/verify suites suites/result"}, // with the build tag cuda
	{"needle", "corpus corpus/haystack corpus/rng suites/param internal/stats runners runners/tokenizer suites suites/result"},
	{"contrast", "corpus corpus/haystack corpus/rng internal/stats runners runners/tokenizer suites suites/param suites/result"},
	{"quality", "corpus corpus/rng internal/stats runners runners/tokenizer suites suites/match suites/param suites/result"},
	{"quality/ruler", "corpus corpus/prose corpus/rng quality quality/score runners/tokenizer"},
	{"quality/score", ""},
	{"quality/filler", "corpus/rng quality runners/tokenizer"},
	{"quality/kindtest", "corpus corpus/rng quality"},
	{"quality/mrcr", "corpus/rng quality quality/filler quality/score"},
	{"quality/graphwalks", "corpus/rng quality quality/filler quality/score"},
	{"quality/lookup", "corpus/rng quality quality/filler quality/score"},
	{"quality/copytext", "corpus/rng quality quality/filler quality/score"},
	{"quality/babilong", "corpus corpus/rng quality quality/filler quality/score"},
	{"nll", "corpus corpus/rng suites/param internal/stats runners runners/tokenizer suites suites/result"},
	{"downstream", "corpus internal/stats internal/suggest runners runners/tokenizer suites suites/param suites/result"},
	{"serving", "internal/stats runners runners/tokenizer serving/load suites suites/param suites/result"},
	{"serving/load", "corpus/rng internal/stats runners runners/tokenizer suites/result"},
	{"memory", "suites/param runners runners/tokenizer serving/load suites suites/result"},
	{"runners", "internal/suggest runners/tokenizer"},
	{"runners/arch", "runners"},
	{"runners/cpu", "internal/limits runners runners/arch kernels/cpu"},
	{"runners/cuda", "runners runners/arch kernels/cuda"},
	{"internal/optest", "runners"},
	{"runners/analytic", "runners runners/families"},
	{"runners/checkpoint", "internal/filemap internal/lfs internal/suggest internal/safefile runners runners/checkpoint/gguf runners/checkpoint/pth runners/tokenizer"},
	{"runners/checkpoint/pth", "internal/filemap internal/lfs"},
	{"runners/checkpoint/gguf", "internal/filemap"},
	{"runners/families", "internal/filemap internal/suggest runners runners/checkpoint/gguf"},
	{"runners/chat", ""},
	{"runners/tokenizer", ""},
	{"runners/pretrained", "internal/filemap internal/suggest runners runners/checkpoint runners/checkpoint/gguf runners/families"},
	{"runners/exec", "runners runners/tokenizer"},
	{"runners/openai", "runners runners/tokenizer"},
	{"internal/servertest", ""},
	{"runners/verify", "runners runners/checkpoint runners/checkpoint/gguf runners/pretrained"},
	{"kernels/cpu", "internal/amxsim"}, // with the build tag amxsim
	{"kernels/cuda", ""},
	{"internal/cudasim", ""},
	{"internal/amxsim", ""},
	{"reports", "internal/cleantext internal/safefile internal/stats internal/units suites/result"},
	{"compare", "internal/cleantext internal/units suites/gate suites/match suites/result"},
	{"compare/history", "compare reports suites/match suites/result"},
	{"reports/export", "internal/cleantext internal/stats suites/match suites/result"},
	{"reports/serve", "reports compare internal/cleantext suites/gate suites/result"},
	{"suites/match", ""},
	{"suites/gate", "suites/match"},
	{"suites/param", "corpus corpus/haystack runners/chat runners/tokenizer suites suites/match"},
	{"kernels/cpu/gen", ""},
	{"internal/cleantext", ""},
	{"internal/filemap", ""},
	{"internal/lfs", ""},
	{"internal/limits", ""},
	{"internal/suggest", ""},
	{"internal/units", ""},
	{"internal/safefile", ""},
	{"internal/stats", ""},
	{"internal/archtest", ""},
	{"internal/browser", "internal/testenv"},
	{"internal/testenv", ""},
	{"internal/llamacpp", "internal/testenv runners/checkpoint/gguf"},
	{"tools/train/mkprose", "corpus corpus/rng"},
	{"tools/peers/ours", "runners runners/checkpoint runners/cpu"},
	{"tools/calibrate", "compare internal/safefile suites/gate suites/result"},
}

// The table in docs/architecture.md has the same rows.
func TestTableIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "| folder | holds | may import |\n|---|---|---|\n")
	if !ok {
		t.Fatal("docs/architecture.md has no table of packages")
	}
	documented := map[string]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(line, "| \n"), " |")
		if !strings.HasPrefix(line, "|") {
			break
		}
		imports := ""
		if len(cells) > 2 {
			imports = strings.TrimSpace(cells[2])
		}
		documented[strings.TrimSpace(cells[0])] = imports
	}
	for _, row := range mayImport {
		want := "all"
		if row[1] != "*" {
			want = strings.Join(slices.Sorted(slices.Values(strings.Fields(row[1]))), ", ")
		}
		if got, ok := documented[row[0]]; !ok || got != want {
			t.Errorf("docs/architecture.md: %s may import %q; the table here: %q", row[0], got, want)
		}
		delete(documented, row[0])
	}
	for name := range documented {
		t.Errorf("docs/architecture.md lists %s, which the table here does not", name)
	}
}

func TestImports(t *testing.T) {
	out := goList(t, "-f", `{{.ImportPath}}:{{join .Imports " "}}`, module+"...")
	plan := map[string]string{}
	for _, row := range mayImport {
		plan[row[0]] = row[1]
	}
	for line := range strings.Lines(out) {
		pkg, imports, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			t.Fatalf("go list printed %q", line)
		}
		name := strings.TrimPrefix(pkg, module)
		allowed, ok := plan[name]
		if !ok {
			t.Errorf("package %s is not in the table; decide what it may import, here and in docs/architecture.md", name)
			continue
		}
		for _, imp := range strings.Fields(imports) {
			imp, inside := strings.CutPrefix(imp, module)
			if !inside {
				continue
			}
			ok := false
			for _, a := range strings.Fields(allowed) {
				ok = ok || a == imp || a == "*"
			}
			if !ok {
				t.Errorf("%s imports %s, which it may not", name, imp)
			}
		}
	}
}

// Only the CUDA runner may need cgo or the CUDA bindings: the default build links neither.
func TestDefaultBuildIsPlainGo(t *testing.T) {
	out := goList(t, "-deps", "-f", `{{.ImportPath}} {{len .CgoFiles}}`, module+"cmd/yocobench")
	standard := map[string]bool{"net": true, "os/user": true, "runtime/cgo": true, "crypto/internal/boring": true, "plugin": true}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if f[0] == "gorgonia.org/cu" || f[1] != "0" && !standard[f[0]] {
			t.Errorf("the default build links %s (%s cgo files)", f[0], f[1])
		}
	}
}

// goList runs go list and returns its standard output; warnings go to standard error.
func goList(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	c := exec.Command("go", append([]string{"list"}, args...)...)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	return stdout.String()
}
