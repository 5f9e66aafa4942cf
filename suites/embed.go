package suites

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed *.yaml
var shipped embed.FS

// Shipped returns the names of the embedded suites.
func Shipped() []string {
	entries, err := shipped.ReadDir(".")
	if err != nil {
		panic(err) // cannot happen: they are embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// ReadShipped returns the text of an embedded suite.
func ReadShipped(name string) ([]byte, error) { return shipped.ReadFile(name + ".yaml") }

// Load reads a suite: the file name, or if there is none the embedded suite of that name. It
// ignores a folder of that name, because a checkout has one for each task.
func Load(name string, sets []string, tasks []Task) (*Suite, error) {
	info, err := os.Stat(name)
	if err == nil && info.Mode().IsRegular() {
		text, err := readBounded(name)
		if err != nil {
			return nil, cannotRead(name, err)
		}
		return parseIn(filepath.Dir(name), text, name, sets, tasks)
	}
	if base := strings.TrimSuffix(name, ".yaml"); !strings.ContainsAny(name, `/\`) {
		if text, err := ReadShipped(base); err == nil {
			return parseIn(".", text, base+".yaml", sets, tasks)
		}
	}
	if err == nil {
		err = errors.New("not a file")
	}
	return nil, cannotRead(name, err)
}

// readBounded reads a file of at most the size that readYAML accepts. Of a larger file it reads one
// byte more, so that readYAML rejects it.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSuite+1))
}

func parseIn(dir string, text []byte, file string, sets []string, tasks []Task) (*Suite, error) {
	s, err := Parse(text, file, sets, tasks)
	if err != nil {
		return nil, err
	}
	s.Dir = dir
	return s, nil
}

func cannotRead(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &Problem{
		Msg:  fmt.Sprintf("cannot read the suite %s: %v", name, err),
		Hint: "give a file, or the name of a shipped suite: " + strings.Join(Shipped(), ", "),
	}
}
