// Package contrast asks for the same facts in several ways.
//
// A fact about a person ("Clara was born in Madrid.") is hidden in a long text among facts about
// other persons, and the model names the person. The conditions differ in one thing each:
//
//   - literal: the question repeats the words of the fact ("Who was born in Madrid?").
//   - paraphrase: the question names the same key in other words ("Which person is a native of
//     Madrid?").
//   - association: the question shares no content word with the fact ("Who comes from Spain?"), as
//     in NoLiMa (arXiv 2502.05167).
//   - distractors: the literal question; the other persons have facts of the same wording with other
//     keys ("Simon was born in Oslo.").
//   - near: the literal question; the keys of the others differ from the right one in one letter
//     ("Simon was born in Madrin.").
//
// Fact, persons, haystack and depths of a trial are equal in all conditions, so differences between
// conditions are computed trial by trial.
//
// Access is measured apart from use. Each condition has two scores: the greedy answer begins with
// the right name, and the right name has a higher log-probability than each name of the others
// (ranked first). A model can rank the right name first and still begin its answer in another way.
//
//  1. facts.go reads the facts (facts.json).
//  2. trial.go draws a trial: fact, persons, depths, and the sentences and question of each
//     condition.
//  3. run.go fits a haystack to the longest condition and lets the model answer all of them. The
//     first three have the same text, which is computed once.
//  4. score.go computes the scores, their differences and the intervals.
package contrast
