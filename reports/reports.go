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

// The formats, and the files they make in a run's folder.
const (
	Text     Format = "text"     // report.txt: the terminal's tables, without colour
	Markdown Format = "markdown" // report.md, which shows the PNG pictures
	CSV      Format = "csv"      // results.csv: one row for each case and metric
	JSON     Format = "json"     // results.json: the journal as one document
	PNG      Format = "png"      // one file a picture
	SVG      Format = "svg"      // one file a picture
	HTML     Format = "html"     // report.html: everything, in one file that opens offline
)

// Formats lists every format, in the order in which they are written.
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

// Write draws a journal, with the verdicts on its gates unless they are nil, in the given formats
// (nil: all of them) into an existing folder. It returns the names of the files written, in order.
// Each file appears whole or not at all, and replaces one of the same name. When ctx ends, drawing
// stops with its error.
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

// Terminal writes the tables that end a run, and the verdicts last. Lines are at most width columns
// (40 to 100; 0 means 80). Colour is ANSI; the caller decides by NO_COLOR
// and by whether w is a terminal.
func Terminal(ctx context.Context, w io.Writer, j *result.Journal, g *Gates, width int, color bool) error {
	v := newView(ctx, j, g)
	return v.whole(w, func(w io.Writer) error { return v.text(w, width, color) })
}

// whole writes what write writes, or nothing where ctx ended meanwhile.
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

// file is a report's file before it is written.
type file struct {
	name string
	data []byte
}

func (v *view) render(f Format) ([]file, error) {
	var buf bytes.Buffer
	one := func(name string, err error) ([]file, error) {
		if err == nil {
			err = v.ctx.Err() // what was made of it may be a part
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

// MarkdownTo writes what report.md holds, for a terminal or a CI job's summary.
func MarkdownTo(ctx context.Context, w io.Writer, j *result.Journal, g *Gates) error {
	v := newView(ctx, j, g)
	return v.whole(w, v.markdown)
}

// HTMLTo writes what report.html holds.
func HTMLTo(ctx context.Context, w io.Writer, j *result.Journal, g *Gates) error {
	v := newView(ctx, j, g)
	return v.whole(w, v.html)
}
