package hello

import (
	"strings"

	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

var _ sdk.Explainer = (*Matcher)(nil)

// Explain implements [sdk.Explainer]: it says what the hello has for each option that
// is asked for, and for a matcher without options its name.
func (m *Matcher) Explain(f *sdk.Flow) string {
	h, msg, v := m.carrier.Source.Hello(f)
	if v <= 0 {
		return ""
	}
	if h == nil {
		return "its hello cannot be read"
	}
	var said []string
	if len(m.names) > 0 || m.pattern != nil || !m.other() {
		said = append(said, nameOf(h))
	}
	if len(m.protocols) > 0 {
		said = append(said, listed("it offers the protocols ", "it offers no protocol", h.ALPN()))
	}
	if len(m.versions) > 0 {
		said = append(said, listed("the highest version is ", "it offers no known version", h.VersionName(msg)))
	}
	if m.ja4 {
		said = append(said, "the JA4 fingerprint is "+sdk.Shown(h.JA4(msg, m.carrier.Transport)))
	}
	return strings.Join(said, ", ")
}

// nameOf says which server name a hello has.
func nameOf(h *clienthello.Hello) string {
	name, err := h.ServerName()
	switch nameVerdict(err) {
	case sdk.No:
		return "there is no server name"
	case sdk.Yes:
		return "the name is " + sdk.Shown(name)
	}
	return "the server name is none that a host can have"
}

func listed(what, none string, value []byte) string {
	if len(value) == 0 {
		return none
	}
	return what + sdk.Shown(value)
}
