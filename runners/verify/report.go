package verify

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/yocobench/yocobench/runners"
)

// Report is what Verify found. It is data: Write prints it, With judges it again.
type Report struct {
	Dir, Model, Runner string
	// Tier is the kernel tier that computed.
	Tier string
	// Tolerance is the largest absolute error of a logit that passes.
	Tolerance float64
	Checks    []Check
}

// Check is one tensor of one text computed in one way.
type Check struct {
	// Text is the name of the token sequence in tokens.json, such as "t77".
	Text string
	// Tensor is the tensor's name, such as "gret_state.1".
	Tensor string
	// Way is how it was computed (see the package's documentation).
	Way string
	// Values is the number of values compared.
	Values int
	// Error is the largest absolute difference, NaN if a NaN was computed, and
	// At is where: "position 7, 12" is value 12 of position 7.
	Error float64
	At    string
	// Scale is the largest absolute value expected.
	Scale float64
	// Problem is a failure that is no number: a tensor that did not come, a
	// wrong id, an operation that must not happen.
	Problem string
	// Note is what a reader should know of a check that could not be made.
	Note string
}

// DefaultTolerance is the tolerance of a logit. Fixtures are float64
// evaluations; a plain float32 run of the reference implementation is within
// 4.9e-5 of them. Rounding the weights alone to f16 (11 bits) or bf16 (8 bits) moves
// a logit of the fixtures by up to .05 or .28, where small embeddings are normalised.
func DefaultTolerance(o runners.Options) float64 {
	tolerance := map[runners.DType]float64{runners.F32: 2e-4, runners.F16: 0.1, runners.BF16: 0.5}
	return max(tolerance[o.Weights], tolerance[o.KV])
}

// Limit is the largest error of the tensor that passes, given that of a logit.
//
//	logits, greedy_logits, nll    the tolerance
//	everything inside (hidden.n, final_norm, khat, khat_before_rotary, vhat,
//	gret_state.i, swa_key.i, swa_value.i)
//	                              the tolerance times the largest value expected, if that is above 1
//	early exit                    0: it counts operations
func (c Check) Limit(tolerance float64) float64 {
	switch base(c.Tensor) {
	case "logits", "greedy_logits", "nll":
		return tolerance
	case "operations":
		return 0
	default:
		return tolerance * max(1, c.Scale)
	}
}

// OK reports whether the check passes.
func (c Check) OK(tolerance float64) bool {
	return c.Problem == "" && c.Error <= c.Limit(tolerance) // false for NaN
}

// base is a tensor's name without the number of its layer.
func base(tensor string) string {
	name, _, _ := strings.Cut(tensor, ".")
	return name
}

// With returns the report judged by another tolerance.
func (r Report) With(tolerance float64) Report {
	r.Tolerance = tolerance
	return r
}

// OK reports whether everything passed; a report without checks did not.
func (r Report) OK() bool {
	for _, c := range r.Checks {
		if !c.OK(r.Tolerance) {
			return false
		}
	}
	return len(r.Checks) > 0
}

// Failed lists the checks that did not pass.
func (r Report) Failed() []Check {
	var failed []Check
	for _, c := range r.Checks {
		if !c.OK(r.Tolerance) {
			failed = append(failed, c)
		}
	}
	return failed
}

// Worst is the largest error of the logits by any way, which is the number to quote.
func (r Report) Worst() float64 {
	worst := 0.0
	for _, c := range r.Checks {
		if b := base(c.Tensor); b == "logits" || b == "greedy_logits" {
			worst = larger(worst, c.Error)
		}
	}
	return worst
}

// larger is the larger of two errors, where NaN is the largest.
func larger(a, b float64) float64 {
	if math.IsNaN(a) || a >= b {
		return a
	}
	return b
}

// Row sums up the checks of one kind of tensor by one way.
type Row struct {
	// Tensor is the name without the layer, such as "gret_state".
	Tensor, Way string
	// Checks and Values count what was compared, Failed the checks that did not pass.
	Checks, Values, Failed int
	// Worst is the check that is nearest to its limit or furthest beyond.
	Worst Check
}

// Rows sums up the checks, in the order in which they were made.
func (r Report) Rows() []Row {
	var rows []Row
	index := map[[2]string]int{}
	for _, c := range r.Checks {
		key := [2]string{base(c.Tensor), c.Way}
		i, ok := index[key]
		if !ok {
			i = len(rows)
			index[key] = i
			rows = append(rows, Row{Tensor: key[0], Way: c.Way, Worst: c})
		}
		row := &rows[i]
		row.Checks++
		row.Values += c.Values
		if !c.OK(r.Tolerance) {
			row.Failed++
		}
		if r.worse(c, row.Worst) {
			row.Worst = c
		}
	}
	return rows
}

// worse reports whether a is worse than b: problems first, then NaN, then the error over its limit.
func (r Report) worse(a, b Check) bool {
	if (a.Problem == "") != (b.Problem == "") {
		return a.Problem != ""
	}
	if math.IsNaN(a.Error) || math.IsNaN(b.Error) {
		return !math.IsNaN(b.Error)
	}
	return a.Error*b.Limit(r.Tolerance) > b.Error*a.Limit(r.Tolerance)
}

// Write prints the report as a table of the largest error of each tensor.
func (r Report) Write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s on %s%s, tolerance %.3g\n", r.Model, r.Runner, parenthesis(r.Tier), r.Tolerance); err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "tensor\tway\tvalues\tlargest error\tlimit\twhere\t")
	for _, row := range r.Rows() {
		c := row.Worst
		where := c.Text
		if c.Tensor != row.Tensor {
			where += "." + c.Tensor
		}
		if c.At != "" {
			where += ", " + c.At
		}
		if text := c.Problem + c.Note; text != "" {
			where += ": " + text
		}
		verdict := "ok"
		if row.Failed > 0 {
			verdict = fmt.Sprintf("FAIL (%d of %d)", row.Failed, row.Checks)
		} else if c.Note != "" {
			verdict = "-"
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%.2e\t%.2e\t%s\t%s\n", row.Tensor, row.Way, row.Values, c.Error, c.Limit(r.Tolerance), where, verdict)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	verdict := "PASS"
	if !r.OK() {
		verdict = "FAIL"
	}
	_, err := fmt.Fprintf(w, "%s %s (largest error of a logit %.2e)\n", verdict, r.Dir, r.Worst())
	return err
}

// String is the report as Write prints it.
func (r Report) String() string {
	var b strings.Builder
	r.Write(&b) //nolint:errcheck // a Builder does not fail
	return b.String()
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
