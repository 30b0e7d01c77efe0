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
//     has no final dot. It is not anchored. Its groups become facts by number and by
//     name, regexp.1 and regexp.tenant; with a NAME before the pattern also under it,
//     regexp.NAME.1.
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
// front), regexp.GROUP, and ja4. The fingerprint costs two hashes and two sorts, so it is
// computed only by matchers with the option ja4, and once for all of them.
package tls

import (
	"dwaar.dev/dwaar/builtin/internal/hello"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "tls",
		Doc:   "A TLS ClientHello, complete over any number of segments and records",
		Block: &sdk.Block{Options: hello.Options()},
		Facts: carrier().Facts(),
	}
}

func carrier() hello.Carrier {
	return hello.Carrier{Name: "tls", Source: records{}, Transport: 't'}
}

// New makes a matcher from a node that [Spec] accepts. Options that are matchers of
// their own (remote_ip, local_ip) are left to whoever builds the set. A matcher of
// which nothing but server names is asked is [sdk.Keyed], one of which nothing but
// their pattern is asked [sdk.Patterned]. Errors are sdk.Errors.
func New(n *sdk.Node) (sdk.Matcher, error) { return hello.New(n, carrier()) }
