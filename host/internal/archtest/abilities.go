package archtest

import (
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strings"
)

// Ability is an exported interface of sdk or host that some package asks a value for:
// what a part can do beside what its kind demands.
type Ability struct {
	Name string   // "host.Ender"
	Have []string // packages with a type that has its methods
	Use  []string // packages that ask for it
}

// String is a line for each list.
func (a Ability) String() string {
	return fmt.Sprintf("%s\n\thave: %s\n\tuse:  %s\n", a.Name, strings.Join(a.Have, " "), strings.Join(a.Use, " "))
}

// words are the packages whose interfaces are everybody's.
func words() []string { return []string{"host", "sdk"} }

// Abilities lists them by name. Like the rest of the package it knows syntax only: a
// type has an ability if it has methods of these names with these types.
func Abilities(t *Tree) []Ability {
	found := interfaces(t)
	uses := map[string]map[string]bool{}
	t.source(func(p *Package, f *File) {
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			for _, e := range asked(n) {
				name := wordName(p, e)
				if found[name] == nil {
					continue
				}
				if uses[name] == nil {
					uses[name] = map[string]bool{}
				}
				uses[name][p.Path] = true
			}
			return true
		})
	})
	var all []Ability
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		a := Ability{Name: name, Use: slices.Sorted(maps.Keys(uses[name]))}
		for _, p := range t.Packages {
			if has(p, found, name) {
				a.Have = append(a.Have, p.Path)
			}
		}
		all = append(all, a)
	}
	return all
}

// interfaces returns the exported ones of the words with their methods, those of
// embedded ones included: "host.Ender" → "Ends" → "func() bool".
func interfaces(t *Tree) map[string]map[string]string {
	found := map[string]map[string]string{}
	embeds := map[string][]string{}
	t.source(func(p *Package, f *File) {
		if !slices.Contains(words(), p.Path) {
			return
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			if i, ok := spec.Type.(*ast.InterfaceType); ok {
				name := p.Path + "." + spec.Name.Name
				found[name] = map[string]string{}
				for _, m := range i.Methods.List {
					if len(m.Names) == 0 {
						embeds[name] = append(embeds[name], wordName(p, m.Type))
					}
					for _, id := range m.Names {
						found[name][id.Name] = signature(m.Type)
					}
				}
			}
			return true
		})
	})
	for name, inner := range embeds {
		for _, e := range inner {
			maps.Copy(found[name], found[e])
		}
	}
	return found
}

// asked returns the types that a node asks a value for.
func asked(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.TypeAssertExpr:
		if n.Type != nil {
			return []ast.Expr{n.Type}
		}
	case *ast.TypeSwitchStmt:
		var all []ast.Expr
		for _, c := range n.Body.List {
			if c, ok := c.(*ast.CaseClause); ok {
				all = append(all, c.List...)
			}
		}
		return all
	}
	return nil
}

// wordName returns the name of a type of the words as everybody writes it, or "".
func wordName(p *Package, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return p.Path + "." + e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
	}
	return ""
}

// parts reports whether a package has what configurations are made of: matchers,
// handlers, builders and shared values.
func parts(path string) bool {
	return matchAny([]string{"builtin/...", "host", "host/graph", "host/route", "host/session", "host/share", "host/target", "host/upstream", "host/wasm"}, path)
}

// has reports whether a type of the package has the methods of an interface.
func has(p *Package, found map[string]map[string]string, name string) bool {
	if !parts(p.Path) {
		return false
	}
	for _, methods := range methodSets(p) {
		if covers(methods, found[name]) {
			return true
		}
	}
	return false
}

// methodSets returns the methods of each type of a package, those of embedded types of
// the same package included.
func methodSets(p *Package) map[string]map[string]string {
	sets := map[string]map[string]string{}
	for _, f := range p.Files {
		for _, d := range f.Syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || f.Test {
				continue
			}
			if id := receiver(fn.Recv.List[0].Type); id != nil {
				if sets[id.Name] == nil {
					sets[id.Name] = map[string]string{}
				}
				sets[id.Name][fn.Name.Name] = signature(fn.Type)
			}
		}
	}
	promoted(p, sets)
	return sets
}

// promoted gives the types of a package the methods of what they embed.
func promoted(p *Package, sets map[string]map[string]string) {
	for _, f := range p.Files {
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && !f.Test {
				promote(sets, spec)
			}
			return true
		})
	}
}

// promote gives a struct the methods of what it embeds.
func promote(sets map[string]map[string]string, spec *ast.TypeSpec) {
	s, ok := spec.Type.(*ast.StructType)
	if !ok || sets[spec.Name.Name] == nil {
		return
	}
	for _, f := range s.Fields.List {
		id := receiver(f.Type)
		if len(f.Names) > 0 || id == nil {
			continue
		}
		for name, sig := range sets[id.Name] {
			if _, own := sets[spec.Name.Name][name]; !own {
				sets[spec.Name.Name][name] = sig
			}
		}
	}
}

// covers reports whether methods has all that an interface wants.
func covers(methods, wanted map[string]string) bool {
	for name, sig := range wanted {
		if methods[name] != sig {
			return false
		}
	}
	return true
}

// signature prints the type of a function without the names of its parameters and
// without those of the packages of the words, which do not write them themselves.
func signature(e ast.Expr) string {
	fn, ok := e.(*ast.FuncType)
	if !ok {
		return ""
	}
	text := "("
	for _, list := range []*ast.FieldList{fn.Params, fn.Results} {
		if list != nil {
			for _, f := range list.List {
				text += strings.Repeat(types.ExprString(f.Type)+",", max(len(f.Names), 1))
			}
		}
		text += ")"
	}
	return strings.NewReplacer("sdk.", "", "host.", "").Replace(text)
}
