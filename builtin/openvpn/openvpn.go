// Package openvpn matches the first packet of OpenVPN clients, on TCP and UDP, in
// all ways to protect the control channel:
//
//	@any   openvpn
//	@plain openvpn { modes plain }
//	@auth  openvpn {
//		modes auth
//		auth_digest sha256
//		group_key_file /etc/openvpn/ta.key
//	}
//	@v2    openvpn {
//		modes crypt2
//		server_key_file /etc/openvpn/v2-server.key
//	}
//
// The first packet of a client is a reset: P_CONTROL_HARD_RESET_CLIENT_V2, V3 with
// tls-crypt-v2, or the V1 of clients before 2.5. Packets of connections that are
// under way do not match. With keys a packet is authenticated, and decrypted where
// it is encrypted; without, it is judged by its shape, which has a fixed size in
// every mode, and by its time.
//
// All modes but plain protect from replays by the time in the packet, that of the
// first packet of the client. It must lie within 15 seconds of the moment at which
// the connection began, unless ignore_timestamp says otherwise. Nothing is
// remembered: within that time a packet can be sent again.
//
// Without auth_digest, group keys are tried with every digest that makes an HMAC of
// the packet's size. Without group_key_direction the direction is normal: the server
// has key-direction 0, clients have 1.
//
// What a server since 2.6 takes and no client sends, fields behind the reset for an
// early negotiation, is Unknown. A server on UDP answers more than that: since 2.6 it
// looks at a datagram's first byte, session id and HMAC only, answers, and forgets
// it. Here the rest must be right too.
//
// There are no facts.
package openvpn

import (
	"slices"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// Spec describes the matcher.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  "openvpn",
		Doc:   "The first packet of an OpenVPN client, over TCP or UDP; with keys, one that they authenticate",
		Block: &sdk.Block{Options: sdk.Specs(options())},
	}
}

// settings are the block as it was written.
type settings struct {
	modes           modes
	anyKey, anyTime bool
	group, server   secret
	clients         []secret
	digest          digest // size 0: any
	direction       direction
}

func options() []sdk.Option[settings] {
	names := sdk.Choice("MODE", "plain", "auth", "crypt", "crypt2")
	names.Max = -1
	all := []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "modes", Doc: "How the control channel is protected: not at all, by tls-auth, tls-crypt or tls-crypt-v2", Default: "all of them",
			Args: []sdk.Arg{names},
		}, (*settings).setModes),
		sdk.Line(sdk.Spec{
			Name: "ignore_crypto", Doc: "Packets are judged by their shape, as without keys",
		}, sdk.SetFlag(func(s *settings) *bool { return &s.anyKey })),
		sdk.Line(sdk.Spec{
			Name: "ignore_timestamp", Doc: "Packets of any time pass, not only of the 15 seconds around that of the connection",
		}, sdk.SetFlag(func(s *settings) *bool { return &s.anyTime })),
		sdk.Line(sdk.Spec{
			Name: "auth_digest", Doc: "The digest of tls-auth: " + digestNames(), Default: "any of them",
			Args: []sdk.Arg{sdk.One("DIGEST", sdk.Free)},
		}, (*settings).setDigest),
		sdk.Line(sdk.Spec{
			Name: "group_key_direction", Doc: "The server's key-direction for tls-auth: 0, 1, or none on either side", Default: "normal",
			Args: []sdk.Arg{sdk.Choice("DIRECTION", "normal", "inverse", "bidi", "bidirectional")},
		}, (*settings).setDirection),
	}
	return append(all, keyOptions()...)
}

func keyOptions() []sdk.Option[settings] {
	file := []sdk.Arg{sdk.One("FILE", sdk.Free)}
	text := []sdk.Arg{sdk.One("BASE64", sdk.Free)}
	group, server, client := groupCoding(), serverCoding(), clientCoding()
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "group_key", Doc: "The key of tls-auth and tls-crypt, in hexadecimal digits", Args: []sdk.Arg{sdk.One("HEX", sdk.Free)},
		}, setKey(group.text, theGroup)),
		sdk.Line(sdk.Spec{
			Name: "group_key_file", Doc: "The file with that key", Args: file,
		}, setKey(group.file, theGroup)),
		sdk.Line(sdk.Spec{
			Name: "server_key", Doc: "The server's key of tls-crypt-v2, in base64: it unwraps those of clients", Args: text,
		}, setKey(server.text, theServer)),
		sdk.Line(sdk.Spec{
			Name: "server_key_file", Doc: "The file with that key", Args: file,
		}, setKey(server.file, theServer)),
		sdk.Line(sdk.Spec{
			Name: "client_key", Many: true, Doc: "A client's key of tls-crypt-v2, in base64: only clients whose key is given pass", Args: text,
		}, addClient(client.text)),
		sdk.Line(sdk.Spec{
			Name: "client_key_file", Many: true, Doc: "The file with such a key", Args: file,
		}, addClient(client.file)),
	}
}

func theGroup(s *settings) *secret  { return &s.group }
func theServer(s *settings) *secret { return &s.server }

// setKey sets a key that is given in the block or in a file.
func setKey(read func(*sdk.Node) (secret, error), field func(*settings) *secret) func(*settings, *sdk.Node) error {
	return func(s *settings, n *sdk.Node) error {
		if before := field(s); before.given() {
			return sdk.Errorf(n.Pos, "%s and %s are the same key: leave one of them out", before.name, n.Name)
		}
		key, err := read(n)
		*field(s) = key
		return err
	}
}

// addClient adds a key to those of which one has to be a client's.
func addClient(read func(*sdk.Node) (secret, error)) func(*settings, *sdk.Node) error {
	return func(s *settings, n *sdk.Node) error {
		key, err := read(n)
		s.clients = append(s.clients, key)
		return err
	}
}

func (s *settings) setModes(n *sdk.Node) error {
	for _, name := range n.Texts() {
		switch strings.ToLower(name) {
		case "plain":
			s.modes |= plain
		case "auth":
			s.modes |= auth
		case "crypt":
			s.modes |= crypt
		case "crypt2":
			s.modes |= crypt2
		}
	}
	return nil
}

func (s *settings) setDigest(n *sdk.Node) error {
	d, ok := findDigest(n.Args[0].Text)
	if !ok {
		return sdk.Errorf(n.Args[0].Pos, "auth_digest %q is not known: write one of %s", n.Args[0].Text, digestNames())
	}
	s.digest = d
	return nil
}

// direction says which HMAC key of a group key clients send with.
type direction uint8

const (
	normal  direction = iota // the second one
	inverse                  // the first one
	bidi                     // the first one, as servers do
)

func (s *settings) setDirection(n *sdk.Node) error {
	s.direction = map[byte]direction{'n': normal, 'i': inverse, 'b': bidi}[n.Args[0].Text[0]|0x20]
	return nil
}

// New makes the matcher of a node that fits [Spec]. It reads the files of keys.
// Errors are sdk.Errors.
func New(n *sdk.Node) (sdk.Matcher, error) {
	var (
		s    settings
		errs sdk.Errors
	)
	errs.Add(n.Pos, sdk.Apply(&s, n.Block, options()))
	if s.modes == 0 {
		s.modes = everyMode
	}
	errs.Add(n.Pos, s.check())
	if err := errs.Err(); err != nil {
		return nil, err
	}
	return s.matcher(), nil
}

// check finds keys that no mode uses, and clients' keys of another server.
func (s *settings) check() error {
	var errs sdk.Errors
	if s.group.given() && !s.modes.has(groupMode) {
		errs = append(errs, sdk.Errorf(s.group.pos, "%s is for the modes auth and crypt: add one of them to modes, or leave it out", s.group.name))
	}
	for _, key := range append(slices.Clone(s.clients), s.server) {
		if key.given() && !s.modes.has(crypt2) {
			errs = append(errs, sdk.Errorf(key.pos, "%s is for the mode crypt2: add it to modes, or leave the key out", key.name))
		}
	}
	if !s.server.given() {
		return errs.Err()
	}
	server := s.unwrapper()
	for _, key := range s.clients {
		if key.given() && !server.made(key.bytes) {
			errs = append(errs, sdk.Errorf(key.pos, "%s was not made with the key of %s: write a key that was, or leave one of them out", key.name, s.server.name))
		}
	}
	return errs.Err()
}

// unwrapper returns what unwraps the keys of clients.
func (s *settings) unwrapper() unwrapper {
	return newUnwrapper(s.server.bytes[firstCipher:], s.server.bytes[firstHMAC:])
}

// matcher makes the matcher of settings without faults.
func (s *settings) matcher() *Matcher {
	m := &Matcher{modes: s.modes, anyTime: s.anyTime}
	m.auth = s.authenticators()
	if s.anyKey {
		return m
	}
	if s.group.given() {
		group := ofClient(s.group.bytes)
		m.crypt = &group
	}
	if s.server.given() {
		server := s.unwrapper()
		m.server = &server
	}
	if s.clients != nil {
		m.clients = map[string]unwrapper{}
	}
	for _, key := range s.clients {
		m.clients[string(key.bytes[clientKeySize:])] = ofClient(key.bytes)
	}
	return m
}

// authenticators returns what tells packets of tls-auth: each digest that may have
// been used, or without a key each size.
func (s *settings) authenticators() []authenticator {
	var key []byte
	tried := onePerSize()
	if s.group.given() && !s.anyKey {
		key, tried = s.group.bytes[secondHMAC:], digests()
		if s.direction != normal {
			key = s.group.bytes[firstHMAC:]
		}
	}
	if s.digest.size != 0 {
		tried = []digest{s.digest}
	}
	all := make([]authenticator, len(tried))
	for i, d := range tried {
		all[i] = newAuthenticator(d, key)
	}
	return all
}
