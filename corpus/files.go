package corpus

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// openFiles reads the user's texts. A document is a file. What is no text is
// left out with a notice; a file that cannot be read, and a path
// that names nothing, are errors.
func openFiles(spec Spec, patterns []string) (Source, error) {
	if len(patterns) == 0 {
		return nil, fmt.Errorf("corpus of files: no paths given: %w", ErrNoText)
	}
	s := &documents{name: "files: " + shownPaths(spec.Paths)}
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
		short := strings.TrimPrefix(name, common)
		text, note, err := readText(filepath.FromSlash(name), left)
		if why, ok := reason(err); ok {
			note = why + ", left out"
			if strings.Contains(why, ":") {
				note = "left out: " + why
			}
		} else if err != nil {
			return nil, fmt.Errorf("corpus of files: %w", err)
		} else {
			left -= int64(len(text))
			s.docs = append(s.docs, Document{Name: short, Text: text})
		}
		if note != "" {
			s.notices = append(s.notices, short+": "+note)
		}
	}
	if len(s.docs) == 0 {
		why := strings.Join(s.notices[:min(len(s.notices), 3)], "; ")
		if more := len(s.notices) - 3; more > 0 {
			why += fmt.Sprintf("; and %d more", more)
		}
		return nil, fmt.Errorf("corpus of files: %s: no text (%s): %w", strings.Join(spec.Paths, ", "), why, ErrNoText)
	}
	s.seal(filesVersion)
	return s, nil
}

// shownPaths are paths as reports name them: of those outside the suite's folder the last name.
func shownPaths(paths []string) string {
	shown := make([]string, len(paths))
	for i, p := range paths {
		shown[i] = p
		if _, home := cutHome(p); home || filepath.IsAbs(p) {
			shown[i] = path.Base(filepath.ToSlash(p))
		}
	}
	return strings.Join(shown, ", ")
}

// cutHome is what follows the ~ of a name such as ~/books.
func cutHome(name string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(filepath.ToSlash(name), "~")
	return rest, ok && (rest == "" || rest[0] == '/')
}

func homeDir(name string) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		err = fmt.Errorf("%s: the home folder is not known: %w", name, err)
	}
	return home, err
}

// ExpandHome is name with the user's home folder in place of a ~ that is all of
// its first name, as a shell has it.
func ExpandHome(name string) (string, error) {
	rest, ok := cutHome(name)
	if !ok {
		return name, nil
	}
	home, err := homeDir(name)
	return filepath.Join(home, rest), err
}

// filesVersion changes when the same files would give other texts.
const filesVersion = "files/2"

// maxFiles bounds the texts of a corpus, in bytes: they are held in memory.
const maxFiles = 4 << 30

// readText reads a file's text, as DecodeText has it, which must not be longer than limit bytes. Of
// a file that is no text only the first bytes are read.
func readText(name string, limit int64) (text []byte, note string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	tooLong := fmt.Errorf("%s: the texts are longer than %d GiB together", name, maxFiles>>30)
	head, err := io.ReadAll(io.LimitReader(f, headBytes))
	if err == nil {
		_, err = detect(head)
	}
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	if info, err := f.Stat(); err == nil {
		if info.Size() > limit {
			return nil, "", tooLong
		}
		b.Grow(int(info.Size()) + bytes.MinRead) // the size is a hint: the file may grow
	}
	b.Write(head)
	if _, err := b.ReadFrom(io.LimitReader(f, limit+1-int64(len(head)))); err != nil {
		return nil, "", err
	}
	if int64(b.Len()) > limit {
		return nil, "", tooLong
	}
	return DecodeText(b.Bytes())
}

// commonFolder is the folder, with its slash, that holds all the names, so
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
