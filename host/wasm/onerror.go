package wasm

import (
	"fmt"

	"dwaar.dev/dwaar/host"
)

var _ host.Substitute = (*Matcher)(nil)

// Substitute returns what on_error says, and the error of a configuration where that
// opens a door, unless it says that this is meant.
func (m *Matcher) Substitute() (matches bool, unsafe error) {
	p := m.plugin
	if p.OnError == OnErrorClose || p.unsafe {
		return false, nil
	}
	return p.OnError == OnErrorMatch, fmt.Errorf("on_error %s of %s would let clients in here when the plugin fails: write on_error close, or on_error %s unsafe if that is meant",
		p.OnError, p.Name, p.OnError)
}
