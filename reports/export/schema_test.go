package export

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// testdata/junit-10.xsd is the JUnit XML schema that CI servers use (by Gregory Boissinot, MIT
// licence).

// schema is the subset of XML Schema that the file uses. Groups of elements may occur in any order
// and number, which parse checks.
type schema struct {
	Elements []element `xml:"element"`
	Types    []struct {
		Name        string `xml:"name,attr"`
		Restriction struct {
			Pattern struct {
				Value string `xml:"value,attr"`
			} `xml:"pattern"`
		} `xml:"restriction"`
	} `xml:"simpleType"`
}

type element struct {
	Name    string `xml:"name,attr"`
	Ref     string `xml:"ref,attr"`
	Type    string `xml:"type,attr"`
	Max     string `xml:"maxOccurs,attr"`
	Complex *struct {
		Mixed      bool `xml:"mixed,attr"`
		Attributes []struct {
			Name string `xml:"name,attr"`
			Type string `xml:"type,attr"`
			Use  string `xml:"use,attr"`
		} `xml:"attribute"`
		group
		Sequence *group `xml:"sequence"`
	} `xml:"complexType"`
}

type group struct {
	Choice *struct {
		Max      string    `xml:"maxOccurs,attr"`
		Elements []element `xml:"element"`
	} `xml:"choice"`
	Elements []element `xml:"element"`
}

// children returns the names of an element's children.
func (e element) children(t *testing.T) map[string]bool {
	out := map[string]bool{}
	groups := []group{e.Complex.group}
	if e.Complex.Sequence != nil {
		groups = append(groups, *e.Complex.Sequence)
	}
	for _, g := range groups {
		for _, c := range g.Elements {
			if out[c.Ref] = true; c.Max != "unbounded" || len(g.Elements) > 1 {
				t.Fatalf("%s: this test does not support the form of this group", e.Name)
			}
		}
		if g.Choice == nil {
			continue
		}
		if g.Choice.Max != "unbounded" {
			t.Fatalf("%s: this test does not support the form of this choice", e.Name)
		}
		for _, c := range g.Choice.Elements {
			out[c.Ref] = true
		}
	}
	return out
}

// validate returns an error for the first part of a document that the schema does not allow.
func (s schema) validate(t *testing.T, doc []byte) error {
	elements, types := map[string]element{}, map[string]*regexp.Regexp{}
	for _, e := range s.Elements {
		elements[e.Name] = e
	}
	for _, x := range s.Types {
		types[x.Name] = regexp.MustCompile(`^(?:` + x.Restriction.Pattern.Value + `)$`)
	}
	var open []element
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		switch x := token.(type) {
		case xml.StartElement:
			e, ok := elements[x.Name.Local]
			if n := len(open); !ok || n > 0 && (open[n-1].Complex == nil || !open[n-1].children(t)[e.Name]) {
				return fmt.Errorf("element %s is not allowed here", x.Name.Local)
			}
			if err := e.attributes(x.Attr, types); err != nil {
				return fmt.Errorf("%s: %w", e.Name, err)
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(bytes.TrimSpace(x)) > 0 && open[len(open)-1].Complex != nil && !open[len(open)-1].Complex.Mixed {
				return fmt.Errorf("text in %s", open[len(open)-1].Name)
			}
		}
	}
}

func (e element) attributes(have []xml.Attr, types map[string]*regexp.Regexp) error {
	values := map[string]string{}
	for _, a := range have {
		values[a.Name.Local] = a.Value
	}
	if e.Complex != nil {
		for _, a := range e.Complex.Attributes {
			v, ok := values[a.Name]
			if !ok && a.Use == "required" {
				return fmt.Errorf("no attribute %s", a.Name)
			}
			if form := types[a.Type]; ok && form != nil && !form.MatchString(v) {
				return fmt.Errorf("%s=%q is no %s", a.Name, v, a.Type)
			}
			delete(values, a.Name)
		}
	}
	for name := range values {
		return fmt.Errorf("attribute %s is not allowed", name)
	}
	return nil
}

func TestJUnitMatchesSchema(t *testing.T) {
	text, err := os.ReadFile("testdata/junit-10.xsd")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := xml.Unmarshal(text, &s); err != nil || len(s.Elements) < 10 || len(s.Types) != 1 {
		t.Fatalf("%v: %d elements, %d types", err, len(s.Elements), len(s.Types))
	}
	ours, err := os.ReadFile("testdata/junit.xml")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.validate(t, ours); err != nil {
		t.Error(err)
	}
	// Invalid documents are rejected.
	for _, c := range [][3]string{
		{`<testcase name=`, `<testcase title=`, "testcase: no attribute name"},
		{`<testcase `, `<testcase slow="yes" `, "testcase: attribute slow is not allowed"},
		{`time="1.500"`, `time="1.5 s"`, `time="1.5 s" is no SUREFIRE_TIME`},
		{`<properties>`, `<properties>and more`, "text in properties"},
		{`<system-out>`, `<system-out><b></b>`, "element b is not allowed here"},
		{`<property `, `<testcase name="x"></testcase><property `, "element testcase is not allowed here"},
	} {
		bad := strings.Replace(string(ours), c[0], c[1], 1)
		if err := s.validate(t, []byte(bad)); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: got %v, want %q", c[1], err, c[2])
		}
	}
}
