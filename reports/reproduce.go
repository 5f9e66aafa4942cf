package reports

import (
	"slices"
	"strings"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// deciding are the flags of run that take a value and decide what a case asks or how it is
// computed.
var deciding = []string{"--set", "--memory", "--runner", "--device", "--threads", "-t", "--tier"}

// reproduce is the command that runs one case again: the suite as it was named, the settings that
// the run's command changed, and the case's id. A filter names one case, so a budget is not needed.
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

// flagsOf are the settings of the runs up to the one whose suite has a hash.
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
		// Settings made on resuming count for what was run from there on.
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

// settings gives the flags of a command that decide what its cases ask, each with its value.
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

// shellWords parts a command as a POSIX shell does where it quotes with ' only and escapes nothing
// but '.
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
