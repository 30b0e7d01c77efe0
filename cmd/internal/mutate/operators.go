package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// search finds all mutants of the file.
func (s *source) search() {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if n == nil {
			s.stack = s.stack[:len(s.stack)-1]
			return true
		}
		if !s.enters(n) {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncDecl:
			s.function = name(n)
		case ast.Expr:
			s.expression(n)
		case ast.Stmt:
			s.statement(n)
		}
		if s.constant(n) {
			return false
		}
		s.stack = append(s.stack, n)
		return true
	})
}

// name is how messages call a function: (*T).Name.
func name(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	return "(" + types.ExprString(f.Recv.List[0].Type) + ")." + f.Name.Name
}

// parent is the node around the one that is being searched.
func (s *source) parent() ast.Node {
	if len(s.stack) == 0 {
		return nil
	}
	return s.stack[len(s.stack)-1]
}

// enters reports whether mutants may stand in the node: not in types, and not where
// the language wants a constant.
func (s *source) enters(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec, *ast.FieldList:
		return false
	case *ast.GenDecl:
		return n.Tok == token.VAR
	case *ast.CallExpr:
		// What make allocates stays on the stack only with a constant size.
		f, ok := n.Fun.(*ast.Ident)
		return !ok || f.Name != "make"
	case ast.Expr:
		kv, ok := s.parent().(*ast.KeyValueExpr)
		return !s.pkg.TypesInfo.Types[n].IsType() && (!ok || kv.Key != n)
	}
	return true
}

// constant reports whether the node is a constant expression, which is one place for
// mutants as a whole.
func (s *source) constant(n ast.Node) bool {
	e, ok := n.(ast.Expr)
	return ok && s.pkg.TypesInfo.Types[e].Value != nil
}

// expression finds the mutants of an expression.
func (s *source) expression(e ast.Expr) {
	if s.constant(e) {
		s.number(e)
		return
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		s.binary(e)
	case *ast.CallExpr:
		s.swapped(e.Args, "arguments")
	case *ast.CompositeLit:
		var values []ast.Expr
		for _, element := range e.Elts {
			if kv, ok := element.(*ast.KeyValueExpr); ok {
				element = kv.Value
			}
			values = append(values, element)
		}
		s.swapped(values, "fields")
	}
}

// number is a constant that is one too large or too small, or true for false.
func (s *source) number(e ast.Expr) {
	t := s.pkg.TypesInfo.Types[e].Type
	b, ok := t.Underlying().(*types.Basic)
	switch {
	case !ok || strings.Contains(s.text(e), "unsafe."):
	case b.Info()&types.IsBoolean != 0:
		s.add(e, "constant", "!"+s.text(e), s.around(e, "(mutantOn(#) != ", ")")...)
	case b.Info()&types.IsInteger != 0 && b.Info()&types.IsUntyped == 0:
		of, ok := s.typeName(t)
		switch {
		case !ok:
			return
		case of == "time.Duration": // seconds and minutes are confused, nobody is off by a nanosecond
			s.add(e, "constant", s.text(e)+" * 60", s.around(e, "mutantUnit(#, ", ")")...)
			return
		}
		s.add(e, "constant", s.text(e)+" + 1", s.around(e, "mutantMore["+of+"](#, ", ")")...)
		s.add(e, "constant", s.text(e)+" - 1", s.around(e, "mutantLess["+of+"](#, ", ")")...)
	}
}

// typeName is how the file writes a type; ok is false where it cannot.
func (s *source) typeName(t types.Type) (name string, ok bool) {
	ok = true
	name = types.TypeString(t, func(p *types.Package) string {
		if p == s.pkg.Types {
			return ""
		}
		for _, i := range s.file.Imports {
			if strings.Trim(i.Path.Value, `"`) != p.Path() {
				continue
			}
			if i.Name != nil {
				return i.Name.Name
			}
			return p.Name()
		}
		ok = false
		return ""
	})
	return name, ok
}

// A change is an operator that stands for another, and the function of the switch that
// does one or the other.
type change struct {
	to, with string
}

func changes() map[token.Token]change {
	return map[token.Token]change{
		token.LSS: {"<=", "mutantLSS"}, token.LEQ: {"<", "mutantLEQ"},
		token.GTR: {">=", "mutantGTR"}, token.GEQ: {">", "mutantGEQ"},
		token.ADD: {"-", "mutantADD"}, token.SUB: {"+", "mutantSUB"},
		token.MUL: {"/", "mutantMUL"}, token.QUO: {"*", "mutantQUO"}, token.REM: {"*", "mutantREM"},
		token.AND: {"|", "mutantAND"}, token.OR: {"&", "mutantOR"}, token.AND_NOT: {"&", "mutantANDNOT"},
		token.SHL: {">>", "mutantSHL"}, token.SHR: {"<<", "mutantSHR"},
	}
}

// binary is another operator between the same operands.
func (s *source) binary(e *ast.BinaryExpr) {
	operator := func(now string) edit {
		begin := s.offset(e.OpPos)
		return edit{begin: begin, end: begin + len(e.Op.String()), text: now}
	}
	replaced := func(to string) string {
		return s.text(e.X) + " " + to + " " + s.text(e.Y)
	}
	switch e.Op {
	case token.EQL, token.NEQ:
		if s.isCondition(e) {
			return // negated as a condition
		}
		to := map[token.Token]string{token.EQL: "!=", token.NEQ: "=="}[e.Op]
		s.add(e, "negated", replaced(to), s.around(e, "(mutantOn(#) != (", "))")...)
		return
	case token.LAND, token.LOR:
		to := map[token.Token]string{token.LAND: "||", token.LOR: "&&"}[e.Op]
		edits := append(s.around(e, "((((", ") != mutantOn(#))) != mutantOn(#))"),
			operator(") != mutantOn(#)) "+e.Op.String()+" (("))
		s.add(e, "logic", replaced(to), edits...)
		return
	}
	c, ok := changes()[e.Op]
	if !ok || !s.numeric(e) {
		return
	}
	kind := "arithmetic"
	switch e.Op {
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		kind = "boundary"
	}
	s.add(e, kind, replaced(c.to), append(s.around(e, c.with+"(#, ", ")"), operator(","))...)
}

// numeric reports whether the operands are numbers that the functions of the switch
// take: of one type or a constant beside one; of shifts, any but a constant on the left.
func (s *source) numeric(e *ast.BinaryExpr) bool {
	is := func(e ast.Expr) bool {
		b, ok := s.pkg.TypesInfo.Types[e].Type.Underlying().(*types.Basic)
		return ok && b.Info()&types.IsNumeric != 0
	}
	shift := e.Op == token.SHL || e.Op == token.SHR
	return is(e.X) && is(e.Y) && !(shift && s.constant(e.X))
}

// isCondition reports whether the expression is that of the if around it.
func (s *source) isCondition(e ast.Expr) bool {
	i, ok := s.parent().(*ast.IfStmt)
	return ok && i.Cond == e
}

// swapped is two neighbours in a list that have changed places: they have the same type,
// and reading them twice does nothing.
func (s *source) swapped(list []ast.Expr, kind string) {
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		if !s.plain(a) || !s.plain(b) || s.text(a) == s.text(b) {
			continue
		}
		if !types.Identical(s.pkg.TypesInfo.Types[a].Type, s.pkg.TypesInfo.Types[b].Type) {
			continue
		}
		edits := append(s.around(a, "mutantOne(#, ", ", "+s.text(b)+")"), s.around(b, "mutantOne(#, ", ", "+s.text(a)+")")...)
		s.add(a, "swapped "+kind, s.text(b)+", "+s.text(a), edits...)
		s.found[len(s.found)-1].old = s.text(a) + ", " + s.text(b)
	}
}

// plain reports whether the expression is a name or a selector of names, and no constant.
func (s *source) plain(e ast.Expr) bool {
	if s.constant(e) || s.pkg.TypesInfo.Types[e].IsNil() {
		return false
	}
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name != "_"
	case *ast.SelectorExpr:
		return s.pkg.TypesInfo.Selections[e] == nil || s.pkg.TypesInfo.Selections[e].Kind() == types.FieldVal && s.plain(e.X)
	}
	return false
}
