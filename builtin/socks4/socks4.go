// Package socks4 matches the request of a SOCKS 4 or 4a client: version, command,
// port and address, a user's name with a zero behind it and, where the address is
// 0.0.0.1 to 0.0.0.255, a host name with a zero behind it (the notes "SOCKS: A protocol
// for TCP proxy across firewalls" and "SOCKS 4A" of Ying-Da Lee).
//
//	@any   socks4
//	@web   socks4 {
//		commands CONNECT
//		networks 192.0.2.0/24
//		ports    80 443
//	}
//
// Options are ANDed, the words of one option ORed. Without commands both count. A
// request of SOCKS 4a leaves it to the server to resolve the name, so nobody can tell
// its networks: the matcher is Unknown then, and neither "socks4 { networks … }" nor
// its negation takes the client.
//
// Yes comes at the end of the request. The protocol gives names no bound: one of more
// than 255 bytes is Unknown.
package socks4

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

const (
	version = 4
	connect = 1
	bind    = 2

	maxName  = 255       // of a user or host, without the zero
	maxNamed = 1<<8 - 1  // the greatest address that says that a name follows: 0.0.0.255
	maxPort  = 1<<16 - 1 // of an option
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "socks4",
		Doc:   "The request of a SOCKS 4 or 4a client",
		Block: &sdk.Block{Options: sdk.Specs(options())},
	}
}

func options() []sdk.Option[conditions] {
	return []sdk.Option[conditions]{
		sdk.Line(sdk.Spec{
			Name: "commands", Many: true, Doc: "What the client asks for is one of these", Default: "CONNECT BIND",
			Args: []sdk.Arg{{Name: "COMMAND", Shape: sdk.Enum, Words: []string{"CONNECT", "BIND"}, Min: 1, Max: -1}},
		}, (*conditions).addCommands),
		sdk.Line(sdk.Spec{
			Name: "networks", Many: true, Doc: "The address that the client asks for lies in one of these ranges; a name of SOCKS 4a is Unknown",
			Args: []sdk.Arg{sdk.Some("CIDR", sdk.CIDR)},
		}, sdk.AddPrefixes(func(m *conditions) *[]netip.Prefix { return &m.networks })),
		sdk.Line(sdk.Spec{
			Name: "ports", Many: true, Doc: "The port that the client asks for is one of these",
			Args: []sdk.Arg{sdk.Some("PORT", sdk.Int)},
		}, (*conditions).addPorts),
	}
}

// conditions is the matcher with any options. The zero value takes every request.
type conditions struct {
	commands []byte
	networks []netip.Prefix
	ports    []uint16
}

// New makes the matcher of a node that fits [Spec]. A matcher of which nothing but
// ports is asked is [sdk.Keyed]. Errors are sdk.Errors.
func New(n *sdk.Node) (sdk.Matcher, error) {
	m := &conditions{}
	var errs sdk.Errors
	errs.Add(n.Pos, sdk.Apply(m, n.Block, options()))
	if len(m.networks) > 0 && !slices.ContainsFunc(m.networks, func(p netip.Prefix) bool { return p.Addr().Is4() }) {
		errs.Add(n.Pos, sdk.Errorf(n.Pos, "networks without an IPv4 range never hold: SOCKS 4 knows no other addresses"))
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	if len(m.ports) > 0 && m.commands == nil && m.networks == nil {
		return byPort{m.portNames()}, nil
	}
	return m, nil
}

func (m *conditions) addCommands(n *sdk.Node) error {
	for _, w := range n.Args {
		command := byte(connect)
		if strings.EqualFold(w.Text, "BIND") {
			command = bind
		}
		m.commands = append(m.commands, command)
	}
	return nil
}

func (m *conditions) addPorts(n *sdk.Node) error {
	var errs sdk.Errors
	for _, w := range n.Args {
		port, err := sdk.ParseInt(w.Text)
		if err != nil || port > maxPort {
			errs.Add(w.Pos, sdk.Errorf(w.Pos, "ports: %s is no port: write a number from 0 to %d", w.Text, maxPort))
		}
		m.ports = append(m.ports, uint16(port))
	}
	return errs.Err()
}

// First implements [sdk.Starter].
func (*conditions) First() *[4]uint64 { return first() }

func first() *[4]uint64 { return &[4]uint64{1 << version} }

// Match implements [sdk.Matcher].
func (m *conditions) Match(f *sdk.Flow) (sdk.Verdict, error) {
	c := f.Cursor()
	v, _ := m.judge(&c)
	return v, nil
}

// judge reads the request and returns the port that it names.
func (m *conditions) judge(c *sdk.Cursor) (v sdk.Verdict, port uint16) {
	if c.Byte() != version {
		return c.No(), 0
	}
	if !m.takesCommand(c.Byte()) {
		return c.No(), 0
	}
	if port = c.Uint16(); len(m.ports) > 0 && !slices.Contains(m.ports, port) {
		return c.No(), 0
	}
	address := c.Uint32()
	if c.Short() {
		return c.No(), 0
	}
	named := address > 0 && address <= maxNamed
	if v := m.judgeAddress(address, named); v != sdk.Yes {
		return v, 0
	}
	return readNames(c, named), port
}

// readNames reads the name of the user and, if there is one, that of the host.
func readNames(c *sdk.Cursor, named bool) sdk.Verdict {
	_, ok := c.Until(0, maxName)
	if ok && named {
		_, ok = c.Until(0, maxName)
	}
	if !ok {
		return c.Unknown()
	}
	return sdk.Yes
}

func (m *conditions) takesCommand(b byte) bool {
	if m.commands == nil {
		return b == connect || b == bind
	}
	return slices.Contains(m.commands, b)
}

func (m *conditions) judgeAddress(address uint32, named bool) sdk.Verdict {
	switch {
	case len(m.networks) == 0:
		return sdk.Yes
	case named:
		return sdk.Unknown
	}
	a := netip.AddrFrom4([4]byte{byte(address >> 24), byte(address >> 16), byte(address >> 8), byte(address)})
	for _, p := range m.networks {
		if p.Contains(a) {
			return sdk.Yes
		}
	}
	return sdk.No
}

func (m *conditions) portNames() []string {
	names := make([]string, len(m.ports))
	for i, p := range m.ports {
		names[i] = strconv.Itoa(int(p))
	}
	return names
}
