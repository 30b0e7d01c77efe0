package archtest

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// topNames is all that may stand at the top of the repository beside files
// whose name begins with a dot. The owner fixed it: a visitor's first screen.
func topNames() []string {
	return []string{
		"CHANGELOG.md", "CONTRIBUTING.md", "Dwaarfile", "LICENSE", "Makefile", "README.md", "go.mod", "go.sum",
		"builtin/", "cmd/", "docs/", "host/", "plugins/", "sdk/", "testdata/",
	}
}

func checkTopLevel(t *Tree) []Finding {
	var found []Finding
	for _, name := range t.Top {
		if name[0] != '.' && !slices.Contains(topNames(), name) {
			found = append(found, fileFinding(name, "does not belong at the top of the repository: "+
				"the top level is fixed (%s, and dotfiles); put it below one of these", strings.Join(topNames(), " ")))
		}
	}
	return found
}

// topLevel lists the root of fsys, less what .gitignore names: build results
// and profiles may lie about.
func topLevel(fsys fs.FS) ([]string, error) {
	ignored, err := fs.ReadFile(fsys, ".gitignore")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the ignore list: %w", err)
	}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, fmt.Errorf("listing the top level: %w", err)
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		if !ignoredBy(string(ignored), name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// ignoredBy knows the part of the .gitignore syntax that this repository uses:
// one name or glob a line, "/" in front for the root and behind for a directory.
func ignoredBy(list, name string) bool {
	for pattern := range strings.Lines(list) {
		pattern = strings.TrimPrefix(strings.TrimSpace(pattern), "/")
		if pattern == "" || pattern[0] == '#' {
			continue
		}
		if !strings.HasSuffix(pattern, "/") {
			name = strings.TrimSuffix(name, "/")
		}
		if ok, err := path.Match(pattern, name); ok && err == nil {
			return true
		}
	}
	return false
}
