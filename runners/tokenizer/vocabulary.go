package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxTokens bounds the ids of a vocabulary. The largest published one has 262,208.
	maxTokens = 1 << 22
	// maxTokenBytes bounds a token, in bytes: finding tokens may take that many steps per byte of
	// text. The longest one of Llama 3 is 128 spaces.
	maxTokenBytes = 1 << 10
)

// vocabulary has the tokens of a file as they are spelled there.
type vocabulary struct {
	names []string // by id; "" where an id has no token
	ids   map[string]int32
}

func newVocabulary(n int) *vocabulary {
	n = min(n, maxTokens)
	return &vocabulary{names: make([]string, 0, n), ids: make(map[string]int32, n)}
}

// add adds a token.
func (v *vocabulary) add(name string, id int) error {
	switch {
	case id < 0 || id >= maxTokens:
		return fmt.Errorf("the token %.40q has the id %d, want 0 to %d", name, id, maxTokens-1)
	case name == "":
		return fmt.Errorf("token %d is empty", id)
	case len(name) > maxTokenBytes:
		return fmt.Errorf("token %d has %d bytes, want up to %d", id, len(name), maxTokenBytes)
	}
	for id >= len(v.names) {
		v.names = append(v.names, "")
	}
	if old := v.names[id]; old != "" && old != name {
		return fmt.Errorf("the tokens %.40q and %.40q have the same id %d", old, name, id)
	}
	n := len(v.ids)
	if v.ids[name] = int32(id); len(v.ids) == n && v.names[id] != name {
		return fmt.Errorf("the token %.40q occurs twice", name)
	}
	v.names[id] = name
	return nil
}

// own copies the names out of the memory of the whole file, which they share at first.
func (v *vocabulary) own() {
	n := 0
	for _, s := range v.names {
		n += len(s)
	}
	var b strings.Builder
	b.Grow(n)
	for _, s := range v.names {
		b.WriteString(s)
	}
	all := b.String()
	for i, s := range v.names {
		v.names[i], all = all[:len(s)], all[len(s):]
	}
}

// id returns the id of a token, or none.
func (v *vocabulary) id(name string) int32 {
	if id, ok := v.ids[name]; ok {
		return id
	}
	return none
}

// byteName returns SentencePiece's spelling of the token of a byte.
func byteName(b int) string { return fmt.Sprintf("<0x%02X>", b) }

// fallback returns the token of each byte, none if it has none. all reports whether every byte has
// a token.
func (v *vocabulary) fallback() (ids [256]int32, all bool) {
	all = true
	for b := range ids {
		ids[b] = v.id(byteName(b))
		all = all && ids[b] != none
	}
	return ids, all
}

// byteOf returns the byte of a token spelled like <0x0A>.
func byteOf(name string) (byte, bool) {
	var b byte
	if len(name) != 6 || !strings.HasPrefix(name, "<0x") || name[5] != '>' {
		return 0, false
	}
	for _, c := range []byte(name[3:5]) {
		switch {
		case c >= '0' && c <= '9':
			b = b<<4 | (c - '0')
		case c >= 'A' && c <= 'F':
			b = b<<4 | (c - 'A' + 10)
		default:
			return 0, false
		}
	}
	return b, true
}

// bpe returns the model of the vocabulary without any merges. bytes: its tokens are byte-level.
func (v *vocabulary) bpe(bytes bool) *bpe {
	m := &bpe{unk: none, size: int32(len(v.names))}
	for i := range m.fallback {
		m.fallback[i] = none
	}
	for i := range m.ascii {
		m.ascii[i] = none
	}
	if bytes {
		m.bytes = new([256]int32)
		for b := range m.bytes {
			m.bytes[b] = v.id(string(byteRune[b]))
		}
		return m
	}
	m.runes = map[rune]int32{}
	for id, name := range v.names {
		if r, n := utf8.DecodeRuneInString(name); n == len(name) && n > 0 && (r != utf8.RuneError || n > 1) {
			m.symbol(r, int32(id))
		}
	}
	return m
}

func (m *bpe) symbol(r rune, id int32) {
	if r < utf8.RuneSelf {
		m.ascii[r] = id
	} else {
		m.runes[r] = id
	}
}

// mergeList adds the merges that each call of next returns, in order, up to n.
func (v *vocabulary) mergeList(m *bpe, n int, next func(i int) (left, right string, err error)) error {
	m.pairs = newTable(n)
	var b []byte
	for i := range n {
		left, right, err := next(i)
		if err != nil {
			return err
		}
		b = append(append(b[:0], left...), right...)
		l, lok := v.ids[left]
		r, rok := v.ids[right]
		id, ok := v.ids[string(b)]
		if !lok || !rok || !ok {
			return fmt.Errorf("merge %d is of %.40q and %.40q; they, or what they make, are no tokens", i, left, right)
		}
		m.pairs.set(uint64(l)<<32|uint64(r), uint64(i)<<32|uint64(id))
	}
	return nil
}

// mergeAll lets two symbols merge if their joined text is a token of names, low ranks first.
func (v *vocabulary) mergeAll(m *bpe, names []string, rank func(id int) uint32) error {
	// Characters that are part of tokens without being one are symbols too.
	if m.runes != nil {
		for _, name := range names {
			for _, r := range name {
				if r < utf8.RuneSelf && m.ascii[r] == none || r >= utf8.RuneSelf && m.runes[r] == 0 && v.id(string(r)) == none {
					m.symbol(r, m.size+int32(len(m.extra)))
					m.extra = append(m.extra, r)
				}
			}
		}
	}
	m.pairs = newTable(len(names) * 2)
	work := 0
	for id, name := range names {
		if work += len(name) * len(name); work > maxMergeWork {
			return errors.New("the tokens are too long")
		}
		for at := 1; at < len(name); at++ {
			if m.runes != nil && !utf8.RuneStart(name[at]) {
				continue
			}
			if l, r := v.part(m, name[:at]), v.part(m, name[at:]); l != none && r != none {
				m.pairs.set(uint64(l)<<32|uint64(r), uint64(rank(id))<<32|uint64(id))
			}
		}
	}
	return nil
}

// maxMergeWork bounds the sum of the squares of tokens' lengths.
const maxMergeWork = 1 << 32

// part returns the symbol of a part of a token, or none.
func (v *vocabulary) part(m *bpe, s string) int32 {
	if id, ok := v.ids[s]; ok {
		return id
	}
	if r, n := utf8.DecodeRuneInString(s); m.runes != nil && n == len(s) {
		if r < utf8.RuneSelf {
			return m.ascii[r]
		}
		if id, ok := m.runes[r]; ok {
			return id
		}
	}
	return none
}

// ranksOf orders scores: rank 0 is the highest one; equal scores have equal ranks.
func ranksOf(scores []float64) []uint32 {
	order := slices.Clone(scores)
	slices.SortFunc(order, func(a, b float64) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	order = slices.Compact(order)
	ranks := make([]uint32, len(scores))
	for i, s := range scores {
		at, _ := slices.BinarySearchFunc(order, s, func(o, s float64) int {
			switch {
			case o > s:
				return -1
			case o < s:
				return 1
			}
			return 0
		})
		ranks[i] = uint32(at)
	}
	return ranks
}

// joinsOf returns the characters that precede a ▁ inside some token.
func joinsOf(names []string) map[rune]bool {
	joins := map[rune]bool{}
	for _, s := range names {
		for at := 1; at < len(s); {
			i := strings.Index(s[at:], "▁")
			if i < 0 {
				break
			}
			at += i
			r, _ := utf8.DecodeLastRuneInString(s[:at])
			joins[r] = true
			at += len("▁")
		}
	}
	return joins
}
