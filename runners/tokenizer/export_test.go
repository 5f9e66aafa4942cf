package tokenizer

// Edited is the text of edits.
var Edited = edited

// RandomText is text on which patterns differ.
var RandomText = randomText

// Case is a tokenizer of testdata/hf.json.
var Case = testCase
