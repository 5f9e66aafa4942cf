package tokenizer

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The normalizers, pre-tokenizers and decoders of tokenizer.json.

func (f *hfFile) normalizers(c *component) (list []normalizer, err error) {
	var n normalizer
	switch c.kind {
	case "Sequence":
		for _, p := range c.parts("normalizers") {
			part, err := f.normalizers(p)
			if err != nil {
				return nil, err
			}
			list = append(list, part...)
		}
		return list, c.done()
	case "NFC":
		n = form(norm.NFC)
	case "NFD":
		n = form(norm.NFD)
	case "NFKC":
		n = form(norm.NFKC)
	case "NFKD":
		n = form(norm.NFKD)
	case "Lowercase":
		n = eachRune(lowercase)
	case "StripAccents":
		n = eachRune(stripAccents)
	case "Strip":
		n = strip{c.boolean("strip_left", true), c.boolean("strip_right", true)}
	case "Prepend":
		n = prefix{text: c.str("prepend", "")}
	case "Replace":
		n = replace{c.pattern("pattern"), c.str("content", "")}
	case "ByteLevel":
		f.bytes = true
		return nil, c.done()
	case "Precompiled":
		data, err := base64.StdEncoding.DecodeString(c.str("precompiled_charsmap", ""))
		if err != nil {
			return nil, c.fail("precompiled_charsmap: %v", err)
		}
		m, err := parseCharsmap(data)
		if err != nil {
			return nil, c.fail("%v", err)
		}
		n = graphemes{m}
	default:
		return nil, c.unsupported()
	}
	return []normalizer{n}, c.done()
}

func (c *component) behavior() behavior {
	switch s := c.str("behavior", "Isolated"); s {
	case "Isolated":
		return isolated
	case "Removed":
		return removed
	case "MergedWithPrevious":
		return withPrev
	case "MergedWithNext":
		return withNext
	case "Contiguous":
		return contiguous
	default:
		c.fail("the behavior %q is not supported", s)
		return isolated
	}
}

// gpt2 is the pattern of GPT-2, with which ByteLevel splits.
const gpt2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// preTokenizers adds the steps of a pre-tokenizer.
func (f *hfFile) preTokenizers(c *component) error {
	t := f.t
	add := func(p pattern, b behavior, invert bool) {
		if f.bytes { // an earlier step mapped the text
			p = mapped{p}
		}
		t.pre = append(t.pre, split{p, b, invert})
	}
	switch c.kind {
	case "Sequence":
		parts := c.parts("pretokenizers")
		if len(parts) == 2 && parts[0].kind == "WhitespaceSplit" && parts[1].kind == "Metaspace" {
			return f.spacedWords(c, parts[1])
		}
		for _, p := range parts {
			if err := f.preTokenizers(p); err != nil {
				return err
			}
		}
	case "ByteLevel":
		if c.boolean("add_prefix_space", true) {
			if err := f.addPrefix(c, prefix{text: " ", absent: true}); err != nil {
				return err
			}
		}
		if c.boolean("use_regex", true) {
			p, err := compilePattern(gpt2)
			if err != nil {
				return err
			}
			add(p, isolated, false)
		}
		c.boolean("trim_offsets", true)
		f.bytes = true
	case "Split":
		add(c.pattern("pattern"), c.behavior(), c.boolean("invert", false))
	case "Digits":
		individual := c.boolean("individual_digits", false)
		add(runeSet{unicode.IsNumber, !individual}, isolated, false)
	case "Punctuation":
		add(runeSet{punctuation, false}, c.behavior(), false)
	case "WhitespaceSplit":
		add(runeSet{unicode.IsSpace, true}, removed, false)
	case "Whitespace":
		p, err := compilePattern(`[\p{L}\p{M}\p{Nd}\p{Pc}]+|[^\p{L}\p{M}\p{Nd}\p{Pc}\s]+`)
		if err != nil {
			return err
		}
		add(p, removed, true)
	case "Metaspace":
		return f.metaspace(c)
	default:
		return c.unsupported()
	}
	return c.done()
}

func punctuation(r rune) bool {
	return unicode.IsPunct(r) || r < 0x80 && unicode.IsSymbol(r)
}

// addPrefix adds a step that puts a prefix before the text. It runs before all splits.
func (f *hfFile) addPrefix(c *component, n normalizer) error {
	if len(f.t.pre) > 0 {
		return c.fail("a prefix after another pre-tokenizer is not supported")
	}
	f.t.prefixes = append(f.t.prefixes, n)
	return nil
}

// metaspace writes spaces as ▁, puts one before the text, and splits the text before each ▁.
func (f *hfFile) metaspace(c *component) error {
	mark := c.str("replacement", "▁")
	c.str("str_rep", "")
	scheme := "always"
	if !c.boolean("add_prefix_space", true) {
		scheme = "never"
	}
	scheme = c.str("prepend_scheme", scheme)
	if mark == "" {
		return c.fail("the replacement is empty")
	}
	if err := f.addPrefix(c, replace{literal(" "), mark}); err != nil {
		return err
	}
	switch scheme {
	case "always", "first":
		f.t.prefixes = append(f.t.prefixes, prefix{text: mark, absent: true, first: scheme == "first"})
	case "never":
	default:
		return c.fail("the prepend_scheme %q is not supported", scheme)
	}
	if c.boolean("split", true) {
		f.t.pre = append(f.t.pre, split{pattern: literal(mark), behavior: withNext})
	}
	return c.done()
}

// spacedWords is WhitespaceSplit and then Metaspace: each word with a ▁ before it.
func (f *hfFile) spacedWords(c, meta *component) error {
	if scheme := meta.str("prepend_scheme", "always"); meta.str("replacement", "▁") != "▁" || scheme != "always" || !meta.boolean("add_prefix_space", true) {
		return meta.fail("after WhitespaceSplit it is supported with ▁ before each word only")
	}
	meta.boolean("split", true)
	meta.str("str_rep", "")
	err := f.addPrefix(c, eachRune(func(r rune, s string) string {
		if unicode.IsSpace(r) {
			return " "
		}
		return s
	}))
	if err != nil {
		return err
	}
	f.t.prefixes = append(f.t.prefixes, spaces{merge: true})
	f.t.pre = append(f.t.pre, split{pattern: literal("▁"), behavior: withNext})
	if err := meta.done(); err != nil {
		return err
	}
	return c.done()
}

// decoders reads how tokens are converted to text. Special treatment of the first token is ignored.
func (f *hfFile) decoders(c *component) error {
	switch c.kind {
	case "Sequence":
		for _, p := range c.parts("decoders") {
			if err := f.decoders(p); err != nil {
				return err
			}
		}
	case "ByteLevel":
		f.decodesByteLevel = true
		c.used = append(c.used, "add_prefix_space", "trim_offsets", "use_regex")
	case "ByteFallback":
		f.decodesBytes = true
	case "Replace":
		p, text := c.pattern("pattern"), c.str("content", "")
		if p != nil {
			f.decode = append(f.decode, func(s string) string {
				a := aligned{s: s, plain: true}
				if err := (replace{p, text}).apply(&a); err != nil {
					return s
				}
				return a.s
			})
		}
	case "Metaspace":
		mark := c.str("replacement", "▁")
		c.used = append(c.used, "add_prefix_space", "prepend_scheme", "split", "str_rep")
		f.decode = append(f.decode, func(s string) string { return strings.ReplaceAll(s, mark, " ") })
	case "Fuse":
	case "Strip":
		c.used = append(c.used, "content", "start", "stop")
	default:
		return c.unsupported()
	}
	return c.done()
}

// tokenText returns the text to which a token of the vocabulary decodes.
func (f *hfFile) tokenText(name string) string {
	if f.decodesByteLevel {
		if b, ok := appendBytes(nil, name); ok {
			return string(b)
		}
		return name
	}
	for _, d := range f.decode {
		name = d(name)
	}
	if b, ok := byteOf(name); ok && f.decodesBytes {
		return string([]byte{b})
	}
	return name
}

// hfConfig holds the fields used of tokenizer_config.json.
type hfConfig struct {
	tokens map[string]string // bos_token, eos_token
	adds   map[string]bool   // add_bos_token, add_eos_token
}

// readConfig reads a tokenizer_config.json.
func (t *Subword) readConfig(name string, config []byte) error {
	j, err := newJSON(name+" (tokenizer_config.json)", config)
	if err != nil {
		return err
	}
	c := hfConfig{map[string]string{}, map[string]bool{}}
	err = j.object("the configuration", func(key string) (err error) {
		if j.null() {
			return nil
		}
		switch key {
		case "bos_token", "eos_token":
			v, err := j.value(key)
			if m, ok := v.(map[string]any); ok {
				v = m["content"]
			}
			s, ok := v.(string)
			if err == nil && !ok {
				err = j.errorf("%s is neither a string nor a token", key)
			}
			c.tokens[key] = s
			return err
		case "add_bos_token", "add_eos_token":
			c.adds[key], err = j.boolean(key)
			return err
		case "chat_template":
			v, err := j.value(key)
			if err != nil {
				return err
			}
			var ok bool
			if t.special.ChatTemplate, ok = chatTemplate(v); !ok {
				return j.errorf("%s is neither a string nor an array of {name, template}", key)
			}
			return nil
		}
		return j.skip(key)
	})
	if err == nil {
		err = j.end()
	}
	if err != nil {
		return err
	}
	s := &t.special
	for _, e := range []struct {
		token, add string
		id         *int
		adds       *bool
	}{{"bos_token", "add_bos_token", &s.BOS, &s.AddBOS}, {"eos_token", "add_eos_token", &s.EOS, &s.AddEOS}} {
		if text := c.tokens[e.token]; text != "" {
			id, ok := t.ids[text]
			if !ok {
				if id = slices.Index(t.text, text); id < 0 {
					return j.errorf("the %s %q is no token of tokenizer.json", e.token, text)
				}
			}
			*e.id = id
		}
		if add, ok := c.adds[e.add]; ok {
			if *e.adds = add; add && *e.id < 0 {
				return j.errorf("%s is true, but there is no %s", e.add, e.token)
			}
		}
	}
	return nil
}

// chatTemplate reads a field that is a template or a list of named ones, and returns the one named
// default, "" if there is none. ok is false if the field is something else.
func chatTemplate(v any) (text string, ok bool) {
	if s, ok := v.(string); ok {
		return s, true
	}
	list, ok := v.([]any)
	for _, e := range list {
		m, _ := e.(map[string]any)
		name, isName := m["name"].(string)
		template, isText := m["template"].(string)
		if name == "default" {
			text = template
		}
		ok = ok && isName && isText
	}
	return text, ok
}
