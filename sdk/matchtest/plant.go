package matchtest

import (
	"bytes"
	"net/netip"

	"dwaar.dev/dwaar/sdk"
)

// matcher is a function that is a Matcher. It has none of the abilities of the
// one it stands for.
type matcher func(f *sdk.Flow) (sdk.Verdict, error)

func (m matcher) Match(f *sdk.Flow) (sdk.Verdict, error) { return m(f) }

// answering changes verdicts.
func answering(change func(m sdk.Matcher, f *sdk.Flow, v sdk.Verdict) sdk.Verdict) func(sdk.Matcher) sdk.Matcher {
	return func(m sdk.Matcher) sdk.Matcher {
		return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
			v, err := m.Match(f)
			return change(m, f, v), err
		})
	}
}

// needing changes the numbers that are asked for.
func needing(change func(have, n int) int) func(sdk.Matcher) sdk.Matcher {
	return answering(func(_ sdk.Matcher, f *sdk.Flow, v sdk.Verdict) sdk.Verdict {
		if v.Decided() {
			return v
		}
		return sdk.Need(change(len(f.Head), v.NeedBytes()))
	})
}

// setting sets one more fact.
func setting(key string, value func(f *sdk.Flow) []byte) func(sdk.Matcher) sdk.Matcher {
	return func(m sdk.Matcher) sdk.Matcher {
		return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
			f.Set(key, value(f))
			return m.Match(f)
		})
	}
}

// onHead shows m other bytes than there are, in a flow without a past.
func onHead(m sdk.Matcher, head func(f *sdk.Flow) []byte) sdk.Matcher {
	return matcher(func(f *sdk.Flow) (sdk.Verdict, error) {
		other := fresh(f)
		other.Head = head(f)
		v, err := m.Match(&other)
		if !v.Decided() {
			v = sdk.Need(max(v.NeedBytes(), len(f.Head)+1))
		}
		return v, err
	})
}

// shorter is what m says of all bytes but the last.
func shorter(m sdk.Matcher, f *sdk.Flow) sdk.Verdict {
	if len(f.Head) == 0 {
		return sdk.Need(1)
	}
	other := fresh(f)
	other.Bind(nil)
	other.Head = f.Head[:len(f.Head)-1]
	v, _ := m.Match(&other)
	return v
}

// leftover forgets to clear itself.
type leftover struct{ head []byte }

func (*leftover) Reset() {}

// first is a set of first bytes.
type first [4]uint64

func (s first) First() *[4]uint64 { return (*[4]uint64)(&s) }

// keyed is a matcher with another key.
type keyed struct {
	sdk.Matcher
	by    sdk.Selector
	names []string
}

func (k keyed) Keys() (by sdk.Selector, names []string) { return k.by, k.names }

// patterned is a matcher with a pattern.
type patterned struct {
	sdk.Matcher
	by      sdk.Selector
	pattern string
}

func (p patterned) Pattern() (by sdk.Selector, pattern string) { return p.by, p.pattern }

func rekeyed(change func(sdk.Selector, []string) (sdk.Selector, []string)) func(sdk.Matcher) sdk.Matcher {
	return func(m sdk.Matcher) sdk.Matcher {
		by, names := change(m.(sdk.Keyed).Keys())
		return keyed{m, by, names}
	}
}

// loud finds keys in upper case.
type loud struct{ sdk.Selector }

func (l loud) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	key, v := l.Selector.Key(f)
	return bytes.ToUpper(key), v
}

// several is a selector that == panics on.
type several []sdk.Selector

func (s several) Key(f *sdk.Flow) ([]byte, sdk.Verdict) { return s[0].Key(f) }

// ranged takes private clients, with a fault.
type ranged struct {
	prefixes []netip.Prefix
	change   func(sdk.Verdict) sdk.Verdict
}

func rangedBy(change func(sdk.Verdict) sdk.Verdict) func(sdk.Matcher) sdk.Matcher {
	return func(sdk.Matcher) sdk.Matcher {
		return ranged{[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, change}
	}
}

func (r ranged) Prefixes() (of sdk.Side, p []netip.Prefix) { return sdk.Remote, r.prefixes }

func (r ranged) Match(f *sdk.Flow) (sdk.Verdict, error) {
	v := sdk.No
	switch a := f.Remote.Addr(); {
	case !a.IsValid():
		v = sdk.Unknown
	case r.prefixes[0].Contains(a):
		v = sdk.Yes
	}
	return r.change(v), nil
}
