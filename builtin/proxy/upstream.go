package proxy

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/files"
	"dwaar.dev/dwaar/sdk"
)

// entry is an upstream as it was written.
type entry struct {
	pos    sdk.Pos
	args   []sdk.Word // addresses behind the word upstream: how many upstreams they are depends on the place
	dial   []sdk.Word // addresses that all get the client's bytes
	max    int
	weight sdk.Word
	backup bool
	local  localAddrs
	prefer preference
	tls    tlsSettings
	text   string // its options as they were written
}

// tlsSettings are the options of TLS to an upstream.
type tlsSettings struct {
	on      bool
	name    *host.Template
	config  *tls.Config
	timeout limit
	except  []uint16
}

func newUpstream(pos sdk.Pos, dial ...sdk.Word) entry {
	u := entry{pos: pos, dial: dial}
	u.tls.config = &tls.Config{MinVersion: tls.VersionTLS12}
	u.tls.timeout.Duration = defaultHandshake
	return u
}

// setUpstream reads "upstream ADDR… { … }".
func (s *settings) setUpstream(n *sdk.Node) error {
	u := newUpstream(n.Pos)
	u.args = n.Args
	var errs sdk.Errors
	errs.Add(n.Pos, sdk.Apply(&u, n.Block, upstreamOptions()))
	if len(u.args)+len(u.dial) == 0 {
		errs.Add(n.Pos, sdk.Errorf(n.Pos, "upstream has no address: write upstream HOST:PORT, or dial HOST:PORT in its block"))
	}
	u.note(n.Block)
	if u.tls.on { // whoever asked for it: fmt changes no upstream
		u.text += " " + tlsName
	}
	s.upstreams = append(s.upstreams, u)
	return errs.Err()
}

// note adds the tls_ options of a block to what tells upstreams apart. Each of them
// switches TLS on.
func (u *entry) note(block []sdk.Node) {
	for i := range block {
		if o := &block[i]; strings.HasPrefix(o.Name, tlsPrefix) {
			u.tls.on = true
			u.text += " " + o.Name + " " + strings.Join(o.Texts(), " ")
		}
	}
}

// placing is what is known of the place where the directive stands.
type placing struct {
	inGlobal bool                                        // layer4 stands in the global block
	warnf    func(p sdk.Pos, format string, args ...any) // for what is probably not meant
}

// arrange makes upstreams of the addresses behind the word upstream: in Dwaar's
// place each is one, in caddy-l4's they are one that gets everything.
func (s *settings) arrange(place placing) {
	var all []entry
	for _, u := range s.upstreams {
		switch {
		case len(u.args) < 2 || len(u.dial) > 0:
			u.dial = append(u.args, u.dial...)
			all = append(all, u)
		case place.inGlobal:
			place.warnf(u.pos, "upstream with several addresses is one upstream here, and each gets all the client's bytes, as in caddy-l4; a layer4 outside the global block takes them for several: write dial or to, which mean one thing in both")
			u.dial = u.args
			all = append(all, u)
		default:
			place.warnf(u.pos, "upstream with several addresses is several upstreams here; a layer4 inside the global block sends each of them all the client's bytes, as caddy-l4 does: write to or dial, which mean one thing in both")
			for _, w := range u.args {
				one := u
				one.dial, one.pos = []sdk.Word{w}, w.Pos
				all = append(all, one)
			}
		}
	}
	s.upstreams = all
}

func (u *entry) setWeight(n *sdk.Node) error {
	u.weight = n.Args[0]
	if w := u.weightOrOne(); w < 1 || w > maxWeight {
		return sdk.Errorf(n.Args[0].Pos, "weight must be from 1 to %d", maxWeight)
	}
	return nil
}

func (u *entry) weightOrOne() int {
	if u.weight.Text == "" {
		return 1
	}
	w, _ := sdk.ParseInt(u.weight.Text) // its shape was checked
	return w
}

func (u *entry) setPreference(n *sdk.Node) error {
	u.prefer = v4Only + preference(slices.Index(preferenceNames(), strings.ToLower(n.Args[0].Text)))
	return nil
}

func (u *entry) setServerName(n *sdk.Node) error {
	t, err := host.ParseTemplate(n.Args[0])
	u.tls.name = &t
	return err
}

func (u *entry) setClientAuth(n *sdk.Node) error {
	pair, err := readPair(n.Args[0].Text, n.Args[1].Text)
	if err != nil {
		return sdk.Errorf(n.Args[0].Pos, "reading the certificate %s and its key %s: %s", n.Args[0].Text, n.Args[1].Text, strings.TrimPrefix(err.Error(), "tls: "))
	}
	u.tls.config.Certificates = []tls.Certificate{pair}
	u.text += digest(pair.Certificate...)
	return nil
}

// readPair reads a certificate and its key from regular files.
func readPair(cert, key string) (tls.Certificate, error) {
	chain, err := files.ReadPEM(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := files.ReadPEM(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, private)
}

func (u *entry) setTrustPool(n *sdk.Node) error {
	var errs sdk.Errors
	pool := x509.NewCertPool()
	for _, w := range n.Args {
		pem, err := files.ReadPEM(w.Text)
		switch {
		case err != nil:
			errs.Add(w.Pos, sdk.Errorf(w.Pos, "reading the authorities: %v", err))
		case !pool.AppendCertsFromPEM(pem):
			errs.Add(w.Pos, sdk.Errorf(w.Pos, "%s holds no certificate in PEM: write the file of an authority", w.Text))
		}
		u.text += digest(pem)
	}
	u.tls.config.RootCAs = pool
	return errs.Err()
}

// digest stands for the content of files in what tells upstreams apart.
func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return fmt.Sprintf(" %x", h.Sum(nil))
}

// curveNames are the words of tls_curves, in the order of curveIDs.
func curveNames() []string {
	return []string{"x25519mlkem768", "x25519", "secp256r1", "secp384r1", "secp521r1"}
}

func curveIDs() []tls.CurveID {
	return []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
}

func (u *entry) setCurves(n *sdk.Node) error {
	for _, w := range n.Args {
		id := curveIDs()[slices.Index(curveNames(), strings.ToLower(w.Text))]
		u.tls.config.CurvePreferences = append(u.tls.config.CurvePreferences, id)
	}
	return nil
}

func (u *entry) setExcept(n *sdk.Node) error {
	var errs sdk.Errors
	for _, w := range n.Args {
		port, err := parsePort(w.Text)
		if err != nil {
			errs.Add(w.Pos, sdk.Errorf(w.Pos, "tls_except_ports: %s is no port: write a number from 1 to 65535", w.Text))
		}
		u.tls.except = append(u.tls.except, port)
	}
	return errs.Err()
}

func (u *entry) setRenegotiation(n *sdk.Node) error {
	switch strings.ToLower(n.Args[0].Text) { // "never" is what a tls.Config says by itself
	case "once":
		u.tls.config.Renegotiation = tls.RenegotiateOnceAsClient
	case "freely":
		u.tls.config.Renegotiation = tls.RenegotiateFreelyAsClient
	}
	return nil
}

// secured returns what does the handshakes, or nil. u may be nil.
func (u *entry) secured() *secured {
	if u == nil || !u.tls.on {
		return nil
	}
	return &secured{config: u.tls.config, name: u.tls.name, timeout: u.tls.timeout.Duration, except: u.tls.except}
}
