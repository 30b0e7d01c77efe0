package tls

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"

	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

// conditions is the matcher with any options.
type conditions struct {
	names        []string // lower case; "*." stands for one label
	pattern      *regexp.Regexp
	protocols    []string
	versions     []uint16
	ja4          bool // make the fact
	fingerprints []string
}

// named is the matcher with no option but sni: its routes are chosen by one
// lookup.
type named struct{ names []string }

// plain says whether m asks for nothing but names.
func (m *conditions) plain() bool {
	return m.pattern == nil && len(m.protocols) == 0 && len(m.versions) == 0 && !m.ja4
}

// First implements [sdk.Starter].
func (*conditions) First() *[4]uint64 { return first() }

// First implements [sdk.Starter].
func (named) First() *[4]uint64 { return first() }

// first has the content types of records, and what begins a hello in the format of SSL
// 2.0.
func first() *[4]uint64 {
	return &[4]uint64{1<<change | 1<<alert | 1<<handshake, 0, ^uint64(0), ^uint64(0)}
}

// Keys implements [sdk.Keyed].
func (m named) Keys() (by sdk.Selector, names []string) { return serverName{}, m.names }

// serverName is the selector of named.
type serverName struct{}

// Key returns the server name. It says No when there is none, and Unknown when it
// cannot be a host name.
func (serverName) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	s := parse(f)
	if s.verdict <= 0 {
		return nil, s.verdict
	}
	name, err := s.hello.ServerName()
	return name, nameVerdict(err)
}

// Fact implements [sdk.FactSelector].
func (serverName) Fact() string { return "server_name" }

func nameVerdict(err error) sdk.Verdict {
	switch {
	case errors.Is(err, clienthello.ErrNoName):
		return sdk.No
	case err != nil:
		return sdk.Unknown
	}
	return sdk.Yes
}

// Match implements [sdk.Matcher].
func (m named) Match(f *sdk.Flow) (sdk.Verdict, error) {
	name, v := serverName{}.Key(f)
	if v > 0 && !anyCovers(m.names, name) {
		return sdk.No, nil
	}
	return parse(f).answer(f, v), nil
}

// Match implements [sdk.Matcher].
func (m *conditions) Match(f *sdk.Flow) (sdk.Verdict, error) {
	s := parse(f)
	if s.verdict <= 0 {
		return s.verdict, nil
	}
	msg := s.message(f.Head)
	v := m.judge(s, msg)
	if v == sdk.No || !m.ja4 {
		return s.answer(f, v), nil
	}
	ja4 := s.hello.JA4(msg, 't')
	if len(m.fingerprints) > 0 && !contains(m.fingerprints, ja4) {
		return sdk.No, nil
	}
	f.Set("ja4", ja4)
	return s.answer(f, v), nil
}

// judge compares everything but the fingerprint. A No counts more than a name that
// cannot be read.
func (m *conditions) judge(s *state, msg []byte) sdk.Verdict {
	offersOne := func(proto string) bool { return s.hello.Offers(msg, proto) }
	switch {
	case len(m.versions) > 0 && !slices.Contains(m.versions, s.hello.Version(msg)):
		return sdk.No
	case len(m.protocols) > 0 && !slices.ContainsFunc(m.protocols, offersOne):
		return sdk.No
	case len(m.names) == 0 && m.pattern == nil:
		return sdk.Yes
	}
	return m.judgeName(s.hello.ServerName())
}

func (m *conditions) judgeName(name []byte, err error) sdk.Verdict {
	switch {
	case err != nil:
		return nameVerdict(err)
	case len(m.names) > 0 && !anyCovers(m.names, name):
		return sdk.No
	case m.pattern != nil && !m.pattern.Match(name):
		return sdk.No
	}
	return sdk.Yes
}

func contains(texts []string, b []byte) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return t == string(b) })
}

func anyCovers(patterns []string, name []byte) bool {
	for _, p := range patterns {
		if covers(p, name) {
			return true
		}
	}
	return false
}

// covers says whether pattern is name, or "*." and name without its first label.
func covers(pattern string, name []byte) bool {
	if rest, wild := strings.CutPrefix(pattern, "*."); wild {
		_, behind, ok := bytes.Cut(name, []byte{'.'})
		return ok && string(behind) == rest
	}
	return string(name) == pattern
}

// Sets implements [sdk.FactSetter]: ja4 is a fact only of those that compute it.
func (m *conditions) Sets() []string {
	if m.ja4 {
		return []string{"tls.ja4"}
	}
	return nil
}
