// Package needle asks a model for facts hidden in a long text.
//
// A cell of the grid (one kind of question at one length and depth) is a case:
//
//  1. trial.go draws the cell's trials (keys, values, wordings, depths) from
//     the suite's seed and what the cell asks.
//  2. prompt.go hides the facts in a haystack that fills the context, near ends of
//     sentences or lines, and adds the question. Actual token counts and
//     depths are recorded, not the requested ones.
//  3. run.go computes the common part of the trials' prompts once, forks
//     it, and lets the model answer greedily.
//  4. score.go compares: exact (the answer begins with the value, and no digit follows),
//     contains (the value occurs anywhere in it), and the log-probability of the right answer. With
//     distractors (kind multikey), ranked is the share of trials in which the right value has a
//     higher log-probability than theirs, and margin the mean difference from the best of them.
//
// With chat, the text and the question are a user's message in the form of the model's chat
// template (chat.go), and the scores read the numbers in the answer.
//
// If a trial asks for several values, its scores are the share of them that was found, and its
// log-probability is the mean over its questions.
package needle
