package terminate_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/terminate/internal/certtest"
	"dwaar.dev/dwaar/host"
)

// own begins a handler with the pair a.
const own = "route {\ntls {\ncert DIR/a.crt\nkey DIR/a.key\n"

func TestVersionsAreThoseConfiguredAndBothSidesHave(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	const none = "no version"
	for config, want := range map[string]map[uint16]string{
		"":                        {tls.VersionTLS11: none, tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"},
		"protocols tls1.2":        {tls.VersionTLS11: none, tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"},
		"protocols TLS1.2 tls1.2": {tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: none},
		"protocols tls1.3":        {tls.VersionTLS12: none, tls.VersionTLS13: "TLS 1.3"},
	} {
		s := k.serve(own+config+"\n}\n}", nil)
		got := map[uint16]string{}
		for version := range want {
			c := k.config("a.example")
			c.MinVersion, c.MaxVersion = version, version
			state, err := talk(t, s.Addr, c)
			if got[version] = tls.VersionName(state.Version); err != nil {
				got[version] = none
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", config, diff)
		}
	}
}

func TestApplicationProtocolsAreOfferedOnlyIfConfigured(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	for config, want := range map[string]string{"": "", "alpn h2 http/1.1": "h2", "alpn acme-tls/1": "refused"} {
		s := k.serve(own+config+"\n}\n}", nil)
		c := k.config("a.example")
		c.NextProtos = []string{"http/1.1", "h2"}
		state, err := talk(t, s.Addr, c)
		got := state.NegotiatedProtocol
		if err != nil && strings.HasSuffix(err.Error(), "tls: no application protocol") {
			got = "refused"
		}
		if got != want {
			t.Errorf("%q: got %q, %v, want %q", config, got, err, want)
		}
	}
}

func TestCurvesAndSuitesAreThoseConfigured(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	const suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
	s := k.serve(own+"protocols tls1.2 tls1.2\ncurves secp384r1\nciphers "+suite+" TLS_AES_128_GCM_SHA256\n}\n}", nil)
	state, err := talk(t, s.Addr, k.config("a.example"))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{tls.CipherSuiteName(state.CipherSuite), state.CurveID.String()}
	if diff := cmp.Diff([]string{suite, tls.CurveP384.String()}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClientsProveWhoTheyAreAsTheModeSays(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("ca.pem")
	known, stranger := k.client("known", "known"), newKit(t).client("stranger", "stranger")
	clients := map[string][]tls.Certificate{"nobody": nil, "known": {known}, "stranger": {stranger}}
	for config, want := range map[string]string{
		"mode request":          "nobody, known, stranger,",
		"mode require":          "known, stranger,",
		"trust_pool DIR/ca.pem": "known,",
		"mode verify_if_given\ntrust_pool file DIR/ca.pem":                   "nobody, known,",
		"mode require_and_verify\ntrust_pool file {\npem_file DIR/ca.pem\n}": "known,",
	} {
		s := k.serve(own+"client_auth {\n"+config+"\n}\n}\n}", nil)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			var got string
			for _, who := range []string{"nobody", "known", "stranger"} {
				c := k.config("a.example")
				c.MaxVersion = version
				if certs := clients[who]; certs != nil {
					c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certs[0], nil }
				}
				if _, err := talk(t, s.Addr, c); err == nil {
					got += " " + who + ","
				}
			}
			if diff := cmp.Diff(want, strings.TrimSpace(got)); diff != "" {
				t.Errorf("%q, %s: taken were (-want +got):\n%s", config, tls.VersionName(version), diff)
			}
		}
	}
}

func TestAClientWithoutItsCertificateIsToldSoAndSoIsTheOperator(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("ca.pem")
	s := k.serve(own+"client_auth {\ntrust_pool DIR/ca.pem\n}\n}\n}", nil)
	_, err := talk(t, s.Addr, k.config("a.example"))
	if err == nil || !strings.HasSuffix(err.Error(), "tls: certificate required") {
		t.Errorf("the client saw %v", err)
	}
	if o := s.Outcome(t); o.Code.String() != "client.handling.protocol" || !strings.Contains(o.Err.Error(), "client didn't provide a certificate") {
		t.Errorf("%v: %v", o.Code, o.Err)
	}
	stranger := newKit(t).client("stranger", "stranger")
	c := k.config("a.example")
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stranger, nil }
	if _, err := talk(t, s.Addr, c); err == nil {
		t.Error("a stranger was taken")
	}
	if o := s.Outcome(t); !strings.Contains(o.Err.Error(), "the client's certificate is not trusted: x509: certificate signed by unknown authority") {
		t.Errorf("%v: %v", o.Code, o.Err)
	}
}

func TestTheFirstPolicyThatMatchesCounts(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example", "b.example", "c.a.example")
	k.ca.Issue(t, certtest.Leaf{Names: []string{"b.example"}, Kind: "rsa", Serial: 99}).Write(t, k.dir, "r")
	s := k.serve(`{
		certificate DIR
	}
	route {
		tls {
			alpn base
			connection_policy {
				match {
					sni *.a.example
				}
				drop
			}
			connection_policy {
				match {
					sni B.example
				}
				alpn own
				protocols tls1.2 tls1.2
				cert_selection {
					serial_number 7 99
				}
			}
			connection_policy {
				match {
					sni a.example
				}
			}
			connection_policy {
				match {
					sni gone.example
				}
				fallback_sni a.example
			}
		}
	}`, nil)
	got := map[string]string{}
	for _, name := range []string{"a.example", "b.example", "c.a.example", "gone.example", "other.example", ""} {
		c := k.anyName(name)
		c.NextProtos = []string{"own", "base"}
		state, err := talk(t, s.Addr, c)
		if got[name] = "refused"; err == nil {
			got[name] = state.NegotiatedProtocol + " " + tls.VersionName(state.Version) + " " + state.PeerCertificates[0].PublicKeyAlgorithm.String()
		}
	}
	want := map[string]string{
		"a.example": "base TLS 1.3 ECDSA", "b.example": "own TLS 1.2 RSA", "gone.example": "base TLS 1.3 ECDSA",
		"c.a.example": "refused", "other.example": "refused", "": "refused",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatTheHandshakeMadeKnownIsThereForMatchersAndTheLog(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("ca.pem")
	known := k.client("known", "known")
	s := k.serve(own+"alpn h2\nprotocols tls1.3\nclient_auth {\ntrust_pool DIR/ca.pem\n}\n}\n}", func(_ context.Context, c host.Conn) error {
		f := c.Flow()
		c.Put("the", "flow", f.ServerName+" "+f.ALPN+" "+tls.VersionName(f.TLSVersion))
		return nil
	})
	c := k.config("A.example")
	c.NextProtos, c.Certificates = []string{"h2"}, []tls.Certificate{known}
	conn, err := dial(t, s.Addr, c)
	if err != nil {
		t.Fatal(err)
	}
	print := sha256.Sum256(known.Leaf.Raw)
	want := map[string]string{
		"tls.server_name": "a.example", "tls.version": "tls1.3", "tls.proto": "h2", "tls.resumed": "false",
		"tls.cipher_suite":       tls.CipherSuiteName(conn.ConnectionState().CipherSuite),
		"tls.client.verified":    "true",
		"tls.client.subject":     "CN=known,O=test",
		"tls.client.issuer":      "CN=test authority",
		"tls.client.serial":      "4711",
		"tls.client.fingerprint": hex.EncodeToString(print[:]),
		"tls.client.san":         "client.example",

		"tls.client.san.dns_names": "client.example", "tls.client.san.dns_names.0": "client.example",
		"tls.client.subject.common_name": "known", "tls.client.subject.common_name.0": "known",
		"tls.client.subject.organization": "test", "tls.client.subject.organization.0": "test",
		"tls.client.issuer.common_name": "test authority", "tls.client.issuer.common_name.0": "test authority",

		"the.flow": "a.example h2 TLS 1.3",
	}
	if _, got := s.Ended(t); !cmp.Equal(want, got) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
}

// resumes reports whether a client that had a session with one server resumes it with
// another.
func resumes(k *kit, first, second string, c *tls.Config) bool {
	k.Helper()
	c.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	if state, err := talk(k, first, c); err != nil || state.DidResume {
		k.Fatalf("the first handshake: resumed %v, %v", state.DidResume, err)
	}
	state, err := talk(k, second, c)
	if err != nil {
		k.Fatalf("the second handshake: %v", err)
	}
	return state.DidResume
}

func TestSessionsSurviveAReloadUnlessItChangesWhoMayComeIn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example", "b.example")
	k.trust("ca.pem")
	k.trust("other.pem")
	known := k.client("known", "known")
	certtest.Put(t, k.dir+"/both.pem", append(certtest.NewCA(t).PEM, k.ca.PEM...))
	serve := func(options string) string {
		return k.serve("{\ncertificate DIR/a.crt DIR/a.key\n}\nroute {\ntls {\n"+options+"\n}\n}", nil).Addr
	}
	const auth = "client_auth {\ntrust_pool DIR/ca.pem\n}"
	for name, c := range map[string]struct {
		first, second string
		want          bool
	}{
		"the same":                     {"", "", true},
		"another protocol":             {"", "alpn h2", true},
		"clients now need to be known": {"", auth, false},
		"no longer":                    {auth, "", false},
		"the same authorities":         {auth, auth, true},
		"from another file":            {auth, "client_auth {\ntrust_pool DIR/other.pem\n}", true},
		"clients are asked for one":    {"", "client_auth {\nmode request\n}", false},
		"clients now have to show one": {"client_auth {\nmode request\n}", "client_auth {\nmode require\n}", false},
		"another selection":            {"", "connection_policy {\ncert_selection {\npublic_key_algorithm ecdsa\n}\n}", false},
		"the same one":                 {"connection_policy {\n}", "connection_policy {\n}", true},
		"other authorities":            {auth, "client_auth {\ntrust_pool DIR/both.pem\n}", false},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := k.config("a.example")
			config.MaxVersion, config.Certificates = version, []tls.Certificate{known}
			if got := resumes(k, serve(c.first), serve(c.second), config); got != c.want {
				t.Errorf("%s, %s: resumed %v", name, tls.VersionName(version), got)
			}
		}
	}
}

// oneSession is a session cache that offers its one session for every name.
type oneSession struct{ session *tls.ClientSessionState }

func (o *oneSession) Get(string) (*tls.ClientSessionState, bool) { return o.session, o.session != nil }
func (o *oneSession) Put(_ string, s *tls.ClientSessionState)    { o.session = s }

func TestASessionIsNotResumedForAnotherName(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example", "b.example")
	s := k.serve(own+"}\n}", nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var cache oneSession
		for _, name := range []string{"a.example", "b.example"} {
			c := k.config(name)
			c.MaxVersion, c.ClientSessionCache = version, &cache
			state, err := talk(t, s.Addr, c)
			if err != nil || state.DidResume {
				t.Errorf("%s, %s: resumed %v, %v", name, tls.VersionName(version), state.DidResume, err)
			}
		}
	}
}

func TestASessionIsNotResumedForANameThatIsNoLongerConfigured(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.pair("b", "b.example")
	before := k.serve("{\ncertificate DIR\n}\nroute {\ntls\n}", nil)
	after := k.serve("{\ncertificate DIR/b.crt DIR/b.key\n}\nroute {\ntls\n}", nil)
	c := k.config("a.example")
	c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	if _, err := talk(t, before.Addr, c); err != nil {
		t.Fatal(err)
	}
	if state, err := talk(t, after.Addr, c); err == nil {
		t.Errorf("a.example is served, resumed %v", state.DidResume)
	}
}

func TestAReplacedTrustPoolCountsFromTheNextHandshake(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("ca.pem")
	c := k.config("a.example")
	known := k.client("known", "known")
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &known, nil }
	const config = own + "client_auth {\ntrust_pool DIR/ca.pem\n}\n}\n}"
	s := k.serve(config, nil)
	if _, err := talk(t, s.Addr, c); err != nil {
		t.Fatal(err)
	}
	certtest.Put(t, k.dir+"/ca.pem", certtest.NewCA(t).PEM)
	if _, _, err := k.load(config); err != nil { // it looks at the files at once
		t.Fatal(err)
	}
	if _, err := talk(t, s.Addr, c); err == nil {
		t.Error("a client of the old authority is served")
	}
}

func TestADroppedClientGetsNoLaterPolicyAndAWildcardIsOneLabel(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example", "b.a.example", "c.b.a.example", "example")
	s := k.serve(`{
		certificate DIR
	}
	route {
		tls {
			connection_policy {
				match {
					sni *.a.example
				}
				drop
			}
			connection_policy {
			}
		}
	}`, nil)
	got := map[string]bool{}
	for _, name := range []string{"a.example", "b.a.example", "B.A.Example", "c.b.a.example", "example"} {
		_, err := talk(t, s.Addr, k.config(name))
		got[name] = err == nil
	}
	want := map[string]bool{
		"b.a.example": false, "B.A.Example": false, // the later policy would fit
		"a.example": true, "c.b.a.example": true, "example": true, // no label, two, another parent
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
}

func TestAWildcardCertificateIsForOneLabel(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("w", "*.example")
	s := k.serve("{\ncertificate DIR\n}\nroute {\ntls\n}", nil)
	got := map[string]bool{}
	for _, name := range []string{"a.example", "a.b.example", "example"} {
		_, err := talk(t, s.Addr, k.anyName(name))
		got[name] = err == nil
	}
	if diff := cmp.Diff(map[string]bool{"a.example": true, "a.b.example": false, "example": false}, got); diff != "" {
		t.Errorf("served (-want +got):\n%s", diff)
	}
}

func TestAClientThatSpeaksOnlyRSAGetsTheWildcardBehindAnExactECDSAOne(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("exact", "a.example")
	k.ca.Issue(t, certtest.Leaf{Names: []string{"*.example"}, Kind: "rsa"}).Write(t, k.dir, "wild")
	k.ca.Issue(t, certtest.Leaf{Names: []string{"old.example"}, Ends: time.Now().Add(-time.Hour)}).Write(t, k.dir, "old")
	s := k.serve("{\ncertificate DIR\n}\nroute {\ntls\n}", nil)
	rsa := k.config("a.example")
	rsa.MaxVersion = tls.VersionTLS12
	rsa.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for name, tc := range map[string]struct {
		client *tls.Config
		want   x509.PublicKeyAlgorithm
	}{
		"one that speaks both":               {k.config("a.example"), x509.ECDSA},
		"one that speaks only RSA":           {rsa, x509.RSA},
		"one whose exact one is out of date": {k.config("old.example"), x509.RSA},
	} {
		state, err := talk(t, s.Addr, tc.client)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := state.PeerCertificates[0].PublicKeyAlgorithm; got != tc.want {
			t.Errorf("%s gets %v, want %v", name, got, tc.want)
		}
	}
}
