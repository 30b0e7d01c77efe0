package mapfile

import (
	"fmt"
	"iter"
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"

	"dwaar.dev/dwaar/sdk"
)

// ranges is the table of addresses and ranges. It is never changed: a change makes
// another one, which has most of its memory in common with this one.
type ranges struct {
	tree  *bart.Table[*[]byte]
	other map[netip.Prefix]bool // those that an operator has changed
}

// prefixOf reads an address or a range.
func prefixOf(text string) (netip.Prefix, error) {
	if all, err := sdk.ParsePrefixes(text); err == nil && len(all) == 1 {
		return all[0], nil
	}
	return netip.Prefix{}, fmt.Errorf("%q is no address or CIDR range like 10.0.0.0/8", clip(text))
}

// find returns the value of the smallest range that holds an address, which may have a
// port behind it.
func (r *ranges) find(key string) ([]byte, bool) {
	addr, err := addrOf(key)
	if err != nil {
		return nil, false
	}
	value, ok := r.tree.Lookup(addr.Unmap().WithZone(""))
	if !ok {
		return nil, false
	}
	return *value, true
}

func addrOf(text string) (netip.Addr, error) {
	if text != "" && text[0] == '[' || strings.Count(text, ":") == 1 {
		both, err := netip.ParseAddrPort(text)
		return both.Addr(), err
	}
	return netip.ParseAddr(text)
}

func (r *ranges) set(key string, value []byte) (table, error) {
	p := netip.MustParsePrefix(key)
	if err := r.note(p); err != nil {
		return nil, err
	}
	return &ranges{r.tree.InsertPersist(p, &value), r.other}, nil
}

func (r *ranges) remove(key string) (table, error) {
	p := netip.MustParsePrefix(key)
	if _, ok := r.tree.Get(p); !ok {
		return nil, errMissing(key)
	}
	if err := r.note(p); err != nil {
		return nil, err
	}
	return &ranges{r.tree.DeletePersist(p), r.other}, nil
}

// note counts a change. Only whoever changes the table looks at the notes.
func (r *ranges) note(p netip.Prefix) error {
	if !r.other[p] && len(r.other) >= maxChanges {
		return errFull()
	}
	r.other[p] = true
	return nil
}

func (r *ranges) all() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for p, value := range r.tree.AllSorted() {
			if !yield(short(p), *value) {
				return
			}
		}
	}
}

// short writes a range of one address as an address.
func short(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func (r *ranges) size() int    { return r.tree.Size() }
func (r *ranges) changed() int { return len(r.other) }

// newRanges returns what gathers the ranges of a file.
func newRanges() *rangeGatherer {
	return &rangeGatherer{tree: new(bart.Table[*[]byte]), values: map[string]*[]byte{}}
}

// rangeGatherer is a gatherer of ranges. Ranges with one value share its bytes.
type rangeGatherer struct {
	tree   *bart.Table[*[]byte]
	values map[string]*[]byte
}

func (g *rangeGatherer) add(key string, value []byte, _ int) error {
	p := netip.MustParsePrefix(key)
	if _, ok := g.tree.Get(p); ok {
		return fmt.Errorf("%s stands in an earlier line already: leave one of them out", short(p))
	}
	kept := g.values[string(value)]
	if kept == nil {
		copied := append([]byte(nil), value...)
		kept = &copied
		g.values[string(value)] = kept
	}
	g.tree.Insert(p, kept)
	return nil
}

func (g *rangeGatherer) done() (table, sdk.Errors) {
	return &ranges{g.tree, map[netip.Prefix]bool{}}, nil
}
