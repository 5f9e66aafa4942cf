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
		// A path that is all of a value may hold spaces; WithoutFolders finds the others.
		if name, value, ok := strings.Cut(a, "="); ok {
			a = name + "=" + cleantext.LastElement(value)
		} else if len(a) > 2 && a[0] == '-' && a[1] != '-' { // a flag of one letter with its value
			a = a[:2] + cleantext.LastElement(a[2:])
		}
		out[i] = cleantext.ShellQuote(cleantext.WithoutFolders(cleantext.LastElement(a)))
	}
	return out
}
