package corpus

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yocobench/yocobench/corpus/rng"
)

func TestInsertionPoint(t *testing.T) {
	for _, c := range []struct {
		text string // ^ marks the requested offset
		want string // the text with <fact> inserted
	}{
		{"^One two. Three.", "<fact>\nOne two. Three."},
		{"One t^wo. Three.", "One two. <fact> Three."},
		{"O^ne two. Three.", "<fact>\nOne two. Three."},
		{"One two.^ Three.", "One two. <fact> Three."},
		{"One two. ^Three.", "One two. <fact> Three."},
		{"One? Tw^o! Three", "One? Two! <fact> Three"},
		{`He said "S^top." Then`, `He said "Stop." <fact> Then`},
		{`"Who?" as^ked Xen. Then`, `"Who?" asked Xen. <fact> Then`},
		{"See Mr. ^Smith. Then", "See Mr. Smith. <fact> Then"},
		{"See A. ^Smith. Then", "See A. Smith. <fact> Then"},
		{"Pi is 3.1^4 now\nnext", "Pi is 3.14 now\n<fact>\nnext"},
		{"x :=^ 1\ny := 2\n", "x := 1\n<fact>\ny := 2\n"},
		{"x := 1\n^y := 2\n", "x := 1\n<fact>\ny := 2\n"},
		{"x := 1\r^\ny := 2\r\n", "x := 1\r\n<fact>\ny := 2\r\n"},
		{"Aa.^\n\nBb.", "Aa. <fact>\n\nBb."},
		{"Plan B^.\nNext", "Plan B. <fact>\nNext"},
		{"no end^", "no end\n<fact>"},
		{"no end ^", "no end \n<fact>"},
		{"An end. ^", "An end. <fact>"},
		{"line\n^", "line\n<fact>"},
		{"^", "<fact>"},
		{"Ein Sch^luß. Ähnlich.", "Ein Schluß. <fact> Ähnlich."},
		{"Ein S^chluß. Ähnlich.", "<fact>\nEin Schluß. Ähnlich."},
		{"Тут был А. С. ^Пушкин. Потом", "Тут был А. С. Пушкин. <fact> Потом"},
		{"Er sagte „J^a.“ Dann", "Er sagte „Ja.“ <fact> Dann"},
		// Other scripts.
		{"我们走吧^。他说好。", "我们走吧。 <fact> 他说好。"},
		{"他说：“走^吧。”我们走了。", "他说：“走吧。” <fact> 我们走了。"},
		{"走吧^。“好”，他说。", "走吧。 <fact> “好”，他说。"},
		{"本当です^か？」と", "本当ですか？」 <fact> と"},
		{"走吧^!好的", "走吧! <fact> 好的"},
		{"走吧！^！好的", "走吧！！ <fact> 好的"},
		{"هل هذا صحي^ح؟ نعم", "هل هذا صحيح؟ <fact> نعم"},
		{"یہ ٹھیک ہ^ے۔ ہاں", "یہ ٹھیک ہے۔ <fact> ہاں"},
		{"यह ठीक ह^ै। हाँ", "यह ठीक है। <fact> हाँ"},
		{"ሰላም ነ^ው። አዎ", "ሰላም ነው። <fact> አዎ"},
		{"Wait for i^t… Then", "Wait for it… <fact> Then"},
	} {
		at := strings.IndexByte(c.text, '^')
		text := []byte(strings.Replace(c.text, "^", "", 1))
		out, begin := Insert(text, InsertionPoint(text, at), "<fact>")
		if string(out) != c.want || !bytes.HasPrefix(out[begin:], []byte("<fact>")) {
			t.Errorf("%q: have %q with the fact at %d, want %q", c.text, out, begin, c.want)
		}
	}
	if p := InsertionPoint([]byte("abc"), 99); p.Pos != 3 {
		t.Errorf("beyond the end: %+v", p)
	}
}

// TestInsertionPointFallback checks that, if no sentence ends nearby, the fact gets its own line
// between clauses, words or characters.
func TestInsertionPointFallback(t *testing.T) {
	for _, c := range []struct {
		unit, inside string
		want         string // the fact and the text around it
		boundary     Boundary
	}{
		{"words without any mark at all ", "out", "without \n<fact>\nany", WordEnd},
		{"words, and a comma and ", "and a", "words, \n<fact>\nand", ClauseEnd},
		{`{"key":"a","other":12},`, "other", `"a",` + "\n<fact>\n" + `"other"`, ClauseEnd},
		{`["a"],[1,000,000,000,000],`, "000,0", "],\n<fact>\n[", ClauseEnd},
		{"<p><i></i></p>", "/i", "<i>\n<fact>\n</i>", ClauseEnd},
		{"Zm9vYmFy", "vYm", "9\n<fact>\nv", CharacterEnd},
		{"ภาษาไทยไม่มีวรรค ", "ม่มี", "ไทยไม่มีวรรค \n<fact>\n", WordEnd},
		{"กำลัง", "ล", "", CharacterEnd},
		{"🇩🇪🇫🇷", "🇩🇪", "", CharacterEnd},
		{"각", "", "", CharacterEnd},
		{"e\u0301a\u0300", "a", "", CharacterEnd},
		{"क्षि", "ष", "", CharacterEnd},
		{"👩‍👩‍👧", "👧", "", CharacterEnd},
	} {
		text := []byte(strings.Repeat(c.unit, 4000/len(c.unit)))
		middle := len(text) / 2 / len(c.unit) * len(c.unit)
		at := middle + strings.Index(c.unit, c.inside)
		p := InsertionPoint(text, at)
		out, begin := Insert(text, p, "<fact>")
		around := string(out[begin-min(begin, 40) : begin+46])
		if p.Boundary != c.boundary || p.Before != "\n" || p.After != "\n" || max(p.Pos-at, at-p.Pos) > near(len(text)) {
			t.Errorf("%q: %+v for offset %d", c.unit, p, at)
		}
		if !strings.Contains(around, c.want) || !utf8.Valid(text[:p.Pos]) {
			t.Errorf("%q: %q, want %q", c.unit, around, c.want)
		}
	}
	for _, c := range []struct {
		text string
		ends []int // where characters end
	}{
		{"กำลัง", []int{0, 6, 12, 15}},
		{"🇩🇪🇫🇷", []int{0, 8, 16}},
		{"\u1100\u1161\u11a8", []int{0, 9}},
		{"e\u0301a\u0300", []int{0, 3, 6}},
		{"क्षि", []int{0, 12}},
		{"👩‍👩‍👧a", []int{0, 18, 19}},
		{"👍🏽\r\n", []int{0, 8, 10}},
	} {
		for i := range len(c.text) + 1 {
			if have, want := endsCharacter([]byte(c.text), i), slices.Contains(c.ends, i); have != want {
				t.Errorf("%q: a character ends at %d: %v", c.text, i, have)
			}
		}
	}
}

// kindsOfText generates realistic texts of at least n bytes.
var kindsOfText = map[string]func(r *rng.Rand, n int) []byte{
	"prose":    func(r *rng.Rand, n int) []byte { return Prose(StreamTest, r.Uint64(), n) },
	"chinese":  sentencesOf("。", "", "我们", "今天", "走", "在路上", "，他说", "“好”", "的"),
	"japanese": sentencesOf("」。", "", "「今日は", "とても", "長い", "、", "道を", "歩いた"),
	"hindi":    sentencesOf("। ", " ", "यह", "ठीक", "है", "हाँ", "लंबा", "रास्ता"),
	"arabic":   sentencesOf("؟ ", " ", "هل", "هذا", "صحيح", "نعم،", "الطريق"),
	"thai":     sentencesOf(" ", "", "ภาษา", "ไทย", "ไม่มี", "วรรค", "กำลัง"),
	"russian":  sentencesOf(". ", " ", "Дорога", "была", "длинной,", "и", "А. С. Пушкин", "шёл"),
	"words":    sentencesOf(" ", " ", "no", "end", "of", "a", "sentence", "anywhere"),
	"json":     sentencesOf("},{", ",", `"a":1`, `"name":"value"`, `"list":[1,2,3]`, `"n":1234567`),
	"base64":   sentencesOf("", "", "Zm9v", "YmFy", "QUJD", "+/9="),
	"code":     sentencesOf(";\n", " ", "x", ":=", "f(y)", "return", "{", "}"),
	"log":      sentencesOf("\n", " ", "2026-01-01T00:00:00Z", "INFO", "took=12ms", "path=/a/b"),
	"emoji":    sentencesOf("", "", "👩‍👩‍👧", "👍🏽", "🇩🇪", "e\u0301"),
	"crlf":     sentencesOf("\r\n", " ", "a", "line", "of", "words"),
}

func sentencesOf(end, between string, words ...string) func(r *rng.Rand, n int) []byte {
	return func(r *rng.Rand, n int) []byte {
		var b []byte
		for len(b) < n {
			for range r.Range(3, 30) {
				b = append(b, rng.Pick(r, words)...)
				b = append(b, between...)
			}
			b = append(bytes.TrimSuffix(b, []byte(between)), end...)
		}
		return b
	}
}

// TestInsertionPointIsNear checks that in any text and at any depth the place is at most 2 % of the
// text away, or at an end of the surrounding sentence.
func TestInsertionPointIsNear(t *testing.T) {
	r := rng.New("kinds", 1)
	var mixture []byte
	for _, kind := range append(sortedKeys(kindsOfText), "mixture") {
		for _, n := range []int{100, 700, 4 << 10, 32 << 10, 200 << 10} {
			text := mixture
			if kind != "mixture" {
				text = kindsOfText[kind](r, n)
				mixture = append(mixture, cutRune(text, 3000)...)
			}
			text = CutAtBoundary(cutRune(text, n))
			for percent := range 101 {
				at := percent * len(text) / 100
				p := InsertionPoint(text, at)
				off := max(p.Pos-at, at-p.Pos)
				if allowed := near(len(text)); off > allowed && (p.Boundary == SentenceEnd && off > sentenceReach || p.Boundary != SentenceEnd && off > wordReach) {
					t.Errorf("%s, %d bytes: %d %% is at byte %d, not %d (%v)", kind, len(text), percent, p.Pos, at, p.Boundary)
				}
				if !utf8.Valid(text[:p.Pos]) || !endsCharacter(text, p.Pos) {
					t.Errorf("%s, %d bytes, %d %%: a character is cut at %d", kind, len(text), percent, p.Pos)
				}
				out, begin := Insert(text, p, "FACT")
				if !bytes.Equal(slices.Concat(out[:begin-len(p.Before)], out[begin+4+len(p.After):]), text) {
					t.Errorf("%s: removing the fact does not restore the text", kind)
				}
				if p.Boundary != SentenceEnd && (p.Before != "\n" && text[p.Pos-1] != '\n' || p.After != "\n" && text[p.Pos] != '\n') {
					t.Errorf("%s: %+v: the fact is not on a line of its own", kind, p)
				}
			}
		}
	}
}

func TestCutAtBoundary(t *testing.T) {
	const long = "A sentence that is long enough to be kept here, on any account. And then."
	for in, want := range map[string]string{
		long + " Two. Thr": long + " Two.", long + "\nTwo": long + "\n", "One": "One", "": "", long + " See Mr. S": long,
		long + " Who?": long + " Who?", long + " It is 3.": long,
		strings.Repeat("three words more ", 40) + "and a h": strings.Repeat("three words more ", 40) + "and a ",
		strings.Repeat("Zm9vYmFy", 40):                      strings.Repeat("Zm9vYmFy", 40),
		strings.Repeat("我们走吧。", 40) + "我":                   strings.Repeat("我们走吧。", 40),
	} {
		if have := CutAtBoundary([]byte(in)); string(have) != want {
			t.Errorf("%q: have %q, want %q", in, have, want)
		}
	}
}

func FuzzInsertionPoint(f *testing.F) {
	f.Add([]byte("One two. \"Three?\" Mr. Four\nfive\n\n"), 4)
	f.Add([]byte(""), 0)
	f.Add([]byte("Schluß. Ähnlich"), 5)
	f.Add([]byte("一。“二”！🇩🇪🇫🇷e\u0301"), 9)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		p := InsertionPoint(text, at)
		if p.Pos < 0 || p.Pos > len(text) {
			t.Fatalf("place %d for offset %d of %d bytes", p.Pos, at, len(text))
		}
		inside := min(max(at, 0), len(text))
		if off := max(p.Pos-inside, inside-p.Pos); off > max(near(len(text)), sentenceReach) {
			t.Fatalf("place %d is %d bytes away from offset %d", p.Pos, off, inside)
		}
		if utf8.Valid(text) && !utf8.Valid(text[:p.Pos]) {
			t.Fatalf("a character is split at %d", p.Pos)
		}
		if q := InsertionPoint(text, inside+1); q.Pos < p.Pos {
			t.Fatalf("offset %d has the place %d, offset %d the place %d before it", inside, p.Pos, inside+1, q.Pos)
		}
		out, begin := Insert(text, p, "fact")
		back := append(append([]byte(nil), out[:begin-len(p.Before)]...), out[begin+len("fact")+len(p.After):]...)
		if !bytes.Equal(back, text) {
			t.Fatalf("inserting changed the text")
		}
		if p.Pos > 0 && p.Before == "" && text[p.Pos-1] != '\n' && text[p.Pos-1] != ' ' || p.Pos < len(text) && p.After == "" && !spaceAt(text[p.Pos:]) {
			t.Fatalf("%q has no separator between the fact and the text", out)
		}
		cut := CutAtBoundary(text)
		if !bytes.HasPrefix(text, cut) || len(cut) < len(text)-max(near(len(text)), sentenceReach) || utf8.Valid(text) && !utf8.Valid(cut) {
			t.Fatalf("CutAtBoundary gave %q", cut)
		}
	})
}

func TestSentences(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		" \n\n ":                        nil,
		"One. Two!  Three":              {"One.", "Two!", "Three"},
		"Mr. Ames left.\nHe\tis  gone.": {"Mr. Ames left.", "He is gone."},
		"“Well.” Yes.":                  {"“Well.”", "Yes."},
		"中文。是的。":                        {"中文。", "是的。"},
	} {
		if got := Sentences([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	text := Prose(StreamTest, 1, 20000)
	joined := strings.Join(Sentences(text), " ")
	if want := strings.Join(strings.Fields(string(text)), " "); joined != want {
		t.Errorf("sentences of prose differ from the text")
	}
}
