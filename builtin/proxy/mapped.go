package proxy

import (
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
