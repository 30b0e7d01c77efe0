package archtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Tree is the parsed source of one module.
type Tree struct {
	Module   string     // the module path, from go.mod
	Top      []string   // names at the root that git would keep, directories with a final slash
	Packages []*Package // in order of path
	fset     *token.FileSet
}

// Package is one directory with Go files in it.
type Package struct {
	Path  string  // slash-separated, relative to the module, "." for its root
	Files []*File // in order of name
}

// File is one Go file.
type File struct {
	Name      string    // slash-separated, relative to the module
	Test      bool      // the name ends in _test.go
	Generated bool      // it says "Code generated … DO NOT EDIT."
	Lines     int       // without a leading licence header
	Syntax    *ast.File // with comments, without resolved objects
}

// Load parses every Go file below the root of a module, go.mod included, and
// skips what the go command skips: testdata and names that begin with a dot or
// an underscore. A file that does not parse is an error.
func Load(fsys fs.FS) (*Tree, error) {
	mod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("reading the module file: %w", err)
	}
	t := &Tree{Module: modulePath(mod), fset: token.NewFileSet()}
	if t.Top, err = topLevel(fsys); err != nil {
		return nil, err
	}
	if err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = t.visit(fsys, name, d.IsDir())
		}
		if errors.Is(err, fs.ErrNotExist) { // a test's or an editor's file that is gone by now
			return nil
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("reading the source: %w", err)
	}
	slices.SortFunc(t.Packages, func(a, b *Package) int { return strings.Compare(a.Path, b.Path) })
	return t, nil
}

func (t *Tree) visit(fsys fs.FS, name string, dir bool) error {
	switch {
	case skipped(name) && dir:
		return fs.SkipDir
	case skipped(name) || dir || path.Ext(name) != ".go":
		return nil
	default:
		return t.add(fsys, name)
	}
}

// add parses a file and puts it into its package.
func (t *Tree) add(fsys fs.FS, name string) error {
	f, err := t.parse(fsys, name)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	i := slices.IndexFunc(t.Packages, func(p *Package) bool { return p.Path == dir })
	if i < 0 {
		i = len(t.Packages)
		t.Packages = append(t.Packages, &Package{Path: dir})
	}
	t.Packages[i].Files = append(t.Packages[i].Files, f)
	return nil
}

func (t *Tree) parse(fsys fs.FS, name string) (*File, error) {
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	syntax, err := parser.ParseFile(t.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{
		Name:      name,
		Test:      strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(syntax),
		Lines:     bytes.Count(src, []byte("\n")) - headerLines(t.fset, syntax),
		Syntax:    syntax,
	}, nil
}

// finding is a finding at a position of this tree.
func (t *Tree) finding(pos token.Pos, format string, a ...any) Finding {
	return Finding{Pos: t.fset.Position(pos), Text: fmt.Sprintf(format, a...)}
}

// line is the line of a position.
func (t *Tree) line(pos token.Pos) int { return t.fset.Position(pos).Line }

// source calls fn for each file that is neither test nor generated: the files
// whose shape is somebody's doing and everybody's reading.
func (t *Tree) source(fn func(*Package, *File)) {
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if !f.Test && !f.Generated {
				fn(p, f)
			}
		}
	}
}

// skipped reports whether the go command would not look at name.
func skipped(name string) bool {
	base := path.Base(name)
	return base == "testdata" || base[0] == '_' || (base[0] == '.' && base != ".")
}

func modulePath(mod []byte) string {
	for s := bufio.NewScanner(bytes.NewReader(mod)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) == 2 && f[0] == "module" {
			return f[1]
		}
	}
	return ""
}

// headerLines counts the lines of a licence header: a leading comment that
// speaks of copyright and is not the package's doc.
func headerLines(fset *token.FileSet, f *ast.File) int {
	if len(f.Comments) == 0 || f.Comments[0] == f.Doc || f.Comments[0].Pos() > f.Package {
		return 0
	}
	text := f.Comments[0].Text()
	if !strings.Contains(text, "Copyright") && !strings.Contains(text, "SPDX-License-Identifier") {
		return 0
	}
	return fset.Position(f.Comments[0].End()).Line
}
