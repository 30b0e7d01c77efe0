package clock

import "dwaar.dev/dwaar/sdk"

var _ sdk.Explainer = (*Matcher)(nil)

// Explain implements [sdk.Explainer].
func (m *Matcher) Explain(f *sdk.Flow) string {
	return "it was " + f.Accepted.In(m.zone).Format("15:04:05 MST")
}
