package verify

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/yocobench/yocobench/runners"
)

// Report is the result of Verify. Write prints it; With applies another tolerance.
type Report struct {
	Dir, Model, Runner string
	// Tier is the kernel tier in use.
	Tier string
	// Tolerance is the largest absolute error of a logit that passes.
	Tolerance float64
	Checks    []Check
}

// Check is one tensor of one text computed in one mode.
type Check struct {
	// Text is the name of the token sequence in tokens.json, such as "t77".
	Text string
	// Tensor is the tensor's name, such as "gret_state.1".
	Tensor string
	// Mode is how it was computed (see the package's documentation).
	Mode string
	// Values is the number of values compared.
	Values int
	// Error is the largest absolute difference, NaN if a NaN was computed. At is its position:
	// "position 7, 12" is value 12 of position 7.
	Error float64
	At    string
	// Scale is the largest absolute expected value.
	Scale float64
	// Problem is a failure that is not a numerical error: a missing tensor, a wrong id, an
	// operation that must not happen.
	Problem string
	// Note explains why a check could not be made.
	Note string
}

// DefaultTolerance returns the tolerance of a logit. Fixtures are computed in float64; a plain
// float32 run of the reference implementation is within 4.9e-5 of them. Rounding only the weights
// to f16 (11 bits) or bf16 (8 bits) changes a logit of the fixtures by up to .05 or .28, where
// small embeddings are normalized.
func DefaultTolerance(o runners.Options) float64 {
	tolerance := map[runners.DType]float64{runners.F32: 2e-4, runners.F16: 0.1, runners.BF16: 0.5, runners.Stored: 0.5}
	return max(tolerance[o.Weights], tolerance[o.KV])
}

// tolerance is DefaultTolerance, or half of it in float32 for a pretrained model: its expected
// logits come from float64 too, and other implementations in float32 are within 4e-5 of them.
func (f *fixture) tolerance(o runners.Options) float64 {
	if t := DefaultTolerance(o); !f.pretrained || t > DefaultTolerance(runners.Options{}) {
		return t
	}
	return 1e-4
}

// Limit returns the largest error of the tensor that passes, given the tolerance of a logit.
//
//	logits, greedy_logits, nll    the tolerance
//	intermediate tensors (hidden.n, final_norm, khat, khat_before_rotary, vhat,
//	gret_state.i, swa_key.i, swa_value.i)
//	                              the tolerance times the largest expected value, if that is above 1
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

// base returns a tensor's name without its layer number.
func base(tensor string) string {
	name, _, _ := strings.Cut(tensor, ".")
	return name
}

// With returns the report with another tolerance.
func (r Report) With(tolerance float64) Report {
	r.Tolerance = tolerance
	return r
}

// OK reports whether every check passed. It is false for a report without checks.
func (r Report) OK() bool {
	for _, c := range r.Checks {
		if !c.OK(r.Tolerance) {
			return false
		}
	}
	return len(r.Checks) > 0
}

// Failed lists the checks that failed.
func (r Report) Failed() []Check {
	var failed []Check
	for _, c := range r.Checks {
		if !c.OK(r.Tolerance) {
			failed = append(failed, c)
		}
	}
	return failed
}

// Worst returns the largest error of the logits in any mode. This is the number to quote.
func (r Report) Worst() float64 {
	worst := 0.0
	for _, c := range r.Checks {
		if b := base(c.Tensor); b == "logits" || b == "greedy_logits" {
			worst = larger(worst, c.Error)
		}
	}
	return worst
}

// larger returns the larger of two errors; NaN is larger than any number.
func larger(a, b float64) float64 {
	if math.IsNaN(a) || a >= b {
		return a
	}
	return b
}

// Row summarizes the checks of one kind of tensor in one mode.
type Row struct {
	// Tensor is the name without the layer, such as "gret_state".
	Tensor, Mode string
	// Checks and Values count what was compared, Failed the checks that failed.
	Checks, Values, Failed int
	// Worst is the check with the largest error relative to its limit.
	Worst Check
}

// Rows summarizes the checks, in the order in which they were made.
func (r Report) Rows() []Row {
	var rows []Row
	index := map[[2]string]int{}
	for _, c := range r.Checks {
		key := [2]string{base(c.Tensor), c.Mode}
		i, ok := index[key]
		if !ok {
			i = len(rows)
			index[key] = i
			rows = append(rows, Row{Tensor: key[0], Mode: c.Mode, Worst: c})
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
	fmt.Fprintln(tw, "tensor\tmode\tvalues\tlargest error\tlimit\twhere\t")
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
		fmt.Fprintf(tw, "%s\t%s\t%d\t%.2e\t%.2e\t%s\t%s\n", row.Tensor, row.Mode, row.Values, c.Error, c.Limit(r.Tolerance), where, verdict)
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

// String returns the report as Write prints it.
func (r Report) String() string {
	var b strings.Builder
	r.Write(&b) //nolint:errcheck // a Builder never fails
	return b.String()
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
