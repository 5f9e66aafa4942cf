package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/yocobench/yocobench/corpus/rng"
)

// documents is a Source of texts from files.
type documents struct {
	name        string
	fingerprint string
	notices     []string
	docs        []Document // sorted by name; none is empty
	shuffle     bool       // haystacks use the documents in an order that depends on the seed
}

// seal computes the fingerprint of names and contents. version is the version of the reader, "" for
// the first one.
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

// Haystack arranges the documents in a ring, separated by blank lines, and returns n bytes of it
// from the start of a line.
func (s *documents) Haystack(seed uint64, n int) (Haystack, error) {
	if n < 0 {
		return Haystack{}, fmt.Errorf("haystack of %d bytes", n)
	}
	r := rng.New("haystack", seed)
	order := s.order(r)
	first, from := s.start(r, order)
	text := make([]byte, 0, n+4)
	taken, laps := 0, 0
	// Read a few more bytes than n, to see where the last character ends.
	for i := first; len(text) < n+4; i++ {
		if i == len(order) {
			i = 0
		}
		d := s.docs[order[i]].Text
		if i == first && taken > 0 {
			// The ring returned to its first document, whose start has not been used yet.
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

// separator returns what ends document d with a blank line.
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

// maxLine is the length in bytes above which a haystack may start inside a line, such as after a
// sentence.
const maxLine = 4 << 10

// start draws the document and line at which a haystack starts. If documents are shuffled, it is a
// line of the first one, otherwise a line of any document.
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

// Documents goes through the texts in rounds: the first stretch of each text, then the second, and
// so on.
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
