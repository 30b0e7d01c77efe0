package main

import (
	"go/ast"
	"go/token"
	"go/types"
)

// statement finds the mutants of a statement.
func (s *source) statement(n ast.Stmt) {
	switch n := n.(type) {
	case *ast.IfStmt:
		s.condition(n.Cond)
	case *ast.ReturnStmt:
		s.result(n)
	case *ast.IncDecStmt:
		s.count(n)
	case *ast.AssignStmt:
		s.operation(n)
	}
	if s.inList(n) && s.removable(n) {
		s.add(n, "removed", "", s.around(n, "if !mutantOn(#) { ", " }")...)
	}
}

// condition is a check that is the wrong way round, or forgotten.
func (s *source) condition(e ast.Expr) {
	if t, ok := s.pkg.TypesInfo.Types[e].Type.(*types.Basic); !ok || t.Info()&types.IsBoolean == 0 || s.constant(e) {
		return
	}
	s.add(e, "negated", "!("+s.text(e)+")", s.around(e, "(mutantOn(#) != (", "))")...)
	s.add(e, "forgotten", "false", s.around(e, "(!mutantOn(#) && (", "))")...)
}

// result is an error that a function found and returns as nil.
func (s *source) result(n *ast.ReturnStmt) {
	f := s.signature()
	if f == nil || f.Results().Len() == 0 || len(n.Results) != f.Results().Len() {
		return
	}
	last := n.Results[len(n.Results)-1]
	if s.pkg.TypesInfo.Types[last].IsNil() || !types.Identical(f.Results().At(f.Results().Len()-1).Type(), types.Universe.Lookup("error").Type()) {
		return
	}
	s.add(last, "no error", "nil", s.around(last, "mutantNil(#, ", ")")...)
}

// signature is the signature of the function that the statement stands in.
func (s *source) signature() *types.Signature {
	for i := len(s.stack) - 1; i >= 0; i-- {
		switch f := s.stack[i].(type) {
		case *ast.FuncLit:
			signature, _ := s.pkg.TypesInfo.Types[f].Type.(*types.Signature)
			return signature
		case *ast.FuncDecl:
			signature, _ := s.pkg.TypesInfo.Defs[f.Name].Type().(*types.Signature)
			return signature
		}
	}
	return nil
}

// count is ++ for --.
func (s *source) count(n *ast.IncDecStmt) {
	if !s.inList(n) {
		return
	}
	now := s.text(n.X) + "--"
	if n.Tok == token.DEC {
		now = s.text(n.X) + "++"
	}
	s.add(n, "arithmetic", now, s.around(n, "if mutantOn(#) { "+now+" } else { ", " }")...)
}

// operation is -= for +=, and the other way round.
func (s *source) operation(n *ast.AssignStmt) {
	if n.Tok != token.ADD_ASSIGN && n.Tok != token.SUB_ASSIGN {
		return
	}
	t := s.pkg.TypesInfo.Types[n.Lhs[0]].Type
	b, ok := t.Underlying().(*types.Basic)
	if !ok || b.Info()&types.IsNumeric == 0 {
		return
	}
	of, ok := s.typeName(t)
	if !ok {
		return
	}
	to := map[token.Token]string{token.ADD_ASSIGN: " -= ", token.SUB_ASSIGN: " += "}[n.Tok]
	s.add(n, "arithmetic", s.text(n.Lhs[0])+to+s.text(n.Rhs[0]), s.around(n.Rhs[0], "mutantMinus["+of+"](#, ", ")")...)
}

// inList reports whether the statement is one of a block, where another may stand.
func (s *source) inList(n ast.Stmt) bool {
	var list []ast.Stmt
	switch p := s.parent().(type) {
	case *ast.BlockStmt:
		list = p.List
	case *ast.CaseClause:
		list = p.Body
	case *ast.CommClause:
		list = p.Body
	}
	for _, other := range list {
		if other == n {
			return true
		}
	}
	return false
}

// removable reports whether the program is still one without the statement.
func (s *source) removable(n ast.Stmt) bool {
	switch n := n.(type) {
	case *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt, *ast.IncDecStmt:
		return true
	case *ast.ExprStmt:
		return !isPanic(n.X)
	case *ast.AssignStmt:
		return n.Tok != token.DEFINE && !blank(n)
	case *ast.BranchStmt:
		return n.Label == nil && n.Tok != token.GOTO && n.Tok != token.FALLTHROUGH
	case *ast.ReturnStmt:
		f := s.signature()
		return f != nil && f.Results().Len() == 0
	}
	return false
}

// isPanic reports whether the expression is a call of panic, which ends a function as a
// return does.
func isPanic(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	return ok && name.Name == "panic"
}

// blank reports whether the assignment is to _ alone.
func blank(n *ast.AssignStmt) bool {
	for _, e := range n.Lhs {
		if name, ok := e.(*ast.Ident); !ok || name.Name != "_" {
			return false
		}
	}
	return true
}
