package wasm

import (
	"fmt"
	"log/slog"
	"math"
	"slices"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// Matcher is a matcher of a module, configured. It is safe for use from many
// goroutines, as long as a graph holds its module.
type Matcher struct {
	name   string // as the configuration writes it
	export int    // its number in the module
	plugin *Plugin
	module *Module
	config *configured
	facts  *ManifestMatcher // that it may set; nil: any
	shadow *Matcher         // that is asked after it; nil: none
	late   string           // what [sdk.Later] says
}

// Match asks the guest. The number of a yes is the guest's. An error is an [*Error]:
// it says nothing of the bytes.
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	left := sdk.Parse(f, spend).of(m, f)
	fuel := min(m.plugin.budget(len(f.Head)), *left)
	if fuel <= 0 {
		return m.failed(f, &Error{Fuel, "this connection has used up what all its evaluations may take"})
	}
	pool := m.pool()
	in, err := pool.get()
	if err != nil {
		return m.failed(f, err)
	}
	answer, used, err := in.evaluate(m, f, fuel)
	*left -= used
	f.Spend(used)
	m.plugin.counts.evaluated(in.lane, used)
	if m.plugin.listened() {
		m.plugin.copies(in, f, &evaluated{m, fuel, answer, used, err})
	}
	if err == nil && answer > 0 {
		in.facts.tell(f)
	}
	pool.put(in)
	if err != nil {
		return m.failed(f, err)
	}
	return verdict(answer, f), nil
}

// verdict is an answer as the sdk's word. What can never be there is unknown, and a
// guest that asks for what it has gets one byte more.
func verdict(answer int32, f *sdk.Flow) sdk.Verdict {
	if answer >= 0 || answer == abi.Unknown {
		return sdk.Verdict(answer)
	}
	n := max(int(-answer), len(f.Head)+1)
	if f.MaxHead > 0 && n > f.MaxHead && f.Bounds == nil {
		return sdk.Unknown
	}
	return sdk.Need(n)
}

// failed counts an evaluation without an answer and does with it what on_error says.
func (m *Matcher) failed(f *sdk.Flow, err error) (sdk.Verdict, error) {
	kind := Trap
	if e, ok := err.(*Error); ok {
		kind = e.Kind
	}
	m.plugin.counts.failed(kind)
	if m.plugin.OnError == OnErrorClose {
		return sdk.No, err
	}
	in := &instance{call: call{matcher: m, flow: f}}
	text := fmt.Sprintf("%v: on_error %s stands for its answer", err, m.plugin.OnError)
	if m.module.host.listen != nil {
		m.module.heard(in, abi.LogError, []byte(text))
	} else {
		m.module.tell(in, slog.LevelError, text)
	}
	if m.plugin.OnError == OnErrorMatch {
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// Sets reports whether it may set any fact of its own, unless the manifest lists them.
func (m *Matcher) Sets() []string {
	if m.facts != nil {
		return nil
	}
	return []string{m.name + ".*"}
}

// Later implements [sdk.Later] for what the manifest says of facts whose options are there.
func (m *Matcher) Later() string { return m.late }

// later looks for options that are called like a fact which the manifest calls late.
func later(n *sdk.Node, facts *ManifestMatcher) string {
	if facts == nil {
		return ""
	}
	given := n.Texts()
	for i := range n.Block {
		given = append(given, n.Block[i].Name)
	}
	for i := range facts.Facts {
		if f := &facts.Facts[i]; f.Late != "" && slices.Contains(given, f.Key) {
			return n.Name + " " + f.Key + ": " + f.Late
		}
	}
	return ""
}

// mayset reports whether a fact is one that the manifest names, if it names any.
func (m *Matcher) mayset(key string) bool {
	if m.facts == nil {
		return true
	}
	for i := range m.facts.Facts {
		if m.facts.Facts[i].Key == key {
			return true
		}
	}
	return false
}

// spent is what the evaluations of one connection have left, for each matcher.
type spent struct{ list []account }

type account struct {
	matcher *Matcher
	left    int64
}

// spend is the fill of [sdk.Parse]: nothing of spent depends on the head.
func spend(*sdk.Flow, *spent) {}

// Reset forgets the connection.
func (s *spent) Reset() { s.list = s.list[:0] }

// of returns the account of a matcher.
func (s *spent) of(m *Matcher, f *sdk.Flow) *int64 {
	for i := range s.list {
		if s.list[i].matcher == m {
			return &s.list[i].left
		}
	}
	full := m.plugin.budget(max(f.MaxHead, len(f.Head)))
	left := int64(math.MaxInt64)
	if full <= left/fullHeads {
		left = fullHeads * full
	}
	s.list = append(s.list, account{m, left})
	return &s.list[len(s.list)-1].left
}
