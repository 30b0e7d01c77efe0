package terminate

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"dwaar.dev/dwaar/builtin/terminate/internal/keys"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

const defaultTimeout = 10 * time.Second

// settings are the block of the handler, as it was written.
type settings struct {
	spoken
	timeout     time.Duration
	handshake   int        // the bound that is configured; 0: none is
	certs, keys []sdk.Word // files
	keyLine     sdk.Pos    // of the last key
	policies    []*policySettings
}

// policySettings are the block of a connection_policy.
type policySettings struct {
	spoken
	policy *policy
}

// spoken is what both blocks can say. The builder takes its warnings and has what
// configurations share.
type spoken struct {
	options
	b host.Builder
}

func (s *settings) setTimeout(n *sdk.Node) error {
	w := n.Args[0]
	d, err := sdk.ParseDuration(w.Text)
	if err != nil || d == 0 {
		return sdk.Errorf(w.Pos, "handshake_timeout %s: write a duration like 10s; it cannot be switched off, as a silent client would stay for ever", w.Text)
	}
	s.timeout = d
	return nil
}

func (s *settings) setHandshake(n *sdk.Node) error {
	w := n.Args[0]
	size, err := sdk.ParseSize(w.Text)
	if err == nil && (size < leastHandshake || size > mostHandshake) {
		err = sdk.Errorf(w.Pos, "max_handshake %s is out of bounds: write %dKiB to %dKiB", w.Text, leastHandshake>>10, mostHandshake>>10)
	}
	s.handshake = int(size)
	return err
}

// most returns how many bytes a client may send before its handshake is done.
func (s *settings) most() int {
	if s.handshake > 0 {
		return s.handshake
	}
	if s.auth != nil || slices.ContainsFunc(s.policies, func(p *policySettings) bool { return p.auth != nil }) {
		return defaultMutual
	}
	return defaultHandshake
}

func (s *settings) addCert(n *sdk.Node) error {
	s.certs = append(s.certs, n.Args[0])
	return nil
}

func (s *settings) addKey(n *sdk.Node) error {
	s.keys, s.keyLine = append(s.keys, n.Args[0]), n.Pos
	return nil
}

func (s *settings) addPolicy(n *sdk.Node) error {
	p := &policySettings{spoken: spoken{b: s.b}, policy: new(policy)}
	s.policies = append(s.policies, p)
	err := sdk.Apply(p, n.Block, policyTable())
	p.warn(n)
	return err
}

// warn says which options of a block that was read change nothing.
func (s *spoken) warn(n *sdk.Node) {
	if s.ciphers != nil && s.lowest == tls.VersionTLS13 {
		s.b.Warnf(n.Find("ciphers").Pos, "ciphers changes nothing here: those of TLS 1.3 are always on, and protocols allows nothing else")
	}
}

func (s *spoken) setProtocols(n *sdk.Node) error {
	s.lowest, _ = find(versions(), n.Args[0].Text)
	s.highest = tls.VersionTLS13
	if len(n.Args) > 1 {
		s.highest, _ = find(versions(), n.Args[1].Text)
	}
	if s.lowest > s.highest {
		return sdk.Errorf(n.Args[0].Pos, "protocols %s %s: the lowest comes first: write protocols %[2]s %[1]s", n.Args[0].Text, n.Args[1].Text)
	}
	return nil
}

func (s *spoken) setCurves(n *sdk.Node) error {
	for _, w := range n.Args {
		curve, _ := find(curves(), w.Text)
		s.curves = append(s.curves, curve)
	}
	return nil
}

// setCiphers reads suites of TLS 1.2. Those of 1.3 cannot be chosen.
func (s *spoken) setCiphers(n *sdk.Node) error {
	s.ciphers = []uint16{}
	for _, w := range n.Args {
		suite, ok := find(ciphers(), w.Text)
		switch {
		case !ok: // the spec has its words from the same list
		case suite.SupportedVersions[0] == tls.VersionTLS13:
			s.b.Warnf(w.Pos, "%s belongs to TLS 1.3, whose suites are always on: leave it out", suite.Name)
		default:
			s.ciphers = append(s.ciphers, suite.ID)
		}
	}
	if len(s.ciphers) == 0 {
		return sdk.Errorf(n.Pos, "ciphers: none of them is for TLS 1.2, so that no client could use it: write protocols tls1.3 instead")
	}
	return nil
}

// clientAuthSettings are the block of client_auth.
type clientAuthSettings struct {
	clientAuth
	modeWord sdk.Word // "": it is left to the default
	files    []string
	pool     sdk.Pos // of the first trust_pool
}

func (s *spoken) setClientAuth(n *sdk.Node) error {
	auth := &clientAuthSettings{clientAuth: clientAuth{mode: tls.RequireAndVerifyClientCert}}
	if err := sdk.Apply(auth, n.Block, clientAuthTable()); err != nil {
		return err
	}
	s.auth = &auth.clientAuth
	verifies := auth.mode >= tls.VerifyClientCertIfGiven
	switch {
	case verifies && len(auth.files) == 0:
		return sdk.Errorf(n.Pos, "client_auth verifies certificates, against what is not said: add trust_pool FILE with the authorities, or mode require to verify nothing")
	case !verifies && len(auth.files) > 0:
		return sdk.Errorf(auth.modeWord.Pos, "mode %s verifies nothing, so that trust_pool changes nothing: write mode require_and_verify, or verify_if_given", auth.modeWord.Text)
	case verifies:
		return s.openPool(auth)
	}
	return nil
}

func (s *spoken) openPool(auth *clientAuthSettings) error {
	pool, err := host.Share(s.b, fmt.Sprintf("tls trust pool %q", auth.files), func() (*keys.Pool, error) { return keys.OpenPool(auth.files) })
	if err == nil {
		err = pool.Refresh()
	}
	if err != nil {
		return sdk.Errorf(auth.pool, "trust_pool: %v", err)
	}
	s.auth.pool = pool
	return nil
}

func (a *clientAuthSettings) setMode(n *sdk.Node) error {
	a.modeWord = n.Args[0]
	a.mode, _ = find(modes(), a.modeWord.Text)
	return nil
}

// addPool reads the files of a trust_pool, of which "file" may be the first word, as
// in a Caddyfile. A file of that name is ./file: in TOML every word is quoted.
func (a *clientAuthSettings) addPool(n *sdk.Node) error {
	if a.pool == (sdk.Pos{}) {
		a.pool = n.Pos
	}
	args := n.Args
	if len(args) > 0 && args[0].Text == "file" && (len(args) > 1 || n.Block != nil) {
		args = args[1:]
	}
	for _, w := range args {
		a.files = append(a.files, w.Text)
	}
	return sdk.Apply(a, n.Block, poolTable())
}

func (p *policySettings) setMatch(n *sdk.Node) error { return sdk.Apply(p, n.Block, matchTable()) }

func (p *policySettings) addNames(n *sdk.Node) error {
	for _, w := range n.Args {
		p.policy.names = append(p.policy.names, keys.Fold(w.Text))
	}
	return nil
}

// setName sets a field to a name as it is looked up.
func setName(field func(*policySettings) *string) func(*policySettings, *sdk.Node) error {
	return func(p *policySettings, n *sdk.Node) error {
		*field(p) = keys.Fold(n.Args[0].Text)
		return nil
	}
}

func (p *policySettings) setSelection(n *sdk.Node) error {
	if n.Find("serial_number") == nil && n.Find("public_key_algorithm") == nil {
		return sdk.Errorf(n.Pos, "cert_selection selects nothing: add serial_number NUMBER or public_key_algorithm KIND")
	}
	return sdk.Apply(p, n.Block, selectionTable())
}

func (p *policySettings) addSerials(n *sdk.Node) error {
	var errs sdk.Errors
	for _, w := range n.Args {
		serial, ok := new(big.Int).SetString(w.Text, 10)
		if !ok {
			errs.Add(w.Pos, sdk.Errorf(w.Pos, "serial_number %s: write the number in decimal (openssl x509 -serial prints it in hex)", w.Text))
			continue
		}
		p.policy.serials = append(p.policy.serials, serial)
	}
	return errs.Err()
}

func (p *policySettings) setAlgorithm(n *sdk.Node) error {
	p.policy.algorithm = map[string]x509.PublicKeyAlgorithm{
		"ecdsa": x509.ECDSA, "ed25519": x509.Ed25519, "rsa": x509.RSA,
	}[strings.ToLower(n.Args[0].Text)]
	return nil
}
