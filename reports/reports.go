package reports

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/yocobench/yocobench/internal/safefile"
	"github.com/yocobench/yocobench/suites/result"
)

// Format is one kind of report.
type Format string

// The formats, and their files in a run folder.
const (
	Text     Format = "text"     // report.txt: the tables of the terminal, without colour
	Markdown Format = "markdown" // report.md, which shows the PNG pictures
	CSV      Format = "csv"      // results.csv: one row for each case and metric
	JSON     Format = "json"     // results.json: the journal as one document
	PNG      Format = "png"      // one file per picture
	SVG      Format = "svg"      // one file per picture
	HTML     Format = "html"     // report.html: everything, in one file that opens offline
)

// Formats returns all formats, in the order in which they are written.
func Formats() []Format { return []Format{Text, Markdown, CSV, JSON, PNG, SVG, HTML} }

// ParseFormats reads a comma-separated list such as "png,html". "all" and the
// empty string mean every format, "md" for markdown and "txt" for text.
func ParseFormats(list string) ([]Format, error) {
	var out []Format
	seen := map[Format]bool{}
	add := func(f Format) {
		if !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	for word := range strings.SplitSeq(list, ",") {
		switch f := Format(strings.ToLower(strings.TrimSpace(word))); f {
		case "", "all":
			for _, f := range Formats() {
				add(f)
			}
		case "md":
			add(Markdown)
		case "txt":
			add(Text)
		case Text, Markdown, CSV, JSON, PNG, SVG, HTML:
			add(f)
		default:
			return nil, fmt.Errorf("unknown report format %q; hint: one of text, markdown, csv, json, png, svg, html, all", word)
		}
	}
	return out, nil
}

// Write writes the reports of a journal to an existing folder, in the given formats (nil: all). g
// holds the verdicts on gates, or is nil. It returns the names of the files in order. Each file is
// written atomically and replaces one of the same name. If ctx ends, Write stops and returns its
// error.
func Write(ctx context.Context, dir string, j *result.Journal, g *Gates, formats []Format) ([]string, error) {
	if formats == nil {
		formats = Formats()
	}
	v := newView(ctx, j, g)
	var written []string
	save := func(name string, data []byte) error {
		if err := safefile.WriteBytes(filepath.Join(dir, name), data); err != nil {
			return err
		}
		written = append(written, name)
		return nil
	}
	for _, f := range formats {
		files, err := v.render(f)
		if err != nil {
			return written, fmt.Errorf("report %s: %w", f, err)
		}
		for _, file := range files {
			if err := save(file.name, file.data); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// Terminal writes the tables shown at the end of a run, followed by the verdicts. Lines have at
// most width columns (40 to 100; 0 means 80). Colour is ANSI. The caller decides on colour, from
// NO_COLOR and whether w is a terminal.
func Terminal(ctx context.Context, w io.Writer, j *result.Journal, g *Gates, width int, color bool) error {
	v := newView(ctx, j, g)
	return v.whole(w, func(w io.Writer) error { return v.text(w, width, color) })
}

// whole writes the output of write, or nothing if ctx ended meanwhile.
func (v *view) whole(w io.Writer, write func(io.Writer) error) error {
	var buf bytes.Buffer
	err := v.ctx.Err()
	if err == nil {
		err = write(&buf)
	}
	if err == nil {
		err = v.ctx.Err()
	}
	if err == nil {
		_, err = w.Write(buf.Bytes())
	}
	return err
}

// file is a report file in memory.
type file struct {
	name string
	data []byte
}

func (v *view) render(f Format) ([]file, error) {
	var buf bytes.Buffer
	one := func(name string, err error) ([]file, error) {
		if err == nil {
			err = v.ctx.Err() // the output may be incomplete
		}
		return []file{{name, buf.Bytes()}}, err
	}
	if err := v.ctx.Err(); err != nil {
		return nil, err
	}
	switch f {
	case Text:
		return one("report.txt", v.text(&buf, 0, false))
	case Markdown:
		return one("report.md", v.markdown(&buf))
	case CSV:
		return one("results.csv", v.csv(&buf))
	case JSON:
		return one("results.json", v.json(&buf))
	case HTML:
		return one("report.html", v.html(&buf))
	case PNG, SVG:
		return v.pictures(f, dots)
	}
	return nil, fmt.Errorf("unknown format %q", f)
}

// MarkdownTo writes the contents of report.md, for a terminal or a CI job summary.
func MarkdownTo(ctx context.Context, w io.Writer, j *result.Journal, g *Gates) error {
	v := newView(ctx, j, g)
	return v.whole(w, v.markdown)
}

// HTMLTo writes the contents of report.html.
func HTMLTo(ctx context.Context, w io.Writer, j *result.Journal, g *Gates) error {
	v := newView(ctx, j, g)
	return v.whole(w, v.html)
}
