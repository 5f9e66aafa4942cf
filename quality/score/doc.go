// Package score has the scorers of published benchmarks. Each equals the original on the strings
// that testdata/record.py recorded from Python: a string is a sequence of code points, and white
// space is what Python takes for it.
//
// An answer is untrusted and may be long. Every function documents its cost.
package score
