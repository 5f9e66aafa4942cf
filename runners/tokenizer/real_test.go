package tokenizer_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/yocobench/yocobench/internal/testenv"
	"github.com/yocobench/yocobench/runners/checkpoint/gguf"
	"github.com/yocobench/yocobench/runners/tokenizer"
)

// reference is a file of testdata/real/tokens: the ids that another library made of the strings of
// texts.json.
type reference struct {
	FileSHA256 string `json:"file_sha256"`
	BOS        *struct {
		BOS    int  `json:"bos"`
		EOS    int  `json:"eos"`
		AddBOS bool `json:"add_bos"`
		AddEOS bool `json:"add_eos"`
	}
	Special [][]int
	Plain   map[string][]int
}

const realTokens = "../../testdata/real/tokens"

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// texts returns the strings of texts.json.
func texts(t testing.TB) []string {
	var all []struct{ Text string }
	readJSON(t, filepath.Join(realTokens, "texts.json"), &all)
	var s []string
	for _, x := range all {
		s = append(s, x.Text)
	}
	return s
}

// vocabulary returns the file of a published vocabulary, which tools/tokenizers.sh downloads.
func vocabulary(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("YOCOBENCH_TOKENIZERS")
	kind, _, _ := strings.Cut(name, "_")
	path := filepath.Join(dir, name+map[string]string{"gguf": ".gguf", "hf": "/tokenizer.json", "spm": ".model", "tiktoken": ".tiktoken"}[kind])
	if name == "gguf_smollm2" {
		path = os.Getenv("YOCOBENCH_SMOLLM2")
	}
	if _, err := os.Stat(path); dir == "" || err != nil {
		testenv.Missing(t, "no vocabulary %s: YOCOBENCH_TOKENIZERS=$(tools/tokenizers.sh) and YOCOBENCH_SMOLLM2=$(tools/smollm2.sh)", name)
	}
	return path
}

// published opens a published vocabulary.
func published(t testing.TB, name string) *tokenizer.Subword {
	t.Helper()
	return open(t, name, vocabulary(t, name))
}

func open(t testing.TB, name, path string) *tokenizer.Subword {
	t.Helper()
	var tok *tokenizer.Subword
	var err error
	switch kind, _, _ := strings.Cut(name, "_"); kind {
	case "gguf":
		var f *gguf.File
		if f, err = gguf.Open(path); err == nil {
			defer f.Close()
			tok, err = tokenizer.FromGGUF(name, f)
		}
	default:
		var data, config []byte
		if data, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		switch kind {
		case "hf":
			if config, err = os.ReadFile(filepath.Join(filepath.Dir(path), "tokenizer_config.json")); err == nil {
				tok, err = tokenizer.ParseHF(name, data, config)
			}
		case "spm":
			tok, err = tokenizer.ParseSentencePiece(name, data)
		case "tiktoken":
			tok, err = tokenizer.ParseRanks(name, data, tokenizer.CL100K())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// names returns the vocabularies of testdata/real/tokens.
func names(t testing.TB) (names []string) {
	files, err := filepath.Glob(filepath.Join(realTokens, "*_*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no references in "+realTokens, err)
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return names
}

// The ids of all strings are those of the library that the vocabulary is made for.
func TestPublishedVocabularies(t *testing.T) {
	strs := texts(t)
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			path := vocabulary(t, name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var ref reference
			readJSON(t, filepath.Join(realTokens, name+".json"), &ref)
			if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != ref.FileSHA256 {
				t.Fatalf("%s is not the file that the reference is of", path)
			}
			tok := open(t, name, path)
			if len(ref.Special) != len(strs) {
				t.Fatalf("ids of %d strings, want %d", len(ref.Special), len(strs))
			}
			wrong := 0
			for i, s := range strs {
				want := ref.Special[i]
				got, err := tok.EncodeSpecial(s)
				if err != nil || !slices.Equal(got, want) {
					wrong++
					t.Errorf("string %d, %q, with special tokens:\n got %v, %v\nwant %v", i, s, got, err, want)
				}
				if plain, ok := ref.Plain[strconv.Itoa(i)]; ok {
					want = plain
				}
				got = tok.Encode(s)
				if !slices.Equal(got, want) {
					wrong++
					t.Errorf("string %d, %q:\n got %v\nwant %v", i, s, got, want)
				}
				ids, ends := tok.Spans(s)
				if !slices.Equal(ids, got) || len(ends) != len(ids) || !slices.IsSorted(ends) || len(ends) > 0 && ends[len(ends)-1] != len(s) {
					t.Errorf("string %d, %q: spans %v that end at %v, want ids %v", i, s, ids, ends, got)
				}
			}
			t.Logf("%d strings, %d wrong", len(strs), wrong)
			if b := ref.BOS; b != nil {
				if s := tok.Special(); s.BOS != b.BOS || s.EOS != b.EOS || s.AddBOS != b.AddBOS || s.AddEOS != b.AddEOS {
					t.Errorf("special tokens %+v, want %+v", s, *b)
				}
			}
		})
	}
}

// The ids of the YOCO reference are those of cl100k_base plus 4, except for the special tokens that
// only the reference has.
func TestYOCO(t *testing.T) {
	path := vocabulary(t, "tiktoken_cl100k_base")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	yoco, err := tokenizer.ParseRanks(path, data, tokenizer.YOCO())
	if err != nil {
		t.Fatal(err)
	}
	plain := open(t, "tiktoken_cl100k_base", path)
	for _, s := range texts(t) {
		want := plain.Encode(s)
		for i := range want {
			want[i] += 4
		}
		if got := yoco.Encode(s); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
	ids, err := yoco.EncodeSpecial("<fim_prefix>a<commit_after><|endofprompt|>")
	// <commit_after> is 100281, the last of cl100k_im.
	if err != nil || !slices.Equal(ids, []int{100268, plain.Encode("a")[0] + 4, 100285, 100280}) || yoco.Vocab() != 100286 {
		t.Errorf("%v, %v; %d ids", ids, err, yoco.Vocab())
	}
}

// The ids of llama.cpp's own test strings, for vocabularies with other patterns.
func TestLlamaCpp(t *testing.T) {
	dir := filepath.Join(os.Getenv("YOCOBENCH_TOKENIZERS"), "llamacpp")
	files, err := filepath.Glob(filepath.Join(dir, "*.gguf"))
	if err != nil || len(files) == 0 {
		testenv.Missing(t, "no vocabularies in %q: YOCOBENCH_TOKENIZERS=$(tools/tokenizers.sh)", dir)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			in, err := os.ReadFile(path + ".inp")
			if err != nil {
				t.Fatal(err)
			}
			out, err := os.ReadFile(path + ".out")
			if err != nil {
				t.Fatal(err)
			}
			tok := open(t, "gguf_", path)
			texts := strings.Split(strings.TrimSuffix(string(in), "\n__ggml_vocab_test__\n"), "\n__ggml_vocab_test__\n")
			lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
			if len(texts) != len(lines) || len(texts) < 40 {
				t.Fatalf("%d strings, %d lines of ids", len(texts), len(lines))
			}
			for i, s := range texts {
				var want []int
				for _, f := range strings.Fields(lines[i]) {
					id, err := strconv.Atoi(f)
					if err != nil {
						t.Fatal(err)
					}
					want = append(want, id)
				}
				if got := tok.Encode(s); !slices.Equal(got, want) {
					t.Errorf("%q: %v, want %v", s, got, want)
				}
			}
		})
	}
}
