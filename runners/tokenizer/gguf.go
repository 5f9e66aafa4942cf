package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// Metadata is the part of a GGUF file that FromGGUF reads: values by key. ok is false if the key is
// missing; a value of another type is an error. *gguf.File implements it.
type Metadata interface {
	String(key string) (s string, ok bool, err error)
	Bool(key string) (x, ok bool, err error)
	Uint(key string) (x uint64, ok bool, err error)
	Strings(key string) (s []string, ok bool, err error)
	Floats(key string) (x []float64, ok bool, err error)
	Uints(key string) (x []uint64, ok bool, err error)
}

// The types of tokens in tokenizer.ggml.token_type.
const (
	typeNormal  = 1
	typeUnknown = 2
	typeControl = 3
	typeUser    = 4
	typeUnused  = 5
	typeByte    = 6
)

// ggufReader reads metadata and keeps the first error.
type ggufReader struct {
	Metadata
	err error
}

func (r *ggufReader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

const ggml = "tokenizer.ggml."

func (r *ggufReader) str(key string) string {
	s, _, err := r.String(key)
	r.keep(err)
	return s
}

func (r *ggufReader) boolean(key string, missing bool) bool {
	x, ok, err := r.Bool(ggml + key)
	if r.keep(err); !ok || err != nil {
		return missing
	}
	return x
}

// token returns the id of a special token, or a default if the key is missing or not an id of the
// vocabulary.
func (r *ggufReader) token(key string, missing, size int) int {
	x, ok, err := r.Uint(ggml + key)
	if r.keep(err); !ok || err != nil || x >= uint64(size) {
		if missing >= size {
			return none
		}
		return missing
	}
	return int(x)
}

// ggufVocab is the vocabulary of a GGUF file.
type ggufVocab struct {
	*ggufReader
	*vocabulary
	t      *Subword
	model  string
	types  []uint64
	scores []float64
}

// FromGGUF makes the tokenizer that the metadata of a GGUF file describes. Like llama.cpp, it
// applies no Unicode normalization except that of Unigram models, and for byte-level BPE it uses
// the patterns named by tokenizer.ggml.pre. name is for errors.
func FromGGUF(name string, m Metadata) (*Subword, error) {
	t, err := fromGGUF(name, &ggufReader{Metadata: m})
	if err == nil {
		return t, nil
	}
	if !strings.HasPrefix(err.Error(), name+": ") { // as errors of the metadata do
		err = fmt.Errorf("%s: %w", name, err)
	}
	return nil, err
}

func fromGGUF(name string, r *ggufReader) (*Subword, error) {
	t := &Subword{file: name, unk: none}
	v := &ggufVocab{ggufReader: r, t: t, model: r.str(ggml + "model")}
	if err := v.read(); err != nil {
		return nil, err
	}
	var err error
	switch v.model {
	case "gpt2", "gemma4":
		err = v.bytePairs()
	case "llama":
		err = v.sentencePiece()
	case "t5":
		err = v.unigram()
	case "":
		err = fmt.Errorf("%smodel is missing: the file has no tokenizer", ggml)
	case "bert":
		err = fmt.Errorf("%smodel is bert (WordPiece), which is not supported", ggml)
	default:
		err = fmt.Errorf("%smodel is %q, which is not supported (supported: gpt2, gemma4, llama, t5)", ggml, v.model)
	}
	if err == nil {
		err = r.err
	}
	if err != nil {
		return nil, err
	}
	v.addTokens()
	return t, r.err
}

// read reads the tokens, their types and scores.
func (v *ggufVocab) read() error {
	names, ok, err := v.Strings(ggml + "tokens")
	if err != nil || !ok || len(names) == 0 {
		if err == nil && v.model != "" {
			err = fmt.Errorf("%stokens is missing", ggml)
		}
		return err
	}
	v.vocabulary = newVocabulary(len(names))
	for id, name := range names {
		if name == "" {
			name = fmt.Sprintf("[EMPTY_%d]", id)
		}
		if err := v.add(name, id); err != nil {
			return err
		}
	}
	types, ok, err := v.Uints(ggml + "token_type")
	if v.keep(err); err == nil && ok && len(types) < len(names) {
		return fmt.Errorf("%stoken_type has %d values for %d tokens", ggml, len(types), len(names))
	}
	if v.types = types; !ok {
		v.types = slices.Repeat([]uint64{typeNormal}, len(names))
	}
	v.scores, ok, err = v.Floats(ggml + "scores")
	if v.keep(err); err == nil && ok && len(v.scores) < len(names) {
		return fmt.Errorf("%sscores has %d values for %d tokens", ggml, len(v.scores), len(names))
	}
	if v.scores == nil {
		v.scores = make([]float64, len(names))
	}
	for id, s := range v.scores {
		if s != s || s-s != 0 {
			return fmt.Errorf("the score of token %d is %v", id, s)
		}
	}
	return v.err
}

// bytePairs makes BPE with a list of merges.
func (v *ggufVocab) bytePairs() error {
	pre := v.str(ggml + "pre")
	if v.model == "gemma4" {
		pre = "gemma4"
	}
	if pre == "" {
		pre = "default" // as llama.cpp does, with a warning
		v.t.note = "the file does not name its pre-tokenizer (" + ggml + "pre): texts are split by llama.cpp's default patterns, and ids may differ from the model's own"
	}
	p, ok := ggufPre[pre]
	if !ok {
		return fmt.Errorf("%spre is %q, which is not supported", ggml, pre)
	}
	t := v.t
	for _, expr := range p.patterns {
		c, err := compilePattern(expr)
		if err != nil {
			return err
		}
		t.pre = append(t.pre, split{pattern: c})
	}
	b := v.bpe(!p.spaces)
	if p.spaces {
		t.normalize = append(t.normalize, replace{literal(" "), "▁"})
		b.fallback, _ = v.fallback()
		t.joins = joinsOf(v.names)
	}
	merges, ok, err := v.Strings(ggml + "merges")
	if err != nil || !ok {
		if err == nil {
			err = fmt.Errorf("%smerges is missing", ggml)
		}
		return err
	}
	err = v.mergeList(b, len(merges), func(i int) (string, string, error) {
		// A part may begin with a space.
		if at := strings.IndexByte(merges[i][min(1, len(merges[i])):], ' '); at >= 0 {
			return merges[i][:at+1], merges[i][at+2:], nil
		}
		return "", "", fmt.Errorf("the merge %.40q is not of two parts", merges[i])
	})
	if err != nil {
		return err
	}
	switch {
	case p.ignoreMerges:
		b.whole = map[string]int32{}
		for id, name := range v.names {
			if s, ok := appendBytes(nil, name); ok && len(s) > 0 {
				b.whole[string(s)] = int32(id)
			}
		}
	case p.spaces:
		b.whole = map[string]int32{} // it concerns lines only
		for id, name := range v.names {
			if strings.Trim(name, "\n") == "" {
				b.whole[name] = int32(id)
			}
		}
	}
	t.model = b
	t.texts(v.names, func(name string) string {
		if p.spaces {
			return spacedText(name)
		}
		if s, ok := appendBytes(nil, name); ok {
			return string(s)
		}
		return name
	})
	s := &t.special
	s.BOS, s.EOS = v.tokenID("bos_token_id", 11), v.tokenID("eos_token_id", 11)
	s.AddBOS, s.AddEOS = v.boolean("add_bos_token", p.addBOS), v.boolean("add_eos_token", false)
	if p.noBOS {
		s.BOS = v.tokenID("bos_token_id", none)
	}
	s.AddBOS = s.AddBOS || v.model == "gemma4" // llama.cpp always adds it, regardless of the file
	return nil
}

func (v *ggufVocab) tokenID(key string, missing int) int {
	return v.token(key, missing, len(v.names))
}

// sentencePiece makes SentencePiece's BPE, which merges by score.
func (v *ggufVocab) sentencePiece() error {
	b := v.bpe(false)
	ranks := ranksOf(v.scores)
	if err := v.mergeAll(b, v.names, func(id int) uint32 { return ranks[id] }); err != nil {
		return err
	}
	b.fallback, _ = v.fallback()
	t := v.t
	if v.boolean("add_space_prefix", true) {
		t.normalize = append(t.normalize, prefix{text: " "})
	}
	t.normalize = append(t.normalize, replace{literal(" "), "▁"})
	t.model, t.joins = b, joinsOf(v.names)
	t.texts(v.names, spacedText)
	s := &t.special
	s.BOS, s.EOS = v.tokenID("bos_token_id", 1), v.tokenID("eos_token_id", 2)
	s.AddBOS, s.AddEOS = v.boolean("add_bos_token", true), v.boolean("add_eos_token", false)
	return nil
}

// unigram makes Unigram.
func (v *ggufVocab) unigram() error {
	t := v.t
	u := &unigram{pieces: newTrie(len(v.names)), scores: v.scores, unk: int32(v.tokenID("unknown_token_id", 2))}
	if u.unk == none {
		return fmt.Errorf("%sunknown_token_id is missing", ggml)
	}
	low := 0.0
	for id, name := range v.names {
		switch v.types[id] {
		case typeNormal:
			low = min(low, v.scores[id])
		case typeUser:
			u.scores[id] = 0
		case typeUnused:
		default:
			continue
		}
		u.pieces.add(name, int32(id))
	}
	u.unkScore, u.fallback[0] = low-unkPenalty, none
	t.model, t.unk, t.joins = u, u.unk, joinsOf(v.names)
	table, ok, err := v.Uints(ggml + "precompiled_charsmap")
	if err != nil {
		return err
	}
	if ok {
		data := make([]byte, len(table))
		for i, x := range table {
			data[i] = byte(x)
		}
		m, err := parseCharsmap(data)
		if err != nil {
			return err
		}
		if m != nil {
			t.normalize = append(t.normalize, m)
		}
	}
	t.normalize = append(t.normalize, spaces{v.boolean("remove_extra_whitespaces", false), v.boolean("add_space_prefix", false)})
	t.texts(v.names, spacedText)
	s := &t.special
	s.BOS, s.EOS = v.tokenID("bos_token_id", none), v.tokenID("eos_token_id", 1)
	s.AddBOS, s.AddEOS = v.boolean("add_bos_token", false), v.boolean("add_eos_token", true)
	return nil
}

// spacedText returns the text of a SentencePiece token.
func spacedText(name string) string {
	if b, ok := byteOf(name); ok {
		return string([]byte{b})
	}
	return strings.ReplaceAll(name, "▁", " ")
}

// texts sets the text of each token.
func (t *Subword) texts(names []string, text func(string) string) {
	t.ids, t.names = map[string]int{}, map[int]string{}
	t.text = make([]string, len(names))
	for id, name := range names {
		t.text[id] = text(name)
	}
}

// controlNames are the tokens that llama.cpp treats as control tokens regardless of their type.
var controlNames = slices.Concat(endNames, []string{
	"<|flush|>", "<|calls|>", "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
	"<|prefix|>", "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>",
	"<|suffix|>", "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>",
	"<|middle|>", "<|fim_pad|>", "<fim-pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
	"<reponame>", "<|file_sep|>",
})

// addTokens makes the added tokens: control and unknown tokens, which are special, and user-defined
// ones.
func (v *ggufVocab) addTokens() {
	t := v.t
	for _, name := range controlNames {
		if id := v.id(name); id != none && v.types[id] != typeUser {
			v.types[id] = typeControl
		}
	}
	if _, ok := v.ids["<|tool_response>"]; ok {
		if id := v.id("</s>"); id != none {
			v.types[id] = typeNormal
		}
	}
	arch, model := v.str("general.architecture"), strings.ToLower(v.str("general.name"))
	phi3 := strings.Contains(model, "phi-3") || strings.Contains(model, "phi3")
	var list []added
	for id, name := range v.names {
		a := added{id: int32(id), text: name}
		switch v.types[id] {
		case typeControl, typeUnknown:
			a.special = true
			t.text[id], t.names[id] = "", name
		case typeUser:
			t.text[id] = name
			if v.model != "gpt2" {
				t.text[id] = spacedText(name)
			}
		default:
			continue
		}
		a.lstrip = name == "<mask>" && (arch == "nomic-bert-moe" || arch == "jina-bert-v3")
		a.rstrip = phi3 && name != "<unk>" && name != "<s>" && name != "<|endoftext|>"
		t.ids[name] = id
		list = append(list, a)
	}
	t.raw, t.normalized = newAdded(list), newAdded(nil)
	s := &t.special
	s.ChatTemplate = v.str("tokenizer.chat_template")
	for _, key := range []string{"eot_token_id", "eom_token_id"} {
		if id := v.tokenID(key, none); id >= 0 {
			s.End = append(s.End, id)
		}
	}
	t.findEnds(func(id int) bool { return v.types[id] == typeControl })
}
