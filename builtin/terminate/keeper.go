package terminate

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"dwaar.dev/dwaar/builtin/terminate/internal/devca"
	"dwaar.dev/dwaar/builtin/terminate/internal/keys"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// keeper finds certificates for a handler: in its own ring, in the global one, or
// by the internal CA. It is never changed.
type keeper struct {
	ring *keys.Ring // nil: the internal CA
	ca   *devca.CA

	own      bool   // the ring is the handler's own, and whoever comes gets its certificates
	fallback string // default_certificate; "": none
}

// newKeeper reads the certificates that a handler uses.
func newKeeper(b host.Builder, n *sdk.Node, own *settings) (*keeper, error) {
	if own.certs != nil || own.keys != nil {
		return ownKeeper(b, own.certs, own.keys, own.keyLine)
	}
	s, errs := globalSources(b)
	if err := errs.Err(); err != nil {
		return nil, err
	}
	if len(s.list) == 0 {
		return caKeeper(b, n)
	}
	ring, err := s.open(b)
	if err != nil {
		return nil, err
	}
	k := &keeper{ring: ring}
	if ns := b.Global(defaultName); len(ns) > 0 {
		k.fallback = keys.Fold(ns[0].Args[0].Text)
	}
	return k, nil
}

// ownKeeper reads the cert and key lines of the handler's block. keyLine is the place
// of the last key.
func ownKeeper(b host.Builder, certs, private []sdk.Word, keyLine sdk.Pos) (*keeper, error) {
	switch {
	case len(certs) == 0:
		return nil, sdk.Errorf(keyLine, "key without cert: write cert FILE beside it")
	case len(private) != 0 && len(private) != len(certs):
		return nil, sdk.Errorf(keyLine, "%d key and %d cert: write one key for each cert, in the same order", len(private), len(certs))
	}
	var s sources
	for i, w := range certs {
		pair := keys.Files{Cert: w.Text, Key: w.Text}
		if len(private) > 0 {
			pair.Key = private[i].Text
		}
		s.add(w.Pos, keys.Source{Files: []keys.Files{pair}})
	}
	ring, err := s.open(b)
	if err != nil {
		return nil, err
	}
	s.warn(b, ring)
	return &keeper{ring: ring, own: true}, nil
}

// caKeeper opens the internal CA.
func caKeeper(b host.Builder, n *sdk.Node) (*keeper, error) {
	dir := devca.Dir(os.Getenv)
	ca, err := host.Share(b, "tls internal CA "+dir, func() (*devca.CA, error) { return devca.Open(dir) })
	if err != nil {
		return nil, sdk.Errorf(n.Pos, "tls: %v", err)
	}
	if ca.File() == "" {
		b.Warnf(n.Pos, "no certificate is configured: tls makes its own, for development, and nobody can trust them, "+
			"as neither $STATE_DIRECTORY, $XDG_DATA_HOME nor $HOME says where to keep the CA: configure certificate NAME CERT KEY")
	} else {
		b.Warnf(n.Pos, "no certificate is configured: tls makes its own, for development: let clients trust %s, or configure certificate NAME CERT KEY", ca.File())
	}
	if text := (keys.Files{Key: ca.KeyFile()}).Exposed(); text != "" {
		b.Warnf(n.Pos, "%s", text)
	}
	return &keeper{ca: ca}, nil
}

// certificates returns those for a name in lower case, or for a client that gave
// none and reached the address local. There is at least one if err is nil.
func (k *keeper) certificates(name string, local netip.Addr) ([]*tls.Certificate, error) {
	if k.ring == nil {
		return k.issue(name, local)
	}
	if name == "" && local.IsValid() {
		name = local.String()
	}
	if found := k.ring.Find(name); found != nil {
		return found, nil
	}
	switch {
	case k.own:
		return k.ring.All(), nil
	case k.fallback != "":
		if found := k.ring.Find(k.fallback); found != nil {
			return found, nil
		}
	}
	return nil, errUnknownName
}

// errUnknownName is said to the client as unrecognized_name.
var errUnknownName = errors.New("no certificate is configured for it")

func (k *keeper) issue(name string, local netip.Addr) ([]*tls.Certificate, error) {
	var (
		c   *tls.Certificate
		err error
	)
	switch {
	case name == "":
		c, err = k.ca.ForAddr(local)
	default:
		c, err = k.ca.ForName(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnknownName, err)
	}
	return []*tls.Certificate{c}, nil
}

// hint says what to configure for a name that has no certificate.
func (k *keeper) hint() string {
	if k.ring == nil {
		return "the internal CA signs host names only"
	}
	return "there are certificates for " + someNames(k.ring) + ": add certificate NAME CERT KEY, or default_certificate NAME"
}

// knows reports whether a session for the name may be resumed: there still is a
// certificate for it.
func (k *keeper) knows(name string) bool {
	return k.ring == nil || k.own || name == "" || k.fallback != "" || k.ring.Find(name) != nil
}

// identity distinguishes keepers in what a client that asks for no known name gets.
func (k *keeper) identity() string {
	switch {
	case k.ring == nil:
		return "internal"
	case k.own:
		return "own"
	}
	return "global " + k.fallback
}
