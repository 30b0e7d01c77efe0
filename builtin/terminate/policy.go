package terminate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"

	"dwaar.dev/dwaar/builtin/terminate/internal/keys"
)

// options are what a connection_policy, or else the handler, says. Their zero
// values say nothing.
type options struct {
	alpn    []string
	lowest  uint16
	highest uint16
	curves  []tls.CurveID
	ciphers []uint16
	auth    *clientAuth
}

// clientAuth is what is asked of the client.
type clientAuth struct {
	mode tls.ClientAuthType
	pool *keys.Pool // nil: nothing is verified
}

// over returns o with what it does not say from base.
func (o options) over(base options) options {
	if o.alpn == nil {
		o.alpn = base.alpn
	}
	if o.lowest == 0 {
		o.lowest, o.highest = base.lowest, base.highest
	}
	if o.curves == nil {
		o.curves = base.curves
	}
	if o.ciphers == nil {
		o.ciphers = base.ciphers
	}
	if o.auth == nil {
		o.auth = base.auth
	}
	return o
}

// policy says how to speak TLS with the clients it matches. It is not changed
// after New; built is a cache.
type policy struct {
	options
	keeper  *keeper
	tickets *tls.Config // holds the keys of session tickets

	names     []string // nil: every client
	serials   []*big.Int
	algorithm x509.PublicKeyAlgorithm // 0: any
	whenNone  string                  // default_sni
	otherwise string                  // fallback_sni
	drop      bool

	built atomic.Pointer[built]
}

// built is a configuration for crypto/tls and what it was made of.
type built struct {
	config *tls.Config
	pool   *keys.Authorities
}

// matches reports whether the policy is for clients that ask for name.
func (p *policy) matches(name string) bool {
	return p.names == nil || slices.ContainsFunc(p.names, func(want string) bool {
		rest, wild := strings.CutPrefix(want, "*.")
		if !wild {
			return name == want || want == "*"
		}
		_, after, ok := strings.Cut(name, ".")
		return ok && after == rest
	})
}

// config returns what crypto/tls needs, made anew when the trust pool's files have
// changed.
func (p *policy) config() *tls.Config {
	var pool *keys.Authorities
	if p.auth != nil && p.auth.pool != nil {
		pool = p.auth.pool.Now()
	}
	if b := p.built.Load(); b != nil && b.pool == pool {
		return b.config
	}
	config := p.build(pool)
	p.built.Store(&built{config, pool})
	return config
}

func (p *policy) build(pool *keys.Authorities) *tls.Config {
	c := &tls.Config{
		NextProtos:       p.alpn,
		MinVersion:       max(p.lowest, tls.VersionTLS12),
		MaxVersion:       p.highest,
		CurvePreferences: p.curves,
		CipherSuites:     p.ciphers,
		GetCertificate:   p.certificate,
	}
	id := sha256.New()
	fmt.Fprintf(id, "%q %d %v", p.keeper.identity(), p.algorithm, p.serials)
	if p.auth != nil {
		c.ClientAuth = p.auth.mode
		fmt.Fprintf(id, " %d", p.auth.mode)
	}
	if pool != nil {
		c.ClientCAs = pool.Pool
		id.Write(pool.Digest[:])
	}
	t := tickets{keys: p.tickets, keeper: p.keeper, policy: id.Sum(nil)}
	c.WrapSession, c.UnwrapSession = t.wrap, t.unwrap
	return c
}

// certificate chooses one for a client. nil without an error makes crypto/tls say
// unrecognized_name; the gate keeps the reason for the log.
func (p *policy) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := keys.Fold(hello.ServerName)
	if name == "" {
		name = p.whenNone
	}
	g := hello.Conn.(*gate) // the Handler made it
	found, err := p.find(name, g)
	if err != nil && p.otherwise != "" {
		found, err = p.find(p.otherwise, g)
	}
	if err != nil {
		g.refused = fmt.Errorf("no certificate for %s: %w; %s", shown(name), err, p.keeper.hint())
		return nil, nil
	}
	return keys.Pick(hello, found), nil
}

func shown(name string) string {
	if name == "" {
		return "a client that names no server"
	}
	return fmt.Sprintf("%q", name)
}

// find returns at least one certificate, or an error.
func (p *policy) find(name string, g *gate) ([]*tls.Certificate, error) {
	found, err := p.keeper.certificates(name, g.local)
	if err != nil || p.serials == nil && p.algorithm == 0 {
		return found, err
	}
	var chosen []*tls.Certificate
	for _, c := range found {
		if p.selects(c.Leaf) {
			chosen = append(chosen, c)
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("cert_selection leaves none of the %d there are", len(found))
	}
	return chosen, nil
}

func (p *policy) selects(leaf *x509.Certificate) bool {
	if p.algorithm != 0 && leaf.PublicKeyAlgorithm != p.algorithm {
		return false
	}
	return p.serials == nil || slices.ContainsFunc(p.serials, func(n *big.Int) bool {
		return n.Cmp(leaf.SerialNumber) == 0
	})
}

// refusal returns the configuration for clients that no policy is for.
func refusal() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: true,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			name := shown(keys.Fold(hello.ServerName))
			hello.Conn.(*gate).refused = fmt.Errorf("no connection_policy accepts %s", name)
			return nil, nil
		},
	}
}
