package archtest

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// eachFile calls f with every Go file of the module outside hidden folders: its path, and its name
// below the module's folder, with slashes. An error ends the test.
func eachFile(t *testing.T, f func(path, name string) error) {
	t.Helper()
	const root = "../.."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return f(path, filepath.ToSlash(name))
	})
	if err != nil {
		t.Fatal(err)
	}
}
