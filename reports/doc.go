// Package reports renders a run's journal: tables for the terminal and Markdown, CSV and JSON for
// other programs, pictures, and one HTML page with everything.
//
//  1. newView (view.go) groups the records. A group contains the records of one table or picture:
//     those of one task that differ only in the model and in the axes that the journal declares for
//     the task (task.go). Measured and computed records never share a group.
//  2. taskSection (summary.go) builds the declared views: grids in needle.go, losses in nll.go,
//     curves and details in scaling.go, parts in memory.go. reference.go adds published figures.
//     Every format shows the same tables and figures.
//  3. text.go, markdown.go, csv.go, json.go and html.go (with page/) each write one format.
//     figure.go writes the pictures. It lays out panels of two kinds (heatmap.go and chart.go),
//     which draw with painter.go.
//
// No code depends on the name of a task, so a new task needs no change here. A new kind of view
// needs a case in taskSection. A new format needs a Format, a writer and a case in render
// (reports.go).
//
// The package needs no model, no runner and no suite, so reports can be rendered from an old
// journal. It computes only pooled counts with their Wilson intervals, ratios between two records,
// and differences from published figures. Everything else comes from the records.
//
// The same journal always gives the same bytes: output does not depend on the clock, the locale or
// environment variables.
//
// Text that a model or a file provides is untrusted. It passes through clean (clean.go), which
// makes control characters visible, before it reaches any writer.
package reports
