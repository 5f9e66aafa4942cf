package tokenizer

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Subword is the tokenizer of a published model: byte-level BPE, SentencePiece's BPE or Unigram,
// with the normalizers and pre-tokenizers that its file specifies. It is made by ParseHF, FromGGUF,
// ParseSentencePiece and ParseRanks, and is safe for concurrent use.
//
// Encode treats special tokens in the text as plain text; EncodeSpecial recognises them.
type Subword struct {
	// file is the name of its file, for errors.
	file string
	name string
	// note says what is uncertain about the tokenizer, if anything is.
	note    string
	special Special
	// text is the decoded text of each token; "" if it has none.
	text []string
	// ids are the ids of added tokens by their text.
	ids map[string]int
	// names are the names of tokens that decode to no text.
	names map[int]string

	// The steps, in order: added tokens of the raw text, normalization, added tokens of the
	// normalized text, prefixes, cutting into pieces, tokens of a piece.
	raw        *addedTokens
	normalize  []normalizer
	normalized *addedTokens
	prefixes   []normalizer
	pre        preTokenizer
	model      model
	// unk is the token of unknown characters if adjacent ones are fused into one token, else none.
	unk int32
	// joins are the characters that precede a ▁ inside some token; nil if tokens are byte-level.
	// After any other character, a piece can be split before a ▁ without changing its tokens, so
	// that words can be cached.
	joins map[rune]bool

	workers sync.Pool
}

// Special describes the special tokens of a tokenizer.
type Special struct {
	// BOS and EOS are the tokens of the beginning and the end of a text; -1: there is none.
	BOS, EOS int
	// AddBOS and AddEOS report whether the file asks for them around each text. Encode does not
	// add them.
	AddBOS, AddEOS bool
	// End are the tokens that end a generation, ascending: EOS and the ends of turns.
	End []int
	// ChatTemplate is the file's template of a conversation, "" if it has none.
	ChatTemplate string
}

// Around returns ids with BOS before and EOS after them, if the file asks for these.
func (s Special) Around(ids []int) []int {
	if s.AddBOS && s.BOS >= 0 {
		ids = slices.Insert(ids, 0, s.BOS)
	}
	if s.AddEOS && s.EOS >= 0 {
		ids = append(ids, s.EOS)
	}
	return ids
}

// worker holds the buffers of one call, which are reused by later calls.
type worker struct {
	cache map[string]cached
	arena []token
	// ids and ends are the result so far. ends is filled only on request.
	ids, ends []int
	pieces    []token
	symbols   []token
	steps     []step
	next      []int32
	prev      []int32
	heap      []merge
}

// cached is a piece's tokens in the arena.
type cached struct{ from, n int32 }

const (
	maxCachedPiece = 64      // bytes
	maxCache       = 1 << 16 // pieces
	maxArena       = 1 << 20 // tokens
	maxKept        = 1 << 16 // elements of a buffer that is kept
)

// Name identifies the vocabulary: the model, the number of ids and a digest of the tokens' texts.
func (t *Subword) Name() string { return t.name }

// SetChatTemplate replaces the template of a conversation.
func (t *Subword) SetChatTemplate(text string) { t.special.ChatTemplate = text }

// Note says what is uncertain about the tokenizer, or is empty.
func (t *Subword) Note() string { return t.note }

// finish sets the name after all tokens have been added.
func (t *Subword) finish() {
	kind := "bpe"
	if _, ok := t.model.(*unigram); ok {
		kind = "unigram"
	}
	h := sha256.New()
	var b []byte
	for id := range t.text {
		s := t.Token(id)
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
		if len(b) > 1<<16 || id == len(t.text)-1 {
			h.Write(b)
			b = b[:0]
		}
	}
	t.name = fmt.Sprintf("%s-%d-%x", kind, len(t.text), h.Sum(nil)[:4])
}

// Vocab is the number of ids.
func (t *Subword) Vocab() int { return len(t.text) }

// Special describes the special tokens.
func (t *Subword) Special() Special {
	s := t.special
	s.End = slices.Clone(s.End)
	return s
}

// ID returns the id of a special or added token by its text.
func (t *Subword) ID(token string) (id int, ok bool) {
	id, ok = t.ids[token]
	return id, ok
}

// Token returns the text of a token, special or not; "" if there is no such token.
func (t *Subword) Token(id int) string {
	if name := t.names[id]; name != "" || id < 0 || id >= len(t.text) {
		return name
	}
	return t.text[id]
}

// Encode returns the ids of text. Special tokens in it are plain text.
func (t *Subword) Encode(text string) []int {
	ids, _, err := t.encode(text, false, false)
	if err != nil {
		panic(err)
	}
	return ids
}

// EncodeSpecial returns the ids of text, in which special tokens such as <|im_end|> are recognised.
// It adds none. The error is Tokens'.
func (t *Subword) EncodeSpecial(text string) ([]int, error) { return t.Tokens(text, true) }

// Tokens is EncodeSpecial if special is set, else Encode. The error reports that a pattern of the
// tokenizer took too long, which the patterns of published models never do; it is a *PatternError,
// with which Encode and Spans panic.
func (t *Subword) Tokens(text string, special bool) ([]int, error) {
	ids, _, err := t.encode(text, special, false)
	return ids, err
}

// Spans returns the ids of text, as Encode does, and the byte offset at which each token ends. If a
// character is encoded as several byte tokens, each ends at its byte. If normalization changed the
// text, a token ends at the end of its source.
func (t *Subword) Spans(text string) (ids, ends []int) {
	ids, ends, err := t.encode(text, false, true)
	if err != nil {
		panic(err)
	}
	if n := len(ends); n > 0 {
		ends[n-1] = len(text)
	}
	return ids, ends
}

// Decode returns the text of ids. A special token becomes U+FFFD. The space that SentencePiece puts
// before a text is included, because a generated text continues the prompt.
func (t *Subword) Decode(ids []int) string {
	var b strings.Builder
	for _, id := range ids {
		if id < 0 || id >= len(t.text) || t.text[id] == "" {
			b.WriteRune(utf8.RuneError)
			continue
		}
		b.WriteString(t.text[id])
	}
	return b.String()
}

func (t *Subword) encode(text string, special, ends bool) (ids, spans []int, err error) {
	w, ok := t.workers.Get().(*worker)
	if !ok {
		w = &worker{cache: map[string]cached{}}
	}
	w.ids = make([]int, 0, len(text)/4+4)
	w.ends = nil
	if ends {
		w.ends = make([]int, 0, len(text)/4+4)
	}
	t.raw.find(text, special, func(from, to int) {
		if err == nil {
			err = t.section(w, aligned{s: text[from:to], plain: !ends, first: from == 0, base: from, limit: growth*(to-from) + 1024}, special)
		}
	}, func(f found) { w.add(int(f.id), f.to) })
	ids, spans = w.ids, w.ends
	w.ids, w.ends = nil, nil
	if err != nil {
		return nil, nil, &PatternError{t.file, err}
	}
	w.trim()
	t.workers.Put(w)
	return ids, spans, nil
}

// add adds a token that ends at a byte of the text.
func (w *worker) add(id, end int) {
	w.ids = append(w.ids, id)
	if w.ends != nil {
		w.ends = append(w.ends, end)
	}
}

// trim drops large buffers that a long text has left behind.
func (w *worker) trim() {
	if cap(w.symbols) > maxKept {
		w.symbols, w.next, w.prev, w.heap = nil, nil, nil, nil
	}
	if cap(w.pieces) > maxKept {
		w.pieces = nil
	}
	if cap(w.steps) > maxKept {
		w.steps = nil
	}
}

// section adds the tokens of a part of the text between added tokens.
func (t *Subword) section(w *worker, a aligned, special bool) error {
	for _, n := range t.normalize {
		if err := n.apply(&a); err != nil {
			return err
		}
	}
	var failed error
	t.normalized.find(a.s, special, func(from, to int) {
		if failed != nil {
			return
		}
		part := a.part(from, to)
		for _, p := range t.prefixes {
			if failed = p.apply(&part); failed != nil {
				return
			}
		}
		failed = t.pre.each(part.s, func(at int, piece string) {
			w.pieces = t.tokens(w, w.pieces[:0], piece)
			for _, p := range w.pieces {
				at += int(p.size)
				w.ids = append(w.ids, int(p.id))
				if w.ends != nil {
					w.ends = append(w.ends, part.end(at))
				}
			}
		})
	}, func(f found) { w.add(int(f.id), a.end(f.to)) })
	return failed
}

// tokens appends the tokens of a piece.
func (t *Subword) tokens(w *worker, dst []token, piece string) []token {
	if t.joins == nil {
		dst = t.word(w, dst, piece)
	} else {
		start := 0
		for at := 1; at < len(piece); {
			i := strings.Index(piece[at:], "▁")
			if i < 0 {
				break
			}
			at += i
			if before, _ := utf8.DecodeLastRuneInString(piece[:at]); at > start && !t.joins[before] {
				dst = t.word(w, dst, piece[start:at])
				start = at
			}
			at += len("▁")
		}
		dst = t.word(w, dst, piece[start:])
	}
	if t.unk != none {
		dst = fuse(dst, t.unk)
	}
	return dst
}

// fuse replaces adjacent unknown tokens by one.
func fuse(s []token, unk int32) []token {
	n := 0
	for i, t := range s {
		if i > 0 && t.id == unk && s[n-1].id == unk {
			s[n-1].size += t.size
			continue
		}
		s[n] = t
		n++
	}
	return s[:n]
}

// word appends the tokens of a word, from the cache if it has them.
func (t *Subword) word(w *worker, dst []token, word string) []token {
	if len(word) > maxCachedPiece {
		return t.model.tokens(w, dst, word)
	}
	if c, ok := w.cache[word]; ok {
		return append(dst, w.arena[c.from:c.from+c.n]...)
	}
	start := len(dst)
	dst = t.model.tokens(w, dst, word)
	if len(w.cache) >= maxCache || len(w.arena) >= maxArena {
		clear(w.cache)
		w.arena = w.arena[:0]
	}
	w.cache[strings.Clone(word)] = cached{int32(len(w.arena)), int32(len(dst) - start)}
	w.arena = append(w.arena, dst[start:]...)
	return dst
}
