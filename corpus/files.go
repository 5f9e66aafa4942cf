package corpus

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// openFiles reads the user's texts. A document is a file. Binary and empty
// files are left out with a notice; a file that cannot be read, and a path
// that names nothing, are errors.
func openFiles(spec Spec, patterns []string) (Source, error) {
	if len(patterns) == 0 {
		return nil, fmt.Errorf("corpus of files: no paths given: %w", ErrNoText)
	}
	s := &shelf{name: "files: " + strings.Join(spec.Paths, ", ")}
	var names []string
	for i, p := range patterns {
		found, err := Glob(p)
		if err != nil {
			return nil, fmt.Errorf("corpus of files: %s: %w", spec.Paths[i], err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("corpus of files: nothing matches %s: %w\n  hint: relative paths start at the folder of the suite file", spec.Paths[i], ErrNoText)
		}
		names = append(names, found...)
	}
	sort.Strings(names)
	names = slices.Compact(names)
	common := commonFolder(names)
	left := int64(maxFiles)
	for _, name := range names {
		text, err := readAtMost(filepath.FromSlash(name), left)
		if err != nil {
			return nil, fmt.Errorf("corpus of files: %w", err)
		}
		left -= int64(len(text))
		short := strings.TrimPrefix(name, common)
		switch {
		case len(text) == 0:
			s.notices = append(s.notices, short+": empty, left out")
		case isBinary(text):
			s.notices = append(s.notices, short+": binary, left out")
		default:
			s.docs = append(s.docs, Document{Name: short, Text: text})
		}
	}
	if len(s.docs) == 0 {
		return nil, fmt.Errorf("corpus of files: %s: %d files, none of them text: %w", strings.Join(spec.Paths, ", "), len(names), ErrNoText)
	}
	s.seal()
	return s, nil
}

// maxFiles bounds the texts of a corpus, in bytes: they are held in memory.
const maxFiles = 4 << 30

// readAtMost reads a file that must not be longer than limit bytes.
func readAtMost(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: the texts are longer than %d GiB together", name, maxFiles>>30)
	}
	return text, err
}

// commonFolder is the folder, with its slash, in which all the names lie, so
// that documents' names, and with them the fingerprint, do not tell where on
// the machine the texts are.
func commonFolder(names []string) string {
	common := names[0][:strings.LastIndexByte(names[0], '/')+1]
	for _, n := range names {
		for !strings.HasPrefix(n, common) {
			cut := strings.TrimSuffix(common, "/")
			common = cut[:strings.LastIndexByte(cut, '/')+1]
		}
	}
	return common
}

// isBinary follows git: a zero byte among the first 8000.
func isBinary(text []byte) bool {
	return bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0
}
