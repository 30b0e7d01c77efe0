// Package archtest reads the source of this module and reports where it leaves
// the architecture: an import that a package has no business with, a function
// that no longer fits a screen, a mutable package variable, an undocumented
// name, an interface that has none, a stray file at the top of the repository.
//
// It looks at syntax only, of every file whatever its build constraints, so it
// costs milliseconds and judges the Linux and the portable half alike. It runs
// as an ordinary test (TestRepository), which is all the use it has:
//
//	tree, err := archtest.Load(os.DirFS(root))
//	if err != nil {
//		t.Fatal(err)
//	}
//	for _, f := range archtest.Check(tree) {
//		t.Error(f)
//	}
//
// The import rules are the table in rules.go. A package that is new gets its
// line there, with the reason a stranger reads when he crosses it.
package archtest

import (
	"cmp"
	"fmt"
	"go/token"
	"slices"
)

// Finding is one place where the source breaks a rule.
type Finding struct {
	Pos  token.Position // file is relative to the root of the module; line 0 means the file or directory as a whole
	Text string         // what is wrong, then the rule and what to do instead
}

// String prints the finding as compilers do, so that editors can jump to it.
func (f Finding) String() string {
	if f.Pos.Line == 0 {
		return f.Pos.Filename + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.Pos.Filename, f.Pos.Line, f.Text)
}

// Check applies every rule to the tree and returns what it found, sorted by
// position. An empty result means that the tree is as it should be.
func Check(t *Tree) []Finding {
	var found []Finding
	for _, check := range []func(*Tree) []Finding{
		checkTopLevel, checkImports, checkCalls, checkLengths, checkDocs, checkGlobals, checkAnonymous,
	} {
		found = append(found, check(t)...)
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Pos.Filename, b.Pos.Filename),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Text, b.Text),
		)
	})
	return found
}

// fileFinding is a finding about a whole file or directory.
func fileFinding(name, format string, a ...any) Finding {
	return Finding{Pos: token.Position{Filename: name}, Text: fmt.Sprintf(format, a...)}
}
