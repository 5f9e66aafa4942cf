package main

import (
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// portable replaces absolute paths by their last element, so that what a run leaves names no folder
// of the machine, and quotes each word for a shell.
func portable(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		if name, value, ok := strings.Cut(a, "="); ok {
			a = name + "=" + cleantext.LastElement(value)
		}
		out[i] = cleantext.ShellQuote(cleantext.LastElement(a))
	}
	return out
}
