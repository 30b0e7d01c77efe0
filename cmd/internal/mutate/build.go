package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/tools/go/packages"
)

// binaries are the compiled tests with all mutants in them.
type binaries struct {
	dir   string   // of the binaries, which goes with them
	tests []binary // in the order in which they are tried
}

// A binary is the tests of one package.
type binary struct {
	pkg  string // its import path
	path string
	dir  string // of the package, where its tests run
}

// build compiles the tests of the suites. Mutants that do not compile are noted, and left
// out.
func build(ctx context.Context, list []*packages.Package, chosen []*mutant, suites []string) (*binaries, error) {
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for binaries: %w", err)
	}
	b := &binaries{dir: dir}
	replaced, err := compilable(ctx, dir, list, chosen)
	if err == nil {
		err = b.compile(ctx, replaced, suites)
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return b, nil
}

// compilable writes overlays until the packages compile.
func compilable(ctx context.Context, dir string, list []*packages.Package, chosen []*mutant) (string, error) {
	args := []string{"build"}
	for {
		replaced, err := overlay(dir, list, chosen)
		if err != nil {
			return "", err
		}
		call := append(args[:1:1], "-gcflags=-e", "-overlay", replaced)
		for _, p := range list {
			call = append(call, p.PkgPath)
		}
		out, err := exec.CommandContext(ctx, "go", call...).CombinedOutput()
		if err == nil {
			return replaced, nil
		}
		if !blame(out, chosen) {
			return "", fmt.Errorf("building with mutants: %w\n%s", err, out)
		}
	}
}

// blame notes the mutants at the lines that the compiler complains of, and reports
// whether there were any.
func blame(out []byte, chosen []*mutant) bool {
	found := false
	for _, at := range regexp.MustCompile(`(?m)([^/\s:]+\.go):(\d+):`).FindAllSubmatch(out, -1) {
		line, _ := strconv.Atoi(string(at[2]))
		for _, m := range chosen {
			if filepath.Base(m.path) == string(at[1]) && m.line == line && m.outcome != uncompiled {
				m.outcome, found = uncompiled, true
			}
		}
	}
	return found
}

// compile builds a test binary for each package that has tests.
func (b *binaries) compile(ctx context.Context, replaced string, suites []string) error {
	args := append([]string{"list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles"}, suites...)
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		return fmt.Errorf("listing packages: %w", err)
	}
	dirs := map[string]string{}
	reader := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			ImportPath, Dir           string
			TestGoFiles, XTestGoFiles []string
		}
		if err := reader.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("listing packages: %w", err)
		}
		if len(p.TestGoFiles)+len(p.XTestGoFiles) > 0 {
			dirs[p.ImportPath] = p.Dir
		}
	}
	for _, pkg := range suites {
		dir, ok := dirs[pkg]
		if !ok {
			continue
		}
		name := filepath.Join(b.dir, strconv.Itoa(len(b.tests))+".test")
		out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", replaced, "-o", name, pkg).CombinedOutput()
		if err != nil {
			return fmt.Errorf("building the tests of %s: %w\n%s", pkg, err, out)
		}
		b.tests = append(b.tests, binary{pkg: pkg, path: name, dir: dir})
	}
	return nil
}
