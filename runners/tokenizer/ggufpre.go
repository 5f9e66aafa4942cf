package tokenizer

// preType is the meaning of a name in tokenizer.ggml.pre.
type preType struct {
	// patterns split the text, one after the other.
	patterns []string
	// ignoreMerges makes a piece that is in the vocabulary one token, even if no merges produce it.
	ignoreMerges bool
	addBOS       bool // unless the file says otherwise
	noBOS        bool // unless the file names one
	// spaces: tokens are not byte-level; a space is ▁, and <0x0A> is a byte.
	spaces bool
}

// The patterns of llama.cpp (llama-vocab.cpp). Its lookaheads before a set are written as set
// subtraction: ((?=[\p{L}])([^a-z])) is [\p{L}-[a-z]]. llama.cpp takes all remaining white space as
// one match, so \s+ is appended to patterns without it, which gives the same pieces.
const (
	anyCase   = `(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])`
	anyCase4o = `[^\r\n\p{L}\p{N}]?[\p{L}-[a-z]]*[\p{L}-[A-Z]]+` + anyCase + `?|[^\r\n\p{L}\p{N}]?[\p{L}-[a-z]]+[\p{L}-[A-Z]]*` + anyCase + `?|`
	digits3   = `\p{N}{1,3}`
	cl100k    = anyCase + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2     = anyCase + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen35    = anyCase + `|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	afterCase = ` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	cjk       = `[一-龥぀-ゟ゠-ヿ]+`
	deepseek3 = `[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_` + "`" + `{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	// deepseekLetters are the letters of DeepSeek's patterns: those with upper and lower case.
	deepseekLetters = `\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+`
	bloom           = ` ?[^(\s|.,!?…。，、।۔،)]+`
)

var (
	preGPT2      = preType{patterns: []string{gpt2}}
	preDigits    = preType{patterns: []string{`\p{N}`, gpt2}}
	preLlama3    = preType{patterns: []string{cl100k}, ignoreMerges: true, addBOS: true}
	preDBRX      = preType{patterns: []string{cl100k}}
	preQwen2     = preType{patterns: []string{qwen2}}
	preDeepSeek3 = preType{patterns: []string{digits3, cjk, deepseek3}}
	preGPT4o     = preType{patterns: []string{anyCase4o + digits3 + "|" + afterCase}}
	preWords     = preType{patterns: []string{bloom}}
	preGemma4    = preType{patterns: []string{`[^\n]+|[\n]+`}, spaces: true}
)

// ggufPre are the pre-tokenizers by the name in tokenizer.ggml.pre.
var ggufPre = map[string]preType{
	"default":          {patterns: []string{`[\p{P}$+<=>^~|]+`, gpt2, `\p{N}+`, `[0-9][0-9][0-9]`}},
	"llama3":           preLlama3,
	"llama-v3":         preLlama3,
	"llama-bpe":        preLlama3,
	"falcon3":          preLlama3,
	"falcon-h1":        preLlama3,
	"pixtral":          preLlama3,
	"midm-2.0":         preLlama3,
	"lfm2":             preLlama3,
	"minicpm5":         {patterns: []string{digits3, anyCase + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`}, ignoreMerges: true},
	"deepseek-llm":     {patterns: []string{`[\r\n]`, deepseekLetters, `\s?[!-/:-~！-／：-～‘-‟　-。]+`, `\s+\z`, `[一-龥ࠀ-一가-퟿]+`, `\p{N}+`}},
	"deepseek-coder":   {patterns: []string{`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, `[一-龥ࠀ-一가-퟿]+`, `\p{N}`}},
	"deepseek-v3":      preDeepSeek3,
	"hunyuan-dense":    preDeepSeek3,
	"joyai-llm":        preDeepSeek3,
	"falcon":           {patterns: []string{"[\\p{P}$+<=>^~|`]+", gpt2, `[0-9][0-9][0-9]`}},
	"starcoder":        preDigits,
	"refact":           preDigits,
	"command-r":        preDigits,
	"smollm":           preDigits,
	"codeshell":        preDigits,
	"exaone":           preDigits,
	"minerva-7b":       preDigits,
	"mellum2":          preDigits,
	"gpt-2":            preGPT2,
	"phi-2":            preGPT2,
	"mpt":              preGPT2,
	"olmo":             preGPT2,
	"jais":             preGPT2,
	"trillion":         preGPT2,
	"granite-docling":  preGPT2,
	"exaone4":          preGPT2,
	"gigachat":         preGPT2,
	"a.x-4.0":          preGPT2,
	"mellum":           preGPT2,
	"dbrx":             preDBRX,
	"smaug-bpe":        preDBRX,
	"chatglm-bpe":      {patterns: []string{cl100k}, noBOS: true},
	"glm4":             {patterns: []string{cl100k}, noBOS: true, ignoreMerges: true},
	"glm5":             {patterns: []string{cl100k}, noBOS: true, ignoreMerges: true},
	"stablelm2":        preQwen2,
	"qwen2":            preQwen2,
	"deepseek-r1-qwen": preQwen2,
	"kormo":            preQwen2,
	"megrez":           preQwen2,
	"hunyuan":          preQwen2,
	"solar-open":       preQwen2,
	"grok-2":           preQwen2,
	"qwen35":           {patterns: []string{qwen35}},
	"poro-chat":        preWords,
	"bloom":            preWords,
	"gpt3-finnish":     preWords,
	"viking":           {patterns: []string{bloom, `\p{N}`}},
	"tekken":           {patterns: []string{`[^\r\n\p{L}\p{N}]?[\p{L}-[a-z]]*[\p{L}-[A-Z]]+|[^\r\n\p{L}\p{N}]?[\p{L}-[a-z]]+[\p{L}-[A-Z]]*|\p{N}|` + afterCase}, ignoreMerges: true, addBOS: true},
	"gpt-4o":           preGPT4o,
	"llama4":           preGPT4o,
	"kanana2":          preGPT4o,
	"minimax-m2":       preGPT4o,
	"bailingmoe":       {patterns: []string{`'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`}},
	"seed-coder":       {patterns: []string{anyCase + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`}},
	"gemma4":           preGemma4,
}
