package suites

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed *.yaml
var shipped embed.FS

// Shipped lists the names of the suites inside the binary.
func Shipped() []string {
	entries, err := shipped.ReadDir(".")
	if err != nil {
		panic(err) // they are compiled in
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// ReadShipped returns the text of a shipped suite.
func ReadShipped(name string) ([]byte, error) { return shipped.ReadFile(name + ".yaml") }

// Load reads the suite that name stands for: a file, or else a shipped suite's name.
func Load(name string, sets []string, tasks []Task) (*Suite, error) {
	text, err := os.ReadFile(name)
	file, dir := name, filepath.Dir(name)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(name, `/\`) {
		var missing error
		if text, missing = ReadShipped(strings.TrimSuffix(name, ".yaml")); missing == nil {
			file, dir, err = strings.TrimSuffix(name, ".yaml")+".yaml (shipped)", ".", nil
		}
	}
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, &Problem{
			Msg:  fmt.Sprintf("cannot read the suite %s: %v", name, err),
			Hint: "give a file, or the name of a shipped suite: " + strings.Join(Shipped(), ", "),
		}
	}
	s, err := Parse(text, file, sets, tasks)
	if err != nil {
		return nil, err
	}
	s.Dir = dir
	return s, nil
}
