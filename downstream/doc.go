// Package downstream runs tasks from the user's files of documents, one JSON object on each line,
// and scores them as lm-evaluation-harness does. The parameters have the names of its task files.
//
//	read.go       documents from a file
//	template.go   prompts from the fields of a document
//	item.go       what a document asks: contexts, continuations, correct answers
//	likelihood.go multiple choice by log-likelihood
//	answer.go     generated answers, filters and exact match
//	rolling.go    the perplexity of whole texts
package downstream
