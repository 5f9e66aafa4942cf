package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// commentWidth is the width of Go comments in columns, a tab counted as four.
const commentWidth = 100

// TestCommentWidth checks the lines that hold nothing but a comment. A comment of one word (a URL),
// preformatted text and generated files may be wider.
func TestCommentWidth(t *testing.T) {
	files := 0
	eachFile(t, func(path, _ string) error {
		files++
		for _, at := range wideComments(t, path, nil) {
			t.Errorf("%s: a comment wider than %d columns", at, commentWidth)
		}
		return nil
	})
	if files < 300 {
		t.Errorf("%d Go files found, want at least 300", files)
	}
}

// wideComments returns the positions of comment lines wider than commentWidth. It parses text, or
// the file at path if text is nil.
func wideComments(t *testing.T, path string, text any) (at []string) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if ast.IsGenerated(f) {
		return nil
	}
	starts := map[int]bool{} // lines that hold code
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case nil, *ast.Comment, *ast.CommentGroup, *ast.File:
		default:
			starts[fset.Position(n.Pos()).Line] = true
			starts[fset.Position(n.End()-1).Line] = true
		}
		return true
	})
	for _, g := range f.Comments {
		for _, c := range g.List {
			p := fset.Position(c.Pos())
			prose, ok := strings.CutPrefix(c.Text, "// ")
			if !ok || starts[p.Line] || !strings.Contains(prose, " ") || strings.HasPrefix(prose, " ") {
				continue
			}
			if 4*(p.Column-1)+len([]rune(c.Text)) > commentWidth {
				at = append(at, p.String())
			}
		}
	}
	return at
}

func TestWideComments(t *testing.T) {
	long := strings.Repeat("word ", 20)
	text := "package p\n\n// " + long + "\n// short\n//\t" + long + "\nvar x = 1 // " + long + "\n\nfunc f() {\n\t// " +
		long + "\n\t// http://" + strings.Repeat("a", 100) + "\n}\n"
	got := strings.Join(wideComments(t, "p.go", text), " ")
	if want := "p.go:3:1 p.go:9:2"; got != want {
		t.Errorf("wide comments at %q, want %q", got, want)
	}
}
