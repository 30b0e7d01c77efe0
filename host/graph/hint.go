package graph

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/schema"
)

// factHint says which facts there are: the one that was meant, as far as one can tell, or
// those that begin alike.
func factHint(known map[string]bool, name string) string {
	of, _, _ := strings.Cut(name, ".")
	var near []string
	for k := range maps.Keys(known) {
		if strings.HasPrefix(k, of+".") {
			near = append(near, k)
		}
	}
	for _, key := range map[string][]string{"conn": host.ConnFacts(), "time": host.TimeFacts()}[of] {
		near = append(near, of+"."+key)
	}
	sort.Strings(near)
	if rest := strings.TrimPrefix(name, "vars."); rest != name && strings.Contains(rest, ".") {
		return "a name without braces is a variable, write {" + rest + "} for the fact"
	}
	if len(near) == 0 {
		return "name a matcher in the route's set, or a handler before this one, that sets it"
	}
	if meant := meantFact(name, near); meant != "" {
		return "did you mean {" + meant + "}?"
	}
	return "there are {" + strings.Join(alike(name, near), "}, {") + "}"
}

// meantFact returns the fact whose key resembles that of name, or "". Short keys all do.
func meantFact(name string, near []string) string {
	of, key, _ := strings.Cut(name, ".")
	const short = 4
	if len(key) < short {
		return ""
	}
	keys := make([]string, len(near))
	for i, k := range near {
		keys[i] = k[len(of)+1:]
	}
	if meant := schema.Nearest(key, keys); meant != "" {
		return of + "." + meant
	}
	return ""
}

// alike returns those names that have the most first parts in common with one. Where these
// are many, numbered ones are left out.
func alike(name string, near []string) []string {
	const many = 12
	for end := strings.LastIndexByte(name, '.'); end > 0 && len(near) > many; end = strings.LastIndexByte(name[:end], '.') {
		begin := name[:end+1]
		closer := slices.DeleteFunc(slices.Clone(near), func(k string) bool { return !strings.HasPrefix(k, begin) })
		if len(closer) > 0 {
			near = closer
			break
		}
	}
	if len(near) <= many {
		return near
	}
	return slices.DeleteFunc(slices.Clone(near), func(k string) bool { return strings.Trim(k[len(k)-1:], "0123456789") == "" })
}
