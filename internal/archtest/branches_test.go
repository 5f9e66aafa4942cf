package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A model is its layers: no code may ask which architecture it is. These tests look for comparisons
// with an architecture's constant or the name of an architecture or preset, and for methods that
// would hide one. Only the files in mayBranch may contain them.

// mayBranch are the files that may ask for the architecture of a runners.Shape.
var mayBranch = map[string]bool{
	"runners/shape.go":   true,
	"runners/presets.go": true,
	"reports/family.go":  true, // old journals name no baseline
}

var (
	archConstant = regexp.MustCompile(`^(YOCOGatedRetention|YOCOSlidingWindow|Transformer)$`)
	archName     = regexp.MustCompile(`^(tiny-)?(yoco|transformer|gemma|cla|hybrid)([-_/*]|$)`)
	archMethod   = regexp.MustCompile(`^(Is|is)(YOCO|Yoco|Transformer)`)
	configName   = regexp.MustCompile(`(?i)^(config|cfg|conf)$`)
)

// comparing are the functions that compare strings.
var comparing = map[string]bool{
	"HasPrefix": true, "HasSuffix": true, "Contains": true, "EqualFold": true, "CutPrefix": true, "CutSuffix": true, "Cut": true,
}

func TestNoBranchOnArchitecture(t *testing.T) {
	files := 0
	eachFile(t, func(path, name string) error {
		if strings.HasSuffix(name, "_test.go") || mayBranch[name] {
			return nil
		}
		files++
		found, err := branches(path, nil)
		for _, f := range found {
			t.Errorf("%s\n\task the layers instead (runners.Config)", f)
		}
		return err
	})
	if files < 100 {
		t.Errorf("only %d files seen", files)
	}
}

// branches lists where a file asks for an architecture.
func branches(path string, src any) (found []string, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	report := func(n ast.Node, what string) {
		found = append(found, fmt.Sprintf("%s: %s", set.Position(n.Pos()), what))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				for _, x := range []ast.Expr{n.X, n.Y} {
					if what := arch(x); what != "" {
						report(n, "compares with "+what)
					}
				}
				if isLabel(n.X) && isWord(n.Y) || isLabel(n.Y) && isWord(n.X) {
					report(n, "compares a model's label with a word")
				}
			}
		case *ast.SwitchStmt:
			if n.Tag != nil && (isLabel(n.Tag) || arch(n.Tag) != "") {
				report(n, "switches on a model's architecture")
			}
		case *ast.CaseClause:
			for _, x := range n.List {
				if what := arch(x); what != "" {
					report(n, "has a case for "+what)
				}
			}
		case *ast.CallExpr:
			s, ok := n.Fun.(*ast.SelectorExpr)
			if ok && archMethod.MatchString(s.Sel.Name) {
				report(n, "asks "+s.Sel.Name)
			}
			if ok && comparing[s.Sel.Name] {
				for _, x := range n.Args {
					if what := arch(x); what != "" {
						report(n, "compares with "+what)
					}
				}
			}
		}
		return true
	})
	return found, nil
}

// arch says which architecture, label or name an expression is; nothing if none.
func arch(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.ParenExpr:
		return arch(x.X)
	case *ast.Ident:
		if archConstant.MatchString(x.Name) {
			return x.Name
		}
	case *ast.SelectorExpr:
		if archConstant.MatchString(x.Sel.Name) {
			return x.Sel.Name
		}
	case *ast.CallExpr: // a conversion
		if len(x.Args) == 1 {
			return arch(x.Args[0])
		}
	case *ast.BasicLit:
		if s, err := strconv.Unquote(x.Value); err == nil && x.Kind == token.STRING && archName.MatchString(s) {
			return x.Value
		}
	}
	return ""
}

// isLabel reports whether an expression is the label of a runners.Config. Models may be grouped by
// it, so it may be compared with another.
func isLabel(x ast.Expr) bool {
	s, ok := x.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Label" && isConfig(s.X)
}

// isWord reports whether an expression is a string literal that is not empty.
func isWord(x ast.Expr) bool {
	l, ok := x.(*ast.BasicLit)
	return ok && l.Kind == token.STRING && len(l.Value) > 2
}

// isConfig reports whether an expression's name is one that runners.Configs have.
func isConfig(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return configName.MatchString(x.Name)
	case *ast.SelectorExpr:
		return configName.MatchString(x.Sel.Name)
	case *ast.CallExpr:
		return isConfig(x.Fun)
	}
	return false
}

func TestBranchesAreFound(t *testing.T) {
	for src, want := range map[string]bool{
		`a == runners.Transformer`:               true,
		`runners.YOCOSlidingWindow != a`:         true,
		`a == Transformer`:                       true,
		`m.Config.Label == "x"`:                  true,
		`m.Config().Label != other`:              false,
		`cfg.Label == "hybrid"`:                  true,
		`m.Config().Label == ""`:                 false,
		`string(s.Arch) == "yoco-gret"`:          true,
		`strings.HasPrefix(name, "yoco-")`:       true,
		`strings.Contains(name, "tiny-yoco")`:    true,
		`c.IsYOCO()`:                             true,
		`c.Arch.IsYOCO()`:                        true,
		`len(cfg.Layers) == 2`:                   false,
		`r.Label == "1Ki"`:                       false,
		`l.Mixer.Kind == runners.Retention`:      false,
		`mixers[i] == "attention"`:               false,
		`errors.Is(err, runners.ErrUnsupported)`: false,
		`func() bool { switch a { case Transformer: }; return true }()`:          true,
		`func() bool { switch cfg.Label { case x: }; return true }()`:            true,
		`func() bool { switch name { case "transformer-3b": }; return true }()`:  true,
		`func() bool { switch kind { case runners.Attention: }; return true }()`: false,
		`plain(runners.Transformer) == plain(runners.Transformer)`:               true,
	} {
		found, err := branches("x.go", "package x\nvar _ = "+src)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		if (len(found) > 0) != want {
			t.Errorf("%s: found %v", src, found)
		}
	}
}
