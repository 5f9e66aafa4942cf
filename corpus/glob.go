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

// Glob returns the files that match pattern, sorted by slash-separated path. The pattern is the
// path of a file, a folder (every file below it), or a glob: *, ? and [a-z] match characters of one
// path element (as in path.Match), a backslash escapes the next character, and the element **
// matches any number of folders, including none. An existing file or folder with that literal name
// takes precedence over the glob. A symbolic link to a file counts as a file; links to folders are
// followed only if the pattern names them. Hidden files and folders (.name) match only pattern
// elements that start with a dot. The error for a malformed pattern is path.ErrBadPattern. It is
// not an error if nothing matches.
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
	// The trailing separator makes WalkDir follow root if it is a link to a folder.
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

// relativeNames splits the path of p relative to root into elements.
func relativeNames(root, p string) []string {
	if root != "." {
		p = strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
	}
	return strings.Split(p, "/")
}

// matchNames reports whether the elements of pattern match all of names, in O(len(pattern) *
// len(names)) time.
func matchNames(pattern, names []string) bool {
	matched := make([]bool, len(names)+1) // matched[i]: the pattern so far matches the first i names
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

// couldMatch reports whether a path below the folder could match.
func couldMatch(pattern, folder []string) bool {
	for i, name := range folder {
		if i >= len(pattern) {
			return false
		}
		if pattern[i] == "**" {
			for _, n := range folder[i:] {
				// A later element of the pattern may name the hidden folder.
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

// escapeGlob returns a pattern that matches a path literally. If the backslash is the path
// separator, it returns the path unchanged.
func escapeGlob(s string) string {
	if filepath.Separator == '\\' {
		return s
	}
	return globEscaper.Replace(s)
}

var globEscaper = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`)

// unescapeGlob returns the path that a pattern without wildcards denotes.
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
