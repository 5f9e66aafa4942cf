package tokenizer

import (
	"slices"
	"strings"
)

// hfFile is the content of a tokenizer.json.
type hfFile struct {
	j     *jsonText
	t     *Subword
	added []hfAdded
	vocab *vocabulary
	// scores are the scores of a Unigram model.
	scores []float64
	merges []hfMerge
	model  hfModel
	// bytes is set if the tokens are byte-level.
	bytes bool
	// text returns the text of a token.
	decode []func(string) string
	// decodesBytes is set if tokens such as <0x0A> represent bytes.
	decodesBytes, decodesByteLevel bool
	post                           *component
}

type hfAdded struct {
	added
	normalized bool
}

type hfMerge struct{ left, right string }

type hfModel struct {
	kind         string
	unk          string
	unkID        int
	fuse         bool
	byteFallback bool
	ignoreMerges bool
}

// ParseHF makes a tokenizer from a tokenizer.json and, unless it is nil, the tokenizer_config.json
// next to it, which names the tokens at the beginning and the end of a text. name is for errors.
// Anything unsupported is an error that names it.
func ParseHF(name string, tokenizer, config []byte) (*Subword, error) {
	j, err := newJSON(name, tokenizer)
	if err != nil {
		return nil, err
	}
	f := &hfFile{j: j, t: &Subword{file: name, unk: none}}
	f.t.special.BOS, f.t.special.EOS = none, none
	if err := f.read(); err != nil {
		return nil, err
	}
	if err := f.build(); err != nil {
		return nil, err
	}
	if err := f.special(); err != nil {
		return nil, err
	}
	if config != nil {
		if err := f.t.readConfig(name, config); err != nil {
			return nil, err
		}
	}
	f.t.findEnds(func(id int) bool { return f.t.text[id] == "" })
	return f.t, nil
}

// read reads the file.
func (f *hfFile) read() error {
	j := f.j
	seen := map[string]bool{}
	err := j.object("the tokenizer", func(key string) error {
		if seen[key] {
			return j.errorf("the key %q occurs twice", key)
		}
		seen[key] = true
		switch key {
		case "added_tokens":
			return f.readAdded()
		case "normalizer":
			c, err := j.readComponent("normalizer")
			if err == nil && c != nil {
				f.t.normalize, err = f.normalizers(c)
			}
			return err
		case "pre_tokenizer":
			c, err := j.readComponent("pre_tokenizer")
			if err == nil && c != nil {
				err = f.preTokenizers(c)
			}
			return err
		case "decoder":
			c, err := j.readComponent("decoder")
			if err == nil && c != nil {
				err = f.decoders(c)
			}
			return err
		case "post_processor":
			var err error
			f.post, err = j.readComponent("post_processor")
			return err
		case "model":
			return f.readModel()
		case "version", "truncation", "padding": // they do not affect the tokens of a text
			return j.skip(key)
		}
		return j.errorf("the field %q is not supported", key)
	})
	if err == nil {
		err = j.end()
	}
	if err == nil && !seen["model"] {
		err = j.errorf("there is no model")
	}
	return err
}

func (f *hfFile) readAdded() error {
	j := f.j
	return j.array("added_tokens", func(int) error {
		a := hfAdded{}
		a.id = none
		err := j.object("an added token", func(key string) (err error) {
			switch key {
			case "id":
				var id int
				id, err = j.integer("the id of an added token", maxTokens-1)
				a.id = int32(id)
			case "content":
				a.text, err = j.str("the content of an added token")
				a.text = strings.Clone(a.text)
			case "special":
				a.special, err = j.boolean(key)
			case "normalized":
				a.normalized, err = j.boolean(key)
			case "lstrip":
				a.lstrip, err = j.boolean(key)
			case "rstrip":
				a.rstrip, err = j.boolean(key)
			case "single_word":
				a.word, err = j.boolean(key)
			default:
				return j.errorf("the field %q of an added token is not supported", key)
			}
			return err
		})
		if err == nil && (a.id == none || a.text == "" || len(a.text) > maxTokenBytes) {
			err = j.errorf("an added token has no id, no content, or more than %d bytes", maxTokenBytes)
		}
		if err == nil && len(f.added) == maxTokens {
			err = j.errorf("more than %d added tokens", maxTokens)
		}
		f.added = append(f.added, a)
		return err
	})
}

func (f *hfFile) readModel() error {
	j := f.j
	m := &f.model
	m.unkID = none
	f.vocab = newVocabulary(0)
	err := j.object("model", func(key string) (err error) {
		switch key {
		case "type":
			m.kind, err = j.str("the type of model")
			if err == nil && m.kind != "BPE" && m.kind != "Unigram" {
				err = j.errorf("the model %s is not supported (supported: BPE, Unigram)", m.kind)
			}
		case "dropout":
			if !j.null() {
				var p float64
				if p, err = j.float(key); err == nil && p != 0 {
					err = j.errorf("dropout is not supported")
				}
			}
		case "unk_token":
			if !j.null() {
				m.unk, err = j.str(key)
			}
		case "unk_id":
			if !j.null() {
				m.unkID, err = j.integer(key, maxTokens-1)
			}
		case "continuing_subword_prefix", "end_of_word_suffix":
			if !j.null() {
				var s string
				if s, err = j.str(key); err == nil && s != "" {
					err = j.errorf("a %s is not supported", key)
				}
			}
		case "fuse_unk":
			m.fuse, err = j.boolean(key)
		case "byte_fallback":
			m.byteFallback, err = j.boolean(key)
		case "ignore_merges":
			m.ignoreMerges, err = j.boolean(key)
		case "vocab":
			err = f.readVocab()
		case "merges":
			err = f.readMerges()
		default:
			err = j.errorf("the field %q of the model is not supported", key)
		}
		return err
	})
	if err != nil {
		return err
	}
	if m.kind == "" {
		if m.kind = "BPE"; f.scores != nil {
			m.kind = "Unigram"
		}
	}
	if len(f.vocab.names) == 0 {
		return j.errorf("the vocabulary is empty")
	}
	if (m.kind == "Unigram") != (f.scores != nil) {
		return j.errorf("the vocabulary is not one of the model %s", m.kind)
	}
	return nil
}

// readVocab reads {"token": id, ...} or [["token", score], ...].
func (f *hfFile) readVocab() error {
	j := f.j
	// The shortest entry has seven bytes; those of published files have 18 on average.
	f.vocab = newVocabulary(min((len(j.s)-j.at)/32, 1<<19))
	if j.next() == '{' {
		return j.object("the vocabulary", func(name string) error {
			id, err := j.integer("the id of a token", maxTokens-1)
			if err == nil {
				if err = f.vocab.add(name, id); err != nil {
					err = j.errorf("%v", err)
				}
			}
			return err
		})
	}
	f.scores = []float64{}
	return j.array("the vocabulary", func(i int) error {
		err := j.array("a token and its score", func(k int) (err error) {
			switch k {
			case 0:
				var name string
				if name, err = j.str("a token"); err == nil {
					if err = f.vocab.add(name, i); err != nil {
						err = j.errorf("%v", err)
					}
				}
			case 1:
				var s float64
				s, err = j.float("the score of a token")
				f.scores = append(f.scores, s)
			default:
				err = j.errorf("a token has more than a score")
			}
			return err
		})
		if err == nil && len(f.scores) != i+1 {
			err = j.errorf("token %d has no score", i)
		}
		return err
	})
}

// readMerges reads ["a b", ...] or [["a", "b"], ...].
func (f *hfFile) readMerges() error {
	j := f.j
	f.merges = make([]hfMerge, 0, min((len(j.s)-j.at)/16, 1<<20))
	return j.array("merges", func(int) (err error) {
		var m hfMerge
		if j.next() == '"' {
			var s string
			if s, err = j.str("a merge"); err != nil {
				return err
			}
			var ok bool
			if m.left, m.right, ok = strings.Cut(s, " "); !ok || strings.Contains(m.right, " ") {
				return j.errorf("the merge %.40q is not of two parts", s)
			}
		} else {
			n := 0
			err = j.array("a merge", func(i int) (err error) {
				switch n = i + 1; i {
				case 0:
					m.left, err = j.str("a part of a merge")
				case 1:
					m.right, err = j.str("a part of a merge")
				default:
					err = j.errorf("a merge has more than two parts")
				}
				return err
			})
			if err == nil && n != 2 {
				err = j.errorf("a merge has less than two parts")
			}
		}
		f.merges = append(f.merges, m)
		return err
	})
}

// build makes the model and the texts of tokens.
func (f *hfFile) build() error {
	t, v := f.t, f.vocab
	v.own()
	switch f.model.kind {
	case "BPE":
		if err := f.buildBPE(); err != nil {
			return err
		}
	case "Unigram":
		if err := f.buildUnigram(); err != nil {
			return err
		}
	}
	if !f.bytes {
		t.joins = joinsOf(v.names)
	}
	size := len(v.names)
	for _, a := range f.added {
		size = max(size, int(a.id)+1)
	}
	t.text = make([]string, size)
	for id, name := range v.names {
		t.text[id] = f.tokenText(name)
	}
	return f.buildAdded()
}

func (f *hfFile) buildBPE() error {
	v, m := f.vocab, f.model
	b := v.bpe(f.bytes)
	if m.unk != "" {
		if b.unk = v.id(m.unk); b.unk == none {
			return f.j.errorf("the unk_token %q is no token of the vocabulary", m.unk)
		}
	}
	if m.fuse {
		f.t.unk = b.unk
	}
	b.skip = true
	if m.byteFallback {
		b.fallback, _ = v.fallback()
	}
	if m.ignoreMerges {
		b.whole = map[string]int32{}
		var buf []byte
		for id, name := range v.names {
			if !f.bytes {
				b.whole[name] = int32(id)
				continue
			}
			var ok bool
			if buf, ok = appendBytes(buf[:0], name); ok {
				b.whole[string(buf)] = int32(id)
			}
		}
		delete(b.whole, "")
	}
	err := v.mergeList(b, len(f.merges), func(i int) (string, string, error) { return f.merges[i].left, f.merges[i].right, nil })
	if err != nil {
		return f.j.errorf("%v", err)
	}
	f.t.model = b
	return nil
}

// unkPenalty is subtracted from the lowest score of a token to get the score of an unknown
// character.
const unkPenalty = 10

func (f *hfFile) buildUnigram() error {
	v, m := f.vocab, f.model
	if m.unkID == none || m.unkID >= len(v.names) {
		return f.j.errorf("a Unigram model without unk_id is not supported")
	}
	u := &unigram{pieces: newTrie(len(v.names)), scores: f.scores, unk: int32(m.unkID), unkScore: slices.Min(f.scores) - unkPenalty}
	for id, name := range v.names {
		u.pieces.add(name, int32(id))
	}
	u.fallback[0] = none
	if fallback, all := v.fallback(); all && m.byteFallback {
		u.fallback = fallback
	}
	f.t.model, f.t.unk = u, u.unk
	return nil
}

// checkAdded returns an error if an added token has the id of another token, or two ids. Hugging
// Face's library then gives it an id that is not the file's.
func (f *hfFile) checkAdded(a hfAdded) error {
	t, v := f.t, f.vocab
	other, taken := t.names[int(a.id)]
	if !taken && int(a.id) < len(v.names) {
		other = v.names[a.id]
	}
	if other != "" && other != a.text {
		return f.j.errorf("the added token %.40q has the id %d of %.40q", a.text, a.id, other)
	}
	id, twice := t.ids[a.text]
	if !twice {
		id = int(v.id(a.text))
	}
	if id != none && id != int(a.id) {
		return f.j.errorf("the added token %.40q has the ids %d and %d", a.text, id, a.id)
	}
	return nil
}

// buildAdded makes the added tokens.
func (f *hfFile) buildAdded() error {
	t := f.t
	t.ids, t.names = map[string]int{}, map[int]string{}
	var raw, normalized []added
	for _, a := range f.added {
		if err := f.checkAdded(a); err != nil {
			return err
		}
		t.ids[a.text] = int(a.id)
		t.names[int(a.id)] = a.text
		if t.text[a.id] = a.text; a.special {
			t.text[a.id] = ""
		}
		if !a.normalized {
			raw = append(raw, a.added)
			continue
		}
		text := aligned{s: a.text, plain: true}
		for _, n := range t.normalize {
			if err := n.apply(&text); err != nil {
				return err
			}
		}
		if a.added.text = text.s; text.s != "" {
			normalized = append(normalized, a.added)
		}
	}
	t.raw, t.normalized = newAdded(raw), newAdded(normalized)
	return nil
}

// special finds the tokens that the file adds before and after a text.
func (f *hfFile) special() error {
	if f.post == nil {
		return nil
	}
	return f.processor(f.post)
}

func (f *hfFile) processor(c *component) error {
	s := &f.t.special
	id := func(name string) int {
		if id, ok := f.t.ids[name]; ok {
			return id
		}
		return int(f.vocab.id(name))
	}
	switch c.kind {
	case "ByteLevel": // it affects offsets only
		return nil
	case "Sequence":
		for _, p := range c.parts("processors") {
			if err := f.processor(p); err != nil {
				return err
			}
		}
	case "TemplateProcessing":
		list, _ := c.get("single").([]any)
		tokens, _ := c.get("special_tokens").(map[string]any)
		text := false
		for _, v := range list {
			part, _ := v.(map[string]any)
			if _, is := part["Sequence"]; is {
				text = true
			}
			tok, is := part["SpecialToken"].(map[string]any)
			if !is {
				continue
			}
			name, _ := tok["id"].(string)
			defined, _ := tokens[name].(map[string]any)
			ids, _ := defined["ids"].([]any)
			if len(ids) != 1 {
				return c.fail("the special token %q: want one id", name)
			}
			id, _ := ids[0].(float64)
			if id != float64(int(id)) || id < 0 || id >= maxTokens {
				return c.fail("the special token %q has the id %v", name, ids[0])
			}
			if text {
				s.EOS, s.AddEOS = int(id), true
			} else {
				s.BOS, s.AddBOS = int(id), true
			}
		}
	case "BertProcessing", "RobertaProcessing":
		for key, set := range map[string]func(int){"cls": func(id int) { s.BOS, s.AddBOS = id, true }, "sep": func(id int) { s.EOS, s.AddEOS = id, true }} {
			pair, _ := c.get(key).([]any)
			if len(pair) != 2 {
				return c.fail("%s: want a token and its id", key)
			}
			name, _ := pair[0].(string)
			set(id(name))
		}
	default:
		return c.unsupported()
	}
	for _, id := range []int{s.BOS, s.EOS} {
		if id >= len(f.t.text) {
			return c.fail("a special token is not in the vocabulary")
		}
	}
	return c.err
}
