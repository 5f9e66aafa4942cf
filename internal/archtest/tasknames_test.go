package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A task is defined by its declaration (result.Task): code that reads journals must not refer to a
// task by its name. Packages for reports and verdicts contain no string literal equal to a task's
// name. Other packages may, since "kv" and "prefill" are also words, but they do not compare a
// value with such a string or use it as a key of a table. Runners and kernels know no tasks.

// drawing lists the folders that may not contain a task's name, freeOf those that are not checked.
var (
	drawing = []string{"reports", "compare", "suites/result", "suites/gate"}
	freeOf  = []string{"runners", "kernels", "corpus", "tools", "internal"}
)

func below(folders []string, name string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return strings.HasPrefix(name, f+"/") })
}

func TestNoTaskByName(t *testing.T) {
	files := map[string]*ast.File{}
	set := token.NewFileSet()
	eachFile(t, func(path, name string) (err error) {
		if !strings.HasSuffix(name, "_test.go") {
			files[name], err = parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		}
		return err
	})
	var names, own []string
	for _, f := range files {
		names = append(names, tasksOf(f, files)...)
		names = append(names, familiesOf(f)...)
	}
	for name, f := range files {
		if len(tasksOf(f, files)) > 0 || len(familiesOf(f)) > 0 || name == "quality/task.go" {
			own = append(own, filepath.ToSlash(filepath.Dir(name)))
		}
	}
	if len(names) < 5 {
		t.Fatalf("found the tasks %v only", names)
	}
	for name, f := range files {
		if below(freeOf, name) || below(own, name) {
			continue
		}
		for _, n := range namesIn(f, names, below(drawing, name)) {
			t.Errorf("%s: read what the task declares instead (result.Task)", set.Position(n))
		}
	}
}

// tasksOf lists the strings that Name methods in a file return, for the types that have a Describe
// method of a task in any of files.
func tasksOf(file *ast.File, files map[string]*ast.File) (names []string) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil || f.Name.Name != "Name" || f.Body == nil || len(f.Body.List) != 1 {
			continue
		}
		r, ok := f.Body.List[0].(*ast.ReturnStmt)
		if !ok || len(r.Results) != 1 || text(r.Results[0]) == "" || !described(file.Name.Name, receiver(f), files) {
			continue
		}
		names = append(names, text(r.Results[0]))
	}
	return names
}

// familiesOf lists the names of the families (quality.Family) that a file defines: each is a task.
func familiesOf(file *ast.File) (names []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if s, ok := lit.Type.(*ast.SelectorExpr); !ok || s.Sel.Name != "Family" {
			return true
		}
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok && text(kv.Value) != "" {
				if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Name" {
					names = append(names, text(kv.Value))
				}
			}
		}
		return true
	})
	return names
}

// described reports whether a type of a package has a method Describe() result.Task.
func described(pkg, typ string, files map[string]*ast.File) bool {
	for _, file := range files {
		if file.Name.Name != pkg {
			continue
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "Describe" || receiver(f) != typ || f.Type.Results == nil {
				continue
			}
			if s, ok := f.Type.Results.List[0].Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Task" {
				return true
			}
		}
	}
	return false
}

// receiver names the type of a method.
func receiver(f *ast.FuncDecl) string {
	x := f.Recv.List[0].Type
	if p, ok := x.(*ast.StarExpr); ok {
		x = p.X
	}
	if id, ok := x.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// text is the value of a string literal, empty for any other expression.
func text(x ast.Expr) string {
	if l, ok := x.(*ast.BasicLit); ok && l.Kind == token.STRING {
		s, _ := strconv.Unquote(l.Value)
		return s
	}
	return ""
}

// namesIn lists where a file has a task's name: anywhere if strict, or else in a comparison, a
// case, an index or among the keys of a table.
func namesIn(file *ast.File, names []string, strict bool) (found []token.Pos) {
	is := func(x ast.Expr) bool { return slices.Contains(names, text(x)) }
	ast.Inspect(file, func(n ast.Node) bool {
		var at []ast.Expr
		switch n := n.(type) {
		case *ast.BasicLit:
			if strict {
				at = append(at, n)
			}
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				at = append(at, n.X, n.Y)
			}
		case *ast.CaseClause:
			at = n.List
		case *ast.IndexExpr:
			if s, ok := n.X.(*ast.SelectorExpr); !ok || s.Sel.Name != "Params" { // a param may be called kv
				at = append(at, n.Index)
			}
		case *ast.CompositeLit:
			var keys []ast.Expr
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok && is(kv.Key) {
					keys = append(keys, kv.Key)
				}
			}
			if len(keys) > 1 {
				at = keys
			}
		}
		for _, x := range at {
			if is(x) {
				found = append(found, x.Pos())
			}
		}
		return true
	})
	return found
}

func TestTaskNamesAreFound(t *testing.T) {
	for src, want := range map[string][2]bool{ // in general, and in packages that draw
		`f(r.Task == "needle")`:                       {true, true},
		`f("kv" != task)`:                             {true, true},
		`f(map[string]int{"needle": 1, "kv": 2})`:     {true, true},
		`f(map[string]any{"dtype": 1, "kv": 2})`:      {false, true},
		`f([]string{"needle"})`:                       {false, true},
		`f(titles["needle"])`:                         {true, true},
		`f(r.Params["kv"])`:                           {false, true},
		`f("needle")`:                                 {false, true},
		`f("needles", r.Task == other, "needle: no")`: {false, false},
		`switch r.Task { case "kv": }`:                {true, true},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", fmt.Sprintf("package x\nfunc _() { %s }", src), parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		for i, strict := range []bool{false, true} {
			if got := len(namesIn(file, []string{"needle", "kv"}, strict)) > 0; got != want[i] {
				t.Errorf("%s: found %v, want %v", src, got, want[i])
			}
		}
	}
}
