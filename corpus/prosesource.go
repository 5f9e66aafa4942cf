package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/yocobench/yocobench/corpus/prose"
	"github.com/yocobench/yocobench/corpus/rng"
)

// The streams of generated text. Each has its own seeds (rng.New).
const (
	StreamTrain = "train" // for training recipes only
	StreamTest  = "test"  // for tasks
)

// Prose returns exactly n bytes of generated ASCII text (package prose). A longer text of the same
// stream and seed has it as a prefix. It may end inside a sentence; CutAtBoundary cuts it at the
// end of one. No name in it is a held-out key.
func Prose(stream string, seed uint64, n int) []byte {
	return prose.Text(rng.New(prose.Version+"/"+stream, seed), KeyHeldOut, n)
}

// proseSource is a Source of generated text.
type proseSource struct{ stream string }

func newProseSource(spec Spec) (Source, error) {
	switch spec.Stream {
	case "":
		return proseSource{StreamTest}, nil
	case StreamTest, StreamTrain:
		return proseSource{spec.Stream}, nil
	}
	return nil, fmt.Errorf("unknown stream of prose %q (known: %s, %s)", spec.Stream, StreamTest, StreamTrain)
}

func (s proseSource) Name() string {
	if s.stream == StreamTest {
		return "prose"
	}
	return "prose (" + s.stream + ")"
}

// Fingerprint covers the version and a sample of the text, so that it also detects a change of the
// generator without a new version.
func (s proseSource) Fingerprint() string {
	h := sha256.New()
	h.Write([]byte(prose.Version + "/" + s.stream + "\n"))
	h.Write(Prose(s.stream, 0, 64<<10))
	return hex.EncodeToString(h.Sum(nil))
}

func (s proseSource) Notices() []string { return nil }

func (s proseSource) Haystack(seed uint64, n int) (Haystack, error) {
	if n < 0 {
		return Haystack{}, fmt.Errorf("haystack of %d bytes", n)
	}
	return Haystack{Text: Prose(s.stream, seed, n)}, nil
}

// Documents returns independently generated texts of any length.
func (s proseSource) Documents(seed uint64, count, maxBytes int, length func([]byte) int) ([]Document, error) {
	if err := checkSizes(count, maxBytes); err != nil {
		return nil, err
	}
	var docs []Document
	for i := range count {
		text := Prose(fmt.Sprintf("%s/documents/%d", s.stream, seed), uint64(i), maxBytes)
		if n := length(text); n > 0 {
			docs = append(docs, Document{Name: fmt.Sprintf("prose %d/%d", seed, i), Text: text[:n], Stretch: 1})
		}
	}
	if len(docs) == 0 {
		return nil, fmt.Errorf("prose of %d bytes is too short: %w", maxBytes, ErrNoText)
	}
	return docs, nil
}
