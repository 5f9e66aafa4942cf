package score

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
)

// random is SplitMix64, as in testdata/record.py.
type random uint64

func (r *random) below(n int) int {
	*r += 0x9E3779B97F4A7C15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return int((z ^ z>>31) % uint64(n))
}

var (
	alphabets = []string{"ab", "abcdefgh ", "aé\u0301中🙂\n", "etaoin shrdlu\ncmfwyp.,vbgk'jqxz"}
	words     = strings.Split("the tapir of a quiet river sings and sleeps, where moon's light falls\non stone; zebra quartz", " ")
)

// pair returns the two strings of a seed that testdata/record.py recorded.
func pair(seed int) (string, string) {
	r := random(seed)
	letters := func() []rune {
		alphabet := []rune(alphabets[r.below(len(alphabets))])
		s := make([]rune, r.below(400))
		for i := range s {
			s[i] = alphabet[r.below(len(alphabet))]
		}
		return s
	}
	var a []rune
	if r.below(2) == 0 {
		a = letters()
	} else {
		list := make([]string, r.below(90))
		for i := range list {
			list[i] = words[r.below(len(words))]
		}
		a = []rune(strings.Join(list, " "))
	}
	if r.below(4) == 0 {
		return string(a), string(letters())
	}
	b := a
	for range r.below(12) {
		at := r.below(len(b) + 1)
		cut := r.below(min(40, len(b)-at) + 1)
		put := ""
		if r.below(2) == 0 {
			word := words[r.below(len(words))]
			put = strings.Repeat(word, 1+r.below(3))
		}
		b = slices.Concat(b[:at], []rune(put), b[at+cut:])
	}
	if r.below(8) == 0 {
		b = slices.Concat(b[len(b)/2:], b[:len(b)/2])
	}
	return string(a), string(b)
}

// Ratio equals difflib's on 10,000 pairs, of which a third have a second string long enough for
// popular characters.
func TestRatio(t *testing.T) {
	text, err := os.ReadFile("testdata/difflib.txt")
	if err != nil {
		t.Fatal(err)
	}
	recorded := strings.Fields(string(text))
	if len(recorded) != 10000 {
		t.Fatalf("%d recorded pairs", len(recorded))
	}
	long := 0
	for seed, s := range recorded {
		matches, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		a, b := pair(seed)
		n := len([]rune(a)) + len([]rune(b))
		want := 1.0
		if n > 0 {
			want = 2 * float64(matches) / float64(n)
		}
		if got := Ratio(a, b); got != want {
			t.Errorf("pair %d: ratio of %q and %q is %v, want %v", seed, a, b, got, want)
		}
		if len([]rune(b)) >= popular {
			long++
		}
	}
	if long < 3000 {
		t.Errorf("only %d pairs have popular characters", long)
	}
}

// The recorded numbers are those of this machine's Python.
func TestRecorded(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		testenv.Missing(t, "python3: %v", err)
	}
	out, err := exec.Command(python, "testdata/record.py", "difflib", "100").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/difflib.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 100 || !strings.HasPrefix(string(text), string(out)) {
		t.Errorf("Python's numbers of the first 100 pairs differ from testdata/difflib.txt")
	}
	if out, err = exec.Command(python, "testdata/record.py", "graders").Output(); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile("testdata/graders.json"); err != nil {
		t.Fatal(err)
	}
	if string(text) != string(out) {
		t.Errorf("Python's grades differ from testdata/graders.json")
	}
}

// The other scorers equal those that record.py defines.
func TestGraders(t *testing.T) {
	text, err := os.ReadFile("testdata/graders.json")
	if err != nil {
		t.Fatal(err)
	}
	var grades []struct {
		Grader, Answer, Reference, Text string
		Others, List                    []string
		Number                          float64
		Seed                            int
	}
	if err := json.Unmarshal(text, &grades); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, g := range grades {
		a, b := g.Answer, ""
		if g.Seed > 0 {
			a, b = pair(g.Seed)
		}
		seen[g.Grader]++
		number, str := 0.0, ""
		var list []string
		switch g.Grader {
		case "final_strict", "final_flexible":
			nodes, ok := FinalAnswer(a, g.Grader == "final_strict")
			if ok != (g.List != nil) {
				t.Errorf("%s of %q: found is %v", g.Grader, a, ok)
			}
			list = nodes
		case "digits":
			str = FirstDigits(a)
		case "normalize":
			str = normalize(a)
		case "substring":
			number = one(SubstringMatch(a, g.Reference))
		case "label":
			number = one(OnlyLabel(a, g.Reference, g.Others))
		case "similarity":
			number = Similarity(a, b)
		case "place":
			number = SamePlace(a, b, g.Reference)
		case "f1":
			number = F1(strings.FieldsFunc(a, space), strings.FieldsFunc(b, space))
		case "prefixed":
			if number = Prefixed(b, a, g.Reference); len([]rune(b)) > maxExcess*len([]rune(a)) {
				number = g.Number // it may be less
			}
		default:
			t.Fatalf("unknown grader %q", g.Grader)
		}
		if !(math.Abs(number-g.Number) < 1e-15) || str != g.Text || !slices.Equal(list, g.List) {
			t.Errorf("%s of %q and %q (%q): %v %q %q, want %v %q %q", g.Grader, a, b, g.Reference, number, str, list, g.Number, g.Text, g.List)
		}
	}
	if len(seen) != 10 || seen["similarity"] < 60 {
		t.Errorf("graders: %v", seen)
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func TestPrefixed(t *testing.T) {
	for _, c := range []struct {
		answer string
		want   float64
	}{
		{"Xy7abcd", 1},
		{"Xy7", 0},
		{"abcd", 0},
		{" Xy7abcd", 0},
		{"xy7abcd", 0},
		{"Xy7abxd", 0.75},
		{"Xy7abcd" + strings.Repeat("z", 96), 8.0 / 104},
	} {
		if got := Prefixed(c.answer, "abcd", "Xy7"); got != c.want {
			t.Errorf("%q: %v, want %v", c.answer, got, c.want)
		}
	}
	if got := Prefixed("", "", ""); got != 1 {
		t.Errorf("empty: %v", got)
	}
}

func TestF1(t *testing.T) {
	list := strings.Fields
	for _, c := range []struct {
		got, want string
		f1        float64
	}{
		{"a b", "b a", 1}, {"a a b", "a b", 1}, {"", "", 1}, {"a", "", 0}, {"", "a", 0}, {"a", "b", 0}, {"a b c d", "a b", 2.0 / 3}, {"a x", "a b", 0.5},
	} {
		if got := F1(list(c.got), list(c.want)); math.Abs(got-c.f1) > 1e-15 {
			t.Errorf("F1 of %q and %q: %v, want %v", c.got, c.want, got, c.f1)
		}
	}
}

func TestSamePlace(t *testing.T) {
	for _, c := range []struct {
		reference, answer, word string
		want                    float64
	}{
		{"apple apples apple", "apple apples apple", "apples", 1},
		{"apple apples apple", "apple apples", "apples", 0}, // the published rule: no space follows
		{"apple apples apple", "apple apple apples ", "apples", 0},
		{"apple apple apples", "apple apple apples", "apples", 1},
		{"apple apple apples", "apple apples apple", "apples", 0},
		{"apples apple", "apples ", "apples", 1},
		{"é été é", "é été ", "été", 1},
		{"apple apples apple", "", "apples", 0},
	} {
		if got := SamePlace(c.reference, c.answer, c.word); got != c.want {
			t.Errorf("%q in %q for %q: %v", c.word, c.answer, c.reference, got)
		}
	}
	for answer, want := range map[string]bool{"": false, "apple ": false, "apple apples": false, "apple apples ": true, "apples ": true, "apple apple a": true} {
		if got := PlaceKnown("apple apples apple", answer, "apples"); got != want {
			t.Errorf("the place in %q is known: %v", answer, got)
		}
	}
}

func TestLastUUID(t *testing.T) {
	const a, b = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "9c858901-8a57-4791-81fe-4c455b099bc9"
	for answer, want := range map[string]string{
		"": "", "none": "", a: a, strings.ToUpper(a): a, "It is " + a + ".": a, a + " -> " + b: b, "Chain:\n" + a + "\n" + b: a, a + "0": "", "0" + a: "", "[" + a + "]": a,
	} {
		if got := LastUUID(answer); got != want {
			t.Errorf("%q: %q, want %q", answer, got, want)
		}
	}
}

// Similarity is exact up to twice the reference's length; beyond, at most what Python gives.
func TestSimilarityOfLongAnswer(t *testing.T) {
	long := strings.Repeat("apple ", 100)
	if got := Similarity("apple", long); !(got > 0 && got <= 5.0/600) {
		t.Errorf("%v", got)
	}
}

// Scoring long and hostile answers ends: it takes 2 seconds.
func TestHostile(t *testing.T) {
	reference := strings.Repeat("moon and river, ", 75) // 1200 characters
	hostile := strings.Repeat("m,n r", 1<<20)
	Prefixed(hostile, reference, "m")
	Similarity(strings.Repeat("apple ", 5000)+"x", hostile)
	FinalAnswer(strings.Repeat("Final Answer: [", 1<<17), false)
	FinalAnswer(strings.Repeat("Final Answer: [a\n", 1<<17), false)
	SubstringMatch(hostile, reference)
	OnlyLabel(hostile, "moon", words)
	LastUUID(strings.Repeat("0123456-", 1<<17))
}

func FuzzScorers(f *testing.F) {
	f.Add("Final Answer: [a, b]", "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "X")
	f.Add("the a kitchen. 123", "kitchen", "the")
	f.Add("\xff\x00🙂", "中", "\xff")
	f.Fuzz(func(t *testing.T, answer, reference, prefix string) {
		if len(answer)+len(reference) > 1<<12 {
			return
		}
		for name, got := range map[string]float64{
			"Ratio": Ratio(answer, reference), "Prefixed": Prefixed(answer, reference, prefix), "Similarity": Similarity(reference, answer),
			"SamePlace": SamePlace(reference, answer, prefix),
		} {
			if !(got >= 0 && got <= 1) {
				t.Errorf("%s is %v", name, got)
			}
		}
		if reference != "" && Similarity(reference, reference) != 1 {
			t.Errorf("a string is not similar to itself")
		}
		if a, b := []rune(answer), []rune(reference); len(a)*len(b) < 1<<14 && distance(a, b) != slow(a, b) {
			t.Errorf("distance %d, want %d", distance(a, b), slow(a, b))
		}
		for _, strict := range []bool{false, true} {
			nodes, ok := FinalAnswer(answer, strict)
			if got := F1(nodes, nodes); got != 1 || !ok && nodes != nil {
				t.Errorf("F1 of a set with itself is %v", got)
			}
		}
		if d := FirstDigits(answer); !strings.Contains(answer, d) {
			t.Errorf("digits %q", d)
		}
		if PlaceKnown(reference, answer, "a") && SamePlace(reference, answer, "a") != SamePlace(reference, answer+prefix, "a") {
			t.Errorf("the place changes")
		}
		SubstringMatch(answer, reference)
		OnlyLabel(answer, reference, []string{prefix})
		if u := LastUUID(answer); u != "" && len(u) != 36 {
			t.Errorf("UUID %q", u)
		}
	})
}

// slow is the textbook's edit distance.
func slow(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		last := row[0]
		row[0] = i + 1
		for j := range b {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, change)
		}
	}
	return row[len(b)]
}
