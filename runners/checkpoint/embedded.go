package checkpoint

import (
	"embed"
	"fmt"
	"strings"

	"github.com/yocobench/yocobench/runners"
)

// tiny holds the models trained by tools/train, a few MB each.
//
//go:embed tiny/*/config.json tiny/*/weights.safetensors
var tiny embed.FS

// Embedded lists the trained models in the binary: byte-level models of equal size that differ in
// their architecture.
func Embedded() []string {
	entries, err := tiny.ReadDir("tiny")
	if err != nil {
		panic(err) // the folder is embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// OpenEmbedded opens one of the models listed by Embedded.
func OpenEmbedded(name string) (runners.Config, runners.Weights, error) {
	var c runners.Config
	known := Embedded()
	found := false
	for _, k := range known {
		found = found || k == name
	}
	if !found {
		return c, nil, fmt.Errorf("no embedded model %q%s; there are %s", name, didYouMean(name, known), strings.Join(known, ", "))
	}
	text, err := tiny.ReadFile("tiny/" + name + "/" + configFile)
	if err != nil {
		return c, nil, err
	}
	if c, err = ParseConfig("embedded "+name+" "+configFile, name, text); err != nil {
		return c, nil, err
	}
	data, err := tiny.ReadFile("tiny/" + name + "/" + weightsFile)
	if err != nil {
		return c, nil, err
	}
	f, err := NewFile("embedded "+name, data)
	if err != nil {
		return c, nil, err
	}
	return c, f, check(c, f, f.Names())
}
