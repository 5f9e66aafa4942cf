// Package exec runs a model in a child process: any command that answers JSON lines on standard
// input and output. docs/protocol.md defines the protocol.
//
// Probe starts a command once and asks what it can do. New returns a Model that starts the command
// at its first use. Whatever the command does wrong (a crash, no answer, text that is not an
// answer, impossible numbers) is an error of the call, with the last lines of its standard error.
// The child is then ended with its process group, and the case after it starts a new one
// (Model.EndCase).
//
// The child answers Step with its most likely token and that token's log-probability, not with
// logits. Rows of logits hold the log-probabilities of a distribution with the same most likely
// token, in which the other tokens are equally likely. An expected answer is scored by the child
// (Model.Answer).
package exec
