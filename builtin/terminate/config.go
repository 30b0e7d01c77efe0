package terminate

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"
	"time"

	"dwaar.dev/dwaar/builtin/terminate/internal/keys"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

const defaultTimeout = 10 * time.Second

// reader reads a directive and collects what is wrong with it.
type reader struct {
	b    host.Builder
	errs sdk.Errors
}

func (r *reader) errorf(p sdk.Pos, format string, args ...any) {
	r.errs.Add(p, sdk.Errorf(p, format, args...))
}

// timeout reads handshake_timeout.
func (r *reader) timeout(n *sdk.Node) time.Duration {
	o := n.Find("handshake_timeout")
	if o == nil {
		return defaultTimeout
	}
	d, err := sdk.ParseDuration(o.Args[0].Text)
	if err != nil || d == 0 {
		r.errorf(o.Args[0].Pos, "handshake_timeout %s: write a duration like 10s; it cannot be switched off, as a silent client would stay for ever", o.Args[0].Text)
		return defaultTimeout
	}
	return d
}

// options reads what the handler and a connection_policy can both say.
func (r *reader) options(n *sdk.Node) options {
	var o options
	for i := range n.Block {
		line := &n.Block[i]
		switch line.Name {
		case "alpn":
			o.alpn = line.Texts()
		case "protocols":
			o.lowest, o.highest = r.protocols(line)
		case "curves":
			for _, w := range line.Args {
				curve, _ := find(curves(), w.Text)
				o.curves = append(o.curves, curve)
			}
		case "ciphers":
			o.ciphers = r.ciphers(line)
		case "client_auth":
			o.auth = r.clientAuth(line)
		}
	}
	if o.ciphers != nil && o.lowest == tls.VersionTLS13 {
		r.b.Warnf(n.Find("ciphers").Pos, "ciphers changes nothing here: those of TLS 1.3 are always on, and protocols allows nothing else")
	}
	return o
}

func (r *reader) protocols(n *sdk.Node) (lowest, highest uint16) {
	lowest, _ = find(versions(), n.Args[0].Text)
	highest = tls.VersionTLS13
	if len(n.Args) > 1 {
		highest, _ = find(versions(), n.Args[1].Text)
	}
	if lowest > highest {
		r.errorf(n.Args[0].Pos, "protocols %s %s: the lowest comes first: write protocols %[2]s %[1]s", n.Args[0].Text, n.Args[1].Text)
	}
	return lowest, highest
}

// ciphers reads suites of TLS 1.2. Those of 1.3 cannot be chosen.
func (r *reader) ciphers(n *sdk.Node) []uint16 {
	ids := []uint16{}
	for _, w := range n.Args {
		suite, ok := find(ciphers(), w.Text)
		switch {
		case !ok: // the spec has its words from the same list
		case suite.SupportedVersions[0] == tls.VersionTLS13:
			r.b.Warnf(w.Pos, "%s belongs to TLS 1.3, whose suites are always on: leave it out", suite.Name)
		default:
			ids = append(ids, suite.ID)
		}
	}
	if len(ids) == 0 {
		r.errorf(n.Pos, "ciphers: none of them is for TLS 1.2, so that no client could use it: write protocols tls1.3 instead")
	}
	return ids
}

// clientAuth reads what is asked of clients.
func (r *reader) clientAuth(n *sdk.Node) *clientAuth {
	files, mode := poolFiles(n), n.Find("mode")
	auth := &clientAuth{mode: tls.RequireAndVerifyClientCert}
	if mode != nil {
		auth.mode, _ = find(modes(), mode.Args[0].Text)
	}
	verifies := auth.mode >= tls.VerifyClientCertIfGiven
	switch {
	case verifies && len(files) == 0:
		r.errorf(n.Pos, "client_auth verifies certificates, against what is not said: add trust_pool FILE with the authorities, or mode require to verify nothing")
	case !verifies && len(files) > 0:
		r.errorf(mode.Args[0].Pos, "mode %s verifies nothing, so that trust_pool changes nothing: write mode require_and_verify, or verify_if_given", mode.Args[0].Text)
	case verifies:
		auth.pool = r.pool(n, files)
	}
	return auth
}

// poolFiles returns the files of trust_pool, of which "file" may be the first word,
// as in a Caddyfile. A file of that name is ./file: in TOML every word is quoted.
func poolFiles(n *sdk.Node) []string {
	var files []string
	for _, t := range n.All("trust_pool") {
		args := t.Args
		if len(args) > 0 && args[0].Text == "file" && (len(args) > 1 || t.Block != nil) {
			args = args[1:]
		}
		for _, w := range args {
			files = append(files, w.Text)
		}
		for _, p := range t.All("pem_file") {
			files = append(files, p.Texts()...)
		}
	}
	return files
}

func (r *reader) pool(n *sdk.Node, files []string) *keys.Pool {
	at := n.Find("trust_pool").Pos
	pool, err := host.Share(r.b, fmt.Sprintf("tls trust pool %q", files), func() (*keys.Pool, error) { return keys.OpenPool(files) })
	if err == nil {
		err = pool.Refresh()
	}
	if err != nil {
		r.errorf(at, "trust_pool: %v", err)
		return nil
	}
	return pool
}

// policy reads one connection_policy.
func (r *reader) policy(n *sdk.Node, base options) *policy {
	p := &policy{options: r.options(n).over(base)}
	if m := n.Find("match"); m != nil {
		for _, sni := range m.All("sni") {
			for _, w := range sni.Args {
				p.names = append(p.names, keys.Fold(w.Text))
			}
		}
	}
	if s := n.Find("cert_selection"); s != nil {
		r.selection(p, s)
	}
	if o := n.Find("default_sni"); o != nil {
		p.whenNone = keys.Fold(o.Args[0].Text)
	}
	if o := n.Find("fallback_sni"); o != nil {
		p.otherwise = keys.Fold(o.Args[0].Text)
	}
	p.drop = n.Find("drop") != nil
	return p
}

func (r *reader) selection(p *policy, n *sdk.Node) {
	for _, line := range n.All("serial_number") {
		for _, w := range line.Args {
			serial, ok := new(big.Int).SetString(w.Text, 10)
			if !ok {
				r.errorf(w.Pos, "serial_number %s: write the number in decimal (openssl x509 -serial prints it in hex)", w.Text)
				continue
			}
			p.serials = append(p.serials, serial)
		}
	}
	if o := n.Find("public_key_algorithm"); o != nil {
		p.algorithm = map[string]x509.PublicKeyAlgorithm{
			"ecdsa": x509.ECDSA, "ed25519": x509.Ed25519, "rsa": x509.RSA,
		}[strings.ToLower(o.Args[0].Text)]
	}
	if p.serials == nil && p.algorithm == 0 {
		r.errorf(n.Pos, "cert_selection selects nothing: add serial_number NUMBER or public_key_algorithm KIND")
	}
}
