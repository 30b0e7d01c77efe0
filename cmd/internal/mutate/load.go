package main

import (
	"context"
	"fmt"
	"go/ast"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

// A mutant is one fault: edits to one file that do nothing until it is switched on.
type mutant struct {
	id       int
	path     string // of the file
	file     string // the same, from the root of the module
	line     int    // where it is
	function string // the function around it, "" outside of all
	kind     string // what was done: "boundary", "negated", …
	old, new string // the text it changes, and what is there instead
	ordinal  int    // of those with the same file, function, kind and text, from 1
	edits    []edit

	equivalent string // why nobody could see it; "" if somebody could
	outcome    outcome
	killer     string // the test that found it
}

// An edit replaces the bytes from begin to end; most insert, and have both the same.
type edit struct {
	begin, end int
	text       string
	depth      int  // size of the node that is edited: text of the larger one stands outside
	closes     bool // the text stands behind the node
}

type outcome int

const (
	survived   outcome = iota // every test that reaches it passes
	unreached                 // no test comes past it
	killed                    // a test fails
	hung                      // the tests do not end in time, which is a failure too
	uncompiled                // it is no Go, and does not count
	notTried                  // the run was interrupted
)

// String says where a mutant is, and what.
func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d: %s %s: %s -> %s", m.file, m.line, m.function, m.kind, oneLine(m.old), oneLine(m.new))
}

// oneLine is a text with its lines joined, for messages.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// counts reports whether the mutant is one that tests should find.
func (m *mutant) counts() bool {
	return m.equivalent == "" && m.outcome != uncompiled && m.outcome != notTried
}

// load reads the packages with their types, without their tests.
func load(ctx context.Context, patterns []string) ([]*packages.Package, error) {
	list, err := packages.Load(&packages.Config{
		Context: ctx,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes |
			packages.NeedTypesInfo | packages.NeedImports | packages.NeedDeps | packages.NeedExportFile,
	}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("loading packages: %w", err)
	}
	for _, p := range list {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("loading %s: %w", p.PkgPath, p.Errors[0])
		}
	}
	return list, nil
}

// find returns all mutants of the packages, numbered from 1, with the reasons of those
// that are equivalent.
func find(list []*packages.Package) ([]*mutant, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the root of the module: %w", err)
	}
	var all []*mutant
	for _, p := range list {
		for _, f := range p.Syntax {
			name := p.Fset.Position(f.Package).Filename
			src, err := os.ReadFile(name)
			if err != nil {
				return nil, fmt.Errorf("reading source: %w", err)
			}
			s := &source{pkg: p, file: f, src: string(src), base: p.Fset.File(f.FileStart).Base()}
			s.search()
			for _, m := range s.found {
				m.path = filepath.Clean(name)
				if m.file, err = filepath.Rel(root, m.path); err != nil {
					return nil, fmt.Errorf("naming %s: %w", m.path, err)
				}
				all = append(all, m)
			}
		}
	}
	number(all)
	return all, except(all, filepath.Join(root, "cmd/internal/mutate/equivalents"))
}

// number numbers the mutants, and those that look alike among themselves.
func number(all []*mutant) {
	type look struct{ file, function, kind, old, new string }
	seen := map[look]int{}
	for i, m := range all {
		m.id = i + 1
		key := look{m.file, m.function, m.kind, m.old, m.new}
		seen[key]++
		m.ordinal = seen[key]
	}
}

// shuffled is a permutation of the numbers below n, the same for the same seed.
func shuffled(n int, seed uint64) []int {
	return rand.New(rand.NewPCG(seed, 0)).Perm(n)
}

// A source is a file in which mutants are looked for.
type source struct {
	pkg   *packages.Package
	file  *ast.File
	src   string
	base  int
	found []*mutant

	function string     // that is being searched
	stack    []ast.Node // the nodes around, the outermost first
}

func (s *source) offset(p token.Pos) int { return int(p) - s.base }

// text is the source of a node.
func (s *source) text(n ast.Node) string { return s.src[s.offset(n.Pos()):s.offset(n.End())] }

// add notes a mutant of a node: what stands there instead, and the edits, in whose text
// # stands for the mutant's number.
func (s *source) add(n ast.Node, kind, now string, edits ...edit) {
	s.found = append(s.found, &mutant{
		line: s.pkg.Fset.Position(n.Pos()).Line, function: s.function,
		kind: kind, old: s.text(n), new: now, edits: edits,
	})
}

// around are the edits that put text before and after a node.
func (s *source) around(n ast.Node, before, after string) []edit {
	begin, end := s.offset(n.Pos()), s.offset(n.End())
	return []edit{
		{begin: begin, end: begin, text: before, depth: end - begin},
		{begin: end, end: end, text: after, depth: end - begin, closes: true},
	}
}
