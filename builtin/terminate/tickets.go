package terminate

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"

	"dwaar.dev/dwaar/builtin/terminate/internal/keys"
	"dwaar.dev/dwaar/host"
)

// sharedTickets returns the configuration whose keys encrypt session tickets.
// crypto/tls makes them, changes them every day and takes those of the last week;
// they live as long as any configuration has a tls handler, so that sessions
// survive a reload.
func sharedTickets(b host.Builder) (*tls.Config, error) {
	return host.Share(b, "tls tickets", func() (*tls.Config, error) { return &tls.Config{MinVersion: tls.VersionTLS12}, nil })
}

// tickets binds sessions to what was true when they began: the name the client
// asked for (RFC 6066, section 3), how it had to prove who it is, and to whom. A
// session that began under other rules is not resumed; the client makes a full
// handshake.
type tickets struct {
	keys   *tls.Config
	keeper *keeper
	policy []byte
}

// wrap is for tls.Config.WrapSession.
func (t tickets) wrap(cs tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
	s.Extra = append(s.Extra, t.binding(cs.ServerName))
	return t.keys.EncryptTicket(cs, s)
}

// unwrap is for tls.Config.UnwrapSession. nil means a full handshake.
func (t tickets) unwrap(identity []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
	s, err := t.keys.DecryptTicket(identity, cs)
	if err != nil || s == nil || len(s.Extra) == 0 {
		return nil, nil
	}
	last := len(s.Extra) - 1
	if !bytes.Equal(s.Extra[last], t.binding(cs.ServerName)) || !t.keeper.knows(keys.Fold(cs.ServerName)) {
		return nil, nil
	}
	s.Extra = s.Extra[:last]
	return s, nil
}

func (t tickets) binding(serverName string) []byte {
	h := sha256.New()
	h.Write(t.policy)
	h.Write([]byte(keys.Fold(serverName)))
	return h.Sum(nil)
}
