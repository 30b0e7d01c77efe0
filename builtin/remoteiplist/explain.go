package remoteiplist

import "dwaar.dev/dwaar/sdk"

var _ sdk.Explainer = (*Matcher)(nil)

// Explain implements [sdk.Explainer].
func (m *Matcher) Explain(f *sdk.Flow) string {
	switch {
	case m.table.Load() == nil:
		return "the list was not read"
	case !f.Remote.IsValid():
		return "the client has no IP address"
	}
	return "the client is " + f.Remote.Addr().String()
}
