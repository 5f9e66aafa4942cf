// Package servertest is an OpenAI-compatible server for tests: its answers, its times and the
// log-probabilities of its model are known. Its model is a function of the last two bytes of a
// text and of its length, and its tokens are bytes.
//
// Proxy injects faults at any byte of a server's responses.
package servertest
