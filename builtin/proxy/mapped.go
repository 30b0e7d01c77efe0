package proxy

import (
	"net/netip"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// mapName is the global directive that declares maps, and the first part of the names of
// their facts. Package mapfile sees to it that no plugin has facts of that name.
const mapName = "map"

// mapped reports whether a fact is a value of a map that the configuration declares: the
// operator wrote it, and clients choose among what is written there.
func (m *maker) mapped(fact string) bool {
	name, ok := strings.CutPrefix(fact, mapName+".")
	if !ok {
		return false
	}
	for _, n := range m.Global(mapName) {
		if len(n.Args) > 0 && n.Args[0].Text == name {
			return true
		}
	}
	return false
}

// literal reports whether every address that t can become was written by the operator, and
// no allow says which of them count.
func (t *chosen) literal() bool { return t.guard != nil && t.guard.written }

// own returns what says which addresses are listeners of this program. Of what the operator
// wrote it is the one that the connection came in by, so that nothing goes round for ever;
// the others may be meant, as they may in a line of the configuration.
func (t *chosen) own(c host.View) func(netip.AddrPort) bool {
	if !t.literal() {
		return c.Own
	}
	return func(a netip.AddrPort) bool { return a == c.Flow().Local }
}

// socket returns the Unix socket that a map names, "unix//run/app.sock". Clients in general
// choose among addresses, not among files.
func (t *chosen) socket(c host.View) (place, bool) {
	if !t.literal() || !t.whole() {
		return place{}, false
	}
	text, err := t.host.Expand(c.Get)
	path, ok := strings.CutPrefix(text, "unix/")
	if err != nil || !ok {
		return place{}, false
	}
	a := address{word: sdk.Word{Text: text}, path: path}
	if a.checkPath() != nil {
		return place{}, false
	}
	return place{network: "unix", path: path, host: "localhost"}, true
}
