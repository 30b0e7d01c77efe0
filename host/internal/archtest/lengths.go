package archtest

import "go/ast"

// What a reader can hold at once. Tests are free of both: a table of cases may
// be as long as it needs.
const (
	maxFuncLines = 60  // from func to the closing brace
	maxFileLines = 400 // without a licence header
)

func checkLengths(t *Tree) []Finding {
	var found []Finding
	t.source(func(_ *Package, f *File) {
		if f.Lines > maxFileLines {
			found = append(found, fileFinding(f.Name, "has %d lines, more than %d: "+
				"a file has one subject, give the second one a file of its own", f.Lines, maxFileLines))
		}
		for _, d := range f.Syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := t.line(fn.End()) - t.line(fn.Pos()) + 1; n > maxFuncLines {
				found = append(found, t.finding(fn.Pos(), "function %s has %d lines, more than %d: "+
					"a function fits a screen, split it where a comment would begin a new thought", fn.Name.Name, n, maxFuncLines))
			}
		}
	})
	return found
}
