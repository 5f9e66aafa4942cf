// Package reports draws a run's journal: tables for the terminal and Markdown,
// CSV and JSON for other programs, pictures, and one HTML page that holds them all.
//
// The way from journal to files:
//
//  1. newView (view.go) groups the records once: a group holds what belongs in
//     one table or one picture, that is the records of one task that differ in
//     nothing but the model and the axes. Measured and computed records never
//     share a group.
//  2. needle.go, nll.go, scaling.go, memory.go, reference.go and summary.go turn
//     groups into tables and figures; every format shows the same ones.
//  3. text.go, markdown.go, csv.go, json.go and html.go (with page/) each write
//     one format. figure.go writes the pictures: it lays out panels, of which
//     there are two kinds, heatmap.go and chart.go, drawn with painter.go.
//
// A new task gets a section function beside needleSection and a case in build
// (summary.go); a new format gets a Format, a writer and a case in render (reports.go).
//
// Nothing here needs a model, a runner or the suite, so a report can be redrawn
// from an old journal. Three things only are computed here: pooled counts with
// their Wilson interval, ratios between two records, and differences from
// published figures. All else stands in a record.
//
// The same journal gives the same bytes, always: no clock, locale or environment
// variable is looked at.
//
// Text that a model or a file wrote may hold anything. It passes through clean
// (clean.go), which makes control characters visible, before it reaches any writer.
package reports
