package remoteip

import "dwaar.dev/dwaar/sdk"

var _ sdk.Explainer = (*Matcher)(nil)

// Explain implements [sdk.Explainer].
func (m *Matcher) Explain(f *sdk.Flow) string {
	a, of := f.Remote.Addr(), "the client"
	if m.side == sdk.Local {
		a, of = f.Local.Addr(), "the listener"
	}
	if !a.IsValid() {
		return of + " has no IP address"
	}
	return of + " is " + a.String()
}
