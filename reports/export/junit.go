package export

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/yocobench/yocobench/internal/cleantext"
	"github.com/yocobench/yocobench/suites/result"
)

// Check is a gate as a test, with its outcome.
type Check struct {
	Name string
	// Outcome is passed, regressed (a failure), broken (an error), or anything else (skipped).
	Outcome string
	// Message describes the evidence for the outcome.
	Message string
}

type (
	junitSuites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Time     string   `xml:"time,attr"`
		Suites   []*junitSuite
	}
	junitSuite struct {
		XMLName    xml.Name `xml:"testsuite"`
		Name       string   `xml:"name,attr"`
		Tests      int      `xml:"tests,attr"`
		Failures   int      `xml:"failures,attr"`
		Errors     int      `xml:"errors,attr"`
		Skipped    int      `xml:"skipped,attr"`
		Time       string   `xml:"time,attr"`
		Timestamp  string   `xml:"timestamp,attr,omitempty"`
		Properties *junitProperties
		Cases      []junitCase `xml:"testcase"`
		seconds    float64
	}
	junitProperties struct {
		XMLName xml.Name        `xml:"properties"`
		List    []junitProperty `xml:"property"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string      `xml:"name,attr"`
		Class   string      `xml:"classname,attr"`
		Time    string      `xml:"time,attr"`
		Skipped *junitEvent `xml:"skipped"`
		Error   *junitEvent `xml:"error"`
		Failure *junitEvent `xml:"failure"`
		Out     string      `xml:"system-out,omitempty"`
	}
	junitEvent struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes JUnit XML for CI systems. Each task is a test suite and each case a test, with its
// metrics in the output. A failed case is an error; out of memory, skipped and unsupported cases
// are skipped tests. Gates are another suite. A run with missing cases has an error with their
// number.
func JUnit(w io.Writer, j *result.Journal, checks []Check) error {
	h := header(j)
	all := &junitSuites{Name: "yocobench " + printable(h.Suite)}
	by := map[string]*junitSuite{}
	for i := range j.Records {
		r := &j.Records[i]
		s := by[r.Task]
		if s == nil {
			s = &junitSuite{Name: printable(r.Task)}
			if !h.Start.IsZero() {
				s.Timestamp = h.Start.UTC().Format(time.DateOnly + "T15:04:05")
			}
			s.Properties = &junitProperties{}
			for _, p := range [][2]string{{"version", h.Env.Version}, {"commit", h.Env.Commit}, {"cpu", h.Env.CPU}, {"kernel_tier", h.Env.KernelTier}} {
				if p[1] != "" {
					s.Properties.List = append(s.Properties.List, junitProperty{p[0], printable(p[1])})
				}
			}
			by[r.Task] = s
			all.Suites = append(all.Suites, s)
		}
		s.record(r)
	}
	if n := j.Missing(); n > 0 {
		message := fmt.Sprintf("%d of %d cases were not run", n, n+len(j.Records))
		c := junitCase{Name: "every case was run", Class: "yocobench.run", Time: "0.000", Error: &junitEvent{Message: message, Type: "incomplete"}}
		all.Suites = append(all.Suites, &junitSuite{Name: "run", Errors: 1, Cases: []junitCase{c}})
	}
	if len(checks) > 0 {
		s := &junitSuite{Name: "gates"}
		for _, c := range checks {
			s.check(c)
		}
		all.Suites = append(all.Suites, s)
	}
	total := 0.0
	for _, s := range all.Suites {
		s.Tests, s.Time = len(s.Cases), seconds(s.seconds)
		all.Tests, all.Failures = all.Tests+s.Tests, all.Failures+s.Failures
		all.Errors += s.Errors
		total += s.seconds
	}
	all.Time = seconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) record(r *result.Record) {
	c := junitCase{Name: printable(r.Label), Class: printable("yocobench." + r.Task + "." + r.Model), Time: seconds(r.Seconds)}
	s.seconds += r.Seconds
	switch r.Status {
	case result.OK:
		var lines []string
		for _, n := range metricNames(r, true) {
			m := r.Metrics[n]
			lines = append(lines, fmt.Sprintf("%s %s %s", n, number(m.Value), m.Unit))
		}
		c.Out = printable(strings.Join(lines, "\n"))
	case result.Failed:
		c.Error = &junitEvent{Message: printable(r.Reason), Type: "failed"}
		s.Errors++
	default:
		c.Skipped = &junitEvent{Message: printable(fmt.Sprintf("%s: %s", r.Status, r.Reason))}
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func (s *junitSuite) check(k Check) {
	c := junitCase{Name: printable(k.Name), Class: "yocobench.gates", Time: "0.000"}
	first, _, _ := strings.Cut(k.Message, "\n")
	e := &junitEvent{Message: printable(first), Type: printable(k.Outcome), Text: printable(k.Message)}
	switch k.Outcome {
	case "passed":
		c.Out = e.Text
	case "regressed":
		c.Failure = e
		s.Failures++
	case "broken":
		c.Error = e
		s.Errors++
	default:
		c.Skipped = &junitEvent{Message: printable(k.Outcome + ": " + first)}
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

// printable cleans the lines of a text. The result contains only characters that XML 1.0 allows.
func printable(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = cleantext.Line(l)
	}
	return strings.Join(lines, "\n")
}
