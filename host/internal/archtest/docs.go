package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"unicode"
)

// fewMembers is how many fields or methods the comment of their type can speak
// for. Of more, each one has a comment or is named in the type's.
const fewMembers = 4

// checkDocs wants a comment on every exported name: types, functions, methods,
// constants, variables, the fields of exported structs and the methods of
// exported interfaces. A comment above covers the names that follow it without
// a blank line, a comment behind covers its line, and a field that is named
// like its type needs none.
func checkDocs(t *Tree) []Finding {
	d := docs{tree: t}
	t.source(func(_ *Package, f *File) {
		for _, decl := range f.Syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				d.function(decl)
			case *ast.GenDecl:
				d.general(decl)
			}
		}
	})
	return d.found
}

type docs struct {
	tree  *Tree
	found []Finding
}

func (d *docs) missing(name *ast.Ident, kind string) {
	d.found = append(d.found, d.tree.finding(name.Pos(), "%s %s is exported and has no comment: "+
		"say what it is, its units, who calls and who closes", kind, name.Name))
}

func (d *docs) function(fn *ast.FuncDecl) {
	if !fn.Name.IsExported() || fn.Doc != nil {
		return
	}
	if fn.Recv == nil {
		d.missing(fn.Name, "function")
		return
	}
	if recv := receiver(fn.Recv.List[0].Type); recv != nil && recv.IsExported() {
		d.missing(fn.Name, "method")
	}
}

// receiver is the type name in T, *T, T[P] or *T[P, Q].
func receiver(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	}
	return nil
}

func (d *docs) general(decl *ast.GenDecl) {
	var run commentRun
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			if decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				d.missing(spec.Name, "type")
			}
			d.members(spec.Type, decl.Doc.Text()+spec.Doc.Text())
		case *ast.ValueSpec:
			covered := run.covers(d.tree, spec, spec.Doc, spec.Comment)
			if covered || decl.Doc != nil {
				continue
			}
			d.names(spec.Names, decl.Tok.String())
		}
	}
}

// members looks at the fields of a struct and the methods of an interface
// whose type has the comment doc.
func (d *docs) members(e ast.Expr, doc string) {
	list, kind := memberList(e)
	if list == nil || (doc != "" && list.NumFields() <= fewMembers) {
		return
	}
	words := strings.FieldsFunc(doc, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	var run commentRun
	for _, f := range list.List {
		if run.covers(d.tree, f, f.Doc, f.Comment) || named(f) {
			continue
		}
		for _, n := range f.Names { // embedded ones have no name and speak for themselves
			if !slices.Contains(words, n.Name) {
				d.name(n, kind)
			}
		}
	}
}

func memberList(e ast.Expr) (list *ast.FieldList, kind string) {
	switch e := e.(type) {
	case *ast.StructType:
		return e.Fields, "field"
	case *ast.InterfaceType:
		return e.Methods, "method"
	}
	return nil, ""
}

// named reports whether a field has the name of its type: Pos Pos, Pos sdk.Pos,
// Heads *Heads. The comment of the type is its comment, as if it were embedded.
func named(f *ast.Field) bool {
	typ := f.Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if sel, ok := typ.(*ast.SelectorExpr); ok {
		typ = sel.Sel
	}
	id, ok := typ.(*ast.Ident)
	return ok && len(f.Names) == 1 && f.Names[0].Name == id.Name
}

func (d *docs) names(names []*ast.Ident, kind string) {
	for _, n := range names {
		d.name(n, kind)
	}
}

func (d *docs) name(n *ast.Ident, kind string) {
	if n.IsExported() {
		d.missing(n, kind)
	}
}

// commentRun follows a list of members and knows whether a comment above an
// earlier one reaches down to the present one.
type commentRun struct {
	end token.Pos // of the last member that a comment above covers
}

func (r *commentRun) covers(t *Tree, n ast.Node, above, behind *ast.CommentGroup) bool {
	follows := r.end.IsValid() && t.line(n.Pos()) == t.line(r.end)+1
	if above != nil || follows {
		r.end = n.End()
		return true
	}
	r.end = token.NoPos
	return behind != nil
}
