package tokenizer

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// hfCases returns the tokenizers of testdata/hf.json, which tools/fixtures/tokenizers.py generates.
type hfCases struct {
	By    string
	Texts []string
	Cases []struct {
		Name      string
		Tokenizer json.RawMessage
		Special   [][]int
		Plain     map[string][]int
	}
}

var readOnce = sync.OnceValues(func() (c hfCases, err error) {
	b, err := os.ReadFile("testdata/hf.json")
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	return c, err
})

func readCases(t testing.TB) hfCases {
	t.Helper()
	c, err := readOnce()
	if err != nil || len(c.Cases) == 0 {
		t.Fatal("testdata/hf.json has no cases", err)
	}
	return c
}

// testCase is a tokenizer of testdata/hf.json.
func testCase(t testing.TB, name string) *Subword {
	t.Helper()
	for _, c := range readCases(t).Cases {
		if c.Name == name {
			tok, err := ParseHF(name, c.Tokenizer, nil)
			if err != nil {
				t.Fatal(err)
			}
			return tok
		}
	}
	t.Fatalf("testdata/hf.json has no %q", name)
	return nil
}

// All kinds of normalizers and pre-tokenizers give the same ids as Hugging Face's library.
func TestHuggingFace(t *testing.T) {
	cases := readCases(t)
	for _, c := range cases.Cases {
		t.Run(c.Name, func(t *testing.T) {
			tok, err := ParseHF(c.Name, c.Tokenizer, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range cases.Texts {
				want := c.Special[i]
				if got, err := tok.EncodeSpecial(s); err != nil || !slices.Equal(got, want) {
					t.Errorf("%q with special tokens: %v %q, %v; want %v %q", s, got, decodeEach(tok, got), err, want, decodeEach(tok, want))
				}
				if plain, ok := c.Plain[strconv.Itoa(i)]; ok {
					want = plain
				}
				got := tok.Encode(s)
				if !slices.Equal(got, want) {
					t.Errorf("%q: %v %q, want %v %q", s, got, decodeEach(tok, got), want, decodeEach(tok, want))
				}
				ids, ends := tok.Spans(s)
				if !slices.Equal(ids, got) || len(ids) != len(ends) || !slices.IsSorted(ends) || len(ends) > 0 && (ends[0] < 0 || ends[len(ends)-1] != len(s)) {
					t.Errorf("%q: the spans %v end at %v", s, ids, ends)
				}
			}
		})
	}
}

func decodeEach(t *Subword, ids []int) (s []string) {
	for _, id := range ids {
		s = append(s, t.Token(id))
	}
	return s
}

// Special tokens are reported, and are plain text unless EncodeSpecial is used.
func TestSpecial(t *testing.T) {
	tok := testCase(t, "prefix, NFC, ignore_merges")
	s := tok.Special()
	if s.BOS != 600 || s.EOS != 601 || !s.AddBOS || !s.AddEOS || !slices.Equal(s.End, []int{601}) {
		t.Errorf("special tokens %+v", s)
	}
	if got := s.Around([]int{5}); !slices.Equal(got, []int{600, 5, 601}) {
		t.Errorf("Around gives %v", got)
	}
	tok = testCase(t, "gpt2")
	id, ok := tok.ID("<|im_end|>")
	if !ok || tok.Token(id) != "<|im_end|>" || tok.Decode([]int{id}) != "\uFFFD" || !slices.Contains(tok.Special().End, id) {
		t.Errorf("<|im_end|> is %d, %v, %q, %q", id, ok, tok.Token(id), tok.Decode([]int{id}))
	}
	if slices.Contains(tok.Encode("a<|im_end|>"), id) {
		t.Error("text became a control token")
	}
	if ids, err := tok.EncodeSpecial("a<|im_end|>"); err != nil || !slices.Contains(ids, id) {
		t.Errorf("ids %v, %v, want %d among them", ids, err, id)
	}
	if got := tok.Decode([]int{-1, tok.Vocab(), 1 << 40}); got != "\uFFFD\uFFFD\uFFFD" {
		t.Errorf("ids outside the vocabulary decode to %q", got)
	}
}

// minimal is the smallest tokenizer.json that is accepted.
const minimal = `{"version":"1.0","added_tokens":[{"id":3,"content":"<s>","special":true}],"normalizer":null,
"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},
"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`

func TestTokenizerConfig(t *testing.T) {
	for config, want := range map[string]Special{
		`{}`: {BOS: -1, EOS: -1},
		`{"bos_token":"<s>","add_bos_token":true,"chat_template":"t"}`:                      {BOS: 3, EOS: -1, AddBOS: true, ChatTemplate: "t"},
		`{"eos_token":{"content":"<s>"},"bos_token":null}`:                                  {BOS: -1, EOS: 3, End: []int{3}},
		`{"chat_template":[{"name":"x","template":"a"},{"name":"default","template":"b"}]}`: {BOS: -1, EOS: -1, ChatTemplate: "b"},
	} {
		tok, err := ParseHF("t", []byte(minimal), []byte(config))
		if err != nil {
			t.Errorf("%s: %v", config, err)
			continue
		}
		s := tok.Special()
		if s.BOS != want.BOS || s.EOS != want.EOS || s.AddBOS != want.AddBOS || s.AddEOS != want.AddEOS || s.ChatTemplate != want.ChatTemplate || !slices.Equal(s.End, want.End) {
			t.Errorf("%s: %+v, want %+v", config, s, want)
		}
	}
	for _, config := range []string{`{"bos_token":"<x>"}`, `{"add_bos_token":true}`, `{"bos_token":3}`, `{"chat_template":5}`, `{"chat_template":[{"name":"default"}]}`, `{"chat_template":{"default":"t"}}`, `[]`, `{`} {
		if _, err := ParseHF("t", []byte(minimal), []byte(config)); err == nil {
			t.Errorf("%s accepted", config)
		}
	}
}

// Unsupported settings are errors that name the setting.
func TestHuggingFaceRefused(t *testing.T) {
	if _, err := ParseHF("t.json", []byte(minimal), nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, new, want string }{
		{`"BPE"`, `"WordPiece"`, "t.json:3: the model WordPiece is not supported"},
		{`"BPE"`, `"WordLevel"`, "WordLevel"},
		{`"normalizer":null`, `"normalizer":{"type":"BertNormalizer"}`, "t.json:1: normalizer BertNormalizer is not supported"},
		{`"normalizer":null`, `"normalizer":{"type":"NFC","form":"x"}`, `the field "form" is not supported`},
		{`"normalizer":null`, `"normalizer":{"type":"Sequence","normalizers":[{"type":"Nmt"}]}`, "Nmt is not supported"},
		{`"normalizer":null`, `"normalizer":{"type":"Replace","pattern":{"Regex":"("},"content":""}`, `"("`},
		{`"normalizer":null`, `"normalizer":{"type":"Replace","pattern":{"Regex":"[a&&b]"},"content":""}`, "an intersection of sets"},
		{`"normalizer":null`, `"normalizer":{"type":"Replace","pattern":{"Regex":"(a+)+$"},"content":""}`, "too slow"},
		{`"normalizer":null`, `"normalizer":{"type":"Replace","pattern":{"Regex":"\\s*\\s*\\s*x"},"content":""}`, "too slow"},
		{`{"type":"ByteLevel","add_prefix_space":false}`, `{"type":"BertPreTokenizer"}`, "t.json:2: pre_tokenizer BertPreTokenizer is not supported"},
		{`{"type":"ByteLevel","add_prefix_space":false}`, `{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"ByteLevel"}]}`, "a prefix after another pre-tokenizer"},
		{`{"type":"ByteLevel","add_prefix_space":false}`, `{"type":"Split","pattern":{"String":"a"},"behavior":"Odd"}`, `"Odd"`},
		{`"decoder":{"type":"ByteLevel"}`, `"decoder":{"type":"WordPiece"}`, "decoder WordPiece is not supported"},
		{`"decoder":{"type":"ByteLevel"}`, `"decoder":{"type":"ByteLevel"},"post_processor":{"type":"Odd"}`, "post_processor Odd is not supported"},
		{`"merges"`, `"end_of_word_suffix":"</w>","merges"`, "end_of_word_suffix"},
		{`"merges"`, `"dropout":0.1,"merges"`, "dropout"},
		{`"merges"`, `"cache":1,"merges"`, `"cache"`},
		{`["a b"]`, `["a c"]`, "merge 0"},
		{`["a b"]`, `["a b c"]`, "not of two parts"},
		{`["a b"]`, `[["a"]]`, "less than two parts"},
		{`"b":1`, `"b":0`, "the same id 0"},
		{`"b":1`, `"a":1`, "occurs twice"},
		{`"b":1`, `"b":-1`, "want an integer from 0"},
		{`"b":1`, `"b":99999999999`, "want an integer from 0"},
		{`"version":"1.0"`, `"version":"1.0","odd":1`, `"odd"`},
		{`"version":"1.0"`, `"version":"1.0","version":"1.0"`, "twice"},
		{`["a b"]}}`, `["a b"]}} x`, "after the end"},
		{`["a b"]}}`, `["a b"]}`, "end of the text"},
		{`"a b"`, "\"a\x01b\"", "a control character"},
		{`"a b"`, "\"\xff\"", "t.json:3: the text is not valid UTF-8"},
		{`"a b"`, `"\ud800"`, "an invalid escape"},
		{`"content":"<s>"`, `"content":""`, "no id, no content"},
		{`"content":"<s>"`, `"content":"a"`, `the added token "a" has the ids 0 and `},
		{`"added_tokens":[`, `"added_tokens":[{"id":0,"content":"<t>"},`, `the added token "<t>" has the id 0 of "a"`},
		{`"added_tokens":[`, `"added_tokens":[{"id":9,"content":"<s>"},`, `the added token "<s>" has the ids 9 and `},
		{`"added_tokens":[`, `"added_tokens":[{"id":9,"content":"<t>"},{"id":9,"content":"<u>"},`, `the added token "<u>" has the id 9 of "<t>"`},
	} {
		text := strings.Replace(minimal, tt.old, tt.new, 1)
		if text == minimal {
			t.Fatalf("%s is not in the file", tt.old)
		}
		_, err := ParseHF("t.json", []byte(text), nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "t.json:") || len(err.Error()) > 300 {
			t.Errorf("%s: the error %v, want %q in it", tt.new, err, tt.want)
		}
	}
}

// A normalizer that would make a text a thousand times longer is stopped.
func TestGrowth(t *testing.T) {
	doubling := strings.Repeat(`{"type":"Replace","pattern":{"String":"a"},"content":"aa"},`, 30)
	text := strings.Replace(minimal, `"normalizer":null`, `"normalizer":{"type":"Sequence","normalizers":[`+strings.TrimSuffix(doubling, ",")+`]}`, 1)
	tok, err := ParseHF("t", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tok.Tokens(strings.Repeat("a", 1000), false); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("the error %v, want one that says what is too long", err)
	}
	if _, err := tok.Tokens("b", false); err != nil {
		t.Error(err)
	}
}
