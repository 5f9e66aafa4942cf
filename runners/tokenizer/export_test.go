package tokenizer

// RandomText returns text on which different patterns give different results.
var RandomText = randomText

// Case is a tokenizer of testdata/hf.json.
var Case = testCase
