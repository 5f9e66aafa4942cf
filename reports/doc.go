// Package reports draws a run's journal: tables for the terminal and Markdown,
// CSV and JSON for other programs, pictures, and one HTML page that holds them all.
//
// The way from journal to files:
//
//  1. newView (view.go) groups the records once: a group holds what belongs in
//     one table or one picture, that is the records of one task that differ in
//     nothing but the model and the axes that the journal declares for the task
//     (task.go). Measured and computed records never share a group.
//  2. taskSection (summary.go) draws the views that are declared: needle.go has
//     grids, nll.go losses, scaling.go curves and their details, memory.go parts.
//     reference.go adds published figures. Every format shows the same tables
//     and figures.
//  3. text.go, markdown.go, csv.go, json.go and html.go (with page/) each write
//     one format. figure.go writes the pictures: it lays out panels, of which
//     there are two kinds, heatmap.go and chart.go, drawn with painter.go.
//
// No task is known by its name: a new one needs nothing here. A new kind of view
// gets a case in taskSection, a new format a Format, a writer and a case in render
// (reports.go).
//
// Nothing here needs a model, a runner or the suite, so a report can be redrawn
// from an old journal. Three things only are computed here: pooled counts with
// their Wilson interval, ratios between two records, and differences from
// published figures. All else is in a record.
//
// The same journal gives the same bytes, always: no clock, locale or environment
// variable is looked at.
//
// Text that a model or a file wrote may hold anything. It passes through clean
// (clean.go), which makes control characters visible, before it reaches any writer.
package reports
