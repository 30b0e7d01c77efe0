package archtest

import (
	"strings"
	"testing"
	"testing/fstest"
)

// Every rule but that of the commands forbids something, and says its reason
// where it does.
func TestEachRuleFiresWithItsReason(t *testing.T) {
	t.Parallel()
	for _, r := range rules() {
		if matchAny(r.imports, "cmd/dwaar") {
			continue
		}
		for _, pattern := range r.packages {
			dir := example(pattern)
			t.Run(dir, func(t *testing.T) {
				t.Parallel()
				if got := plant(t, dir, "example.org/m/cmd/dwaar"); !strings.Contains(got, dir+" must not import cmd/dwaar: "+r.why) {
					t.Errorf("importing cmd/dwaar: %q", got)
				}
				if got := plant(t, dir, "example.com/other"); !strings.Contains(got, "lists no such module; "+r.why) {
					t.Errorf("importing an unlisted module: %q", got)
				}
				if got := plant(t, dir, "os/exec"); strings.Contains(got, dir+" must not import os/exec: "+r.why) != r.noIO {
					t.Errorf("importing os/exec: %q, and noIO is %t", got, r.noIO)
				}
			})
		}
	}
}

// What a rule allows is allowed: no rule is shadowed by one before it.
func TestEachRuleLetsItsOwnThrough(t *testing.T) {
	t.Parallel()
	for _, r := range rules() {
		for _, pattern := range r.packages {
			dir := example(pattern)
			t.Run(dir, func(t *testing.T) {
				t.Parallel()
				for _, path := range r.imports {
					if got := plant(t, dir, "example.org/m/"+example(path)); got != "" {
						t.Error(got)
					}
				}
				for _, path := range r.modules {
					if path == "..." {
						path = "example.com/other"
					}
					if got := plant(t, dir, path+"/sub"); got != "" {
						t.Error(got)
					}
				}
			})
		}
	}
}

func TestSoleDependenciesHaveOneImporter(t *testing.T) {
	t.Parallel()
	for _, s := range soles() {
		if got := plant(t, s.importer, s.path); got != "" {
			t.Errorf("%s: %s", s.importer, got)
		}
		for _, dir := range append([]string{"cmd/dwaar", "host/graph", "sdk"}, s.tests...) { // those may in tests only
			if got := plant(t, dir, s.path+"/sub"); !strings.Contains(got, "only "+s.importer+" does: "+s.why) {
				t.Errorf("%s in %s: %q", s.path, dir, got)
			}
		}
	}
}

// example is a path that a pattern covers.
func example(pattern string) string {
	if pattern == "..." {
		return "host/engine"
	}
	if root, ok := strings.CutSuffix(pattern, "/*"); ok {
		return root + "/example"
	}
	return strings.TrimSuffix(pattern, "/...")
}

// plant checks the imports of a module with one package that imports path.
func plant(t *testing.T, dir, path string) string {
	t.Helper()
	tree, err := Load(fstest.MapFS{
		"go.mod":      {Data: []byte("module example.org/m\n")},
		dir + "/a.go": {Data: []byte("package p\n\nimport _ \"" + path + "\"\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range checkImports(tree) {
		found = append(found, f.String())
	}
	return strings.Join(found, "\n")
}
