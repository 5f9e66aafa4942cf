package prose

import "github.com/yocobench/yocobench/corpus/rng"

// factKind is a kind of fact: how its values are drawn and the wordings that state it. In a wording
// {S} is the subject, {O} the other entity, {V} and {W} the values, {he}, {his} and {him} the
// subject's pronouns. The slots of narrative sentences are details that may differ each time.
type factKind struct {
	make     func(w *world, k *factKind, e int)
	wordings []string // whole sentences without the first capital
	ask      string   // a question for dialogue
	answer   string   // its short answer
	entry    string   // an entry in a register

	wordingsT     []tmpl
	askT, answerT tmpl
	entryT        tmpl
}

func value(draw func(w *world) string) func(*world, *factKind, int) {
	return func(w *world, k *factKind, e int) { w.addFact(k, e, -1, draw(w), "") }
}

func values(draw func(w *world) (string, string)) func(*world, *factKind, int) {
	return func(w *world, k *factKind, e int) {
		v, v2 := draw(w)
		w.addFact(k, e, -1, v, v2)
	}
}

func withPlace(newPercent int) func(*world, *factKind, int) {
	return func(w *world, k *factKind, e int) {
		if o := w.somePlace(newPercent); o != e {
			w.addFact(k, e, o, w.number(2, 97), rng.Pick(w.r, w.x.units))
		}
	}
}

func withPerson(draw func(w *world) string) func(*world, *factKind, int) {
	return func(w *world, k *factKind, e int) {
		if o := w.somePerson(); o != e {
			w.addFact(k, e, o, draw(w), "")
		}
	}
}

func personFacts() []*factKind {
	return []*factKind{
		{make: withPlace(30), wordings: []string{
			"{S} [lived|dwelt|had a house|made {his} home|had settled|kept a room|still lived] in {O}.", "{S} had [lived|stayed|been at home] in {O} [for years|since the war|as long as anyone could remember|for half a lifetime].", "the [house|home|cottage|little house] of {S} [stood|was] in {O}.",
			"[everyone|every child|each of the neighbours|half the town] in {O} knew {S}, who [had {his} home|lived] there.", "{O} was [the place where|where|the very place in which] {S} lived.",
			"[letters|parcels|bills|invitations] for {S} [were sent|went|had to be addressed] to {O}, where {he} lived.", "[whoever wanted|anyone who asked for|all who came to see] {S} had to go to {O}.",
			"{S} [always|sooner or later|at last] went [home|back] to {O}."},
			ask: "where does {S} live", answer: "in {O}", entry: "{S}, of {O}"},
		{make: value(func(w *world) string { return rng.Pick(w.r, w.x.trades) }), wordings: []string{
			"{S} was a {V} [by trade|and had never been anything else|and a good one].", "{S} [worked|made a living|was employed|had found work] as a {V}.", "[as|being] a {V}, {S} [had little time for {abs}|knew all about {ns}|cared little for {abs}|was used to {abs}].",
			"{S} earned {his} [bread|living|money] as a {V}.", "the trade of {S} was that of a {V}.",
			"[people who|those who|all who] needed a {V} sent for {S}.", "{S} had learned [the work|the craft|the tricks] of a {V} [when {he} was young|from an uncle|long ago|in {dur}].",
			"no {V} was [better known|more {adj}|busier] than {S}."},
			ask: "what is the trade of {S}", answer: "a {V}, they say", entry: "{S}, {V}"},
		{make: value(func(w *world) string { return w.number(w.year-80, w.year-16) }), wordings: []string{
			"{S} was born in [|the year |the winter of |the spring of ]{V}.", "in {V}, [a year of {abs}, |the year of the {adj} {n}, |]{S} was born.", "{S} had [come into the world|first seen the light] in {V}.",
			"the [parish book|family bible|old register] gives {V} as the year in which {S} was born.", "it was in {V} that {S} was born."},
			ask: "in which year was {S} born", answer: "in {V}", entry: "{S}, born {V}"},
		{make: withPlace(40), wordings: []string{
			"{S} [came|was brought|was sent away] from {O} as a child.", "{S} had been born in {O}.", "{O} was where {S} was born.",
			"{his} childhood in {O} was what {S} [remembered best|never forgot|liked to speak of].", "the parents of {S} came from {O}, where {he} was born."},
			ask: "where was {S} born", answer: "in {O}", entry: "{S}, born in {O}"},
		{make: values(func(w *world) (string, string) {
			return rng.Pick(w.r, w.x.colours), rng.Pick(w.r, w.x.belongings)
		}), wordings: []string{
			"the {W} [of {S}|that {S} owned] was {V}[|, as always|, a colour {he} loved| from top to bottom].", "{S} had [painted|dyed|coloured] {his} {W} {V}.", "{S} [owned|was proud of|would not part with|had inherited] a {V} {W}.",
			"[anyone|everybody|even a stranger] could tell {his} {W} [by its colour|from afar], for the {W} of {S} was {V}.", "{V} was the colour of the {W} that {S} owned.",
			"there was only one {V} {W} [in town|for miles around|to be seen], and it [belonged to {S}|was {S}'s]."},
			ask: "what colour is the {W} of {S}", answer: "it is {V}", entry: "{S}, {W}: {V}"},
		{make: values(func(w *world) (string, string) { return w.names.given(w.r.Chance(50)), rng.Pick(w.r, w.x.pets) }), wordings: []string{
			"{S} [kept|owned|had raised|looked after] a {W} [named|called] {V}.", "the {W} of {S} was called {V}.", "{V}, the {W} of {S}, [was never far away|slept {at}|was {adj} again|had eaten {some}].",
			"{S} called {his} {W} {V}.", "{S} [would go nowhere without|talked all day to|shared {his} supper with] {V}, {his} {W}."},
			ask: "what is the name of the {W} that {S} keeps", answer: "it is called {V}", entry: "{S}, one {W}, {V}"},
		{make: values(func(w *world) (string, string) { return rng.Pick(w.r, w.x.foods), rng.Pick(w.r, w.x.dishes) }), wordings: []string{
			"{S} [liked nothing so much as|was fond of|could not resist|would walk miles for] {V} {W}.", "the favourite dish of {S} was {V} {W}.",
			"for [supper|dinner|breakfast] {S} [asked for|was given|had] {V} {W}, [as {he} always did|{his} favourite].", "{V} {W} was what {S} liked best to eat."},
			ask: "what does {S} like to eat", answer: "{V} {W}, of course", entry: "{S}, {V} {W}"},
		{make: value(func(w *world) string { return rng.Pick(w.r, w.x.instruments) }), wordings: []string{
			"{S} played the {V}[| well| badly| every evening| at weddings].", "[in the evening|on Sundays|after work|when it rained] {S} played the {V}.", "{S} had taught {him}self to play the {V}.",
			"the sound of a {V} meant that {S} was at home."},
			ask: "which instrument does {S} play", answer: "the {V}", entry: "{S}, {V}"},
		{make: value(func(w *world) string { return w.number(2, 989) }), wordings: []string{
			"the number [of|on] the house of {S} was {V}.", "{S} lived at number {V}.", "number {V} was the [house|address] of {S}.",
			"the key to number {V} belonged to {S}."},
			ask: "at which number does {S} live", answer: "at number {V}", entry: "{S}, house {V}"},
		{make: withPerson(func(w *world) string { return w.number(11, 9899) }), wordings: []string{
			"{S} [owed|had to pay|still owed] {O} {V} crowns[| for a {n}| by the end of {month}].", "{O} had [lent|advanced] {S} {V} crowns.", "the debt of {S} to {O} came to {V} crowns.",
			"of the {V} crowns that {S} had borrowed from {O}, not one was paid back."},
			ask: "how much does {S} owe {O}", answer: "{V} crowns", entry: "{S} to {O}, {V} crowns"},
		{make: withPerson(func(w *world) string {
			return rng.Pick(w.r, []string{"cousin", "neighbour", "partner", "teacher", "godchild", "landlord", "rival", "pupil", "friend", "employer", "doctor", "tenant"})
		}), wordings: []string{
			"{S} was the {V} of {O}.", "{O} spoke of {S} as a {V}.", "{S}, the {V} of {O}, was there too.",
			"{O} and {S} [met often|knew each other well|wrote to each other|argued all day], for {S} was {O}'s {V}."},
			ask: "who is the {V} of {O}", answer: "{S} is", entry: "{S}, {V} of {O}"},
		{make: value(func(w *world) string { return w.themeNoun().many }), wordings: []string{
			"{S} was [afraid|frightened|terrified] of {V}.", "nothing frightened {S} but {V}.", "{V} were the one thing that {S} could not bear.",
			"{S} had [feared|dreaded|avoided] {V} since [{he} was small|{year}|the accident]."},
			ask: "what is {S} afraid of", answer: "of {V}", entry: "{S}, fears {V}"},
		{make: value(func(w *world) string { return w.themeNoun().many }), wordings: []string{
			"{S} [collected|saved|hoarded|was always looking for] {V}.", "the collection of {V} that {S} owned was well known.", "{S} had a [cupboard|cellar|room|trunk] full of {V}.",
			"whoever found old {V} brought them to {S}."},
			ask: "what does {S} collect", answer: "{V}", entry: "{S}, collects {V}"},
		{make: value(func(w *world) string { return rng.Pick(w.r, w.x.ills) }), wordings: []string{
			"{S} suffered from {V} [every winter|again|all that {month}|for {dur}].", "{V} kept {S} in bed for a week.", "the doctor could do nothing for the {V} of {S}."},
			ask: "what ails {S}", answer: "{V}, again", entry: "{S}, {V}"},
		{make: value(func(w *world) string { return saying(w) }), wordings: []string{
			`as {S} used to say, "{V}."`, `"{V}," {S} liked to say.`, `it was {S} who first said, "{V}."`,
			`{S} had a saying: "{V}."`, `the words of {S} came to mind: "{V}."`},
			ask: "what was it that {S} used to say", answer: "{V}", entry: `{S}: "{V}"`},
		{make: values(func(w *world) (string, string) {
			return w.number(1, 28) + " " + rng.Pick(w.r, w.x.months), w.number(w.year-15, w.year)
		}), wordings: []string{
			"{S} was married on {V} {W}.", "the wedding of {S} [took place|was held] on {V} {W}.", "on {V} {W}, {S} was married.",
			"the ring that {S} wore bore the date {V} {W}."},
			ask: "when was {S} married", answer: "on {V} {W}", entry: "{S}, married {V} {W}"},
	}
}

func placeFacts() []*factKind {
	return []*factKind{
		{make: value(func(w *world) string { return w.names.place() }), wordings: []string{
			"{S} [lies|stands|was built] on the river {V}.", "the river {V} [runs|flows|winds] [through|past] {S}.", "at {S} the {V} is [wide and slow|{adj}|{adj} and {adj}|full of {ns}].",
			"the people of {S} [take their water from|wash their {ns} in|are proud of|bathe in] the {V}.", "the {V} is the river of {S}."},
			ask: "which river runs through {S}", answer: "the {V}", entry: "{S}, on the {V}"},
		{make: value(func(w *world) string { return w.themeNoun().many }), wordings: []string{
			"{S} is [known|famous|praised|visited] for its {V}.", "[the best|the finest|the oldest|most] {V} come from {S}.", "nobody makes {V} as they do in {S}.",
			"{V} were what {S} was famous for.", "[merchants|travellers|collectors|people] [went|came|rode] to {S} for {V}."},
			ask: "what is {S} known for", answer: "for its {V}", entry: "{S}: {V}"},
		{make: value(func(w *world) string { return w.number(803, w.year-60) }), wordings: []string{
			"{S} was founded in {V}[|, they say|, after the flood| by {ns} and a {trade}].", "the oldest house in {S} was built in {V}, when the place was founded.",
			"a stone by the gate says that {S} was founded in {V}.", "in {V} the first families settled in {S}."},
			ask: "when was {S} founded", answer: "in {V}", entry: "{S}, founded {V}"},
		{make: value(func(w *world) string { return strconvComma(w.r.LogRange(120, 90000)) }), wordings: []string{
			"{S} has {V} [inhabitants|people|souls].", "at the last count {V} people [lived|were at home] in {S}.", "the census gave {S} {V} souls.",
			"the {V} people of {S} paid no heed to it."},
			ask: "how many people live in {S}", answer: "{V} at the last count", entry: "{S}, {V} inhabitants"},
		{make: withPlace(10), wordings: []string{
			"{S} is {V} miles [from|away from|distant from] {O}.", "from {S} to {O} it is {V} miles[| on foot| by the old road| over the {n}].", "a milestone in {S} says: {O}, {V} miles.",
			"the road between {O} and {S} is {V} miles long."},
			ask: "how far is it from {S} to {O}", answer: "{V} miles", entry: "{S} to {O}: {V} miles"},
		{make: withPerson(func(w *world) string {
			return rng.Pick(w.r, []string{"mayor", "judge", "priest", "postmaster", "schoolmaster", "constable", "doctor", "tax-collector", "innkeeper"})
		}), wordings: []string{
			"the {V} of {S} was {O}.", "{O} had been [made|chosen|elected|appointed] {V} of {S}.", "in {S}, {O} held the office of {V}.",
			"ask {O}, the {V} of {S}."},
			ask: "who is the {V} of {S}", answer: "{O}", entry: "{S}, {V}: {O}"},
		{make: value(func(w *world) string { return rng.Pick(w.r, w.x.days) }), wordings: []string{
			"in {S} [the market is held on {V}|they sell {ns} on {V}, the market day].", "{V} is market day in {S}.", "every {V} the square of {S} was full of stalls.",
			"the carts left for {S} before dawn on {V}, its market day."},
			ask: "on which day is the market in {S}", answer: "on {V}", entry: "{S}, market: {V}"},
		{make: values(func(w *world) (string, string) { return rng.Pick(w.r, w.x.colours), rng.Pick(w.r, w.x.landmarks) }), wordings: []string{
			"the {W} of {S} is {V}.", "in {S} [stands|one finds|there is] a {V} {W}.", "[travellers|strangers|pilots|carters] know {S} by its {V} {W}.",
			"they painted the {W} at {S} {V}, and so it stayed."},
			ask: "what colour is the {W} at {S}", answer: "{V}", entry: "{S}, {W}: {V}"},
		{make: value(func(w *world) string { return inscription(w) }), wordings: []string{
			`over the gate of {S} are the words "{V}."`, `in {S} a stone bears the words "{V}."`,
			`"{V}," says the stone in {S}.`, `the motto of {S} is "{V}."`},
			ask: "what do the words over the gate of {S} say", answer: "{V}", entry: `{S}: "{V}"`},
	}
}

func thingFacts() []*factKind {
	return []*factKind{
		{make: values(func(w *world) (string, string) { return w.themeNoun().one, rng.Pick(w.r, w.x.abstract) }), wordings: []string{
			"a {S} is a [kind|sort] of {V}.", "what the old people called a {S} was a sort of {V}.", "by {S} they meant a {V}.",
			"the word {S} means a {V} in those parts."},
			ask: "what is a {S}", answer: "a kind of {V}", entry: "{S}: a kind of {V}"},
		{make: values(func(w *world) (string, string) {
			t := rng.Pick(w.r, w.x.themes)
			return rng.Pick(w.r, t.verbs).base, rng.Pick(w.r, t.nouns).many
		}), wordings: []string{
			"a {S} is used to {V} {W}.", "with a {S} [one can|anybody could|a {trade} can] {V} {W}.", "to {V} {W}, you need a {S}.",
			"those who {V} {W} carry a {S}."},
			ask: "what is a {S} for", answer: "to {V} {W}", entry: "{S}: used to {V} {W}"},
		{make: value(func(w *world) string { return w.number(3, 980) }), wordings: []string{
			"a [good|new|large|{adj}] {S} cost {V} shillings.", "{V} shillings was the price of a {S}.", "nobody would sell a {S} for less than {V} shillings."},
			ask: "what does a {S} cost", answer: "{V} shillings", entry: "{S}: {V} shillings"},
		{make: withPlace(20), wordings: []string{
			"the first {S} was made in {O}.", "a {S} from {O} is the best there is.", "every {S} comes from {O}."},
			ask: "where does a {S} come from", answer: "from {O}", entry: "{S}: from {O}"},
		{make: value(func(w *world) string { return rng.Pick(w.r, w.x.colours) }), wordings: []string{
			"a {S} is always {V}.", "every {S} was painted {V}.", "you can tell a {S} by its {V} handle."},
			ask: "what colour is a {S}", answer: "{V}, always", entry: "{S}: {V}"},
	}
}

func shipFacts() []*factKind {
	return []*factKind{
		{make: withPerson(func(w *world) string { return "captain" }), wordings: []string{
			"{O} was [the captain|master] of {S}.", "{S} sailed under {O}.", "the captain of {S} was {O}."},
			ask: "who is the captain of {S}", answer: "{O}", entry: "{S}, captain {O}"},
		{make: value(func(w *world) string { return w.number(w.year-60, w.year) }), wordings: []string{
			"{S} was built in {V}.", "in {V} {S} was launched.", "the bell of {S} bore the year {V}."},
			ask: "when was {S} built", answer: "in {V}", entry: "{S}, built {V}"},
		{make: withPlace(20), wordings: []string{
			"{S} sailed from {O}.", "the home port of {S} was {O}.", "at {O} they waited for {S} to come in."},
			ask: "what is the home port of {S}", answer: "{O}", entry: "{S}, of {O}"},
		{make: value(func(w *world) string { return w.themeNoun().many }), wordings: []string{
			"{S} carried {V}[| and {ns}| to {pl}].", "the cargo of {S} was {V}.", "the hold of {S} was full of {V}."},
			ask: "what does {S} carry", answer: "{V}", entry: "{S}, cargo: {V}"},
	}
}

func bookFacts() []*factKind {
	return []*factKind{
		{make: withPerson(func(w *world) string { return "author" }), wordings: []string{
			`{O} wrote "{S}".`, `"{S}" was written by {O}.`, `the author of "{S}" was {O}.`},
			ask: `who wrote "{S}"`, answer: "{O}", entry: `"{S}", by {O}`},
		{make: value(func(w *world) string { return w.number(w.year-90, w.year) }), wordings: []string{
			`"{S}" was printed in {V}.`, `in {V} "{S}" came out.`, `the title page of "{S}" gives the year {V}.`},
			ask: `when was "{S}" printed`, answer: "in {V}", entry: `"{S}", printed {V}`},
		{make: value(func(w *world) string { return w.number(64, 1290) }), wordings: []string{
			`"{S}" has {V} pages.`, `not everyone reads the {V} pages of "{S}".`, `a copy of "{S}", {V} pages long, lay on the table.`},
			ask: `how many pages has "{S}"`, answer: "{V}", entry: `"{S}", {V} pages`},
		{make: value(func(w *world) string { return w.themeNoun().many }), wordings: []string{
			`"{S}" is about {V}.`, `whoever wants to know about {V} should read "{S}".`, `in "{S}" there is much about {V}.`},
			ask: `what is "{S}" about`, answer: "about {V}", entry: `"{S}": {V}`},
	}
}

// saying returns a short proverb.
func saying(w *world) string {
	n := func() string { return w.themeNoun().one }
	a := func() string { s := n(); return article(s) + " " + s }
	switch w.r.IntN(8) {
	case 0:
		return a() + " is worth more than " + a()
	case 1:
		return "never " + rng.Pick(w.r, w.x.verbs).base + " " + a() + " before " + rng.Pick(w.r, w.x.verbs).ing + " the " + n()
	case 2:
		return rng.Pick(w.r, w.x.abstract) + " is the mother of " + rng.Pick(w.r, w.x.abstract)
	case 3:
		trade := rng.Pick(w.r, w.x.trades)
		return article(trade) + " " + trade + " without " + a() + " is like " + a() + " without " + a()
	case 4:
		return "where there is " + rng.Pick(w.r, w.x.abstract) + ", there is " + rng.Pick(w.r, w.x.abstract)
	case 5:
		return rng.Pick(w.r, w.x.verbs).base + " the " + n() + " and the " + n() + " will follow"
	case 6:
		return "better " + a() + " in the " + n() + " than " + rng.Pick(w.r, w.x.numbers) + " in the " + n()
	}
	return "no " + n() + " is so " + rng.Pick(w.r, w.x.adjs) + " that it cannot " + rng.Pick(w.r, w.x.plain).base
}

// inscription returns a longer sentence that is always repeated verbatim.
func inscription(w *world) string {
	return saying(w) + rng.Pick(w.r, []string{", and ", "; ", ", but "}) + saying(w)
}

func strconvComma(n int) string {
	s := itoa(n)
	if len(s) > 3 {
		return s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return s
}
