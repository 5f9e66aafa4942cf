package corpus

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// A Source is a body of text that tasks read. All of its texts are functions
// of its content and of the arguments; nothing depends on the order in which a
// directory lists its files, on the clock, or on earlier calls.
// A Source may be used by several goroutines at once.
type Source interface {
	// Name says in reports what was read: "prose", "go1.26.8 (held out)".
	Name() string
	// Fingerprint is the SHA-256, in hexadecimal, of all that decides the
	// texts beside the arguments: the content read from the machine, or the
	// generator. It belongs into the hash of a case.
	Fingerprint() string
	// Notices are sentences about what was left out, such as binary files.
	Notices() []string
	// Haystack returns n bytes of text, or up to 3 fewer where a UTF-8
	// character would be torn. The text for a smaller n and the same seed is
	// a beginning of the text for a larger one. It is an error if n < 0.
	Haystack(seed uint64, n int) (Haystack, error)
	// Documents returns up to count texts in an order drawn from the seed.
	// length returns how many bytes of the beginning of text make one
	// document, 0 if text is too short; it sees at most maxBytes of it. Where
	// the source has fewer than count texts, further stretches of the same
	// text follow, each from where the one before ended: no byte is left out
	// but at a text's end. It is an error if there is none.
	Documents(seed uint64, count, maxBytes int, length func(text []byte) int) ([]Document, error)
}

// A Haystack is text for a needle to be hidden in.
type Haystack struct {
	Text []byte
	// Repeats counts how often the source began again from its start because
	// it is shorter than the text; 0 means that every byte is new. Reports
	// should say so: repeated text is easier.
	Repeats int
}

// A Document is a text with a beginning, for losses by position.
type Document struct {
	Name    string // a package's path, a file's path, or the generator's number; stretches after the first end in "#2", "#3"
	Text    []byte
	Stretch int // which stretch of the text it is, from 1
}

// The kinds of sources.
const (
	KindProse = "prose" // generated: Prose
	KindGo    = "go"    // Go's standard library as found on the machine
	KindFiles = "files" // files, folders and globs of the user
)

// The splits of Go's sources by PackageHeldOut.
const (
	SplitHeldOut = "held-out" // never trained on: the default
	SplitTrain   = "train"
	SplitAll     = "all"
)

// Spec says which text is wanted.
type Spec struct {
	Kind   string   // KindProse, KindGo or KindFiles
	Stream string   // prose: StreamTest (also if empty) or StreamTrain
	Split  string   // go: SplitHeldOut (also if empty), SplitTrain or SplitAll
	GOROOT string   // go: the root of the Go tree; found by itself if empty
	Paths  []string // files: files, folders (read with all below) and globs (see Glob)
}

// ParseSpec reads the short form in which suites name a text: "prose",
// "prose:train", "go", "go:train", "go:all", or "files:PATH" with a file, a
// folder or a glob ("file:", "folder:" and "glob:" mean the same).
func ParseSpec(s string) (Spec, error) {
	kind, rest, more := strings.Cut(s, ":")
	switch kind {
	case KindProse:
		sp := Spec{Kind: KindProse, Stream: rest}
		if more && rest != StreamTest && rest != StreamTrain {
			return Spec{}, fmt.Errorf("corpus %q: unknown stream %q (known: %s, %s)", s, rest, StreamTest, StreamTrain)
		}
		return sp, nil
	case KindGo:
		sp := Spec{Kind: KindGo, Split: rest}
		if more && rest != SplitHeldOut && rest != SplitTrain && rest != SplitAll {
			return Spec{}, fmt.Errorf("corpus %q: unknown split %q (known: %s, %s, %s)", s, rest, SplitHeldOut, SplitTrain, SplitAll)
		}
		return sp, nil
	case KindFiles, "file", "folder", "glob":
		if rest == "" {
			return Spec{}, fmt.Errorf("corpus %q names no path", s)
		}
		return Spec{Kind: KindFiles, Paths: []string{rest}}, nil
	}
	return Spec{}, fmt.Errorf("unknown corpus %q (known: prose, go, files:PATH)", s)
}

// String is the inverse of ParseSpec as far as the short form goes.
func (s Spec) String() string {
	switch {
	case s.Kind == KindFiles:
		return s.Kind + ":" + strings.Join(s.Paths, ",")
	case s.Kind == KindProse && s.Stream != "":
		return s.Kind + ":" + s.Stream
	case s.Kind == KindGo && s.Split != "":
		return s.Kind + ":" + s.Split
	}
	return s.Kind
}

// ErrNoText is wrapped by the errors of Open for sources that hold no text.
var ErrNoText = errors.New("no text found")

// Open reads the source that spec names. Relative paths start at baseDir, the folder of the suite,
// and those with ~/ at the user's home folder. Text of the machine is read once, here, and kept, so
// that a run is not disturbed by files that change meanwhile. Errors of missing files or of a
// missing Go tree end in a hint.
func Open(spec Spec, baseDir string) (Source, error) {
	switch spec.Kind {
	case KindProse:
		return newProseSource(spec)
	case KindGo:
		return openGo(spec)
	case KindFiles:
		paths := make([]string, len(spec.Paths))
		for i, p := range spec.Paths {
			rest, atHome := cutHome(p)
			switch {
			case atHome:
				home, err := homeDir(p)
				if err != nil {
					return nil, fmt.Errorf("corpus of files: %w", err)
				}
				paths[i] = filepath.Join(escapeGlob(home), rest)
			case filepath.IsAbs(p) || baseDir == "":
				paths[i] = p
			default:
				paths[i] = filepath.Join(escapeGlob(baseDir), p)
			}
		}
		return openFiles(spec, paths)
	}
	return nil, fmt.Errorf("unknown kind of corpus %q (known: %s, %s, %s)", spec.Kind, KindProse, KindGo, KindFiles)
}

// checkSizes checks the arguments of Documents.
func checkSizes(count, maxBytes int) error {
	if count < 1 || maxBytes < 1 {
		return fmt.Errorf("documents: want count >= 1 and maxBytes >= 1, have count %d, maxBytes %d", count, maxBytes)
	}
	return nil
}
