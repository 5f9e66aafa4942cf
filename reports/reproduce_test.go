package reports

import (
	"slices"
	"testing"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

func TestReproduce(t *testing.T) {
	const filter = " --filter case=0123456789ab"
	run := func(file, hash, command string) result.Run {
		return result.Run{Suite: "mine", SuiteFile: file, SuiteHash: hash, Command: command}
	}
	for name, c := range map[string]struct {
		runs []result.Run
		want string
	}{
		"no header":         {nil, "yocobench run named" + filter},
		"no file":           {[]result.Run{run("", "h", "")}, "yocobench run mine" + filter},
		"a file":            {[]result.Run{run("suites/mine.yaml", "h", "yocobench run suites/mine.yaml --out x -q")}, "yocobench run suites/mine.yaml" + filter},
		"settings":          {[]result.Run{run("a b.yaml", "h", `yocobench run 'a b.yaml' --filter case=1 --set=models='[x, y]' --budget 3m --set 'seed=2' --runner analytic -t 2 -o d`)}, `yocobench run 'a b.yaml' --set 'models=[x, y]' --set seed=2 --runner analytic -t 2` + filter},
		"resumed":           {[]result.Run{run("f", "g", "yocobench run f --set seed=2"), run("f", "h", "yocobench run --resume d --set seed=2 --set x=1")}, "yocobench run f --set seed=2 --set x=1" + filter},
		"before a resume":   {[]result.Run{run("f", "h", "yocobench run f"), run("f", "g", "yocobench run --resume d --set x=1")}, "yocobench run f" + filter},
		"a flag at the end": {[]result.Run{run("f", "h", "yocobench run f --set")}, "yocobench run f" + filter},
		"hostile":           {[]result.Run{run("$(rm -rf ~)'", "h", "")}, `yocobench run '$(rm -rf ~)'\'''` + filter},
	} {
		r := result.Record{Suite: "named", SuiteHash: "h", Case: "0123456789abcdef"}
		v := newView(t.Context(), &result.Journal{Runs: c.runs, Records: []result.Record{r}}, nil)
		if got := v.reproduce(&r); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// FuzzShellWords checks that shellWords inverts shell quoting.
func FuzzShellWords(f *testing.F) {
	for _, s := range []string{"", "a", "it's", `a\b`, "'", "a b", "--set=x='y z'"} {
		f.Add(s, "b c")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if got := shellWords(cleantext.ShellQuote(a) + " " + cleantext.ShellQuote(b)); !slices.Equal(got, []string{a, b}) {
			t.Errorf("%q and %q came back as %q", a, b, got)
		}
		settings(a)
	})
}

// TestFitName checks that an increasing loss, which has a negative alpha, gets a positive exponent.
func TestFitName(t *testing.T) {
	for alpha, want := range map[float64]string{0.034: "fit 1.80 n^-0.034", -0.001: "fit 1.80 n^0.0010", 0: "fit 1.80 n^0"} {
		r := result.Record{Status: result.OK, Metrics: map[string]result.Metric{"fit_a": {Value: 1.8}, "fit_alpha": {Value: alpha}}}
		if got := fitName(&r); got != want {
			t.Errorf("alpha %v: %q, want %q", alpha, got, want)
		}
	}
}
