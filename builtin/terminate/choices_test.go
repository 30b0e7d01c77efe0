package terminate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin/terminate/internal/certtest"
	"dwaar.dev/dwaar/host"
)

// Each word for a key exchange is the one that is spoken then, and no other.
func TestEveryCurveIsTheOneItsNameSays(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	for name, want := range map[string]tls.CurveID{
		"x25519mlkem768": tls.X25519MLKEM768, "secp256r1mlkem768": tls.SecP256r1MLKEM768, "secp384r1mlkem1024": tls.SecP384r1MLKEM1024,
		"x25519": tls.X25519, "secp256r1": tls.CurveP256, "secp384r1": tls.CurveP384, "secp521r1": tls.CurveP521, "X25519": tls.X25519,
	} {
		s := k.serve(own+"curves "+name+"\n}\n}", nil)
		c := k.config("a.example")
		c.CurvePreferences = []tls.CurveID{
			tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521,
		}
		state, err := talk(t, s.Addr, c)
		if err != nil || state.CurveID != want {
			t.Errorf("curves %s: %v, %v", name, state.CurveID, err)
		}
	}
}

func TestOptionsTakeTheirWordsAndNoOthers(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("ca.pem")
	const suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 "
	for option, ok := range map[string]bool{
		"curves": false, "curves nothing": false, "curves x25519 secp256r1 secp384r1": true,
		"ciphers": false, "ciphers nothing": false, "ciphers " + suite + suite: true,
		"protocols": false, "protocols tls1.2 tls1.2 tls1.3": false, "protocols tls1.1": false, "protocols tls1.2 tls1.4": false, "protocols tls1.2 TLS1.3": true, "protocols tls1.2": true,
		"alpn": false, "alpn h2 http/1.1": true,
		"client_auth": false, "client_auth {\n}": false, "client_auth {\nmode never\n}": false, "client_auth {\nmode require\n}": true,
		"client_auth {\ntrust_pool {\npem_file DIR/ca.pem\n}\n}": true, "client_auth {\ntrust_pool DIR/ca.pem\n}": true,
		"client_auth {\ntrust_pool file DIR/ca.pem\n}": true, "client_auth {\ntrust_pool file\n}": false,
		"connection_policy {\ndefault_sni 1/2\n}": false, "connection_policy {\ndefault_sni a.example\n}": true,
		"connection_policy {\nfallback_sni 1/2\n}": false, "connection_policy {\nfallback_sni a.example\n}": true,
		"connection_policy {\ndrop now\n}":       false,
		"connection_policy {\ncert_selection\n}": false,
		"max_handshake 4KiB":                     true, "max_handshake 4095": false, "max_handshake 1MiB": true, "max_handshake 1048577": false,
		"handshake_timeout 1ms": true, "handshake_timeout 0s": false,
		"connection_policy {\nmatch {\nsni\n}\n}":                               false,
		"connection_policy {\ncert_selection {\nserial_number x\n}\n}":          false,
		"connection_policy {\ncert_selection {\npublic_key_algorithm dsa\n}\n}": false,
	} {
		h, b, err := k.load(own + option + "\n}\n}")
		if (err == nil) != ok {
			t.Errorf("%q: %v", option, err)
		}
		if err == nil && h != nil {
			b.Release()
		}
	}
}

// What a list of values can hold may stand on several lines, and all of them count; of other
// options a second line is an error.
func TestOptionsThatMayStandSeveralTimesAddUp(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.pair("b", "b.example")
	k.trust("ca.pem")
	certtest.Put(t, filepath.Join(k.dir, "other.pem"), certtest.NewCA(t).PEM)
	in := func(block, option string) string { return block + " {\n" + option + "\n}" }
	policy := func(option string) string { return in("connection_policy", option) }
	mutual := func(option string) string { return in("client_auth", option) }
	twice := func(option string) string { return option + "\n" + option }
	for options, ok := range map[string]bool{
		twice(policy("drop")): true, twice("cert DIR/b.crt\nkey DIR/b.key"): true,
		mutual("trust_pool DIR/ca.pem\ntrust_pool DIR/other.pem"):               true,
		mutual(in("trust_pool", "pem_file DIR/ca.pem\npem_file DIR/other.pem")): true,
		policy(in("match", "sni a.example\nsni b.example")):                     true,
		policy(in("cert_selection", "serial_number 1\nserial_number 2")):        true,
		twice("handshake_timeout 1s"):                                           false,
		twice("max_handshake 8KiB"):                                             false,
		twice("alpn h2"):                                                        false,
		twice("protocols tls1.2"):                                               false,
		twice("curves x25519"):                                                  false,
		twice("ciphers TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"):                false,
		twice(mutual("mode require")):                                           false,
		mutual(twice("mode require")):                                           false,
		policy(twice(in("match", "sni a.example"))):                             false,
		policy(twice(in("cert_selection", "serial_number 1"))):                  false,
		policy(in("cert_selection", twice("public_key_algorithm rsa"))):         false,
		policy(twice("default_sni a.example")):                                  false,
		policy(twice("fallback_sni a.example")):                                 false,
		policy(twice("drop")):                                                   false,
	} {
		_, b, err := k.load(own + options + "\n}\n}")
		if (err == nil) != ok {
			t.Errorf("%q: %v", options, err)
		}
		if err == nil {
			b.Release()
		}
	}
	s := k.serve("{\ncertificate DIR/a.crt DIR/a.key\ncertificate DIR/b.crt DIR/b.key\n}\nroute {\ntls {\n"+
		policy(in("match", "sni a.example\nsni b.example"))+"\n}\n}", nil)
	for _, name := range []string{"a.example", "b.example"} {
		if _, err := talk(t, s.Addr, k.config(name)); err != nil {
			t.Errorf("%s of two lines: %v", name, err)
		}
	}
}

// Of several certificates for a name a policy uses those of its choice only, or none.
func TestACertSelectionLeavesOnlyWhatItNames(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, kind := range []string{"ecdsa", "rsa"} {
		k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}, Kind: kind, Serial: map[string]int64{"ecdsa": 5, "rsa": 6}[kind]}).Write(t, k.dir, kind)
	}
	for selection, want := range map[string]x509.PublicKeyAlgorithm{
		"public_key_algorithm rsa": x509.RSA, "public_key_algorithm ecdsa": x509.ECDSA, "public_key_algorithm ed25519": 0,
		"serial_number 5": x509.ECDSA, "serial_number 6": x509.RSA, "serial_number 7": 0, "serial_number 7 6": x509.RSA,
		"serial_number 5\npublic_key_algorithm rsa": 0, "serial_number 5\npublic_key_algorithm ecdsa": x509.ECDSA,
	} {
		s := k.serve("{\ncertificate DIR\n}\nroute {\ntls {\nconnection_policy {\ncert_selection {\n"+selection+"\n}\n}\n}\n}", nil)
		state, err := talk(t, s.Addr, k.config("a.example"))
		got := x509.PublicKeyAlgorithm(0)
		if err == nil {
			got = state.PeerCertificates[0].PublicKeyAlgorithm
		}
		if got != want {
			t.Errorf("%q: %v, %v, want %v", selection, got, err, want)
		}
		if o := s.Outcome(t); want == 0 && !strings.Contains(o.Err.Error(), "cert_selection leaves none of the 2 there are") {
			t.Errorf("%q: %v", selection, o.Err)
		}
	}
}

// The log says why a client found no policy, with the name it asked for.
func TestWhoFindsNoPolicyIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	s := k.serve(own+"connection_policy {\nmatch {\nsni a.example\n}\n}\n}\n}", nil)
	for name, want := range map[string]string{"B.example": `no connection_policy accepts "b.example"`, "": "no connection_policy accepts a client that names no server"} {
		if _, err := talk(t, s.Addr, k.anyName(name)); err == nil {
			t.Errorf("%q is served", name)
		}
		if o := s.Outcome(t); o.Code.String() != "client.handling.protocol" || !strings.Contains(o.Err.Error(), want) {
			t.Errorf("%q: %v: %v, want %s", name, o.Code, o.Err, want)
		}
	}
}

// A certificate that nobody has verified is not said to be.
func TestACertificateThatIsOnlyDemandedIsNotVerified(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	stranger := newKit(t).client("stranger", "stranger")
	s := k.serve(own+"client_auth {\nmode require\n}\n}\n}", func(context.Context, host.Conn) error { return nil })
	c := k.config("a.example")
	c.Certificates = []tls.Certificate{stranger}
	if _, err := dial(t, s.Addr, c); err != nil {
		t.Fatal(err)
	}
	_, facts := s.Ended(t)
	if facts["tls.client.verified"] != "false" || facts["tls.client.subject"] != "CN=stranger,O=test" {
		t.Errorf("facts %v", facts)
	}
}

// The global directives are looked at also where no handler uses them.
func TestFaultsOfGlobalCertificatesAreFoundWithoutAHandler(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.pair("b", "b.example")
	certtest.Put(t, filepath.Join(k.dir, "broken.crt"), []byte("x"))
	for directive, want := range map[string]string{
		"certificate a.example DIR/a.crt DIR/b.key":      "the key does not belong to the certificate",
		"certificate a.example DIR/broken.crt DIR/a.key": "broken.crt",
		"certificate a.example DIR/a.key":                "there is no a.example",
		"certificate DIR/a.crt DIR/a.key":                "",
		"certificate a.example DIR/a.crt DIR/a.key":      "",
	} {
		_, b, err := k.load("{\n" + directive + "\n}\nroute {\ntls {\ncert DIR/b.crt\nkey DIR/b.key\n}\n}")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", directive, err, want)
		}
		if err == nil {
			b.Release()
		}
	}
}
