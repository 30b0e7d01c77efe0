package graph

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// kindOf returns what a matcher looks at: its name, and the names of its options or, where
// it has none, its arguments. Two matchers of one kind are Unknown of the same connections.
func kindOf(n *sdk.Node) string {
	if len(n.Args) > 0 {
		return nodeText(n)
	}
	words := make([]string, 0, 1+len(n.Block))
	words = append(words, n.Name)
	for i := range n.Block {
		words = append(words, n.Block[i].Name)
	}
	slices.Sort(words[1:])
	return strings.Join(slices.Compact(words), " ")
}

// covers reports whether a matcher of kind a is Unknown wherever one of kind b is: it looks
// at all that b looks at.
func covers(a, b string) bool {
	if a == b {
		return true
	}
	all := strings.Fields(a)
	for i, word := range strings.Fields(b) {
		if i == 0 && word != all[0] || !slices.Contains(all, word) {
			return false
		}
	}
	return true
}

// early returns what a matcher goes by without a byte. One that goes by an address is
// refused where no client has one, and warned of where some have none.
func (c *conditions) early(m sdk.Matcher, n *sdk.Node) sdk.Known {
	e, ok := m.(sdk.Early)
	if !ok {
		return sdk.KnownLater
	}
	known := e.Early()
	if byAddress(known) {
		c.addresses(n)
	}
	return known
}

// byAddress reports whether what is known without a byte is an address.
func byAddress(known sdk.Known) bool { return known == sdk.KnownRemote || known == sdk.KnownLocal }

// believed warns of a use of an instance that goes by addresses where any client may name
// them.
func (c *conditions) believed(inst int, n *sdk.Node) {
	if before := c.scope.renamed; before != (sdk.Pos{}) && byAddress(c.looks[inst].known) {
		c.scope.warnf(n.Pos, "%s goes by addresses that any client can make up here: the handler at %s believes everybody; name the load balancers in front there with allow CIDR, or match their addresses before it", n.Name, before)
	}
}

// guards reports whether a condition that names the instances is only met by clients of
// some addresses.
func (c *conditions) guards(winners []int) bool {
	return slices.ContainsFunc(winners, func(i int) bool { return c.looks[i].known == sdk.KnownRemote })
}

// addresses judges a matcher that goes by an address by the listeners of its server.
func (c *conditions) addresses(n *sdk.Node) {
	unix := c.scope.server.unix()
	switch {
	case len(unix) == 0:
	case len(unix) == len(c.scope.server.Listeners) && c.untouched():
		c.scope.errorf(n.Pos, "%s cannot be told of any client here: clients of %s have no address; leave it out, or give its route a server of its own with a TCP address", n.Name, unix[0])
	default:
		c.scope.warnf(n.Pos, "%s cannot be told of clients of %s, which have no address: neither it nor its negation matches them, and deny turns them away", n.Name, unix[0])
	}
}

// untouched reports whether no handler has had the connections that the routes of the list
// see: one might have found another address of the client.
func (c *conditions) untouched() bool {
	return !c.list.Own && !slices.ContainsFunc(c.list.Routes, func(r route.Route) bool { return !r.Chain.Ends() })
}

// unix returns the names of the listeners whose clients have no address.
func (s *Server) unix() []string {
	var names []string
	for i := range s.Listeners {
		if l := &s.Listeners[i]; l.Network == "unix" {
			names = append(names, l.Name)
		}
	}
	return names
}
