package corpus

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/prose"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestProseGolden detects any change of the generated text. After an intended change, increase
// prose.Version and run: go test ./corpus -update
func TestProseGolden(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", prose.Version)
	for _, c := range []struct {
		stream string
		seed   uint64
		n      int
	}{
		{StreamTest, 1, 1000}, {StreamTest, 1, 1 << 20}, {StreamTest, 1 << 63, 100_000},
		{StreamTrain, 1, 1000}, {StreamTrain, 1, 1 << 20}, {StreamTrain, 7, 300_000},
	} {
		fmt.Fprintf(&b, "%s %d %d %x\n", c.stream, c.seed, c.n, sha256.Sum256(Prose(c.stream, c.seed, c.n)))
	}
	golden(t, "testdata/prose.golden", []byte(b.String()))
	golden(t, "testdata/prose-sample.txt", CutAtBoundary(Prose(StreamTest, 1, 8<<10)))
}

func golden(t *testing.T, name string, have []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, have, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s differs:\nhave %.400s\nwant %.400s", name, have, want)
	}
}

func TestProsePrefix(t *testing.T) {
	long := Prose(StreamTest, 42, 200_000)
	for _, n := range []int{0, 1, 2, 99, 1000, 4096, 65536, 199_999} {
		if short := Prose(StreamTest, 42, n); len(short) != n || !bytes.HasPrefix(long, short) {
			t.Errorf("the text of %d bytes is not a prefix of that of 200000 (%d bytes)", n, len(short))
		}
	}
}

func TestProseStreamsDiffer(t *testing.T) {
	seen := make(map[string]string)
	for _, stream := range []string{StreamTrain, StreamTest} {
		for seed := range uint64(200) {
			begin := string(Prose(stream, seed, 400))
			id := fmt.Sprint(stream, " ", seed)
			if other, dup := seen[begin]; dup {
				t.Errorf("%s and %s start with the same text", id, other)
			}
			seen[begin] = id
		}
	}
}

func TestProseIsPlainText(t *testing.T) {
	for seed := range uint64(20) {
		text := Prose(StreamTest, seed, 200_000)
		for i, c := range text {
			if c != '\n' && (c < ' ' || c > '~') {
				t.Fatalf("seed %d: byte %#x at %d", seed, c, i)
			}
		}
		for _, bad := range []string{"  ", "{", "}", "[", "]", "|", " .", " ,", "\n\n\n", "..", ",,", " a a", "his ,"} {
			if i := bytes.Index(text, []byte(bad)); i >= 0 {
				t.Errorf("seed %d: %q in %q", seed, bad, text[max(0, i-60):i+20])
			}
		}
	}
}

var (
	wordRE  = regexp.MustCompile(`[A-Za-z]+(-[a-z]+)*`)
	tradeRE = regexp.MustCompile(`([A-Z][a-z]+ [A-Z][a-z]+) (?:worked|made a living|was employed|had found work|earned h\w+ \w+) as an? ([a-z-]+)[.,;]`)
	bornRE  = regexp.MustCompile(`([A-Z][a-z]+ [A-Z][a-z]+) (?:was born|had come into the world|had first seen the light) in (?:the \w+ of |the year )?(\d+)`)
)

func TestProseVocabulary(t *testing.T) {
	text := Prose(StreamTest, 5, 1<<20)
	lower, names := make(map[string]bool), make(map[string]bool)
	for _, w := range wordRE.FindAll(text, -1) {
		if w[0] >= 'a' {
			lower[string(w)] = true
		} else {
			names[string(w)] = true
		}
	}
	t.Logf("%d words, %d words with a capital", len(lower), len(names))
	if len(lower) < 2800 || len(names) < 1500 {
		t.Errorf("vocabulary of 1 MiB: %d words and %d with a capital, want at least 2800 and 1500", len(lower), len(names))
	}
}

// TestProseNamesRecur checks that names recur at large distances.
func TestProseNamesRecur(t *testing.T) {
	text := Prose(StreamTest, 11, 1<<20)
	last := make(map[string]int)
	far := 0
	for _, m := range wordRE.FindAllIndex(text, -1) {
		w := string(text[m[0]:m[1]])
		if w[0] > 'Z' || len(w) < 5 {
			continue
		}
		if before, known := last[w]; known && m[0]-before > 200_000 {
			far++
		}
		last[w] = m[0]
	}
	t.Logf("%d capitalised words recur after more than 200000 bytes", far)
	if far < 200 {
		t.Errorf("%d capitalised words recur after more than 200000 bytes, want 200", far)
	}
}

func TestProseFactsStayTrue(t *testing.T) {
	again := 0
	for seed := range uint64(4) {
		text := Prose(StreamTest, seed, 1<<20)
		for _, re := range []*regexp.Regexp{tradeRE, bornRE} {
			stated := make(map[string]string)
			for _, m := range re.FindAllSubmatch(text, -1) {
				who, what := string(m[1]), string(m[2])
				if before, known := stated[who]; known {
					again++
					if before != what {
						t.Errorf("seed %d: %s is %s and %s", seed, who, before, what)
					}
				}
				stated[who] = what
			}
		}
	}
	t.Logf("%d trades and years restated in similar words", again)
	if again < 40 {
		t.Errorf("only %d trades and years restated in similar words", again)
	}
}

func BenchmarkProse(b *testing.B) {
	b.SetBytes(1 << 20)
	for i := range b.N {
		Prose(StreamTest, uint64(i), 1<<20)
	}
}
