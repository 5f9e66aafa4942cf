package prose

import (
	"strings"

	"github.com/yocobench/yocobench/corpus/rng"
)

// Names are invented from syllables. Each document uses a subset of the onsets and endings below,
// so that its names sound related.

var (
	onsets    = strings.Fields("b br bl c ch cl cr d dr f fl fr g gl gr h j k kl kr l m n p pl pr qu r s sc sh sk sl sm sn sp st str sv t th thr tr v vl w wh y z zh")
	nuclei    = strings.Fields("a e i o u a e i o u a e i o ai au ea ee ei ia ie io oa oo ou ua ue y")
	codas     = strings.Fields("b ck d ft g l ld ll lm lt m mb n nd ng nk nn nt p r rd rk rl rm rn rr rt s sh sk sp ss st t th tt v x z")
	endsHer   = strings.Fields("a ia ena ara ine elle is eth wen ya ora une ika ula inde")
	endsHim   = strings.Fields("o us an or ek im ald ric win mund ar en ok ath iel")
	endsHouse = strings.Fields("er son sen ley ett ard ing ow man ski ez ini ov well worth stone wood more kin ling by quist strand berg")
	endsPlace = strings.Fields("ford ton holm by wick ham stead mouth burgh dale haven moor field gate ness worth port bridge mere combe fell thorpe stow den sk ova ia ora um eth")
	endsThing = strings.Fields("le et in op ork um ock ing el ish end arn oid ery ax")
)

// syllables holds the parts of a document's names.
type syllables struct{ onsets, nuclei, codas []string }

func newSyllables(r *rng.Rand) syllables {
	return syllables{choose(r, onsets, 14), choose(r, nuclei, 12), choose(r, codas, 14)}
}

// choose draws k elements of list without replacement.
func choose(r *rng.Rand, list []string, k int) []string {
	c := append([]string(nil), list...)
	r.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
	return c[:min(k, len(c))]
}

// join returns k open syllables, some of them closed.
func (t syllables) join(r *rng.Rand, k int, closeLast bool) string {
	var b strings.Builder
	for i := range k {
		b.WriteString(rng.Pick(r, t.onsets))
		b.WriteString(rng.Pick(r, t.nuclei))
		if i == k-1 && closeLast || r.Chance(15) {
			b.WriteString(rng.Pick(r, t.codas))
		}
	}
	return b.String()
}

// namer generates names that are new to its document.
type namer struct {
	r        *rng.Rand
	t        syllables
	reserved func(name string) bool
	used     map[string]bool
	// more holds the numbers of syllables that are added to names of each kind, because there are
	// no others.
	more struct{ her, him, family, place, thing int }
}

func newNamer(r *rng.Rand, reserved func(string) bool) *namer {
	return &namer{r: r, t: newSyllables(r), reserved: reserved, used: make(map[string]bool)}
}

// maxTries is the number of names in a row that are taken before names get longer. That happens in
// documents of 64 MiB and more.
const maxTries = 1 << 12

// unused calls make until it returns a name that the document does not contain and that is not
// reserved. more is the number of syllables that it adds.
func (m *namer) unused(more *int, make func() string) string {
	for tries := 1; ; tries++ {
		if tries%maxTries == 0 {
			*more++
		}
		s := make()
		if *more > 0 {
			s += m.t.join(m.r, *more, false)
		}
		lower := strings.ToLower(s)
		if m.used[lower] || len(s) < 4 || m.reserved(s) || m.reserved(lower) {
			continue
		}
		m.used[lower] = true
		return s
	}
}

func title(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// given returns a first name with a feminine or masculine ending.
func (m *namer) given(she bool) string {
	ends, more := endsHim, &m.more.him
	if she {
		ends, more = endsHer, &m.more.her
	}
	return m.unused(more, func() string {
		return title(m.t.join(m.r, 1, true) + rng.Pick(m.r, ends))
	})
}

func (m *namer) family() string {
	return m.unused(&m.more.family, func() string {
		return title(m.t.join(m.r, 1+m.r.IntN(2), true) + rng.Pick(m.r, endsHouse))
	})
}

func (m *namer) place() string {
	return m.unused(&m.more.place, func() string {
		return title(m.t.join(m.r, 1+m.r.IntN(2), true) + rng.Pick(m.r, endsPlace))
	})
}

// thing returns an invented common noun.
func (m *namer) thing() string {
	return m.unused(&m.more.thing, func() string {
		return m.t.join(m.r, 1, true) + rng.Pick(m.r, endsThing)
	})
}

// Word returns a pronounceable invented word of lo to hi lower-case letters, drawn from all
// syllables.
func Word(r *rng.Rand, lo, hi int) string {
	all := syllables{onsets, nuclei, codas}
	for {
		w := all.join(r, r.Range(1, 3), r.Chance(60))
		if r.Chance(40) {
			w += rng.Pick(r, endsThing)
		}
		if len(w) >= lo && len(w) <= hi {
			return w
		}
	}
}
