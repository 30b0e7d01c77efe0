package mapfile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// Matcher is the matcher map: what its map looks up leads to one of its values, or to any
// if it has none. Make one with [NewMatcher].
//
// A fact that was not read is Unknown, as it is to the matcher vars.
type Matcher struct {
	declared
	single string // the fact that from is; "": from is a text with several
	values []string
}

// NewMatcher makes the matcher of a node that fits [MatcherSpec].
func NewMatcher(b host.Builder, n *sdk.Node) (sdk.Matcher, error) {
	d, err := find(b, n)
	if err != nil {
		b.Supplies(fact(n)) // so that who reads it is not at fault too
		return nil, err
	}
	m := &Matcher{declared: d, values: n.Texts()[1:]}
	if facts := d.from.Facts(); len(facts) == 1 && strings.TrimPrefix(d.from.String(), "{") == facts[0]+"}" {
		m.single = facts[0]
	}
	return m, nil
}

var (
	_ sdk.FactReader = (*Matcher)(nil)
	_ sdk.FactSetter = (*Matcher)(nil)
)

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	key, ok := m.key(f)
	if !ok {
		return m.absent(f), nil
	}
	value, ok := m.table.Find(key)
	if !ok {
		value = m.fallback
	}
	if value == nil || len(m.values) > 0 && !m.takes(value) {
		return sdk.No, nil
	}
	f.Set(m.table.name, value)
	return sdk.Yes, nil
}

// key returns what is looked up.
func (m *Matcher) key(f *sdk.Flow) (string, bool) {
	if m.single != "" {
		return f.Get(m.single)
	}
	text, err := m.from.Expand(f.Get)
	return text, err == nil
}

// absent is the verdict on a connection without a fact that from reads. A variable that
// nobody has set is nothing, and a map without a default has no value for that.
func (m *Matcher) absent(f *sdk.Flow) sdk.Verdict {
	for _, name := range m.from.Facts() {
		if _, ok := f.Get(name); !ok && !strings.HasPrefix(name, "vars.") && !strings.HasPrefix(name, "env.") {
			return sdk.Unknown
		}
	}
	return sdk.No
}

func (m *Matcher) takes(value []byte) bool {
	return slices.ContainsFunc(m.values, func(v string) bool { return v == string(value) })
}

// Reads implements [sdk.FactReader].
func (m *Matcher) Reads() []string { return m.from.Facts() }

// Sets implements [sdk.FactSetter]: map.NAME.
func (m *Matcher) Sets() []string { return []string{directive + "." + m.table.name} }

// fact returns the full name of the fact of the map that a node names.
func fact(n *sdk.Node) string { return directive + "." + n.Args[0].Text }

// Handler is the handler map: it makes the value known, or closes a connection that has
// none. Make one with [NewHandler].
type Handler struct{ declared }

// NewHandler makes the handler of a node that fits [HandlerSpec].
func NewHandler(b host.Builder, n *sdk.Node) (host.Handler, error) {
	defer b.Supplies(fact(n)) // also of a map that is at fault: who reads it is not
	d, err := find(b, n)
	if err != nil {
		return nil, err
	}
	for _, fact := range d.from.Facts() {
		b.Reads(n.Pos, fact)
	}
	return &Handler{d}, nil
}

var _ host.Stepper = (*Handler)(nil)

// Handle makes the value known and calls next.
func (h *Handler) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	return host.Take(ctx, c, h, next)
}

// Step makes the value known. A connection without one of the facts that are looked up gets
// the default.
func (h *Handler) Step(e host.Editor, _ error) (host.Await, error) {
	value, err := h.value(e)
	if err != nil {
		return host.Await{}, host.End(host.ByProxy, host.Closed, err)
	}
	if !e.Put(directive, h.table.name, string(value)) {
		return host.Await{}, host.End(host.ByProxy, host.Cap, errors.New("the connection's facts are at their limit"))
	}
	return host.Await{}, nil
}

func (h *Handler) value(v host.View) ([]byte, error) {
	key, err := h.from.Expand(v.Get)
	if err == nil {
		value, ok := h.table.Find(key)
		if ok {
			return value, nil
		}
		err = fmt.Errorf("it has no value for %q", key)
	}
	if h.fallback == nil {
		return nil, fmt.Errorf("looking up in map %s: %w", h.table.name, err)
	}
	return h.fallback, nil
}
