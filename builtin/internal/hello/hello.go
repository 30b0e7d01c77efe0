// Package hello is what the matchers tls and quic ask of a ClientHello, whatever
// carries it. A matcher brings the hello, and gets its options, conditions and facts:
//
//	func New(n *sdk.Node) (sdk.Matcher, error) {
//		return hello.New(n, hello.Carrier{Name: "tls", Source: records{}, Transport: 't'})
//	}
package hello

import (
	"errors"
	"regexp"
	"slices"

	"dwaar.dev/dwaar/builtin/internal/captures"
	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

// A Source finds the hello in a connection. Sources are comparable: equal ones find
// equal hellos.
type Source interface {
	// Hello returns the verdict of a matcher without options and, with Yes, the hello
	// and its message. Yes without a hello is for a connection whose hello cannot be
	// read: a matcher with options says Unknown to it.
	Hello(f *sdk.Flow) (h *clienthello.Hello, msg []byte, v sdk.Verdict)
	// Tell sets the facts that are the carrier's own. It is called after Yes.
	Tell(f *sdk.Flow)
	// First is what [sdk.Starter] returns.
	First() *[4]uint64
}

// Carrier is what tells the matchers apart.
type Carrier struct {
	Name      string // of the matcher
	Source    Source
	Transport byte // 't' or 'q', the first letter of a JA4 fingerprint
}

// prefix returns what the keys of the hello's facts begin with, so that their full
// names end in what those of tls are.
func (c Carrier) prefix() string {
	if c.Name == "tls" {
		return ""
	}
	return "tls."
}

// New makes the matcher of a node whose block fits [Options]. One with no option but
// sni is [sdk.Keyed], one with no option but sni_regexp [sdk.Patterned]. Errors are
// sdk.Errors.
func New(n *sdk.Node, c Carrier) (sdk.Matcher, error) {
	s := settings{carrier: c}
	if err := sdk.Apply(&s, n.Block, table()); err != nil {
		return nil, err
	}
	m := Matcher{settings: s, keys: newKeys(c.prefix())}
	if count := len(s.groups()) + otherFacts; count > maxFacts {
		return nil, sdk.Errorf(n.Pos, "%s would make %d facts known, more than %d: write (?:…) for groups that nobody reads", n.Name, count, maxFacts)
	}
	switch {
	case s.other() || len(s.names) > 0 && s.pattern != nil:
	case len(s.names) > 0:
		return &Named{m}, nil
	case s.pattern != nil:
		return &Patterned{m}, nil
	}
	return &m, nil
}

const (
	maxFacts   = 16 // that a matcher may set, native or not
	otherFacts = 6  // beside those of groups: five of the hello, one of the carrier
)

// settings is what the options say.
type settings struct {
	carrier      Carrier
	names        []string // lower case; "*." stands for one label
	pattern      *captures.Pattern
	protocols    []string
	versions     []uint16
	ja4          bool // make the fact
	fingerprints []string
}

// other reports whether anything but the server name is asked for.
func (s *settings) other() bool {
	return len(s.protocols) > 0 || len(s.versions) > 0 || s.ja4
}

// groups returns the keys of the facts that groups of the pattern become.
func (s *settings) groups() []string {
	if s.pattern == nil {
		return nil
	}
	return s.pattern.Keys()
}

// Matcher is the matcher with any options.
type Matcher struct {
	settings
	keys keys
}

// Named is the matcher with no option but sni: its routes are chosen by one lookup.
type Named struct{ Matcher }

// Patterned is the matcher with no option but sni_regexp.
type Patterned struct{ Matcher }

// First implements [sdk.Starter].
func (m *Matcher) First() *[4]uint64 { return m.carrier.Source.First() }

// Keys implements [sdk.Keyed].
func (m *Named) Keys() (by sdk.Selector, names []string) { return m.selector(), m.names }

var _ sdk.Patterned = (*Patterned)(nil)

// Pattern implements [sdk.Patterned].
func (m *Patterned) Pattern() (by sdk.Selector, pattern string) {
	return m.selector(), m.pattern.String()
}

func (m *Matcher) selector() sdk.Selector { return serverName{m.carrier.Source, m.keys.serverName} }

// serverName is the selector of those that ask for names.
type serverName struct {
	source Source
	key    string
}

// Key returns the server name. It says No when there is none, and Unknown when it
// cannot be a host name.
func (s serverName) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	h, _, v := s.source.Hello(f)
	switch {
	case v <= 0:
		return nil, v
	case h == nil:
		return nil, sdk.Unknown
	}
	name, err := h.ServerName()
	return name, nameVerdict(err)
}

// Fact implements [sdk.FactSelector].
func (s serverName) Fact() string { return s.key }

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
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	h, msg, v := m.carrier.Source.Hello(f)
	if v > 0 && h == nil {
		v = m.judgeNothing()
	} else if v > 0 {
		v = m.judge(h, msg)
	}
	if v > 0 {
		m.tell(f, h, msg)
	}
	return v, nil
}

// judgeNothing is the verdict where the hello cannot be read.
func (m *Matcher) judgeNothing() sdk.Verdict {
	if m.other() || len(m.names) > 0 || m.pattern != nil {
		return sdk.Unknown
	}
	return sdk.Yes
}

// judge compares the hello with every option, the dearest last. A No counts more than
// a name that cannot be read.
func (m *Matcher) judge(h *clienthello.Hello, msg []byte) sdk.Verdict {
	offersOne := func(proto string) bool { return h.Offers(msg, proto) }
	v := sdk.Yes
	switch {
	case len(m.versions) > 0 && !slices.Contains(m.versions, h.Version(msg)):
		return sdk.No
	case len(m.protocols) > 0 && !slices.ContainsFunc(m.protocols, offersOne):
		return sdk.No
	case len(m.names) > 0 || m.pattern != nil:
		v = m.judgeName(h.ServerName())
	}
	if v != sdk.No && len(m.fingerprints) > 0 && !contains(m.fingerprints, h.JA4(msg, m.carrier.Transport)) {
		return sdk.No
	}
	return v
}

func (m *Matcher) judgeName(name []byte, err error) sdk.Verdict {
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

// fingerprint returns what JA4 can be over a transport.
func fingerprint(transport byte) *regexp.Regexp {
	return regexp.MustCompile(`^` + string(transport) + `(00|1[0-3]|s3)[di]\d{4}[0-9A-Za-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$`)
}
