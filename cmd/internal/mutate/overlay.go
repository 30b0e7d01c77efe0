package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

//go:embed switch.go.txt
var switchText string

// operators are the functions of the switch between two operators, as text.
func operators() string {
	var b strings.Builder
	for _, o := range []struct{ name, was, now, result string }{
		{"LSS", "<", "<=", "bool"},
		{"LEQ", "<=", "<", "bool"},
		{"GTR", ">", ">=", "bool"},
		{"GEQ", ">=", ">", "bool"},
		{"ADD", "+", "-", "T"},
		{"SUB", "-", "+", "T"},
		{"MUL", "*", "/", "T"},
		{"QUO", "/", "*", "T"},
	} {
		fmt.Fprintf(&b, "\nfunc mutant%s[T mutantNumber](id int, a, b T) %s {\n\tif mutantOn(id) {\n\t\treturn a %s b\n\t}\n\treturn a %s b\n}\n",
			o.name, o.result, o.now, o.was)
	}
	for _, o := range []struct{ name, was, now string }{{"REM", "%", "*"}, {"AND", "&", "|"}, {"OR", "|", "&"}, {"ANDNOT", "&^", "&"}} {
		fmt.Fprintf(&b, "\nfunc mutant%s[T mutantInteger](id int, a, b T) T {\n\tif mutantOn(id) {\n\t\treturn a %s b\n\t}\n\treturn a %s b\n}\n",
			o.name, o.now, o.was)
	}
	for _, o := range []struct{ name, was, now string }{{"SHL", "<<", ">>"}, {"SHR", ">>", "<<"}} {
		fmt.Fprintf(&b, "\nfunc mutant%s[T, U mutantInteger](id int, a T, b U) T {\n\tif mutantOn(id) {\n\t\treturn a %s b\n\t}\n\treturn a %s b\n}\n",
			o.name, o.now, o.was)
	}
	return b.String()
}

// overlay writes the files with all chosen mutants that compile, and the switch of each
// package, below dir. It returns the name of the list that the go command takes.
func overlay(dir string, list []*packages.Package, chosen []*mutant) (string, error) {
	files := map[string][]*mutant{}
	most := 0
	for _, m := range chosen {
		if m.outcome != uncompiled {
			files[m.path] = append(files[m.path], m)
		}
		most = max(most, m.id)
	}
	replace := map[string]string{}
	put := func(path string, text []byte) error {
		name := filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		replace[path] = name
		return os.WriteFile(name, text, 0o600)
	}
	for _, p := range list {
		text := strings.NewReplacer("PACKAGE", p.Name, "COUNT", strconv.Itoa(most+1)).Replace(switchText) + operators()
		if err := put(filepath.Join(filepath.Dir(p.GoFiles[0]), "mutant_switch.go"), []byte(text)); err != nil {
			return "", fmt.Errorf("writing the switch of %s: %w", p.PkgPath, err)
		}
	}
	for path, mutants := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("reading source: %w", err)
		}
		if err := put(path, apply(src, mutants)); err != nil {
			return "", fmt.Errorf("writing %s with mutants: %w", path, err)
		}
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o600)
}

// apply returns the source with the edits of all mutants. None adds a line, so that
// messages of the compiler and of tests have the places of the source.
func apply(src []byte, mutants []*mutant) []byte {
	type numbered struct {
		edit
		order int
	}
	var edits []numbered
	for _, m := range mutants {
		for _, e := range m.edits {
			e.text = strings.ReplaceAll(e.text, "#", strconv.Itoa(m.id))
			e.text = strings.ReplaceAll(e.text, "\n", " ")
			edits = append(edits, numbered{e, len(edits)})
		}
	}
	// At one place the inner ones close before the outer ones, and open behind them.
	slices.SortFunc(edits, func(a, b numbered) int {
		if c := cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(rank(a.edit), rank(b.edit))); c != 0 {
			return c
		}
		if a.closes {
			return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(b.order, a.order))
		}
		return cmp.Or(cmp.Compare(b.depth, a.depth), cmp.Compare(a.order, b.order))
	})
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(src[at:e.begin])
		out.WriteString(e.text)
		at = e.end
	}
	out.Write(src[at:])
	return out.Bytes()
}

// rank orders edits at the same place: what closes, what replaces, what opens.
func rank(e edit) int {
	switch {
	case e.closes:
		return 0
	case e.begin < e.end:
		return 1
	}
	return 2
}
