package graph

import (
	"fmt"
	"net/netip"
	"strings"
)

// overlaps refuses two listeners that want the same connections: with both bound,
// the kernel would share them out at random. It warns of [::], which once took IPv4 too.
func (b *builder) overlaps() {
	var all []Listener
	for _, s := range b.graph.Servers {
		for _, l := range s.Listeners {
			for i := range all {
				if all[i].overlaps(&l) {
					b.errorf(l.Pos, "%s overlaps %s at %s: %s", l.Name, all[i].Name, all[i].Pos, overlapHint(&all[i], &l))
					break
				}
			}
			all = append(all, l)
		}
	}
	for i := range all {
		if l := &all[i]; l.Addr.Addr() == netip.IPv6Unspecified() && !strings.HasPrefix(l.Name, "tcp6/") && !hasIPv4(all, l.Addr.Port()) {
			b.warnf(l.Pos, "%s takes IPv6 alone: write :%d for both families, 0.0.0.0:%[2]d beside it, or tcp6/%[1]s if this is meant", l.Name, l.Addr.Port())
		}
	}
}

func hasIPv4(all []Listener, port uint16) bool {
	for i := range all {
		if v4, _ := all[i].families(); v4 && all[i].tcp() && all[i].Addr.Port() == port {
			return true
		}
	}
	return false
}

// overlaps reports whether two listeners would want the same connections: the same
// port, and equal addresses or one of them every address of a family they share.
func (l *Listener) overlaps(o *Listener) bool {
	if !l.tcp() || !o.tcp() {
		return l.Network == o.Network && l.Path == o.Path && l.FD == o.FD
	}
	if l.Addr.Port() != o.Addr.Port() || l.Addr.Port() == 0 || !l.sharesFamily(o) {
		return false
	}
	return l.everyAddress() || o.everyAddress() || l.Addr.Addr() == o.Addr.Addr()
}

func (l *Listener) sharesFamily(o *Listener) bool {
	v4, v6 := l.families()
	o4, o6 := o.families()
	return v4 && o4 || v6 && o6
}

// overlapHint says what to write in place of two listeners that overlap.
func overlapHint(a, b *Listener) string {
	wide, narrow := a, b
	if !wide.everyAddress() || narrow.Network == "tcp" && narrow.everyAddress() {
		wide, narrow = b, a
	}
	port := narrow.Addr.Port()
	switch {
	case !a.tcp() || a.Network == b.Network && a.everyAddress() == b.everyAddress():
		return "name each address once"
	case narrow.everyAddress() && narrow.Network == "tcp4":
		return fmt.Sprintf("%s takes IPv4 as well: write tcp6/:%d in its place, or leave %s out", wide.Name, port, narrow.Name)
	case narrow.everyAddress():
		return fmt.Sprintf("%s takes IPv6 as well: write tcp4/:%d in its place, or leave %s out", wide.Name, port, narrow.Name)
	}
	return fmt.Sprintf("%s takes connections to every address: leave %s out, or name the other addresses in place of %[1]s", wide.Name, narrow.Name)
}
