package socks4

import (
	"slices"
	"strconv"

	"dwaar.dev/dwaar/sdk"
)

// byPort is the matcher with no option but ports: its routes are chosen by one lookup.
type byPort struct{ names []string }

// First implements [sdk.Starter].
func (byPort) First() *[4]uint64 { return first() }

// Keys implements [sdk.Keyed].
func (m byPort) Keys() (by sdk.Selector, names []string) { return portKey{}, m.names }

// Match implements [sdk.Matcher].
func (m byPort) Match(f *sdk.Flow) (sdk.Verdict, error) {
	key, v := portKey{}.Key(f)
	if v > 0 && !slices.ContainsFunc(m.names, func(name string) bool { return name == string(key) }) {
		return sdk.No, nil
	}
	return v, nil
}

// portKey is the selector of byPort: the port that the client asks for, in decimal.
type portKey struct{}

// Key implements [sdk.Selector].
func (portKey) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	r := sdk.Parse(f, fill)
	return r.text[:r.len], r.verdict
}

// request is a request that any port may be in.
type request struct {
	verdict sdk.Verdict
	text    [len("65535")]byte // the port
	len     int
}

func fill(f *sdk.Flow, r *request) {
	var anything conditions
	c := f.Cursor()
	v, port := anything.judge(&c)
	r.verdict = v
	r.len = len(strconv.AppendUint(r.text[:0], uint64(port), 10))
}
