package suites

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxSuite limits the text of a suite in bytes. maxKeys limits the keys of one mapping, because the
// library compares all pairs.
const (
	maxSuite = 1 << 20
	maxKeys  = 1000
)

// readYAML parses YAML text to nodes; all other code uses it. It returns the root of one document,
// or nil for an empty text. It checks the text's size, the number of keys and duplicate keys in
// linear time before the library decodes nodes, because the library takes quadratic time for
// duplicate keys. Every error is a *Problem.
func readYAML(text []byte) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil { // the library panics on a few malformed inputs
			root, err = nil, &Problem{Msg: fmt.Sprintf("not YAML: %v", r)}
		}
	}()
	if len(text) > maxSuite {
		return nil, &Problem{Msg: fmt.Sprintf("a suite must not be longer than %d bytes", maxSuite)}
	}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, syntaxProblem(err)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, &Problem{Line: more.Line, Msg: "expected one YAML document, found more"}
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], checkKeys(doc.Content[0])
}

// decodeNode decodes a node that readYAML returned.
func decodeNode(n *yaml.Node, out any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = problemAt(n, "", "not YAML: %v", r)
		}
	}()
	return n.Decode(out)
}

// yamlKey identifies keys that the library considers equal.
type yamlKey struct {
	kind  yaml.Kind
	value string
}

// checkKeys returns an error for the first mapping with too many keys or a duplicate key.
func checkKeys(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		if keys := len(n.Content) / 2; keys > maxKeys {
			return problemAt(n, "", "a mapping of %d keys, more than %d", keys, maxKeys)
		}
		lines := make(map[yamlKey]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if first, ok := lines[yamlKey{k.Kind, k.Value}]; ok {
				return problemAt(k, "", "%s is given twice, first on line %d", keyName(k), first)
			}
			lines[yamlKey{k.Kind, k.Value}] = k.Line
		}
	}
	for _, c := range n.Content { // an alias has no content; its node is checked where it is defined
		if err := checkKeys(c); err != nil {
			return err
		}
	}
	return nil
}

func keyName(k *yaml.Node) string {
	if k.Kind == yaml.ScalarNode {
		return fmt.Sprintf("field %.80q", k.Value)
	}
	return "a key that is not a scalar"
}

var octal = regexp.MustCompile(`^[-+]?0[0-9][0-9_]*$`)

// checkValues returns an error for likely mistakes that YAML accepts: a number with a leading zero,
// which is read as octal, and an empty item of a list, which is dropped.
func checkValues(n *yaml.Node) error {
	const plain yaml.Style = 0
	if n.Kind == yaml.ScalarNode && n.Style == plain && octal.MatchString(n.Value) {
		sign, digits := "", n.Value
		if digits[0] == '-' || digits[0] == '+' {
			sign, digits = strings.TrimPrefix(digits[:1], "+"), digits[1:]
		}
		if digits = strings.TrimLeft(digits, "0_"); digits == "" {
			digits = "0"
		}
		return problemAt(n, fmt.Sprintf("write %s%s, or '%s' in quotes for a name", sign, digits, n.Value), "%s has a leading zero, which YAML reads as an octal number", n.Value)
	}
	for _, c := range n.Content {
		if n.Kind == yaml.SequenceNode && c.Kind == yaml.ScalarNode && c.ShortTag() == "!!null" {
			return problemAt(c, "give a value, or remove the dash", "an empty item in a list")
		}
		if err := checkValues(c); err != nil {
			return err
		}
	}
	return nil
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func syntaxProblem(err error) *Problem {
	p := &Problem{Msg: err.Error()}
	if m := syntaxLine.FindStringSubmatch(p.Msg); m != nil {
		fmt.Sscan(m[1], &p.Line)
		p.Msg = "not YAML: " + m[2]
	}
	return p
}
