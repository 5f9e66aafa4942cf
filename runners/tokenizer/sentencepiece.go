package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// spModel holds the fields used of a SentencePiece .model file, a ModelProto of
// sentencepiece_model.proto.
type spModel struct {
	names  []string
	scores []float64
	types  []uint64

	kind         uint64 // 1 Unigram, 2 BPE, 3 word, 4 char
	byteFallback bool
	suffix       bool // a space belongs to the word before it
	bos, eos     int64

	charsmap              []byte
	prefix, merge, escape bool
}

// wire reads the protobuf wire format.
type wire struct {
	b   []byte
	err error
}

var errWire = errors.New("the protobuf message is damaged")

func (w *wire) varint() uint64 {
	x, n := binary.Uvarint(w.b)
	if n <= 0 {
		w.b, w.err = nil, errWire
		return 0
	}
	w.b = w.b[n:]
	return x
}

func (w *wire) take(n uint64) []byte {
	if n > uint64(len(w.b)) {
		w.b, w.err = nil, errWire
		return nil
	}
	b := w.b[:n:n]
	w.b = w.b[n:]
	return b
}

// wireField is a field of a message. x is its integer, or the bits of a fixed-width value; bytes
// are its bytes.
type wireField struct {
	number uint64
	kind   uint64
	x      uint64
	bytes  []byte
}

// fields calls f with each field of a message.
func fields(message []byte, f func(wireField) error) error {
	w := &wire{b: message}
	for len(w.b) > 0 {
		tag := w.varint()
		field := wireField{number: tag >> 3, kind: tag & 7}
		switch field.kind {
		case 0:
			field.x = w.varint()
		case 1:
			if b := w.take(8); b != nil {
				field.x = binary.LittleEndian.Uint64(b)
			}
		case 2:
			field.bytes = w.take(w.varint())
		case 5:
			if b := w.take(4); b != nil {
				field.x = uint64(binary.LittleEndian.Uint32(b))
			}
		default:
			return errWire
		}
		if w.err != nil {
			return w.err
		}
		if err := f(field); err != nil {
			return err
		}
	}
	return nil
}

func readSPModel(data []byte) (*spModel, error) {
	m := &spModel{kind: 1, bos: 1, eos: 2, prefix: true, merge: true, escape: true}
	trained, normalized := false, false
	err := fields(data, func(f wireField) error {
		switch {
		case f.number == 1 && f.kind == 2:
			return m.readPiece(f.bytes)
		case f.number == 2 && f.kind == 2:
			trained = true
			return fields(f.bytes, func(f wireField) error {
				switch f.number {
				case 3:
					m.kind = f.x
				case 24:
					m.suffix = f.x != 0
				case 35:
					m.byteFallback = f.x != 0
				case 41:
					m.bos = int64(f.x)
				case 42:
					m.eos = int64(f.x)
				}
				return nil
			})
		case f.number == 3 && f.kind == 2:
			normalized = true
			return fields(f.bytes, func(f wireField) error {
				switch f.number {
				case 2:
					m.charsmap = f.bytes
				case 3:
					m.prefix = f.x != 0
				case 4:
					m.merge = f.x != 0
				case 5:
					m.escape = f.x != 0
				}
				return nil
			})
		}
		return nil // texts for tests, denormalization
	})
	if err == nil && len(m.names) == 0 {
		err = errors.New("it has no pieces")
	} else if err == nil && !(trained && normalized) { // they follow the pieces
		err = errors.New("it has no trainer_spec or no normalizer_spec (cut short?)")
	}
	return m, err
}

func (m *spModel) readPiece(b []byte) error {
	if len(m.names) == maxTokens {
		return fmt.Errorf("it has more than %d pieces", maxTokens)
	}
	name, score, kind := "", 0.0, uint64(typeNormal)
	err := fields(b, func(f wireField) error {
		switch {
		case f.number == 1 && f.kind == 2:
			name = string(f.bytes)
		case f.number == 2 && f.kind == 5:
			score = float64(math.Float32frombits(uint32(f.x)))
		case f.number == 3 && f.kind == 0:
			kind = f.x
		}
		return nil
	})
	if math.IsNaN(score) || math.IsInf(score, 0) {
		return fmt.Errorf("the score of piece %d is %v", len(m.names), score)
	}
	m.names, m.scores, m.types = append(m.names, name), append(m.scores, score), append(m.types, kind)
	return err
}

// ParseSentencePiece makes the tokenizer of a SentencePiece .model file with a BPE or Unigram
// model. SentencePiece recognises no special tokens in text, so EncodeSpecial equals Encode. name
// is for errors.
func ParseSentencePiece(name string, data []byte) (*Subword, error) {
	m, err := readSPModel(data)
	if err == nil {
		var t *Subword
		if t, err = m.tokenizer(name); err == nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("%s: not a SentencePiece model that is supported: %w", name, err)
}

func (m *spModel) tokenizer(name string) (*Subword, error) {
	switch {
	case m.kind != 1 && m.kind != 2:
		return nil, fmt.Errorf("the model_type is %d, want 1 (Unigram) or 2 (BPE)", m.kind)
	case m.suffix:
		return nil, errors.New("treat_whitespace_as_suffix is not supported")
	case !m.escape:
		return nil, errors.New("escape_whitespaces: false is not supported")
	case m.kind == 2 && slices.Contains(m.types, typeUnused):
		return nil, errors.New("a BPE model with unused pieces is not supported")
	}
	v := newVocabulary(len(m.names))
	for id, name := range m.names {
		if err := v.add(name, id); err != nil {
			return nil, err
		}
	}
	t := &Subword{file: name, unk: none, joins: joinsOf(m.names)}
	t.texts(m.names, spacedText)
	if err := m.normalizers(t); err != nil {
		return nil, err
	}
	unk := int32(slices.Index(m.types, typeUnknown))
	if unk < 0 {
		return nil, errors.New("no piece is the unknown one")
	}
	var fallback [256]int32
	fallback[0] = none
	if ids, all := v.fallback(); m.byteFallback && all {
		fallback = ids
	} else if m.byteFallback {
		return nil, errors.New("byte_fallback is set, but a byte has no piece")
	}
	// Only these are found in text.
	pieces := make([]string, len(m.names))
	low := 0.0
	var user []added
	for id, name := range m.names {
		switch m.types[id] {
		case typeNormal, typeUnused:
			low = min(low, m.scores[id])
			pieces[id] = name
		case typeUser:
			m.scores[id] = 0
			pieces[id] = name
			user = append(user, added{id: int32(id), text: name})
		case typeControl, typeUnknown:
			t.text[id], t.names[id], t.ids[name] = "", name, id
		}
	}
	if m.kind == 1 {
		u := &unigram{pieces: newTrie(len(pieces)), scores: m.scores, unk: unk, unkScore: low - unkPenalty, fallback: fallback}
		for id, name := range pieces {
			if name != "" {
				u.pieces.add(name, int32(id))
			}
		}
		t.model = u
	} else {
		b := v.bpe(false)
		ranks := ranksOf(m.scores)
		if err := v.mergeAll(b, pieces, func(id int) uint32 { return ranks[id] }); err != nil {
			return nil, err
		}
		b.unk = unk
		if m.byteFallback {
			b.fallback = fallback
		}
		t.model = b
	}
	t.unk = unk
	t.raw, t.normalized = newAdded(nil), newAdded(user)
	id := func(id int64) int {
		if id < 0 || id >= int64(len(m.names)) {
			return none
		}
		return int(id)
	}
	t.special = Special{BOS: id(m.bos), EOS: id(m.eos), AddBOS: id(m.bos) >= 0}
	t.findEnds(func(id int) bool { return m.types[id] == typeControl })
	return t, nil
}

func (m *spModel) normalizers(t *Subword) error {
	table, err := parseCharsmap(m.charsmap)
	if err != nil {
		return err
	}
	if table != nil {
		t.normalize = append(t.normalize, table)
	}
	if m.merge {
		t.normalize = append(t.normalize, mergeSpaces{})
	}
	if m.prefix {
		t.normalize = append(t.normalize, prefix{text: " "})
	}
	t.normalize = append(t.normalize, replace{literal(" "), "▁"})
	return nil
}

// mergeSpaces drops spaces at the ends and all but one of a run.
type mergeSpaces struct{}

func (mergeSpaces) apply(a *aligned) error {
	b := builder{from: a}
	for at := 0; at < len(a.s); at++ {
		if a.s[at] == ' ' && (len(b.b) == 0 || at+1 == len(a.s) || a.s[at+1] == ' ') {
			continue
		}
		b.copy(at, at+1)
	}
	return b.done()
}
