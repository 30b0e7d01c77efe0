package postgres

import (
	"strings"

	"dwaar.dev/dwaar/sdk"
)

var _ sdk.Keyed = (*Matcher)(nil)

// Keys implements [sdk.Keyed] for matchers with nothing but users who may use all
// databases: their routes are chosen by one lookup. by is nil for all others.
func (m *Matcher) Keys() (by sdk.Selector, names []string) {
	if m.tls != either || m.clients != nil {
		return nil, nil
	}
	for _, u := range m.users {
		if len(u.databases) > 0 || u.name == anyone || strings.HasPrefix(u.name, "*.") {
			return nil, nil
		}
		names = append(names, u.name)
	}
	if names == nil {
		return nil, nil
	}
	return byUser{}, names
}

// byUser finds the user.
type byUser struct{}

// Fact implements [sdk.FactSelector].
func (byUser) Fact() string { return "user" }

// Key implements [sdk.Selector]. Users are compared as they are written.
func (byUser) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	msg := sdk.Parse(f, fill)
	switch {
	case msg.kind == partial:
		return nil, sdk.Need(msg.need)
	case msg.kind == foreign:
		return nil, sdk.No
	case msg.kind != startup || msg.user.twice:
		return nil, sdk.Unknown
	}
	return msg.user.in(f.Head), sdk.Yes
}
