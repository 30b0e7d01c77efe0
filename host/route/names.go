package route

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"

	"dwaar.dev/dwaar/sdk"
)

// nameFinder finds routes by a list of names for one key. A name "*.x" stands for one
// label in front of ".x".
type nameFinder struct {
	by    sdk.Selector
	exact map[string]span // by name
	wild  map[string]span // by ".x"
	any   span            // routes with the name "*"
	all   []int32         // what spans are parts of
}

// span is all[at:end].
type span struct{ at, end int32 }

// names makes the finder of a group.
func (l *List) names(k groupKey, routes []int32) *nameFinder {
	type entry struct {
		name  string
		route int32
	}
	var entries []entry
	l.members(k, routes, func(route int32, in *Instance) {
		_, names := in.Matcher.(sdk.Keyed).Keys()
		for _, name := range names {
			entries = append(entries, entry{name, route})
		}
	})
	slices.SortStableFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	x := &nameFinder{by: k.by.(sdk.Selector), exact: make(map[string]span, len(entries)), wild: map[string]span{}}
	for i := 0; i < len(entries); {
		name, at := entries[i].name, len(x.all)
		for ; i < len(entries) && entries[i].name == name; i++ {
			if n := len(x.all); n == at || x.all[n-1] != entries[i].route {
				x.all = append(x.all, entries[i].route)
			}
		}
		switch s := (span{int32(at), int32(len(x.all))}); {
		case name == "*":
			x.any = s
		case len(name) > 1 && name[:2] == "*.":
			x.wild[name[1:]] = s
		default:
			x.exact[name] = s
		}
	}
	return x
}

func (x *nameFinder) find(f *sdk.Flow, found []int32) ([]int32, sdk.Verdict) {
	key, v := x.by.Key(f)
	if v != sdk.Yes {
		return found, v
	}
	mark := len(found)
	found = x.add(found, x.exact[string(key)])
	if dot := bytes.IndexByte(key, '.'); dot > 0 {
		found = x.add(found, x.wild[string(key[dot:])])
	}
	return inOrder(x.add(found, x.any), mark), sdk.Yes
}

func (x *nameFinder) add(found []int32, s span) []int32 { return append(found, x.all[s.at:s.end]...) }

// inOrder sorts found from mark on, and leaves each route once.
func inOrder(found []int32, mark int) []int32 {
	if tail := found[mark:]; len(tail) > 1 && !slices.IsSorted(tail) {
		slices.Sort(tail)
	}
	return found[:mark+len(slices.Compact(found[mark:]))]
}

// rangeFinder finds the first route of those whose only condition is an address range.
type rangeFinder struct {
	of    sdk.Side
	table bart.Table[int32] // prefix → the first route with that prefix or one that contains it
}

// ranges makes the finder of a group.
func (l *List) ranges(k groupKey, routes []int32) *rangeFinder {
	first := map[netip.Prefix]int32{}
	l.members(k, routes, func(route int32, in *Instance) {
		_, prefixes := in.Matcher.(sdk.Ranged).Prefixes()
		for _, p := range prefixes {
			if _, ok := first[p.Masked()]; !ok {
				first[p.Masked()] = route
			}
		}
	})
	var own bart.Table[int32]
	for p, route := range first {
		own.Insert(p, route)
	}
	x := &rangeFinder{of: k.by.(sdk.Side)}
	for p, route := range first {
		for _, i := range own.Supernets(p) {
			route = min(route, i)
		}
		x.table.Insert(p, route)
	}
	return x
}

func (x *rangeFinder) find(f *sdk.Flow, found []int32) ([]int32, sdk.Verdict) {
	addr := f.Remote.Addr()
	if x.of == sdk.Local {
		addr = f.Local.Addr()
	}
	if !addr.IsValid() {
		return found, sdk.Unknown
	}
	if i, ok := x.table.Lookup(addr); ok {
		found = append(found, i)
	}
	return found, sdk.Yes
}
