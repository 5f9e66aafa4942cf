// Package quality runs the questions of long-context benchmarks on any model: samples of an exact
// length in the model's own tokens, drawn from a seed, scored as published, with intervals.
package quality
