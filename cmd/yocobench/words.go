package main

import (
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
)

// portable replaces absolute paths by their last element and quotes each word for a shell, so that
// a run's files reveal no folder names of the machine.
func portable(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		// A value that is a single path may contain spaces; WithoutFolders finds all other paths.
		if name, value, ok := strings.Cut(a, "="); ok {
			a = name + "=" + cleantext.LastElement(value)
		} else if len(a) > 2 && a[0] == '-' && a[1] != '-' { // a one-letter flag with its value
			a = a[:2] + cleantext.LastElement(a[2:])
		}
		out[i] = cleantext.ShellQuote(cleantext.WithoutFolders(cleantext.LastElement(a)))
	}
	return out
}
