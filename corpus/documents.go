package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/yocobench/yocobench/corpus/rng"
)

// documents are texts that were read from the machine.
type documents struct {
	name        string
	fingerprint string
	notices     []string
	docs        []Document // sorted by name; none is empty
	shuffle     bool       // haystacks take the documents in an order of the seed
}

// seal computes the fingerprint, of names and contents. version is that of how texts are read,
// "" for the first.
func (s *documents) seal(version string) {
	h := sha256.New()
	if version != "" {
		fmt.Fprintln(h, version)
	}
	for _, d := range s.docs {
		fmt.Fprintf(h, "%d %s %d\n", len(d.Name), d.Name, len(d.Text))
		h.Write(d.Text)
	}
	s.fingerprint = hex.EncodeToString(h.Sum(nil))
}

func (s *documents) Name() string        { return s.name }
func (s *documents) Fingerprint() string { return s.fingerprint }
func (s *documents) Notices() []string   { return s.notices }

// Haystack lays the documents in a ring, separated by blank lines, and reads n
// bytes of it from the beginning of a line.
func (s *documents) Haystack(seed uint64, n int) (Haystack, error) {
	if n < 0 {
		return Haystack{}, fmt.Errorf("haystack of %d bytes", n)
	}
	r := rng.New("haystack", seed)
	order := s.order(r)
	first, from := s.start(r, order)
	text := make([]byte, 0, n+4)
	taken, laps := 0, 0
	// A few bytes more than n show where its last character ends.
	for i := first; len(text) < n+4; i++ {
		if i == len(order) {
			i = 0
		}
		d := s.docs[order[i]].Text
		if i == first && taken > 0 {
			// Back at the document that it began in: its beginning was still new.
			head := d[:from]
			text = append(text, head...)
			if len(text) >= n {
				break
			}
			laps++
		}
		if i == first {
			d = d[from:]
		}
		text = append(text, d...)
		text = append(text, separator(d)...)
		taken++
	}
	return Haystack{Text: cutRune(text, n), Repeats: laps}, nil
}

// separator ends a document with a blank line.
func separator(d []byte) string {
	if len(d) > 0 && d[len(d)-1] == '\n' {
		return "\n"
	}
	return "\n\n"
}

func (s *documents) order(r *rng.Rand) []int {
	order := make([]int, len(s.docs))
	for i := range order {
		order[i] = i
	}
	if s.shuffle {
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	return order
}

// maxLine is the length in bytes from which on a haystack may begin inside a line, at the end of
// a sentence or the like.
const maxLine = 4 << 10

// start draws the document and the line with which a haystack begins. In
// shuffled documents it is a line of the first, elsewhere a line of them all.
func (s *documents) start(r *rng.Rand, order []int) (doc, from int) {
	total := len(s.docs[order[0]].Text)
	if !s.shuffle {
		for _, i := range order[1:] {
			total += len(s.docs[i].Text)
		}
	}
	at := r.IntN(total)
	for at >= len(s.docs[order[doc]].Text) {
		at -= len(s.docs[order[doc]].Text)
		doc++
	}
	text := s.docs[order[doc]].Text
	line := 1 + bytes.LastIndexByte(text[:at], '\n')
	if !s.shuffle && at-line > maxLine {
		return doc, InsertionPoint(text, at).Pos % len(text)
	}
	return doc, line
}

// Documents goes through the texts in rounds: the first stretch of each, then the second, and so
// on.
func (s *documents) Documents(seed uint64, count, maxBytes int, length func([]byte) int) ([]Document, error) {
	if err := checkSizes(count, maxBytes); err != nil {
		return nil, err
	}
	r := rng.New("documents", seed)
	order := make([]int, len(s.docs))
	rest := make([][]byte, len(s.docs))
	longest := 0
	for i := range order {
		order[i], rest[i] = i, s.docs[i].Text
		longest = max(longest, len(rest[i]))
	}
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })

	var out []Document
	for round := 1; len(order) > 0; round++ {
		left := order[:0]
		for _, i := range order {
			if len(out) == count {
				return out, nil
			}
			n := length(rest[i][:min(len(rest[i]), maxBytes)])
			if n == 0 {
				continue
			}
			name := s.docs[i].Name
			if round > 1 {
				name = fmt.Sprintf("%s#%d", name, round)
			}
			out = append(out, Document{Name: name, Text: rest[i][:n], Stretch: round})
			rest[i] = rest[i][n:]
			left = append(left, i)
		}
		order = left
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no text is long enough (the longest has %d bytes): %w", s.name, longest, ErrNoText)
	}
	return out, nil
}
