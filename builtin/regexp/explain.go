package regexp

import (
	"fmt"

	"dwaar.dev/dwaar/sdk"
)

// maxExplained is how many of the bytes that the pattern was tried on are shown.
const maxExplained = 64

var _ sdk.Explainer = (*Matcher)(nil)

// Explain implements [sdk.Explainer].
func (m *Matcher) Explain(f *sdk.Flow) string {
	if len(f.Head) < m.count && m.begins(f.Head) {
		return fmt.Sprintf("the pattern is tried on %d bytes, and there are %d", m.count, len(f.Head))
	}
	n := min(m.count, len(f.Head), maxExplained)
	if m.hex {
		return fmt.Sprintf("the bytes are %X", f.Head[:n])
	}
	return "the bytes are " + sdk.Shown(f.Head[:n])
}
