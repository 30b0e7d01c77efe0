package terminate

import (
	"crypto/tls"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// The names of the directives.
const (
	handlerName     = "tls"
	certificateName = "certificate"
	defaultName     = "default_certificate"
)

// Spec describes the handler.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name:  handlerName,
		Doc:   "Terminates TLS; what follows sees the bytes inside",
		Block: &sdk.Block{Options: sdk.Specs(handlerTable())},
		Facts: facts(),
	}
}

// handlerTable are the lines of the handler's block.
func handlerTable() []sdk.Option[settings] {
	own := []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: "cert", Many: true,
			Doc:  "A certificate chain in PEM for this handler alone, instead of the global ones; several for several kinds of keys",
			Args: []sdk.Arg{sdk.One("FILE", sdk.Free)},
		}, (*settings).addCert),
		sdk.Line(sdk.Spec{
			Name: "key", Many: true,
			Doc:     "The private key of the cert at the same place in the list",
			Args:    []sdk.Arg{sdk.One("FILE", sdk.Free)},
			Default: "the file of cert",
		}, (*settings).addKey),
		sdk.Line(sdk.Spec{
			Name:    "handshake_timeout",
			Doc:     "How long the client may take for the handshake",
			Args:    []sdk.Arg{sdk.One("D", sdk.Duration)},
			Default: "10s",
		}, (*settings).setTimeout),
		sdk.Line(sdk.Spec{
			Name:    "max_handshake",
			Doc:     "How many bytes the client may send before the handshake is done",
			Args:    []sdk.Arg{sdk.One("SIZE", sdk.Size)},
			Default: "32KiB, with client_auth 128KiB",
		}, (*settings).setHandshake),
		sdk.Line(sdk.Spec{
			Name: "connection_policy", Many: true, Need: true,
			Doc:   "Options for some clients; the first policy that matches counts, and without one the connection ends",
			Block: &sdk.Block{Options: sdk.Specs(policyTable())},
		}, (*settings).addPolicy),
	}
	return append(own, spokenTable(func(s *settings) *spoken { return &s.spoken })...)
}

// Globals describes the directives of the global block that name certificates.
func Globals() []host.GlobalEntry {
	return []host.GlobalEntry{
		{
			Spec: sdk.Spec{
				Name: certificateName, Many: true,
				Doc:  "A certificate for the names, or for those in it; or all pairs in a directory",
				Args: []sdk.Arg{sdk.Some("NAME… CERT KEY|DIR", sdk.Free)},
			},
			Check: checkCertificates,
		},
		{
			Spec: sdk.Spec{
				Name: defaultName,
				Doc:  "The configured name whose certificate clients get that ask for none, or for an unknown one",
				Args: []sdk.Arg{sdk.One("NAME", sdk.Host)},
			},
			Check: checkDefault,
		},
	}
}

// spokenTable are the lines that may stand in the handler's block and in a
// connection_policy, which then counts.
func spokenTable[S any](of func(*S) *spoken) []sdk.Option[S] {
	line := func(spec sdk.Spec, set func(*spoken, *sdk.Node) error) sdk.Option[S] {
		return sdk.Line(spec, func(s *S, n *sdk.Node) error { return set(of(s), n) })
	}
	return []sdk.Option[S]{
		line(sdk.Spec{
			Name: "alpn", Doc: "Application protocols to choose from, the preferred one first",
			Args: []sdk.Arg{sdk.Some("PROTO", sdk.Proto)}, Default: "none is chosen: HTTP clients speak 1.1",
		}, sdk.AddTexts(func(s *spoken) *[]string { return &s.alpn })),
		line(sdk.Spec{
			Name: "protocols", Doc: "The lowest and the highest version of TLS",
			Args: []sdk.Arg{
				sdk.Choice("MIN", versionWords()...),
				{Name: "MAX", Shape: sdk.Enum, Words: versionWords(), Max: 1},
			},
			Default: "tls1.2 tls1.3",
		}, (*spoken).setProtocols),
		line(sdk.Spec{
			Name: "curves", Doc: "Key exchanges, in no order: Go prefers the strongest",
			Args: []sdk.Arg{{Name: "CURVE", Shape: sdk.Enum, Words: curveWords(), Min: 1, Max: -1}},
		}, (*spoken).setCurves),
		line(sdk.Spec{
			Name: "ciphers", Doc: "Cipher suites of TLS 1.2; those of TLS 1.3 are always on",
			Args: []sdk.Arg{{Name: "SUITE", Shape: sdk.Enum, Words: cipherWords(), Min: 1, Max: -1}},
		}, (*spoken).setCiphers),
		line(sdk.Spec{
			Name: "client_auth", Doc: "Asks the client for a certificate", Need: true,
			Block: &sdk.Block{Options: sdk.Specs(clientAuthTable())},
		}, (*spoken).setClientAuth),
	}
}

// clientAuthTable are the lines of client_auth.
func clientAuthTable() []sdk.Option[clientAuthSettings] {
	return []sdk.Option[clientAuthSettings]{
		sdk.Line(sdk.Spec{
			Name: "mode", Doc: "Whether it must offer one, and whether it is verified",
			Args: []sdk.Arg{sdk.Choice("MODE", modeWords()...)}, Default: "require_and_verify",
		}, (*clientAuthSettings).setMode),
		sdk.Line(sdk.Spec{
			Name: "trust_pool", Many: true,
			Doc:   "The authorities it is verified against, in PEM",
			Args:  []sdk.Arg{sdk.List("FILE", sdk.Free)},
			Block: &sdk.Block{Options: sdk.Specs(poolTable())},
		}, (*clientAuthSettings).addPool),
	}
}

// poolTable are the lines of trust_pool.
func poolTable() []sdk.Option[clientAuthSettings] {
	return []sdk.Option[clientAuthSettings]{
		sdk.Line(sdk.Spec{
			Name: "pem_file", Many: true, Doc: "The same, as a Caddyfile has it",
			Args: []sdk.Arg{sdk.Some("FILE", sdk.Free)},
		}, sdk.AddTexts(func(a *clientAuthSettings) *[]string { return &a.files })),
	}
}

// policyTable are the lines of a connection_policy.
func policyTable() []sdk.Option[policySettings] {
	own := []sdk.Option[policySettings]{
		sdk.Line(sdk.Spec{
			Name: "match", Doc: "Which clients it is for; without it all",
			Block: &sdk.Block{Options: sdk.Specs(matchTable())},
		}, (*policySettings).setMatch),
		sdk.Line(sdk.Spec{
			Name: "cert_selection", Doc: "Which of the certificates for a name may be used", Need: true,
			Block: &sdk.Block{Options: sdk.Specs(selectionTable())},
		}, (*policySettings).setSelection),
		sdk.Line(sdk.Spec{
			Name: "default_sni", Doc: "The name that counts for clients that ask for none",
			Args: []sdk.Arg{sdk.One("NAME", sdk.Host)},
		}, setName(func(p *policySettings) *string { return &p.policy.whenNone })),
		sdk.Line(sdk.Spec{
			Name: "fallback_sni", Doc: "The name that counts where there is no certificate for the one asked for",
			Args: []sdk.Arg{sdk.One("NAME", sdk.Host)},
		}, setName(func(p *policySettings) *string { return &p.policy.otherwise })),
		sdk.Line(sdk.Spec{
			Name: "drop", Doc: "Ends the handshake of these clients",
		}, sdk.SetFlag(func(p *policySettings) *bool { return &p.policy.drop })),
	}
	return append(own, spokenTable(func(p *policySettings) *spoken { return &p.spoken })...)
}

// matchTable are the lines of a policy's match.
func matchTable() []sdk.Option[policySettings] {
	return []sdk.Option[policySettings]{
		sdk.Line(sdk.Spec{
			Name: "sni", Many: true, Doc: "Those that ask for one of the names; *. is one label",
			Args: []sdk.Arg{sdk.Some("NAME", sdk.Host)},
		}, (*policySettings).addNames),
	}
}

// selectionTable are the lines of cert_selection.
func selectionTable() []sdk.Option[policySettings] {
	return []sdk.Option[policySettings]{
		sdk.Line(sdk.Spec{
			Name: "serial_number", Many: true, Doc: "Those with one of these numbers, in decimal",
			Args: []sdk.Arg{sdk.Some("NUMBER", sdk.Free)},
		}, (*policySettings).addSerials),
		sdk.Line(sdk.Spec{
			Name: "public_key_algorithm", Doc: "Those with this kind of key",
			Args: []sdk.Arg{sdk.Choice("KIND", "ecdsa", "ed25519", "rsa")},
		}, (*policySettings).setAlgorithm),
	}
}

func facts() []sdk.Fact {
	all := []sdk.Fact{
		{Key: "server_name", Doc: "the name the client asked for, lower case"},
		{Key: "version", Doc: "tls1.2 or tls1.3"},
		{Key: "proto", Doc: "the application protocol that was chosen (ALPN)"},
		{Key: "cipher_suite", Doc: "the cipher suite, by its IANA name"},
		{Key: "resumed", Doc: "true if an earlier session was resumed, else false"},
		{Key: "client.subject", Doc: "of the client's certificate: the subject"},
		{Key: "client.issuer", Doc: "the issuer"},
		{Key: "client.serial", Doc: "the serial number, in decimal"},
		{Key: "client.fingerprint", Doc: "its SHA-256, in hex"},
		{Key: "client.san", Doc: "its names and addresses, with commas between"},
		{Key: "client.verified", Doc: "true if it was verified against a trust pool, else false"},
	}
	for _, l := range lists() {
		all = append(all, sdk.Fact{Key: l.key, Doc: l.doc})
	}
	return all
}

// The words of options with fixed choices, and what they stand for.

type word[T any] struct {
	text  string
	value T
}

// words returns what may be written; find what it means.
func words[T any](list []word[T]) []string {
	texts := make([]string, len(list))
	for i, w := range list {
		texts[i] = w.text
	}
	return texts
}

func find[T any](list []word[T], text string) (value T, ok bool) {
	for _, w := range list {
		if strings.EqualFold(w.text, text) {
			return w.value, true
		}
	}
	return value, false
}

func versions() []word[uint16] {
	return []word[uint16]{{"tls1.2", tls.VersionTLS12}, {"tls1.3", tls.VersionTLS13}}
}

func curves() []word[tls.CurveID] {
	return []word[tls.CurveID]{
		{"x25519mlkem768", tls.X25519MLKEM768},
		{"secp256r1mlkem768", tls.SecP256r1MLKEM768},
		{"secp384r1mlkem1024", tls.SecP384r1MLKEM1024},
		{"x25519", tls.X25519},
		{"secp256r1", tls.CurveP256},
		{"secp384r1", tls.CurveP384},
		{"secp521r1", tls.CurveP521},
	}
}

func ciphers() []word[*tls.CipherSuite] {
	var list []word[*tls.CipherSuite]
	for _, s := range tls.CipherSuites() {
		list = append(list, word[*tls.CipherSuite]{s.Name, s})
	}
	return list
}

func modes() []word[tls.ClientAuthType] {
	return []word[tls.ClientAuthType]{
		{"request", tls.RequestClientCert},
		{"require", tls.RequireAnyClientCert},
		{"verify_if_given", tls.VerifyClientCertIfGiven},
		{"require_and_verify", tls.RequireAndVerifyClientCert},
	}
}

func versionWords() []string { return words(versions()) }
func curveWords() []string   { return words(curves()) }
func cipherWords() []string  { return words(ciphers()) }
func modeWords() []string    { return words(modes()) }
