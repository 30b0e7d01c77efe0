package archtest

import (
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

// A call rule keeps names of other packages out of some of ours.
type callRule struct {
	packages []string // import paths the names belong to
	names    []string // the names; a final "*" stands for any rest
	banned   func(path string) bool
	why      string
}

func callRules() []callRule {
	return []callRule{
		{
			packages: []string{"golang.org/x/sys/unix", "syscall"},
			names:    []string{"Splice", "SYS_SPLICE", "SPLICE_F_*"},
			banned:   func(path string) bool { return !below("host/loop", path) },
			why:      "splicing is host/loop's alone: it has rules (urgent data, full pipes) that nobody should have to know twice",
		},
		{
			packages: []string{"time"},
			names:    []string{"Now", "Since", "Until"},
			banned:   pure,
			why:      "a matcher is a pure function of the head: its time is Flow.Accepted, the moment the connection was accepted",
		},
		{
			packages: []string{"time"},
			names:    []string{"Sleep"},
			banned:   func(path string) bool { return !strings.HasSuffix(path, "test") }, // these are parts of tests
			why:      "nothing sleeps: wait for the event, with a deadline or a timer that a context can end",
		},
	}
}

// pure reports whether a package holds matchers or the words they use.
func pure(path string) bool {
	return path == "sdk" || match("plugins/...", path) ||
		(match("builtin/*", path) && !matchAny(handlers(), path))
}

func checkCalls(t *Tree) []Finding {
	var found []Finding
	t.source(func(p *Package, f *File) {
		names := importNames(f.Syntax)
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok {
				if why := bannedName(p.Path, names[x.Name], sel.Sel.Name); why != "" {
					found = append(found, t.finding(sel.Pos(), "%s must not use %s.%s: %s", p.Path, x.Name, sel.Sel.Name, why))
				}
			}
			return true
		})
	})
	return found
}

func bannedName(importer, pkg, name string) string {
	for _, r := range callRules() {
		if slices.Contains(r.packages, pkg) && r.covers(name) && r.banned(importer) {
			return r.why
		}
	}
	return ""
}

func (r callRule) covers(name string) bool {
	return slices.ContainsFunc(r.names, func(n string) bool {
		prefix, wild := strings.CutSuffix(n, "*")
		return n == name || (wild && strings.HasPrefix(name, prefix))
	})
}

// importNames maps the names by which a file calls its imports to their paths.
// Unnamed imports go by their last element, which holds for all we ask about.
func importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the import check reports it
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	return names
}
