package corpus

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Glob returns the files that pattern names, sorted by their slash-separated
// path: a file's own path, a folder (every file below it), or a pattern in
// which *, ? and [a-z] match characters of one name (as in path.Match), a
// backslash takes the next character as it is, and ** as a whole name matches
// any number of folders, none included. Names that are there literally win
// over their meaning as a pattern. A symbolic link to a file counts as a file;
// links to folders are followed only where the pattern names them. Hidden files
// and folders (.name) are found only by a name in the pattern that begins with
// a dot itself. A malformed pattern is path.ErrBadPattern; that nothing matches
// is no error here.
func Glob(pattern string) ([]string, error) {
	pattern = filepath.ToSlash(pattern)
	if st, err := os.Stat(filepath.FromSlash(unescapeGlob(pattern))); err == nil {
		exact := path.Clean(unescapeGlob(pattern))
		switch {
		case st.Mode().IsRegular():
			return []string{exact}, nil
		case !st.IsDir():
			return nil, errors.New("neither a file nor a folder")
		}
		return walkGlob(exact, []string{"**"})
	}
	names := strings.Split(path.Clean(pattern), "/")
	names = slices.CompactFunc(names, func(a, b string) bool { return a == "**" && b == "**" })
	for _, n := range names {
		if _, err := path.Match(n, ""); err != nil {
			return nil, err
		}
	}
	fixed := 0
	for fixed < len(names)-1 && !hasMeta(names[fixed]) {
		fixed++
	}
	root := strings.Join(names[:fixed], "/")
	switch {
	case fixed == 0:
		root = "."
	case root == "":
		root = "/"
	}
	root = unescapeGlob(root)
	return walkGlob(root, names[fixed:])
}

func walkGlob(root string, names []string) ([]string, error) {
	var out []string
	// The separator after root makes a link to a folder, given as such, that folder.
	err := filepath.WalkDir(filepath.FromSlash(root)+string(filepath.Separator), func(p string, d fs.DirEntry, err error) error {
		slash := filepath.ToSlash(p)
		atRoot := strings.TrimRight(slash, "/") == strings.TrimRight(root, "/")
		if err != nil {
			if atRoot && errors.Is(err, fs.ErrNotExist) {
				return fs.SkipAll
			}
			return err
		}
		if atRoot {
			return nil
		}
		rel := relativeNames(root, slash)
		if d.IsDir() {
			if !couldMatch(names, rel) {
				return fs.SkipDir
			}
			return nil
		}
		if !matchNames(names, rel) {
			return nil
		}
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
			out = append(out, slash)
		}
		return nil
	})
	sort.Strings(out)
	return out, err
}

// relativeNames splits the part of p below root into names.
func relativeNames(root, p string) []string {
	if root != "." {
		p = strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
	}
	return strings.Split(p, "/")
}

// matchNames reports whether the pattern's names match all of the path's, in a time that grows with
// the product of their numbers.
func matchNames(pattern, names []string) bool {
	matched := make([]bool, len(names)+1) // whether the pattern so far matches so many names
	matched[0] = true
	for _, pt := range pattern {
		next, open := make([]bool, len(names)+1), false
		for i, ok := range matched {
			switch {
			case pt == "**":
				open = ok || open && !strings.HasPrefix(names[i-1], ".")
				next[i] = open
			case ok && i < len(names):
				next[i+1] = matchName(pt, names[i])
			}
		}
		matched = next
	}
	return matched[len(names)]
}

// couldMatch reports whether something below the folder could match.
func couldMatch(pattern, folder []string) bool {
	for i, name := range folder {
		if i >= len(pattern) {
			return false
		}
		if pattern[i] == "**" {
			for _, n := range folder[i:] {
				// A later name of the pattern may ask for the hidden folder.
				if strings.HasPrefix(n, ".") && !asksHidden(pattern[i+1:]) {
					return false
				}
			}
			return true
		}
		if !matchName(pattern[i], name) {
			return false
		}
	}
	return true
}

func asksHidden(pattern []string) bool {
	for _, p := range pattern {
		if strings.HasPrefix(p, ".") {
			return true
		}
	}
	return false
}

func matchName(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") {
		return false
	}
	ok, _ := path.Match(pattern, name)
	return ok
}

func hasMeta(s string) bool { return strings.ContainsAny(s, `*?[\`) }

// escapeGlob makes a pattern that matches a path literally. Where the backslash
// separates folders it cannot, and the path is left as it is.
func escapeGlob(s string) string {
	if filepath.Separator == '\\' {
		return s
	}
	return globEscaper.Replace(s)
}

var globEscaper = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`)

// unescapeGlob is the path that a pattern without wild characters means.
func unescapeGlob(s string) string {
	if filepath.Separator == '\\' || !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
