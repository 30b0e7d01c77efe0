package archtest

import (
	"go/ast"
)

const anonymousRule = "an interface without a name is invisible: rename its method where it is implemented, and nothing fails; " +
	"declare it, exported and with a comment, in sdk or host if it is an ability of parts, and beside its user otherwise"

// nameless are methods of the standard library's types that may be asked for without a
// name: there is no type to point to, and nobody renames them.
func nameless() map[string]string {
	return map[string]string{
		"CloseWrite":       "of net.TCPConn, net.UnixConn and tls.Conn",
		"NetConn":          "of tls.Conn",
		"SetLinger":        "of net.TCPConn",
		"SetWriteDeadline": "of os.File and net.Conn",
		"Unwrap":           "of errors.Join: package errors says so in words",
	}
}

// checkAnonymous finds interfaces that have methods and no name.
func checkAnonymous(t *Tree) []Finding {
	var found []Finding
	allowed := nameless()
	t.source(func(_ *Package, f *File) {
		declared := map[ast.Expr]bool{}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				declared[spec.Type] = true
			}
			i, ok := n.(*ast.InterfaceType)
			if !ok || declared[i] {
				return true
			}
			for _, m := range i.Methods.List {
				for _, name := range m.Names {
					if allowed[name.Name] == "" {
						found = append(found, t.finding(i.Pos(), "asks for a method %s: %s", name.Name, anonymousRule))
					}
				}
			}
			return true
		})
	})
	return found
}
