package reports

import (
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// deciding are the flags of run with a value that affect a case or how it is computed.
var deciding = []string{"--set", "--memory", "--runner", "--device", "--threads", "-t", "--tier"}

// reproduce returns the command that runs one case again: the suite as the user gave it, the flags
// of the run that affect the case, and the case's id. It needs no budget, because the filter
// selects one case.
func (v *view) reproduce(r *result.Record) string {
	suite := v.run.SuiteFile
	if suite == "" {
		suite = v.run.Suite
	}
	if suite == "" {
		suite = r.Suite
	}
	if suite == "" {
		suite = "SUITE"
	}
	id := r.Case
	if len(id) > 12 {
		id = id[:12]
	}
	words := []string{"yocobench", "run", suite}
	for _, flag := range append(v.flagsOf(r.SuiteHash), [2]string{"--filter", "case=" + id}) {
		words = append(words, flag[0], flag[1])
	}
	for i := range words {
		words[i] = cleantext.ShellQuote(words[i])
	}
	return clean(strings.Join(words, " "))
}

// flagsOf returns the flags of the runs up to the last one with the given suite hash.
func (v *view) flagsOf(hash string) (flags [][2]string) {
	if flags, ok := v.flags[hash]; ok {
		return flags
	}
	for _, run := range v.journal.Runs {
		for _, flag := range settings(run.Command) {
			if !slices.Contains(flags, flag) && len(flags) < maxNotes {
				flags = append(flags, flag)
			}
		}
		// Settings given on resuming apply to later cases.
		if run.SuiteHash == hash {
			break
		}
	}
	if v.flags == nil {
		v.flags = map[string][][2]string{}
	}
	flags = slices.Clip(flags)
	v.flags[hash] = flags
	return flags
}

// settings returns the flags of a command that affect its cases, with their values.
func settings(command string) (out [][2]string) {
	words := shellWords(command)
	for i := 0; i < len(words); i++ {
		name, value, whole := strings.Cut(words[i], "=")
		if !slices.Contains(deciding, name) {
			continue
		}
		if !whole {
			if i++; i == len(words) {
				break
			}
			value = words[i]
		}
		out = append(out, [2]string{name, value})
	}
	return out
}

// shellWords splits a command like a POSIX shell. It supports only quotes ' and the escape \'.
func shellWords(command string) (words []string) {
	var word strings.Builder
	quoted, begun := false, false
	for i := 0; i < len(command); i++ {
		switch c := command[i]; {
		case c == '\'':
			quoted, begun = !quoted, true
		case quoted:
			word.WriteByte(c)
		case c == '\\' && i+1 < len(command):
			i++
			word.WriteByte(command[i])
			begun = true
		case c == ' ':
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}
