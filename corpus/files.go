package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// openFiles reads the user's files, one document per file. Files that are not text are skipped with
// a notice. Unreadable files and paths that match nothing are errors.
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
			return nil, fmt.Errorf("corpus of files: nothing matches %s: %w\n  hint: paths are relative to the folder of the suite file", spec.Paths[i], ErrNoText)
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
			note = why + ", skipped"
			if strings.Contains(why, ":") {
				note = "skipped: " + why
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
	if len(s.docs) > 0 && !slices.ContainsFunc(s.docs, func(d Document) bool { return len(bytes.TrimSpace(d.Text)) > 0 }) {
		s.docs, s.notices = nil, append(s.notices, "only white space")
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

// shownPaths returns paths for reports. Paths outside the suite's folder are shortened to their
// last element.
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

// cutHome returns what follows the ~ of a name such as ~/books.
func cutHome(name string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(filepath.ToSlash(name), "~")
	return rest, ok && (rest == "" || rest[0] == '/')
}

func homeDir(name string) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		err = fmt.Errorf("%s: the home folder is unknown: %w", name, err)
	}
	return home, err
}

// ExpandHome replaces a first path element ~ by the user's home folder, as a shell does.
func ExpandHome(name string) (string, error) {
	rest, ok := cutHome(name)
	if !ok {
		return name, nil
	}
	home, err := homeDir(name)
	return filepath.Join(home, rest), err
}

// OpenFile opens a regular file that a suite names: a path relative to dir or to the home folder
// (~), or an absolute one. Errors begin with the path as reports show it.
func OpenFile(name, dir string) (*os.File, error) {
	file, err := ExpandHome(name)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	shown := shownPaths([]string{name})
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() { // opening a pipe would block
		what := "not a regular file"
		if info.IsDir() {
			what = "a folder, expected a file"
		}
		return nil, fmt.Errorf("%s is %s", shown, what)
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(file)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no such file\n  hint: paths are relative to the folder of the suite file", shown)
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s: %w", shown, pe.Err)
	}
	return f, err
}

// filesVersion changes whenever the same files would give different texts.
const filesVersion = "files/2"

// maxFiles limits the total size of a corpus in bytes, because texts are kept in memory.
const maxFiles = 4 << 30

// readText reads a file of at most limit bytes and decodes it with DecodeText. If the file is not
// text, it reads only the first bytes.
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
		b.Grow(int(info.Size()) + bytes.MinRead) // only a hint: the file may grow
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

// commonFolder returns the folder that contains all names, with a trailing slash. Without it,
// document names and the fingerprint do not depend on where the texts are stored.
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
