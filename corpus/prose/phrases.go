package prose

import "github.com/yocobench/yocobench/corpus/rng"

// nounPhrase writes a noun with optional modifiers.
func (g *writer) nounPhrase(definite bool) {
	r := g.r
	n := g.noun()
	adj := ""
	if r.Chance(45) {
		adj = g.adj()
		if r.Chance(12) {
			adj += " " + rng.Pick(r, g.x.colours)
		}
	}
	switch {
	case definite && r.Chance(10):
		g.entity(rng.Pick(r, g.cast))
		g.str("'s ")
	case definite && r.Chance(8):
		g.str(rng.Pick(r, []string{"this ", "that ", "the same ", "the other ", "another ", "the first ", "the last "}))
	case definite:
		g.str("the ")
	case adj != "":
		g.str(article(adj) + " ")
	default:
		g.str(article(n.one) + " ")
	}
	if adj != "" {
		g.str(adj)
		g.str(" ")
	}
	if r.Chance(8) {
		g.str(rng.Pick(r, g.theme.nouns).one)
		g.str(" ")
	}
	g.str(n.one)
	switch k := r.IntN(100); {
	case k < 7:
		g.str(" of ")
		g.entity(g.where)
	case k < 14:
		g.str(" ")
		g.str(rng.Pick(r, atWords))
		g.str(" the ")
		g.str(g.noun().one)
	case k < 18:
		g.str(" with the ")
		g.str(g.adj())
		g.str(" ")
		g.str(g.noun().one)
	case k < 21 && g.depth == 0:
		g.str(" that ")
		g.entity(rng.Pick(r, g.cast))
		g.str(" had ")
		g.str(g.verb().done)
	case k < 24:
		g.str(" made of ")
		g.str(rng.Pick(r, materials))
	}
}

func (g *writer) quantity() {
	r := g.r
	g.str(rng.Pick(r, quantityWords))
	g.str(" ")
	if r.Chance(50) {
		g.str(g.adj())
		g.str(" ")
	}
	g.str(g.noun().many)
}

func (g *writer) date() {
	g.str(itoa(g.r.Range(1, 28)))
	g.str(" ")
	g.str(rng.Pick(g.r, g.x.months))
	if g.r.Chance(60) {
		g.str(" ")
		g.str(itoa(g.w.year - g.r.IntN(30)))
	}
}

// clause writes a subordinate clause.
func (g *writer) clause() {
	g.depth++
	r := g.r
	switch k := r.IntN(10); {
	case k < 4:
		g.entity(rng.Pick(r, g.cast))
		g.str(" ")
		g.str(g.verb().past)
		g.str(" ")
		g.nounPhrase(true)
	case k < 6:
		g.nounPhrase(true)
		g.str(" was ")
		g.str(g.adj())
	case k < 7:
		g.nounPhrase(true)
		g.str(" ")
		g.str(rng.Pick(r, g.x.plain).past)
	case k < 8:
		g.str("the ")
		g.str(g.noun().many)
		g.str(" were ")
		g.str(g.verb().done)
	case k < 9:
		g.entity(rng.Pick(r, g.cast))
		g.str(" ")
		g.str(rng.Pick(r, g.x.plain).past)
		g.str(" ")
		g.slot(slotAt)
	default:
		g.entity(rng.Pick(r, g.cast))
		g.str(" ")
		g.str(rng.Pick(r, g.x.advs))
		g.str(" ")
		g.str(g.verb().past)
		g.str(" ")
		g.quantity()
	}
	g.depth--
}

var (
	atWords       = []string{"behind", "beside", "near", "under", "above", "in front of", "inside", "beyond", "at", "by", "on", "next to", "across from", "not far from", "close to", "around", "past", "opposite"}
	quantityWords = []string{"two", "three", "four", "five", "six", "seven", "nine", "ten", "a dozen", "several", "many", "a few", "some", "countless", "a pair of", "a heap of", "hundreds of", "hardly any", "too many", "a basket of", "a row of", "all the", "most of the", "half of the"}
	timeWords     = []string{"in the morning", "that evening", "the next day", "at noon", "before dawn", "after supper", "one day", "in spring", "late in autumn", "all summer", "in the winter", "at last", "soon afterwards", "a week later", "from time to time", "long ago", "towards evening", "at midnight", "by chance", "in those days", "for once", "meanwhile", "every year", "on the way home", "on market day", "at first", "in the end", "during the storm", "since then", "now and then"}
	laterWords    = []string{"tomorrow", "tonight", "nightfall", "the end of the week", "dusk", "the first frost", "noon", "sunrise", "next spring", "the new moon"}
	materials     = []string{"oak", "brass", "iron", "glass", "wool", "silver", "clay", "leather", "paper", "bone", "stone", "copper", "straw", "wax", "marble", "tin", "silk", "willow", "slate", "horn"}
)
