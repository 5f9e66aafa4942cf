package families

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/yocobench/yocobench/internal/suggest"
)

// configs contains the configs of published models: only fields of the config, written from public
// facts.
//
//go:embed configs/*.json
var configs embed.FS

// Published lists the models whose configs are embedded in the binary, by name.
func Published() (names []string) {
	files, err := configs.ReadDir("configs")
	if err != nil {
		panic(err) // the folder is embedded
	}
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".json"))
	}
	return names
}

// OpenPublished reads the embedded config of a published model.
func OpenPublished(name string) (*Model, error) {
	text, err := configs.ReadFile(path.Join("configs", name+".json"))
	if err != nil {
		if near := suggest.Nearest(name, Published()); near != "" {
			return nil, fmt.Errorf("no embedded config of %q (did you mean %q?)", name, near)
		}
		return nil, fmt.Errorf("no embedded config of %q", name)
	}
	m, err := Parse(name+".json", text)
	if err == nil {
		m.Rename(name)
	}
	return m, err
}
