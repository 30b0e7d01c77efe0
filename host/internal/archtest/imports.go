package archtest

import (
	"go/ast"
	"slices"
	"strconv"
	"strings"
)

func checkImports(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		r := ruleOf(p.Path)
		if r == nil {
			found = append(found, fileFinding(p.Path, "is a package without an import rule: "+
				"say what it may import, and why, in host/internal/archtest/rules.go"))
			continue
		}
		for _, f := range p.Files {
			for _, spec := range f.Syntax.Imports {
				if text := t.forbidden(p, f, r, spec); text != "" {
					found = append(found, t.finding(spec.Pos(), "%s", text))
				}
			}
		}
	}
	return found
}

// ruleOf is the rule of a package: its own, or that of the package whose
// internal directory it lives in, or nil.
func ruleOf(path string) *rule {
	all := rules()
	for i := range all {
		if matchAny(all[i].packages, path) {
			return &all[i]
		}
	}
	if owner, ok := internalOwner(path); ok {
		return ruleOf(owner)
	}
	return nil
}

// internalOwner returns a/b for a/b/internal/c.
func internalOwner(path string) (string, bool) {
	i := strings.LastIndex(path, "/internal/")
	if i < 0 {
		return "", false
	}
	return path[:i], true
}

// forbidden says what is wrong with one import, "" if nothing is.
func (t *Tree) forbidden(p *Package, f *File, r *rule, spec *ast.ImportSpec) string {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return "unreadable import path: " + err.Error()
	}
	inside, ok := strings.CutPrefix(path, t.Module+"/")
	switch {
	case ok:
		return forbiddenInside(p, f, r, inside)
	case !thirdParty(path):
		return forbiddenStd(p, f, r, path)
	default:
		return forbiddenModule(p, f, r, path)
	}
}

func forbiddenInside(p *Package, f *File, r *rule, path string) string {
	if path == p.Path || matchAny(r.imports, path) || sameHouse(p.Path, path) {
		return ""
	}
	if f.Test && matchAny(r.tests, path) {
		return ""
	}
	who := p.Path
	if f.Test {
		who = "a test of " + who
	}
	return who + " must not import " + path + ": " + r.why
}

// sameHouse reports whether path is internal to the package or to the one
// whose internal package it is itself.
func sameHouse(importer, path string) bool {
	owner, ok := internalOwner(path)
	if !ok || path == "host/internal/archtest" { // it judges them all
		return false
	}
	return importer == owner || strings.HasPrefix(importer, owner+"/internal/")
}

func forbiddenStd(p *Package, f *File, r *rule, path string) string {
	if f.Test || !r.noIO || !doesIO(path) {
		return ""
	}
	return p.Path + " must not import " + path + ": " + r.why
}

// doesIO reports whether a package of the standard library opens, runs or
// dials. Addresses are values: net/netip does not.
func doesIO(path string) bool {
	if path == "net/netip" {
		return false
	}
	root, _, _ := strings.Cut(path, "/")
	return slices.Contains([]string{"net", "os", "syscall", "plugin"}, root) || path == "crypto/tls"
}

func forbiddenModule(p *Package, f *File, r *rule, path string) string {
	if path == "C" {
		return p.Path + " must not use cgo: dwaar is one static binary that cross-compiles"
	}
	for _, s := range soles() {
		if below(s.path, path) && p.Path != s.importer && (!f.Test || !matchAny(s.tests, p.Path)) {
			return p.Path + " must not import " + path + ": only " + s.importer + " does: " + s.why
		}
	}
	if f.Test || matchAny(withSub(r.modules), path) {
		return "" // what a test uses is in go.mod and was weighed there
	}
	return p.Path + " must not import " + path + ": its rule in host/internal/archtest/rules.go lists no such module; " + r.why
}

// thirdParty reports whether an import path is neither of the standard
// library nor of this module: its first element is a domain, or it is cgo.
func thirdParty(path string) bool {
	root, _, _ := strings.Cut(path, "/")
	return strings.Contains(root, ".") || path == "C"
}

func withSub(paths []string) []string {
	out := make([]string, len(paths))
	for i, p := range paths {
		out[i] = strings.TrimSuffix(p, "/...") + "/..."
		if p == "..." {
			out[i] = p
		}
	}
	return out
}

func below(root, path string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}

// match reports whether a pattern of a rule covers path.
func match(pattern, path string) bool {
	if pattern == "..." {
		return true
	}
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return below(root, path)
	}
	if root, ok := strings.CutSuffix(pattern, "/*"); ok {
		rest, found := strings.CutPrefix(path, root+"/")
		return found && !strings.Contains(rest, "/")
	}
	return pattern == path
}
