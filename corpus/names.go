package corpus

import "strings"

// Names are invented from syllables. Each document has a taste of its own: a
// handful of the beginnings and ends below, so that its names sound related.

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

// taste is a document's share of the syllables.
type taste struct{ onsets, nuclei, codas []string }

func newTaste(r *Rand) taste {
	return taste{choose(r, onsets, 14), choose(r, nuclei, 12), choose(r, codas, 14)}
}

// choose returns k elements of list drawn without replacement.
func choose(r *Rand, list []string, k int) []string {
	c := append([]string(nil), list...)
	r.Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
	return c[:min(k, len(c))]
}

// syllables returns k open syllables, some of them closed.
func (t taste) syllables(r *Rand, k int, closeLast bool) string {
	var b strings.Builder
	for i := range k {
		b.WriteString(pick(r, t.onsets))
		b.WriteString(pick(r, t.nuclei))
		if i == k-1 && closeLast || r.Chance(15) {
			b.WriteString(pick(r, t.codas))
		}
	}
	return b.String()
}

// namer hands out names that are new to its document.
type namer struct {
	r    *Rand
	t    taste
	used map[string]bool
}

func newNamer(r *Rand) *namer { return &namer{r, newTaste(r), make(map[string]bool)} }

// fresh draws until make gives a name that the document does not have and that
// no needle's key can be: keys are held-out words (KeyHeldOut) and names never.
func (m *namer) fresh(make func() string) string {
	for {
		s := make()
		lower := strings.ToLower(s)
		if m.used[lower] || len(s) < 4 || KeyHeldOut(s) || KeyHeldOut(lower) {
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

// given returns a first name; she chooses the ending.
func (m *namer) given(she bool) string {
	ends := endsHim
	if she {
		ends = endsHer
	}
	return m.fresh(func() string {
		return title(m.t.syllables(m.r, 1, true) + pick(m.r, ends))
	})
}

func (m *namer) family() string {
	return m.fresh(func() string {
		return title(m.t.syllables(m.r, 1+m.r.IntN(2), true) + pick(m.r, endsHouse))
	})
}

func (m *namer) place() string {
	return m.fresh(func() string {
		return title(m.t.syllables(m.r, 1+m.r.IntN(2), true) + pick(m.r, endsPlace))
	})
}

// thing returns a common noun that no dictionary has.
func (m *namer) thing() string {
	return m.fresh(func() string {
		return m.t.syllables(m.r, 1, true) + pick(m.r, endsThing)
	})
}
