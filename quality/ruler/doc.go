// Package ruler generates the 13 tasks of RULER (C.-P. Hsieh et al., arXiv 2404.06654), with the
// parameters, the structure of prompts and the scores of NVIDIA/RULER at commit c3f5e3b. The
// wording "ruler" gives the published texts of prompts; the default has this project's own.
//
// It differs from the original in these points:
//
//   - Each sample has as much filler as fits its length. The original searches the amount for one
//     sample, and reduces the others by large steps if they exceed the length.
//   - Each sample is shuffled by its own random numbers. The original shuffles needles, words and
//     documents with the seed 42 in every sample.
//   - Samples of niah kinds begin at different places of the running text; the original always
//     begins at its start. It uses essays by Paul Graham; here the suite chooses the text.
//   - Keys, values and names of a sample are all different.
//   - The words are those of package corpus/prose, where the original has those of wonderwords.
//   - The example of vt has a fixed number of lines, where the original fills 500 tokens.
package ruler
