package hello

import (
	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

// keys are the keys of the facts that a hello carries.
type keys struct{ serverName, version, alpn, ech, ja4 string }

func newKeys(prefix string) keys {
	return keys{prefix + "server_name", prefix + "version", prefix + "alpn", prefix + "ech", prefix + "ja4"}
}

// Facts describes the facts that a hello carries.
func (c Carrier) Facts() []sdk.Fact {
	k := newKeys(c.prefix())
	facts := []sdk.Fact{
		{Key: k.serverName, Doc: "the server name, lower case, without a final dot"},
		{Key: k.version, Doc: "the highest version offered: ssl3.0, tls1.0 to tls1.3"},
		{Key: k.alpn, Doc: "the protocols offered, comma-separated"},
		{Key: k.ech, Doc: "outer, if the hello carries an encrypted one"},
		{Key: k.ja4, Doc: "the JA4 fingerprint, if the matcher has the option ja4", Asked: true},
	}
	if c.prefix() != "" {
		for i := range facts {
			facts[i].Doc += "; also {" + facts[i].Key + "}"
		}
	}
	return facts
}

// tell sets the facts. h is nil where the hello cannot be read.
func (m *Matcher) tell(f *sdk.Flow, h *clienthello.Hello, msg []byte) {
	m.carrier.Source.Tell(f)
	if h == nil {
		return
	}
	name, err := h.ServerName()
	if err == nil {
		f.Set(m.keys.serverName, name)
	}
	if alpn := h.ALPN(); len(alpn) > 0 {
		f.Set(m.keys.alpn, alpn)
	}
	if version := h.VersionName(msg); len(version) > 0 {
		f.Set(m.keys.version, version)
	}
	if ech := h.ECH(); len(ech) > 0 {
		f.Set(m.keys.ech, ech)
	}
	if m.ja4 {
		f.Set(m.keys.ja4, h.JA4(msg, m.carrier.Transport))
	}
	if m.pattern != nil && err == nil {
		m.pattern.Set(f, name)
	}
}

// Sets implements [sdk.FactSetter]. What only some options make known is there with
// them: ja4, and what groups of the pattern match. Keys that have a prefix are second
// names of their facts.
func (m *Matcher) Sets() []string {
	asked := m.groups()
	if m.ja4 {
		asked = append(asked, m.keys.ja4)
	}
	var names []string
	for _, key := range asked {
		names = append(names, m.carrier.Name+"."+key)
	}
	if m.carrier.prefix() == "" {
		return names
	}
	names = append(names, m.keys.serverName, m.keys.version, m.keys.alpn, m.keys.ech)
	return append(names, asked...)
}
