package corpus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// openGo reads the *.go files below GOROOT/src. A document is a package: its files, sorted by name,
// each after a line "// FILE: net/http/client.go". Folders named testdata are skipped.
// PackageHeldOut of the folder's path decides the split of a package.
func openGo(spec Spec) (Source, error) {
	split, label := spec.Split, ""
	switch split {
	case "", SplitHeldOut:
		split, label = SplitHeldOut, "held out"
	case SplitTrain, SplitAll:
		label = split
	default:
		return nil, fmt.Errorf("unknown split of Go's sources %q (known: %s, %s, %s)", split, SplitHeldOut, SplitTrain, SplitAll)
	}
	root, err := findGOROOT(spec.GOROOT)
	if err != nil {
		return nil, err
	}
	s := &documents{name: goVersion(root) + " (" + label + ")", shuffle: true}
	s.docs, err = readPackages(filepath.Join(root, "src"), split)
	if err != nil {
		return nil, fmt.Errorf("the sources of Go: %w", err)
	}
	if len(s.docs) == 0 {
		return nil, goMissing(fmt.Sprintf("%s holds no packages of the split %q", filepath.Join(root, "src"), split))
	}
	s.seal("")
	return s, nil
}

func goMissing(what string) error {
	return fmt.Errorf("the sources of Go: %s: %w\n  hint: install Go, set GOROOT to its tree, or use the corpus \"prose\", which needs no files", what, ErrNoText)
}

// findGOROOT returns the root of a Go source tree: the requested one, $GOROOT, that of the go
// command, or a usual install location. Results show its version and include its content in a hash,
// so the choice is visible.
func findGOROOT(asked string) (string, error) {
	if asked != "" {
		if hasSources(asked) {
			return asked, nil
		}
		return "", goMissing(asked + " has no src folder with Go's packages")
	}
	candidates := []string{os.Getenv("GOROOT"), goCommandRoot(), "/usr/local/go", "/usr/lib/go", "/usr/lib/golang", "/usr/local/opt/go/libexec", "/opt/homebrew/opt/go/libexec", `C:\Program Files\Go`}
	for _, c := range candidates {
		if c != "" && hasSources(c) {
			return c, nil
		}
	}
	return "", goMissing("no Go tree on this machine")
}

func hasSources(root string) bool {
	st, err := os.Stat(filepath.Join(root, "src", "fmt", "print.go"))
	return err == nil && st.Mode().IsRegular()
}

// goCommandRoot runs go env GOROOT, without letting it download another toolchain.
func goCommandRoot() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "env", "GOROOT")
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOFLAGS=")
	cmd.Dir = os.TempDir()
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// goVersion returns the first word of GOROOT/VERSION, such as "go1.26.8".
func goVersion(root string) string {
	b, err := os.ReadFile(filepath.Join(root, "VERSION"))
	if f := strings.Fields(string(b)); err == nil && len(f) > 0 {
		return f[0]
	}
	return "go (no VERSION file)"
}

// readPackages returns the packages below src, sorted by path.
func readPackages(src, split string) ([]Document, error) {
	files := make(map[string][]string) // package path -> file names
	err := filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "testdata" {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(d.Name(), ".go") {
			return nil
		}
		rel, err := filepath.Rel(src, filepath.Dir(p))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		if split == SplitAll || PackageHeldOut(pkg) == (split == SplitHeldOut) {
			files[pkg] = append(files[pkg], d.Name())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var docs []Document
	for _, pkg := range sortedKeys(files) {
		names := files[pkg]
		sort.Strings(names)
		var b bytes.Buffer
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join(src, filepath.FromSlash(pkg), name))
			if errors.Is(err, fs.ErrNotExist) {
				continue // dangling link
			}
			if err != nil {
				return nil, err
			}
			b.WriteString("// FILE: " + path.Join(pkg, name) + "\n")
			b.Write(text)
			if len(text) > 0 && text[len(text)-1] != '\n' {
				b.WriteByte('\n')
			}
		}
		if b.Len() > 0 {
			docs = append(docs, Document{Name: pkg, Text: b.Bytes()})
		}
	}
	return docs, nil
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
