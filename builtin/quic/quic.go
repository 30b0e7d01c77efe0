// Package quic matches sessions of datagrams that begin as QUIC connections do: with
// Initial packets (RFC 9000 §17.2.2) that carry a ClientHello. QUIC version 1 (RFC
// 9001), version 2 (RFC 9369) and draft-29 are read.
//
//	@any   quic
//	@app   quic sni app.example.com *.api.example.com
//	@h3    quic alpn h3
//	@bot   quic { ja4 q13d0312h3_55b375c5d22e_06cda9e17597 }
//
// The options are those of the matcher tls, and mean the same; a fingerprint begins
// with q. Packets are decrypted with the keys that follow from the client's connection
// ID. The hello is put together from CRYPTO frames in any order, over any number of
// packets and datagrams: post-quantum hellos need two. No connection is answered or
// kept: whoever gets the datagrams is the server.
//
// A session is No when its first datagram begins nothing that a server goes on with:
//
//   - It is shorter than 1,200 bytes (RFC 9000 §14.1), does not begin with a long
//     header, or with one of a Handshake or Retry packet (RFC 9000 §5.2.2).
//   - Without a token, the fixed bit is not set (RFC 9000 §17.2, RFC 9287 §3.1), or
//     the destination connection ID is shorter than 8 bytes (RFC 9000 §7.2).
//   - The packet cannot be decrypted.
//
// It is No later when an authentic packet breaks the protocol: a frame that Initial
// packets cannot carry (RFC 9000 §12.4), reserved bits (RFC 9000 §17.2), a
// CONNECTION_CLOSE, a message that is no ClientHello. A datagram of 0-RTT packets, and
// an empty one, may come before the Initial packets and is passed over (RFC 9000
// §5.2.2). Of later datagrams what a server drops is dropped: what is too short, cannot
// be decrypted, has another connection ID or a packet number that was there (RFC 9000
// §7.2, §12.3).
//
// It is Unknown when two frames say different things of one byte: servers may take
// either (RFC 9000 §2.2). It is Unknown too when the hello is longer than a head can be.
//
// A packet of another version is left to the server, which may negotiate one that
// both know (RFC 9000 §6.1). A matcher without options says Yes to it if a server would
// answer: the datagram has 1,200 bytes or more, and what all versions have in common is
// right (RFC 8999 §5.1). Bytes at random can look like that, so both connection IDs must
// have at most 20 bytes, as in every version so far, and the fixed bit must be set,
// which tells QUIC from RTP (RFC 9443). With longer IDs, and with any option, because
// the hello cannot be read, it says Unknown.
//
// Streams are No: a connection over TCP or a Unix stream socket is not QUIC.
//
// Facts: version (v1, v2, draft-29, or the number of another one, 0x1a2a3a4a), and those
// of the hello, which have two names: {quic.tls.server_name} is {tls.server_name}.
//
// All matchers of a connection share one parse. It allocates three times, once for each
// connection: crypto/aes cannot fill a key schedule again, and there are two, one with
// the tables of GCM.
package quic

import (
	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/builtin/internal/hello"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	version := sdk.Fact{Key: "version", Doc: "the version of QUIC: v1, v2, draft-29, or the number of one whose hello cannot be read"}
	return sdk.Spec{
		Name:  "quic",
		Doc:   "A QUIC connection's first datagrams, and the TLS ClientHello in them; without options also one of a version that only its server knows",
		Block: &sdk.Block{Options: hello.Options()},
		Facts: append([]sdk.Fact{version}, carrier().Facts()...),
	}
}

func carrier() hello.Carrier {
	return hello.Carrier{Name: "quic", Source: packets{}, Transport: 'q'}
}

// New makes a matcher from a node that [Spec] accepts. Options that are matchers of
// their own (remote_ip, local_ip) are left to whoever builds the set. A matcher of
// which nothing but server names is asked is [sdk.Keyed], one of which nothing but
// their pattern is asked [sdk.Patterned]. Errors are sdk.Errors.
func New(n *sdk.Node) (sdk.Matcher, error) { return hello.New(n, carrier()) }

// packets finds the hello in Initial packets.
type packets struct{}

// Hello implements [hello.Source].
func (packets) Hello(f *sdk.Flow) (*clienthello.Hello, []byte, sdk.Verdict) {
	s := parse(f)
	if s.verdict <= 0 || s.foreign {
		return nil, nil, s.verdict
	}
	return &s.hello, s.stream.whole(), s.verdict
}

// Tell implements [hello.Source].
func (packets) Tell(f *sdk.Flow) { f.Set("version", parse(f).versionName()) }

// First implements [hello.Source]: the first bit tells a long header (RFC 8999 §5.1).
func (packets) First() *[4]uint64 { return &[4]uint64{2: ^uint64(0), 3: ^uint64(0)} }
