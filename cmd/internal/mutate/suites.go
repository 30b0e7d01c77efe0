package main

import (
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// suites are the packages whose tests a mutant has to pass: its own, and of those that
// import it the ones whose tests are about what it does, the quick ones first.
func suites(list []*packages.Package) []string {
	beside := map[string][]string{
		"sdk":           {"sdk/matchtest", "host/route"},
		"host":          {"host/graph", "host/session", "builtin/setvars"},
		"host/graph":    {"host/session", "builtin/subroute", "builtin"},
		"host/route":    {"host/graph", "host/session"},
		"host/session":  {"host/engine"},
		"host/relay":    {"host/session", "host/loop"},
		"host/upstream": {"builtin/proxy"},
	}
	var out []string
	for _, p := range list {
		out = append(out, p.PkgPath)
	}
	for _, p := range list {
		module, path, _ := strings.Cut(p.PkgPath, "/dwaar/")
		for _, other := range beside[path] {
			out = append(out, module+"/dwaar/"+other)
		}
	}
	return unique(out)
}

// unique keeps the first of equal strings.
func unique(list []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(s string) bool {
		was := seen[s]
		seen[s] = true
		return was
	})
}
