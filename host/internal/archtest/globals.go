package archtest

import (
	"go/ast"
	"go/token"
	"strings"
)

const globalRule = "no mutable package variables: what may stand here is an error of errors.New or fmt.Errorf, " +
	"a check like `var _ I = T{}`, regexp.MustCompile, a //go:embed string or embed.FS, a sync.Pool with a comment " +
	"that says why, and an unexported array table that nothing writes, slices or points into; " +
	"otherwise use a const, a function, or a field of the value that needs it"

// stateful are the packages that must keep state in package variables. A function
// that a WebAssembly module exports has no receiver: what it knows is the module's,
// and the host puts it back after every evaluation.
func stateful() []string { return []string{"sdk/guest/entry"} }

// checkGlobals finds init functions and package variables that could change.
func checkGlobals(t *Tree) []Finding {
	var found []Finding
	writes := map[*Package]map[string]bool{}
	t.source(func(p *Package, f *File) {
		if writes[p] == nil {
			writes[p] = writtenNames(p)
		}
		for _, decl := range f.Syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv == nil && decl.Name.Name == "init" {
					found = append(found, t.finding(decl.Pos(), "init function: nothing happens by import, "+
						"call a constructor or a Register function from where it is needed"))
				}
			case *ast.GenDecl:
				if decl.Tok == token.VAR && !matchAny(stateful(), p.Path) {
					found = append(found, t.globals(decl, importNames(f.Syntax), writes[p])...)
				}
			}
		}
	})
	return found
}

func (t *Tree) globals(decl *ast.GenDecl, imports map[string]string, writes map[string]bool) []Finding {
	var found []Finding
	for _, s := range decl.Specs {
		spec := s.(*ast.ValueSpec) // a var declaration has no other kind
		doc := spec.Doc
		if doc == nil {
			doc = decl.Doc
		}
		for i, name := range spec.Names {
			v := global{name: name.Name, typ: spec.Type, doc: doc, comment: spec.Comment, imports: imports}
			if len(spec.Values) == len(spec.Names) {
				v.value = spec.Values[i]
			}
			if !v.constant(writes[name.Name]) {
				found = append(found, t.finding(name.Pos(), "package variable %s: %s", name.Name, globalRule))
			}
		}
	}
	return found
}

// global is one package variable with all that tells whether it is one.
type global struct {
	name         string
	typ, value   ast.Expr // either may be nil
	doc, comment *ast.CommentGroup
	imports      map[string]string
}

// constant reports whether the variable is one of the allowed kinds.
func (v global) constant(written bool) bool {
	switch {
	case v.name == "_":
		return true
	case written:
		return v.isPool() // a pool is made to be used
	case v.calls("errors.New", "fmt.Errorf", "regexp.MustCompile"):
		return true
	case v.embeds():
		return true
	case v.isPool():
		return v.doc != nil || v.comment != nil
	default:
		return !ast.IsExported(v.name) && v.isArray()
	}
}

func (v global) calls(names ...string) bool {
	call, ok := v.value.(*ast.CallExpr)
	if !ok {
		return false
	}
	for _, n := range names {
		if v.qualified(call.Fun) == n {
			return true
		}
	}
	return false
}

// qualified prints path.Name for a name of an imported package, else "".
func (v global) qualified(e ast.Expr) string {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := sel.X.(*ast.Ident); ok && v.imports[x.Name] != "" {
			return v.imports[x.Name] + "." + sel.Sel.Name
		}
	}
	return ""
}

func (v global) embeds() bool {
	if v.doc == nil || v.typ == nil {
		return false
	}
	directive := false
	for _, c := range v.doc.List {
		directive = directive || strings.HasPrefix(c.Text, "//go:embed ")
	}
	id, ok := v.typ.(*ast.Ident)
	return directive && (v.qualified(v.typ) == "embed.FS" || (ok && id.Name == "string"))
}

func (v global) isPool() bool {
	typ := v.typ
	if lit, ok := v.value.(*ast.CompositeLit); ok {
		typ = lit.Type
	}
	return typ != nil && v.qualified(typ) == "sync.Pool"
}

// isArray reports whether the variable is an array, a value that nobody else
// can hold a reference to unless its name is sliced or its address taken.
func (v global) isArray() bool {
	typ := v.typ
	if lit, ok := v.value.(*ast.CompositeLit); ok && typ == nil {
		typ = lit.Type
	}
	arr, ok := typ.(*ast.ArrayType)
	return ok && arr.Len != nil
}

// writtenNames are the names a package assigns to, increments, slices or takes
// the address of anywhere, tests included, also through an index or a field.
// It looks at names only: a local variable of the same name counts as well.
func writtenNames(p *Package) map[string]bool {
	names := map[string]bool{}
	for _, f := range p.Files {
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			for _, e := range written(n) {
				if id := rootName(e); id != nil {
					names[id.Name] = true
				}
			}
			return true
		})
	}
	return names
}

// written are the expressions that one statement or operator writes to or
// makes writable for others.
func written(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.SliceExpr:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	}
	return nil
}

// rootName is x in x, x[i], x.f, (x).f[i].g, and nil where a call or a
// composite literal stands at the root.
func rootName(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
