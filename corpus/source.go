package corpus

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// A Source provides texts for tasks. The texts depend only on its content and on the arguments, not
// on the order of files in a directory, the clock, or earlier calls. Multiple goroutines may use a
// Source at the same time.
type Source interface {
	// Name is the source's name in reports, such as "prose" or "go1.26.8 (held out)".
	Name() string
	// Fingerprint is the hexadecimal SHA-256 hash of everything besides the arguments that
	// determines the texts: the content of the files, or the generator. It is part of the hash of a
	// case.
	Fingerprint() string
	// Notices returns sentences about skipped files and conversions.
	Notices() []string
	// Haystack returns n bytes of text, or up to 3 fewer so as not to split a UTF-8 character. For
	// the same seed, the text for a smaller n is a prefix of that for a larger n. A negative n is
	// an error.
	Haystack(seed uint64, n int) (Haystack, error)
	// Documents returns up to count texts in an order that depends on the seed. length returns the
	// length in bytes of the prefix of text that makes one document, or 0 if text is too short. It
	// receives at most maxBytes bytes. If the source has fewer than count texts, further stretches
	// of the same texts follow. Each starts where the previous one ended, so only the rest at the
	// end of a text is unused. It is an error if there is no document.
	Documents(seed uint64, count, maxBytes int, length func(text []byte) int) ([]Document, error)
}

// A Haystack is text in which needles are hidden.
type Haystack struct {
	Text []byte
	// Repeats is the number of times that the source was restarted because it is shorter than the
	// text. 0 means that no text is repeated. Reports should show it, because repeated text is
	// easier.
	Repeats int
}

// A Document is a text for losses by position.
type Document struct {
	Name    string // path of a package or file, or number of a generated text; later stretches have the suffix "#2", "#3"
	Text    []byte
	Stretch int // number of the stretch of the text, from 1
}

// The kinds of sources.
const (
	KindProse = "prose" // generated: Prose
	KindGo    = "go"    // the machine's Go standard library
	KindFiles = "files" // files, folders and globs of the user
)

// The splits of Go's sources, by PackageHeldOut.
const (
	SplitHeldOut = "held-out" // never used for training; the default
	SplitTrain   = "train"
	SplitAll     = "all"
)

// Spec identifies a source.
type Spec struct {
	Kind   string   // KindProse, KindGo or KindFiles
	Stream string   // prose: StreamTest (also if empty) or StreamTrain
	Split  string   // go: SplitHeldOut (also if empty), SplitTrain or SplitAll
	GOROOT string   // go: root of the Go tree; empty: search for it
	Paths  []string // files: files, folders (with subfolders) and globs (see Glob)
}

// ParseSpec parses the short form that suites use: "prose", "prose:train", "go", "go:train",
// "go:all", or "files:PATH" with a file, a folder or a glob ("file:", "folder:" and "glob:" are
// synonyms).
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

// String returns the short form. It is the inverse of ParseSpec for specs that have one.
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

// ErrNoText is wrapped by errors of Open for sources without text.
var ErrNoText = errors.New("no text found")

// Open opens the source of spec. Relative paths are relative to baseDir, the folder of the suite;
// ~/ is the user's home folder. Files are read once, here, and kept in memory, so that later
// changes do not affect a run. Errors about missing files or a missing Go tree end with a hint.
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
