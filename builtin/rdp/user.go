package rdp

import "dwaar.dev/dwaar/sdk"

// user is the matcher with the option cookie_hash: its routes are chosen by one lookup.
type user struct{ name string } // lower case

// First implements [sdk.Starter].
func (user) First() *[4]uint64 { return first() }

// Keys implements [sdk.Keyed].
func (m user) Keys() (by sdk.Selector, names []string) { return userKey{}, []string{m.name} }

// Match implements [sdk.Matcher].
func (m user) Match(f *sdk.Flow) (sdk.Verdict, error) {
	key, v := userKey{}.Key(f)
	switch {
	case v <= 0:
		return v, nil
	case string(key) != m.name:
		return sdk.No, nil
	}
	sdk.Parse(f, fill).tell(f)
	return sdk.Yes, nil
}

// userKey is the selector of user: the name in the mstshash cookie, in lower case.
type userKey struct{}

// Key returns the name. It says No where a request has no such cookie.
func (userKey) Key(f *sdk.Flow) ([]byte, sdk.Verdict) {
	r := sdk.Parse(f, fill)
	switch {
	case r.verdict != sdk.Yes:
		return nil, r.verdict
	case r.kind != hash:
		return nil, sdk.No
	}
	return r.user(), sdk.Yes
}
