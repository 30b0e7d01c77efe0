package proxy

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/host"
)

var _ host.Prospector = (*Handler)(nil)

// Prospects implements [host.Prospector]: the upstreams as the directive has them, the
// backups behind the others, with placeholders filled in. What clients may not choose is
// an error, as far as that can be told without asking for the addresses of a name.
func (h *Handler) Prospects(c host.View) ([]string, error) {
	var names []string
	for _, tier := range [...][]member{h.primaries, h.backups} {
		for i := range tier {
			name, err := tier[i].prospect(c)
			if err != nil {
				return nil, unreached(err)
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// prospect returns the upstream's name for one connection.
func (m *member) prospect(c host.View) (string, error) {
	texts := strings.Fields(m.up.Name)
	for i, t := range append([]target{m.target}, m.dialer.also...) {
		chosen, ok := t.(*chosen)
		if !ok {
			continue
		}
		text, err := chosen.prospect(c)
		if err != nil {
			return "", err
		}
		texts[i] = text
	}
	return strings.Join(texts, " "), nil
}

// prospect returns the address that a connection chooses.
func (t *chosen) prospect(c host.View) (string, error) {
	name, port, err := t.expand(c)
	if err != nil {
		return "", err
	}
	text := net.JoinHostPort(name, strconv.Itoa(int(port)))
	if t.guard == nil {
		return text, nil
	}
	addr, err := netip.ParseAddr(name)
	switch {
	case err == nil:
		return text, t.guard.permits(name, netip.AddrPortFrom(addr.Unmap(), port), c.Own)
	case !t.guard.mayAsk(name):
		return "", clientErrorf("connecting to %s: allow does not name it", name)
	}
	return text, nil
}
