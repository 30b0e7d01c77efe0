package abi_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the constants into the files of the other languages")
	flag.Parse()
	os.Exit(m.Run())
}

// number is a constant of constants.go that other languages have, too.
type number struct {
	name  string // MAX_HEAD
	value int64
	typ   string // "int32", or "" for an unsigned number
}

// group is a const declaration.
type group struct {
	doc     string // its first line
	numbers []number
}

func TestConstantsOfAllKitsAreThoseOfThisPackage(t *testing.T) {
	t.Parallel()
	groups := numbers(t)
	for _, kit := range []struct {
		file          string
		comment, line string // with doc; with type, name and value
		signed        string
		unsigned      string
	}{
		{"../c/dwaar.h", "/* %s */\n", "#define DWAAR_%[2]s %[1]s\n", "(%d)", "%du"},
		{"../rust/dwaar.rs", "// %s\n", "pub const %[2]s: %[1]s;\n", "i32 = %d", "u32 = %d"},
		{"../assemblyscript/dwaar.ts", "// %s\n", "export const %[2]s: %[1]s;\n", "i32 = %d", "u32 = %d"},
	} {
		var b strings.Builder
		for _, g := range groups {
			fmt.Fprintf(&b, kit.comment, g.doc)
			for _, n := range g.numbers {
				b.WriteString(fmt.Sprintf(kit.line, value(n, kit.signed, kit.unsigned), n.name))
			}
		}
		compare(t, kit.file, b.String())
	}
}

// value writes a number as a language wants it.
func value(n number, signed, unsigned string) string {
	switch {
	case n.typ == "":
		return fmt.Sprintf(unsigned, n.value)
	case n.value == -1<<31 && signed == "(%d)":
		return "(-2147483647 - 1)" // C has no negative literals
	}
	return fmt.Sprintf(signed, n.value)
}

// compare compares what stands between the two marks of a file.
func compare(t *testing.T, file, want string) {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(src), "generated from sdk/abi: begin")
	first, rest, ok2 := strings.Cut(rest, "\n") // the end of the comment
	got, after, ok3 := strings.Cut(rest, lastLine(before)+"generated from sdk/abi: end")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("%s has no lines that mark the generated part", file)
	}
	if got == want {
		return
	}
	if !updating() {
		t.Errorf("%s (-want +got), go test ./sdk/abi -update writes it:\n%s", file, cmp.Diff(want, got))
		return
	}
	lead := lastLine(before)
	text := before + "generated from sdk/abi: begin" + first + "\n" + want + lead + "generated from sdk/abi: end" + after
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lastLine returns what stands behind the last newline: the start of a comment.
func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

// numbers reads the exported numbers of constants.go.
func numbers(t *testing.T) []group {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "constants.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := (&types.Config{}).Check("abi", fset, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var groups []group
	for _, d := range file.Decls {
		decl := d.(*ast.GenDecl) // the file has no other
		doc, _, _ := strings.Cut(decl.Doc.Text(), "\n")
		g := group{doc: doc}
		for _, s := range decl.Specs {
			for _, name := range s.(*ast.ValueSpec).Names {
				c := pkg.Scope().Lookup(name.Name).(*types.Const)
				if v, exact := constant.Int64Val(constant.ToInt(c.Val())); exact && c.Exported() && c.Val().Kind() == constant.Int {
					n := number{name: upper(name.Name), value: v}
					if c.Type().String() == "int32" {
						n.typ = "int32"
					}
					g.numbers = append(g.numbers, n)
				}
			}
		}
		if len(g.numbers) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// upper makes INFO_TLS_VERSION of InfoTLSVersion.
func upper(name string) string {
	var b strings.Builder
	r := []rune(name)
	for i := range r {
		begins := i > 0 && unicode.IsUpper(r[i]) &&
			(unicode.IsLower(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1]))
		if begins {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r[i]))
	}
	return b.String()
}
