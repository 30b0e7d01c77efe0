package terminate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"strconv"

	"dwaar.dev/dwaar/builtin/terminate/internal/keys"
	"dwaar.dev/dwaar/host"
)

// tell records what the handshake has made known.
func tell(c host.Conn, cs tls.ConnectionState) {
	f := c.Flow()
	f.ServerName, f.ALPN = keys.Fold(cs.ServerName), cs.NegotiatedProtocol
	f.TLSVersion, f.CipherSuite = cs.Version, cs.CipherSuite

	fact(c, "server_name", f.ServerName)
	fact(c, "proto", f.ALPN)
	fact(c, "version", versionName(cs.Version))
	fact(c, "cipher_suite", tls.CipherSuiteName(cs.CipherSuite))
	fact(c, "resumed", strconv.FormatBool(cs.DidResume))
	if len(cs.PeerCertificates) > 0 {
		tellClient(c, cs.PeerCertificates[0], len(cs.VerifiedChains) > 0)
	}
}

// tellClient records whose certificate the client showed that it has the key of.
// What it says of itself is worth nothing unless it is verified.
func tellClient(c host.Conn, cert *x509.Certificate, verified bool) {
	print := sha256.Sum256(cert.Raw)
	fact(c, "client.verified", strconv.FormatBool(verified))
	fact(c, "client.fingerprint", hex.EncodeToString(print[:]))
	fact(c, "client.serial", cert.SerialNumber.String())
	fact(c, "client.subject", cert.Subject.String())
	fact(c, "client.issuer", cert.Issuer.String())
	fact(c, "client.san", alternatives(cert))
	for _, l := range lists() {
		l.tell(c, cert)
	}
}

// alternatives lists a certificate's names of all kinds.
func alternatives(cert *x509.Certificate) string {
	names := append([]string(nil), cert.DNSNames...)
	names = append(names, addressesOf(cert)...)
	names = append(names, cert.EmailAddresses...)
	return joined(append(names, urisOf(cert)...))
}

// fact records a fact that is there. One that the connection has no room for is
// absent, as if the client had not sent it.
func fact(c host.Conn, key, value string) {
	if value != "" {
		c.Put(handlerName, key, value)
	}
}

func versionName(v uint16) string {
	for _, w := range versions() {
		if w.value == v {
			return w.text
		}
	}
	return ""
}
