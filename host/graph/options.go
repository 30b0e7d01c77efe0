package graph

import (
	"time"

	"dwaar.dev/dwaar/sdk"
)

// read sets in s what the options in the block of n say, those left out that are
// refused already.
func read[S any](b *builder, s *S, n *sdk.Node, table []sdk.Option[S]) {
	for i := range n.Block {
		if o := &n.Block[i]; !b.faults.In(o) {
			b.errs.Add(o.Pos, sdk.Apply(s, n.Block[i:i+1], table))
		}
	}
}

func globalOptions() []sdk.Option[Settings] {
	return []sdk.Option[Settings]{
		sdk.Line(sdk.Spec{
			Name: "grace_period", Doc: "How long a shutdown waits for open connections",
			Args: []sdk.Arg{sdk.One("D", sdk.Duration)}, Default: "30s",
		}, setLimit(func(s *Settings) *time.Duration { return &s.GracePeriod })),
		sdk.Line(sdk.Spec{
			Name: "reload_drain", Doc: "After a reload, connections of the old configuration end within this time",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("D", sdk.Duration))}, Default: "off",
		}, setLimit(func(s *Settings) *time.Duration { return &s.ReloadDrain })),
		sdk.Line(sdk.Spec{
			Name: "client_memory", Doc: "How much memory all connections may hold before they are relayed: first bytes and unfinished handshakes. When it is used up, the clients that hold most give way",
			Args: []sdk.Arg{sdk.One("SIZE", sdk.Size)}, Default: "256MiB, and at most a quarter of the program's memory limit",
		}, setClientMemory),
		sdk.Line(sdk.Spec{
			Name: "client_prefix_ipv6", Doc: "How many bits of an IPv6 address make one client, for max_connections_per_ip and where clients have to give way: 16 to 128",
			Args: []sdk.Arg{sdk.One("BITS", sdk.Int)}, Default: "64",
		}, setCrowdBits(128, func(s *Settings) *int { return &s.CrowdV6 })),
		sdk.Line(sdk.Spec{
			Name: "client_prefix_ipv4", Doc: "The same of an IPv4 address: 16 to 32",
			Args: []sdk.Arg{sdk.One("BITS", sdk.Int)}, Default: "32",
		}, setCrowdBits(32, func(s *Settings) *int { return &s.CrowdV4 })),
		sdk.Line(sdk.Spec{
			Name: "decision_bytes", Doc: "How many first bytes of each of the last 256 connections are kept, at most 16KiB, so that dwaar explain --id can say why they were routed as they were; they may hold passwords",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("SIZE", sdk.Size))}, Default: "off",
		}, setDecisionBytes),
	}
}

// maxDecisionBytes bounds what the last decisions hold together: 4 MiB.
const maxDecisionBytes = 16 << 10

func setDecisionBytes(s *Settings, n *sdk.Node) error {
	s.DecisionBytes = 0
	if sdk.IsOff(n.Args[0]) {
		return nil
	}
	size, err := sdk.ParseSize(n.Args[0].Text)
	if err == nil && (size < 1 || size > maxDecisionBytes) {
		err = sdk.Errorf(n.Args[0].Pos, "decision_bytes %s: write a size from 1 to 16KiB, or off", n.Args[0].Text)
	}
	s.DecisionBytes = size
	return err
}

// phaseOptions are those of every block with routes: of servers and subroutes.
func phaseOptions() []sdk.Option[Limits] {
	return []sdk.Option[Limits]{
		sdk.Line(sdk.Spec{
			Name: "matching_timeout", Doc: "How long a client may take to show what it is; then what is undecided is unknown and the routes are tried a last time",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("D", sdk.Duration))}, Default: "3s",
		}, setLimit(func(l *Limits) *time.Duration { return &l.MatchingTimeout })),
	}
}

func serverOptions() []sdk.Option[Limits] {
	return append(phaseOptions(),
		sdk.Line(sdk.Spec{
			Name: "max_head", Doc: "How many first bytes are looked at at most",
			Args: []sdk.Arg{sdk.One("SIZE", sdk.Size)}, Default: "16KiB",
		}, setMaxHead),
		sdk.Line(sdk.Spec{
			Name: "max_connections", Doc: "How many connections this server has at most; by default what the descriptor limit allows, (limit − 200) / 2, for all servers together. When it is reached, clients that have more than others give way",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)},
		}, setCap(func(l *Limits) *int { return &l.MaxConnections })),
		sdk.Line(sdk.Spec{
			Name: "max_connections_per_ip", Doc: "How many connections one client has at most: an IPv4 address, or a /64 of IPv6",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("N", sdk.Int))}, Default: "off",
		}, setCap(func(l *Limits) *int { return &l.MaxConnectionsPerIP })),
		sdk.Line(sdk.Spec{
			Name: "max_matching", Doc: "How many connections may be undecided at a time; by default half of max_connections. When it is reached, the oldest of the client that has most gives way",
			Args: []sdk.Arg{sdk.One("N", sdk.Int)},
		}, setCap(func(l *Limits) *int { return &l.MaxMatching })),
		sdk.Line[Limits](sdk.Spec{
			Name: ownerName, Doc: "The user, a name or a number, to whom the server's Unix sockets belong; their mode is behind the path, unix//run/app.sock|0660",
			Args: []sdk.Arg{sdk.One("USER", sdk.Free)}, Default: "the one dwaar runs as",
		}, nil),
		sdk.Line[Limits](sdk.Spec{
			Name: groupName, Doc: "The group, a name or a number, to which they belong",
			Args: []sdk.Arg{sdk.One("GROUP", sdk.Free)}, Default: "the one dwaar runs as",
		}, nil),
	)
}

// The options that say whose the files of Unix listeners are; socketOwner reads them.
const (
	ownerName = "socket_owner"
	groupName = "socket_group"
)

// setLimit sets a field to a duration, which may be 0, as off is.
func setLimit[S any](field func(*S) *time.Duration) func(*S, *sdk.Node) error {
	return func(s *S, n *sdk.Node) error {
		*field(s) = 0
		if sdk.IsOff(n.Args[0]) {
			return nil
		}
		d, err := sdk.ParseDuration(n.Args[0].Text)
		*field(s) = d
		return err
	}
}

// setCap sets a field to a positive number, or to 0 for off.
func setCap(field func(*Limits) *int) func(*Limits, *sdk.Node) error {
	return func(l *Limits, n *sdk.Node) error {
		*field(l) = 0
		if sdk.IsOff(n.Args[0]) {
			return nil
		}
		v, err := sdk.ParseInt(n.Args[0].Text)
		if err == nil && v == 0 {
			err = sdk.Errorf(n.Args[0].Pos, "%s 0 would take no connection: write a positive number", n.Name)
		}
		*field(l) = v
		return err
	}
}

func setClientMemory(s *Settings, n *sdk.Node) error {
	w := n.Args[0]
	size, err := sdk.ParseSize(w.Text)
	if err == nil && size < minClientMemory {
		err = sdk.Errorf(w.Pos, "client_memory %s is too little to serve with: write %dMiB at least", w.Text, minClientMemory>>20)
	}
	if err == nil {
		s.ClientMemory = int64(size)
	}
	return err
}

// setCrowdBits sets the length of a prefix.
func setCrowdBits(most int, field func(*Settings) *int) func(*Settings, *sdk.Node) error {
	return func(s *Settings, n *sdk.Node) error {
		w := n.Args[0]
		bits, err := sdk.ParseInt(w.Text)
		if err == nil && (bits < minCrowdBits || bits > most) {
			err = sdk.Errorf(w.Pos, "%s %s is no length of a prefix of clients: write %d to %d", n.Name, w.Text, minCrowdBits, most)
		}
		if err == nil {
			*field(s) = bits
		}
		return err
	}
}

func setMaxHead(l *Limits, n *sdk.Node) error {
	w := n.Args[0]
	size, err := sdk.ParseSize(w.Text)
	if err == nil && (size < minHead || size > maxHead) {
		err = sdk.Errorf(w.Pos, "max_head %s is out of bounds: write %d to %dKiB", w.Text, minHead, maxHead>>10)
	}
	if err == nil {
		l.MaxHead = int(size)
	}
	return err
}
