// Package tls matches connections that begin with a TLS ClientHello: complete, over
// any number of segments and TLS records.
//
//	@any   tls
//	@app   tls sni app.example.com *.api.example.com
//	@h2    tls alpn h2 http/1.1
//	@new   tls { version tls1.3 }
//	@bot   tls { ja4 t13d1516h2_8daaf6152771_e5627efa2ab1 }
//
// Options are ANDed, the words of one option ORed:
//
//   - sni: the server name is one of these, in any case, with or without a final
//     dot. "*.example.com" stands for exactly one label, "a.example.com" but
//     neither "example.com" nor "a.b.example.com".
//   - sni_regexp: the pattern is found in the server name, which is lower case and
//     has no final dot. It is not anchored.
//   - alpn: the client offers one of these protocols.
//   - version: the highest version that the client offers is one of these. Nearly
//     every client that offers TLS 1.3 also offers TLS 1.2.
//   - ja4: the client's fingerprint is one of these. Without arguments every client
//     passes, and the fact ja4 is set.
//   - remote_ip, local_ip: the matchers of these names.
//
// A hello without a server name has none of the names: sni and sni_regexp say No.
// One whose name cannot be a host name ("not a name", 256 bytes) says Unknown to
// them, so that it is not taken for a hello without a name either. IPv4 addresses
// are taken as they are: RFC 6066 forbids them, clients send them.
//
// All matchers of a connection share one parse, which goes on where it stopped when
// more bytes arrive. Only a complete hello gives Yes: what follows can still make it
// invalid, and a verdict is final. No comes at the first byte that no ClientHello
// can have there. A hello that is longer than the greatest head is Unknown as soon
// as its length is there. What crypto/tls, OpenSSL or GnuTLS goes on with is never No:
// warnings, change_cipher_spec and empty records around the hello are passed over, a
// hello in the format of SSL 2.0, and one whose extensions break the rules, is Unknown.
//
// Facts: server_name (lower case, no final dot), version (tls1.3: the highest
// offered), alpn (all offered protocols, comma-separated), ech ("outer" if the
// hello carries encrypted_client_hello; a server name is then that of the public
// front), and ja4. The fingerprint costs two hashes and two sorts, so it is
// computed only by matchers with the option ja4, and once for all of them.
package tls

import (
	"regexp"
	"slices"
	"strings"

	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "tls",
		Doc:  "A TLS ClientHello, complete over any number of segments and records",
		Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "sni", Doc: "The server name is one of these; *.example.com: exactly one label", Args: []sdk.Arg{sdk.Some("NAME", sdk.Host)}},
			{Name: "sni_regexp", Doc: "The pattern is found in the server name", Args: []sdk.Arg{sdk.One("PATTERN", sdk.Regexp)}},
			{Name: "alpn", Doc: "The client offers one of these protocols", Args: []sdk.Arg{sdk.Some("PROTO", sdk.Proto)}},
			{Name: "version", Doc: "The highest version that the client offers is one of these", Args: []sdk.Arg{versions()}},
			{Name: "ja4", Doc: "The JA4 fingerprint is one of these; without arguments: only make the fact ja4", Args: []sdk.Arg{sdk.List("FINGERPRINT", sdk.Free)}},
			{Name: "remote_ip", Doc: "The client's address is in one of these ranges", Args: []sdk.Arg{sdk.Some("CIDR", sdk.CIDR)}, Hoist: true},
			{Name: "local_ip", Doc: "The address that the client connected to is in one of these ranges", Args: []sdk.Arg{sdk.Some("CIDR", sdk.CIDR)}, Hoist: true},
		}},
		Facts: []sdk.Fact{
			{Key: "server_name", Doc: "the server name, lower case, without a final dot"},
			{Key: "version", Doc: "the highest version offered: ssl3.0, tls1.0 to tls1.3"},
			{Key: "alpn", Doc: "the protocols offered, comma-separated"},
			{Key: "ech", Doc: "outer, if the hello carries an encrypted one"},
			{Key: "ja4", Doc: "the JA4 fingerprint, if the matcher has the option ja4", Asked: true},
		},
	}
}

func versions() sdk.Arg {
	a := sdk.Choice("VERSION", "ssl3.0", "tls1.0", "tls1.1", "tls1.2", "tls1.3")
	a.Max = -1
	return a
}

// New makes a matcher from a node that [Spec] accepts. Options that are matchers of
// their own (remote_ip, local_ip) are left to whoever builds the set. A matcher of
// which nothing but server names is asked is [sdk.Keyed]. Errors are sdk.Errors.
func New(n *sdk.Node) (sdk.Matcher, error) {
	var (
		m    conditions
		errs sdk.Errors
	)
	for i := range n.Block {
		errs.Add(n.Block[i].Pos, m.option(&n.Block[i]))
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	if len(m.names) > 0 && m.plain() {
		return named{m.names}, nil
	}
	return &m, nil
}

// option reads one line of the block.
func (m *conditions) option(n *sdk.Node) error {
	switch n.Name {
	case "sni":
		return m.readNames(n.Args)
	case "sni_regexp":
		re, err := regexp.Compile(n.Args[0].Text)
		if err != nil {
			return sdk.Errorf(n.Args[0].Pos, "%v", err) // its shape was checked
		}
		m.pattern = re
	case "alpn":
		m.protocols = n.Texts()
	case "version":
		for _, text := range n.Texts() {
			m.versions = append(m.versions, versionNumber(strings.ToLower(text)))
		}
	case "ja4":
		m.ja4 = true
		return m.readFingerprints(n.Args)
	}
	return nil
}

func (m *conditions) readNames(args []sdk.Word) error {
	var errs sdk.Errors
	for _, w := range args {
		name := strings.ToLower(strings.TrimSuffix(w.Text, "."))
		switch {
		case strings.Contains(name, "{"):
			errs = append(errs, sdk.Errorf(w.Pos, "%q has a placeholder: write the name itself, or compare with vars {tls.server_name}", w.Text))
		case name == "*":
			errs = append(errs, sdk.Errorf(w.Pos, "* is no server name: write *.example.com, or for any name sni_regexp ."))
		case name == "" || strings.HasPrefix(name, ".") || strings.Contains(name, ".."):
			errs = append(errs, sdk.Errorf(w.Pos, "%q has an empty label: write a host name like app.example.com", w.Text))
		case slices.Contains(m.names, name):
			errs = append(errs, sdk.Errorf(w.Pos, "%q is there twice: write it once", w.Text))
		default:
			m.names = append(m.names, name)
		}
	}
	return errs.Err()
}

func (m *conditions) readFingerprints(args []sdk.Word) error {
	var errs sdk.Errors
	for _, w := range args {
		if !fingerprint().MatchString(w.Text) {
			errs = append(errs, sdk.Errorf(w.Pos, "%q is no JA4 fingerprint: write one like t13d1516h2_8daaf6152771_e5627efa2ab1", w.Text))
		}
		m.fingerprints = append(m.fingerprints, w.Text)
	}
	return errs.Err()
}

// fingerprint is what JA4 can be over TCP.
func fingerprint() *regexp.Regexp {
	return regexp.MustCompile(`^t(00|1[0-3]|s3)[di]\d{4}[0-9A-Za-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}$`)
}

// versionName is how a version is written, "" if it is none that is known.
func versionName(v uint16) string {
	switch v {
	case clienthello.SSL30:
		return "ssl3.0"
	case clienthello.TLS10:
		return "tls1.0"
	case clienthello.TLS11:
		return "tls1.1"
	case clienthello.TLS12:
		return "tls1.2"
	case clienthello.TLS13:
		return "tls1.3"
	}
	return ""
}

func versionNumber(name string) uint16 {
	for v := uint16(clienthello.SSL30); v <= clienthello.TLS13; v++ {
		if versionName(v) == name {
			return v
		}
	}
	return 0
}
