package proxy

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// New makes the handler of a node that Spec accepts. The errors are sdk.Errors.
func New(b host.Builder, n *sdk.Node) (host.Handler, error) {
	return (&maker{Builder: b}).handler(n)
}

// maker makes a handler, and shares what handlers share.
type maker struct {
	host.Builder
	lookup   names.Lookup // asks in the place of the system's resolver; nil: that does
	settings settings
}

func (m *maker) handler(n *sdk.Node) (host.Handler, error) {
	var errs sdk.Errors
	place := placing{warnf: m.Warnf}
	if p, ok := m.Builder.(host.Placed); ok {
		place.inGlobal = p.InGlobal()
	}
	s, err := read(n, place)
	errs.Add(n.Pos, err)
	m.settings = s
	h := &Handler{
		born:    time.Now(),
		timeout: s.connectTimeout(), firstCheck: s.checkTimeout(), tryFor: s.tryFor.Duration, tryEvery: s.tryEvery.Duration, relay: s.relay(),
		balance: balance{policy: s.policy, width: s.chosenWidth()},
	}
	for i := range s.upstreams {
		u := &s.upstreams[i]
		made, err := m.member(u)
		errs.Add(u.pos, err)
		h.blocks = cmp.Or(h.blocks, made.slow())
		if u.backup {
			h.backups = append(h.backups, made)
		} else {
			h.primaries = append(h.primaries, made)
		}
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	number := 0
	for _, tier := range [...][]member{h.primaries, h.backups} {
		for i := range tier {
			tier[i].number = number
			number++
		}
	}
	if s.policy == weightedRoundRobin {
		h.balance.primaries, h.balance.backups = schedule(h.primaries), schedule(h.backups)
	}
	return h, nil
}

// slow says why every attempt needs a goroutine, "" if it does not.
func (m *member) slow() (why string) {
	switch t, ok := m.target.(*chosen); {
	case ok && !t.literal():
		return "where proxy connects depends on the client"
	case m.dialer.secured != nil:
		return "proxy speaks TLS to its upstream"
	case len(m.dialer.also) > 0:
		return "proxy has several connections for each client"
	}
	return ""
}

// member makes one upstream.
func (m *maker) member(u *entry) (member, error) {
	var errs sdk.Errors
	made := member{limit: m.limit(u), weight: u.weightOrOne(), dialer: dialer{
		local: u.local, header: m.settings.header, secured: u.secured(), timeout: m.settings.connectTimeout(),
	}}
	var targets []target
	var names []string
	variable := false
	for _, w := range u.dial {
		a, err := parseAddress(w)
		errs.Add(w.Pos, err)
		if err == nil {
			t, err := m.target(u, a)
			errs.Add(w.Pos, err)
			targets = append(targets, t)
		}
		names = append(names, w.Text)
		variable = variable || a.chosen()
	}
	errs.Add(u.pos, m.reads(u))
	m.onePort(u)
	if err := errs.Err(); err != nil || len(targets) == 0 {
		return made, err
	}
	made.target, made.dialer.also = targets[0], targets[1:]
	made.named, _ = made.target.(*named)
	name := strings.Join(names, " ")
	made.seed = seedOf(name)
	return made, m.share(u, &made, name, targets, variable)
}

// limit is how many connections an upstream may have.
func (m *maker) limit(u *entry) int64 {
	a, b := int64(u.max), int64(m.settings.crowded)
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// reads tells which facts tls_server_name and local_addr read.
func (m *maker) reads(u *entry) error {
	var errs sdk.Errors
	for option, t := range map[string]*host.Template{"tls_server_name": u.tls.name, "local_addr": u.local.chosen} {
		if t == nil {
			continue
		}
		facts := t.Facts()
		for _, fact := range facts {
			m.Reads(u.pos, fact)
		}
		if len(facts) > 0 && m.settings.checked() {
			errs.Add(u.pos, errNoFacts(u.pos, option))
		}
	}
	return errs.Err()
}

// onePort warns of a local port, which bounds the connections of an upstream.
func (m *maker) onePort(u *entry) {
	if w := u.local.ported; w.Text != "" && m.limit(u) != 1 {
		m.Warnf(w.Pos, "local_addr %s has room for one connection to each address at a time: leave the port to the kernel, or say max_connections 1", w.Text)
	}
}

// target makes what finds an address.
func (m *maker) target(u *entry, a address) (target, error) {
	if a.path != "" {
		if path, mode, ok := strings.Cut(a.path, "|"); ok {
			return nil, sdk.Errorf(a.word.Pos, "%q: the mode %s is for who listens on a socket: write unix/%s", a.word.Text, mode, path)
		}
		if !u.local.none() {
			return nil, sdk.Errorf(a.word.Pos, "%q: local_addr means nothing to a Unix socket", a.word.Text)
		}
		return &fixed{place{network: "unix", path: a.path, host: "localhost"}}, nil
	}
	family, err := u.family(a)
	if err != nil {
		return nil, err
	}
	if a.chosen() {
		return m.chosen(a, family)
	}
	port, err := parsePort(a.port)
	if err != nil {
		return nil, err
	}
	if ip, err := netip.ParseAddr(a.host); err == nil {
		return &fixed{place{network: "tcp", addr: netip.AddrPortFrom(ip.Unmap(), port), host: a.host}}, nil
	}
	name := strings.ToLower(a.host)
	pool, err := m.pool(names.Limits{For: "upstreams", AtOnce: lookupsOfUpstreams, Waiting: 1 << 16})
	if err != nil {
		return nil, err
	}
	r, err := host.Share(m.Builder, "resolve "+name, func() (*resolver, error) { return newResolver(name, pool), nil })
	if err != nil {
		return nil, err
	}
	return &named{resolver: r, port: port, prefer: family}, nil
}

// How many lookups are under way at most, each with names.SocketsPerLookup descriptors at
// most: together with maxChecks connections these are well within what the engine leaves
// for other things than connections, and names that are never answered take nothing from
// clients.
const (
	lookupsOfUpstreams = 8
	lookupsOfClients   = 16
	lookupsOfCrowd     = 4
	waitingLookups     = 512
	longestWait        = 3 * time.Second // until the lookup of a name that a client chose begins
)

// pool shares what resolves names.
func (m *maker) pool(l names.Limits) (*names.Pool, error) {
	return host.Share(m.Builder, "names of "+l.For, func() (*names.Pool, error) {
		if m.lookup != nil {
			return names.New(m.lookup, l), nil
		}
		return names.New(new(names.System).Lookup, l), nil
	})
}

// chosen makes a target of an address with placeholders.
func (m *maker) chosen(a address, family preference) (target, error) {
	pool, err := m.clientPool()
	if err != nil {
		return nil, err
	}
	t := &chosen{prefer: family, pool: pool}
	if t.host, t.port, err = templates(a); err != nil {
		return nil, err
	}
	if open := m.watch(t, a); open && m.settings.guard.empty() && !hasDomain(a.host) {
		m.Warnf(a.word.Pos, "clients choose where this connects: say with allow which names or ranges they may choose, or write a domain behind the placeholder, %s.example.com", a.host)
	}
	return t, nil
}

// watch gives an address with placeholders the guard that is due to whoever chooses: none for
// the environment. It reports whether a client chooses among values that nobody lists.
func (m *maker) watch(t *chosen, a address) (open bool) {
	mapped := false
	for _, fact := range append(t.host.Facts(), t.port.Facts()...) {
		if strings.HasPrefix(fact, "env.") {
			continue
		}
		m.Reads(a.word.Pos, fact)
		if m.mapped(fact) {
			mapped = true
			continue
		}
		t.guard = &m.settings.guard
		known, ok := m.Builder.(host.ClosedFacts)
		open = open || !ok || !known.Closed(fact)
	}
	if mapped && t.guard == nil {
		t.guard = &guard{m.settings.guard.names, m.settings.guard.prefixes, m.settings.guard.empty()}
	}
	return open
}

// clientPool shares what resolves names that clients choose.
func (m *maker) clientPool() (*names.Pool, error) {
	return m.pool(names.Limits{
		For: "clients", AtOnce: lookupsOfClients, PerCrowd: lookupsOfCrowd, Waiting: waitingLookups, MaxWait: longestWait,
	})
}

// templates reads host and port of an address with placeholders.
func templates(a address) (name, port host.Template, err error) {
	if name, err = host.ParseTemplate(sdk.Word{Text: a.host, Pos: a.word.Pos}); err == nil {
		port, err = host.ParseTemplate(sdk.Word{Text: a.port, Pos: a.word.Pos})
	}
	return name, port, err
}

// hasDomain reports whether a literal domain stands behind the last placeholder. A
// single label is none: it is mostly a registry's, .com.
func hasDomain(text string) bool {
	domain, ok := strings.CutPrefix(text[strings.LastIndexByte(text, '}')+1:], ".")
	return ok && isName(domain) && strings.Contains(domain, ".")
}

// share finds the state of the upstream, or makes it. Everything that makes two
// upstreams different is part of the key.
func (m *maker) share(u *entry, made *member, name string, targets []target, variable bool) error {
	s := &m.settings
	if variable && s.checked() {
		return sdk.Errorf(u.pos, "%s has no fixed address that could be checked: write no health_ options with placeholders", name)
	}
	o := upstream.Options{MaxFails: s.maxFails, FailFor: s.failFor.Duration, Checked: s.checked(), CloseIfUnhealthy: s.check.close}
	if variable {
		o = upstream.Options{} // what one client chose says nothing of what another one will
	}
	key := fmt.Sprintf("%s local=%v prefer=%d%s options=%+v", name, made.dialer.local.String(), u.prefer, u.text, o)
	if s.checked() {
		key += fmt.Sprintf(" check=%v/%v port=%d uri=%s fall=%d rise=%d header=%d connect=%v",
			s.checkEvery(), s.checkTimeout(), s.check.port, s.check.uri, s.check.fall, s.check.rise, s.header, s.connectTimeout())
		if s.check.tls != nil {
			key += " tls=" + s.check.tls.text
		}
	}
	up, err := m.Share("upstream "+key, func() (any, error) { return upstream.New(name, o), nil })
	if err != nil {
		return err
	}
	made.up = up.(*upstream.Upstream)
	if !s.checked() {
		return nil
	}
	return m.check(key, made, targets)
}

// check shares the checker of an upstream.
func (m *maker) check(key string, made *member, targets []target) error {
	s := &m.settings
	slots, err := m.Share("checks at once", func() (any, error) { return make(chan struct{}, maxChecks), nil })
	if err != nil {
		return err
	}
	_, err = m.Share("check "+key, func() (any, error) {
		dialer := made.dialer
		dialer.checks = s.check.tls.secured()
		return &checker{
			up: made.up, dialer: dialer, targets: targets, port: s.check.port, uri: s.check.uri,
			every: s.checkEvery(), timeout: s.checkTimeout(), fall: max(s.check.fall, 1), rise: max(s.check.rise, 1),
			slots: slots.(chan struct{}), turn: newTurn(),
		}, nil
	})
	return err
}

// Targets returns where upstreams are that need no looking up, so that a loop through a
// listener of ours is found before anything starts.
func (h *Handler) Targets() []host.Target {
	var all []host.Target
	for _, tier := range [...][]member{h.primaries, h.backups} {
		for i := range tier {
			for _, t := range append([]target{tier[i].target}, tier[i].dialer.also...) {
				all = append(all, known(t)...)
			}
		}
	}
	return all
}

// known returns where a target leads, as far as its text tells: localhost is this machine
// (RFC 6761, section 6.3).
func known(t target) (all []host.Target) {
	switch t := t.(type) {
	case *fixed:
		all = append(all, host.Target{Addr: t.addr, Path: t.path})
	case *named:
		if t.resolver.name != "localhost" {
			return nil
		}
		for _, a := range [...]netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
			if t.prefer.takes(a) {
				all = append(all, host.Target{Addr: netip.AddrPortFrom(a, t.port)})
			}
		}
	}
	return all
}

var (
	_ host.Planner        = (*Handler)(nil)
	_ host.WaitingPlanner = (*Handler)(nil)
	_ host.Targeter       = (*Handler)(nil)
	_ host.Blocker        = (*Handler)(nil)
)
