package graph

import (
	"os/user"
	"strconv"

	"dwaar.dev/dwaar/sdk"
)

// socketOwner reads to whom the files of a server's Unix listeners belong. The names are
// looked up now, so that an unknown one is found before anything starts.
func (b *builder) socketOwner(n *sdk.Node, s *Server) {
	owner := b.id(n, ownerName, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
	group := b.id(n, groupName, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
	if owner < 0 && group < 0 {
		return
	}
	files := false
	for i := range s.Listeners {
		if l := &s.Listeners[i]; l.Network == "unix" && l.Path[0] != '@' {
			l.Access.Owner, l.Access.Group = owner, group
			files = true
		}
	}
	if !files && len(s.Listeners) > 0 {
		b.errorf(n.Pos, "%s and %s are for Unix sockets, and this server has none: leave them out, or listen on unix//run/app.sock", ownerName, groupName)
	}
}

// id reads an option that names a user or a group; -1: it was not given.
func (b *builder) id(n *sdk.Node, option string, look func(name string) (string, error)) int {
	o := n.Find(option)
	if o == nil || b.faults.In(o) {
		return -1
	}
	w := o.Args[0]
	if number, err := sdk.ParseInt(w.Text); err == nil {
		return number
	}
	text, err := look(w.Text)
	number, wrong := strconv.Atoi(text)
	if err != nil || wrong != nil {
		b.errorf(w.Pos, "%s %s: this machine knows nobody by that name: write a name that it knows, or a number", option, w.Text)
		return -1
	}
	return number
}
