// Package remoteip matches connections by the address of the client, or by the
// address it connected to. It needs no bytes.
//
//	@office remote_ip 10.0.0.0/8 2001:db8::/32
//	@inside local_ip private_ranges
//
// On a socket without addresses, a Unix one, the answer is Unknown: neither
// "remote_ip 10.0.0.0/8" nor its negation matches.
package remoteip

import (
	"net/netip"
	"slices"

	"dwaar.dev/dwaar/sdk"
	"github.com/gaissmai/bart"
)

// RemoteSpec describes remote_ip.
func RemoteSpec() sdk.Spec {
	return spec("remote_ip", "The client's address lies in one of these ranges; private_ranges are those of private networks")
}

// LocalSpec describes local_ip.
func LocalSpec() sdk.Spec {
	return spec("local_ip", "The address the client connected to lies in one of these ranges; private_ranges are those of private networks")
}

func spec(name, doc string) sdk.Spec {
	return sdk.Spec{Name: name, Doc: doc, Args: []sdk.Arg{sdk.Some("CIDR", sdk.CIDR)}}
}

// Matcher matches the address of one side. Make one with [NewRemote] or
// [NewLocal].
type Matcher struct {
	side     sdk.Side
	prefixes []netip.Prefix
	table    bart.Lite
}

// NewRemote makes the matcher remote_ip of a node that fits [RemoteSpec].
func NewRemote(n *sdk.Node) (sdk.Matcher, error) { return build(sdk.Remote, n) }

// NewLocal makes the matcher local_ip of a node that fits [LocalSpec].
func NewLocal(n *sdk.Node) (sdk.Matcher, error) { return build(sdk.Local, n) }

func build(side sdk.Side, n *sdk.Node) (sdk.Matcher, error) {
	m := &Matcher{side: side}
	var faults sdk.Errors
	for _, w := range n.Args {
		prefixes, err := sdk.ParsePrefixes(w.Text)
		switch {
		case err != nil:
			faults = append(faults, sdk.Errorf(w.Pos, "%s %q %s", n.Name, w.Text, err))
		case prefixes == nil:
			faults = append(faults, sdk.Errorf(w.Pos, "%s %s: nothing is known by that name here: write the address itself", n.Name, w.Text))
		}
		for _, p := range prefixes {
			m.table.Insert(p)
			m.prefixes = append(m.prefixes, p)
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(m.prefixes, netip.Prefix.Compare)
	m.prefixes = slices.Compact(m.prefixes)
	return m, nil
}

// Match implements [sdk.Matcher].
func (m *Matcher) Match(f *sdk.Flow) (sdk.Verdict, error) {
	a := f.Remote.Addr()
	if m.side == sdk.Local {
		a = f.Local.Addr()
	}
	switch {
	case !a.IsValid():
		return sdk.Unknown, nil
	case m.table.Contains(a):
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// Early implements [sdk.Early].
func (m *Matcher) Early() sdk.Known {
	if m.side == sdk.Local {
		return sdk.KnownLocal
	}
	return sdk.KnownRemote
}

// Prefixes implements [sdk.Ranged]. The caller does not change them.
func (m *Matcher) Prefixes() (sdk.Side, []netip.Prefix) { return m.side, m.prefixes }
