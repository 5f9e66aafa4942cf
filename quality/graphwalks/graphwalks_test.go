package graphwalks

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/corpus/rng"
	"github.com/yocobench/yocobench/quality"
	"github.com/yocobench/yocobench/quality/kindtest"
)

func right(k *quality.Kind, s *quality.Sample) string {
	answer := " [" + strings.Join(s.References, ", ") + "]"
	if s.Prefix == "" {
		return "The nodes:\n" + marker + answer
	}
	return answer
}

func TestFamily(t *testing.T) { kindtest.Check(t, Family(), right) }

var (
	bfsOwn    = regexp.MustCompile(`at a distance of exactly (\d) edges? from node (\w+)\?`)
	withinOwn = regexp.MustCompile(`Which nodes, besides (\w+) itself, can be reached from node \w+ by following at most (\d) edges?\?`)
	bfsPub    = regexp.MustCompile(`\n\nOperation:\nPerform a BFS from node (\w+) and return only the nodes at exactly depth (\d) `)
	parentOf  = regexp.MustCompile(`(?:have an edge to|Find the parents of) node (\w+)[?.]`)
)

// The references are the answer of a search in the list of edges of the prompt.
func TestAnswers(t *testing.T) {
	sizes := map[int]int{}
	for _, wording := range []string{quality.WordingOwn, Published} {
		for _, k := range Family().Kinds {
			for seed := range uint64(60) {
				d, err := k.Draw(rng.New("test", seed), kindtest.Settings(t, 4<<10, wording))
				if err != nil {
					if k.Name == "bfs_within" && wording == Published {
						break
					}
					t.Fatal(err)
				}
				s, err := d.Make(int(seed) * 5)
				if err != nil {
					t.Fatal(err)
				}
				prompt := s.Prompt()
				_, list, _ := strings.Cut(prompt, "Here is the graph to operate on:\n")
				if wording == quality.WordingOwn {
					list = prompt
				}
				out, in := map[string][]string{}, map[string][]string{}
				for line := range strings.SplitSeq(list, "\n") {
					if a, b, ok := strings.Cut(line, " -> "); ok {
						out[a], in[b] = append(out[a], b), append(in[b], a)
					}
				}
				var want []string
				if m := parentOf.FindStringSubmatch(list); m != nil {
					want = in[m[1]]
				} else {
					start, depth, upTo := "", "", false
					if m := bfsOwn.FindStringSubmatch(list); m != nil {
						start, depth = m[2], m[1]
					} else if m := withinOwn.FindStringSubmatch(list); m != nil {
						start, depth, upTo = m[1], m[2], true
					} else if m := bfsPub.FindStringSubmatch(list); m != nil {
						start, depth = m[1], m[2]
					} else {
						t.Fatalf("no question in %q", prompt)
					}
					n, _ := strconv.Atoi(depth)
					want = search(out, start, n, upTo)
				}
				if !slices.Equal(sorted(want), sorted(s.References)) {
					t.Errorf("%s, %s, seed %d: %q, want %q", k.Name, wording, seed, s.References, want)
				}
				for _, x := range s.Distractors {
					if !strings.Contains(list, x) || slices.Contains(want, x) {
						t.Errorf("%s: distractor %s", k.Name, x)
					}
				}
				sizes[len(want)]++
			}
		}
	}
	if sizes[0] > 0 || len(sizes) < 6 {
		t.Errorf("sizes of answers: %v", sizes)
	}
}

// search returns the nodes at a distance of depth from start, or at most that.
func search(out map[string][]string, start string, depth int, upTo bool) (want []string) {
	seen, level := map[string]bool{start: true}, []string{start}
	for range depth {
		var next []string
		for _, a := range level {
			for _, b := range out[a] {
				if !seen[b] {
					seen[b] = true
					next = append(next, b)
				}
			}
		}
		level = next
		if upTo {
			want = append(want, next...)
		}
	}
	if upTo {
		return want
	}
	return level
}

func sorted(list []string) []string {
	list = slices.Sorted(slices.Values(list))
	return slices.Compact(list)
}

func TestScore(t *testing.T) {
	kinds := Family().Kinds
	bfs, strict := &kinds[0], &kinds[3]
	s := &quality.Sample{References: []string{"aa", "bb"}}
	for _, c := range []struct {
		answer       string
		flexible, at float64
	}{
		{" [aa, bb]", 1, 0},
		{"[bb, aa]\n\nFinal Answer: [cc]", 1, 0}, // a base model that continues
		{"Let me see.\nFinal Answer: [aa, bb]\nDone.", 1, 0},
		{"Let me see.\nFinal Answer: [aa, bb]\n", 1, 1},
		{"Final Answer: [aa]", 2.0 / 3, 2.0 / 3},
		{"Final Answer: []", 0, 0},
		{"aa, bb", 0, 0},
	} {
		if got := bfs.Score(c.answer, s); got != c.flexible {
			t.Errorf("%q scores %g, want %g", c.answer, got, c.flexible)
		}
		if got := strict.Score(c.answer, s); got != c.at {
			t.Errorf("strict: %q scores %g, want %g", c.answer, got, c.at)
		}
	}
	for answer, want := range map[string]bool{" [aa": false, " [aa, bb]": false, " [aa, bb]\n": true, "I think\n": false, "\n[aa]\nx": true} {
		if got := bfs.Done(answer, s); got != want {
			t.Errorf("done with %q: %v", answer, got)
		}
	}
}
