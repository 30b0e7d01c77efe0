package terminate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/terminate/internal/certtest"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/share"
)

// refusedName is the alert unrecognized_name.
const refusedName = "tls: unrecognized name"

func TestCertificatesAreChosenByTheNameTheClientAsksFor(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("one", "one.example")
	k.pair("wild", "*.wild.example")
	k.pair("addr", "127.0.0.1")
	const all = "{\ncertificate one.example DIR/one.crt DIR/one.key\ncertificate DIR/wild.crt DIR/wild.key\n"
	const own = "route {\ntls {\ncert DIR/one.crt\nkey DIR/one.key\n}\n}"
	for name, c := range map[string]struct {
		config string
		want   map[string]string // asked name: certificate, "" for unrecognized_name
	}{
		"global": {all + "}\nroute {\ntls\n}", map[string]string{
			"one.example": "one.example", "ONE.Example": "one.example", "a.wild.example": "*.wild.example",
			"a.b.wild.example": "", "wild.example": "", "two.example": "", "": "",
		}},
		"with a default": {all + "default_certificate One.example\n}\nroute {\ntls\n}", map[string]string{
			"a.wild.example": "*.wild.example", "two.example": "one.example", "": "one.example",
		}},
		"by address": {"{\ncertificate DIR/addr.crt DIR/addr.key\n}\nroute {\ntls\n}", map[string]string{
			"": "127.0.0.1", "one.example": "",
		}},
		"the handler's own": {own, map[string]string{
			"one.example": "one.example", "two.example": "one.example", "": "one.example",
		}},
		"a directory": {"{\ncertificate DIR\n}\nroute {\ntls\n}", map[string]string{
			"one.example": "one.example", "b.wild.example": "*.wild.example", "": "127.0.0.1",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := *k
			kit.T, kit.store = t, new(share.Store)
			s := kit.serve(c.config, nil)
			got := map[string]string{}
			for asked := range c.want {
				got[asked] = whose(&kit, s.Addr, asked)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// whose returns the first name in the certificate that a client gets.
func whose(k *kit, addr, asked string) string {
	k.Helper()
	state, err := talk(k, addr, k.anyName(asked))
	if err != nil {
		if !strings.HasSuffix(err.Error(), refusedName) {
			k.Errorf("asking for %q: %v", asked, err)
		}
		return ""
	}
	leaf := state.PeerCertificates[0]
	for _, ip := range leaf.IPAddresses {
		return ip.String()
	}
	return leaf.DNSNames[0]
}

func TestAClientGetsTheKindOfKeyItSupports(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}, Kind: kind}).Write(t, k.dir, kind)
	}
	s := k.serve("{\ncertificate DIR\n}\nroute {\ntls\n}", nil)
	rsaOnly := k.config("a.example")
	rsaOnly.MaxVersion = tls.VersionTLS12
	rsaOnly.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for want, config := range map[x509.PublicKeyAlgorithm]*tls.Config{x509.ECDSA: k.config("a.example"), x509.RSA: rsaOnly} {
		state, err := talk(t, s.Addr, config)
		if err != nil {
			t.Fatal(err)
		}
		if got := state.PeerCertificates[0].PublicKeyAlgorithm; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestAReplacedPairIsServedWithoutAReload(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}, Serial: 1}).Write(t, k.dir, "a")
	h, b, err := k.load("{\ncertificate DIR/a.crt DIR/a.key\n}\nroute {\ntls\n}")
	if err != nil {
		t.Fatal(err)
	}
	s := hosttest.Serve(t, h, echoes)
	ctx, cancel := context.WithCancel(context.Background())
	actors := make(chan error)
	for _, a := range b.Actors() {
		go func() { actors <- a.Run(ctx) }()
	}
	k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}, Serial: 2}).Write(t, k.dir, "a")
	for end := time.Now().Add(limit); ; {
		state, err := talk(t, s.Addr, k.config("a.example"))
		if err != nil {
			t.Fatal(err)
		}
		if state.PeerCertificates[0].SerialNumber.Int64() == 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the old certificate is served for ever")
		}
	}
	cancel()
	for range b.Actors() {
		if err := <-actors; err != nil {
			t.Errorf("the watcher ended with %v", err)
		}
	}
}

func TestAReloadUsesNewFilesAtOnceAndABrokenPairFailsIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const config = "{\ncertificate DIR/a.crt DIR/a.key\n}\nroute {\ntls\n}"
	k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}, Serial: 1}).Write(t, k.dir, "a")
	first := k.serve(config, nil)
	k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}, Serial: 2}).Write(t, k.dir, "a")
	second := k.serve(config, nil)
	certtest.Put(t, filepath.Join(k.dir, "a.crt"), []byte("broken"))
	if _, _, err := k.load(config); err == nil || !strings.HasPrefix(err.Error(), "Dwaarfile:2:13: certificate: reading "+k.dir+"/a.crt") {
		t.Errorf("a reload with a broken file: %v", err)
	}
	for _, s := range []*hosttest.Server{first, second} {
		state, err := talk(t, s.Addr, k.config("a.example"))
		if err != nil {
			t.Fatal(err)
		}
		if got := state.PeerCertificates[0].SerialNumber.Int64(); got != 2 {
			t.Errorf("served is %d", got)
		}
	}
}

func TestTheInternalCAServesAnyHostNameWhileNothingIsConfigured(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	h, b, err := k.load("route {\ntls\n}")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(os.Getenv("XDG_DATA_HOME"), "dwaar", "ca.crt")
	if len(b.Warnings) != 1 || !strings.Contains(b.Warnings[0].Msg, "let clients trust "+file) {
		t.Errorf("warned of %v", b.Warnings)
	}
	s := hosttest.Serve(t, h, echoes)
	if _, err := dial(t, s.Addr, &tls.Config{ServerName: "first.example", InsecureSkipVerify: true}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	trusting := x509.NewCertPool()
	trusting.AppendCertsFromPEM(text)
	for _, name := range []string{"app.localhost", "localhost", "127.0.0.1"} { // Go sends no SNI for addresses
		if _, err := talk(t, s.Addr, &tls.Config{ServerName: name, RootCAs: trusting}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := dial(t, s.Addr, &tls.Config{ServerName: "not a host", RootCAs: trusting}); err == nil || !strings.HasSuffix(err.Error(), refusedName) {
		t.Errorf("a name that no host has: %v", err)
	}
}

func TestAnUnknownNameIsToldToTheOperator(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("one", "one.example")
	s := k.serve("{\ncertificate DIR\n}\nroute {\ntls\n}", nil)
	if _, err := dial(t, s.Addr, k.config("two.example")); err == nil {
		t.Fatal("two.example was served")
	}
	o := s.Outcome(t)
	const want = `terminating TLS: no certificate for "two.example": no certificate is configured for it; ` +
		"there are certificates for one.example: add certificate NAME CERT KEY, or default_certificate NAME"
	if o.Err == nil || o.Err.Error() != want || o.Code.String() != "client.handling.protocol" {
		t.Errorf("%v: %v", o.Code, o.Err)
	}
}

func TestWarningsSayWhatClientsWillRefuse(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	day := 24 * time.Hour
	for name, ends := range map[string]time.Duration{"soon": 13 * day, "over": -day, "fine": 15 * day} {
		k.ca.Issue(t, certtest.Leaf{Names: []string{name + ".example"}, Ends: time.Now().Add(ends)}).Write(t, k.dir, name)
	}
	_, b, err := k.load(`{
		certificate soon.example DIR/soon.crt DIR/soon.key
		certificate over.example DIR/over.crt DIR/over.key
		certificate fine.example *.other.example DIR/fine.crt DIR/fine.key
	}
	route {
		tls
	}`)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(b.Warnings.Error(), k.dir, "DIR")
	soon, over := time.Now().Add(13*day).UTC().Format(time.DateOnly), time.Now().Add(-day).UTC().Format(time.DateOnly)
	want := strings.Join([]string{
		"Dwaarfile:2:28: DIR/soon.crt expires on " + soon + ": renew it; a new one is used without a reload",
		"Dwaarfile:3:28: DIR/over.crt has expired on " + over + ": clients refuse it, renew it",
		"Dwaarfile:4:44: DIR/fine.crt is not for *.other.example: clients that ask for it refuse the certificate",
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFaultsInAConfigurationAreErrorsWithTheirPlace(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.pair("b", "b.example")
	k.trust("ca.pem")
	certtest.Put(t, filepath.Join(k.dir, "sub", "alone.crt"), nil)
	certtest.Put(t, filepath.Join(k.dir, "sub", "keyless.pem"), k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}}).CertPEM)
	for name, c := range map[string]struct{ config, want string }{
		"a missing directory": {
			"{\ncertificate DIR/absent\n}\nroute {\ntls\n}",
			"Dwaarfile:2:13: certificate: open DIR/absent: no such file or directory",
		},
		"a directory with two faults": {
			"{\ncertificate DIR/sub\n}\nroute {\ntls\n}",
			"Dwaarfile:2:13: certificate: DIR/sub/alone.crt is passed over: no certificate in PEM can be read from it\n" +
				"Dwaarfile:2:13: certificate: DIR/sub/keyless.pem is passed over: there is no key for it, put it into DIR/sub/keyless.key",
		},
		"a missing file": {
			"{\ncertificate a.example DIR/absent.crt DIR/a.key\n}\nroute {\ntls\n}",
			"Dwaarfile:2:23: certificate: open DIR/absent.crt: no such file or directory",
		},
		"a key of another": {
			"{\ncertificate a.example DIR/a.crt DIR/b.key\n}\nroute {\ntls\n}",
			"Dwaarfile:2:23: certificate: reading DIR/a.crt and DIR/b.key: the key does not belong to the certificate",
		},
		"the file of a certificate alone": {
			"{\ncertificate DIR/a.crt\n}\nroute {\ntls\n}",
			"Dwaarfile:2:13: certificate DIR/a.crt: that is a file: write certificate NAME… CERT KEY, or the directory",
		},
		"three files": {
			"{\ncertificate DIR/a.crt DIR/a.key DIR/ca.pem\n}\nroute {\ntls\n}",
			"Dwaarfile:2:13: certificate: \"DIR/a.crt\" must be a host name: '/' cannot stand in one; the last two words are the files CERT and KEY",
		},
		"every name": {
			"{\ncertificate * DIR/a.crt DIR/a.key\n}\nroute {\ntls\n}",
			`Dwaarfile:2:13: certificate: "*" is no name to look up: write the names, or default_certificate NAME for all others`,
		},
		"a default nobody has": {
			"{\ncertificate DIR/a.crt DIR/a.key\ndefault_certificate b.example\n}\nroute {\ntls\n}",
			"Dwaarfile:3:21: default_certificate b.example: there is a certificate for a.example only: write one of these names",
		},
		"a default without certificates": {
			"{\ndefault_certificate b.example\n}\nroute {\ntls\n}",
			"Dwaarfile:2:21: default_certificate b.example: no certificate is configured: write certificate b.example CERT KEY beside it",
		},
		"a key alone": {
			"route {\ntls {\nkey DIR/a.key\n}\n}",
			"Dwaarfile:3:1: key without cert: write cert FILE beside it",
		},
		"more keys than certificates": {
			"route {\ntls {\ncert DIR/a.crt\nkey DIR/a.key\nkey DIR/b.key\n}\n}",
			"Dwaarfile:5:1: 2 key and 1 cert: write one key for each cert, in the same order",
		},
		"versions the wrong way round": {
			"route {\ntls {\ncert DIR/a.crt\nkey DIR/a.key\nprotocols tls1.3 tls1.2\n}\n}",
			"Dwaarfile:5:11: protocols tls1.3 tls1.2: the lowest comes first: write protocols tls1.2 tls1.3",
		},
		"only suites that cannot be chosen": {
			"route {\ntls {\ncert DIR/a.crt\nkey DIR/a.key\nciphers TLS_AES_128_GCM_SHA256\n}\n}",
			"Dwaarfile:5:1: ciphers: none of them is for TLS 1.2, so that no client could use it: write protocols tls1.3 instead",
		},
		"verification against nothing": {
			"route {\ntls {\ncert DIR/a.crt\nkey DIR/a.key\nclient_auth {\nmode verify_if_given\n}\n}\n}",
			"Dwaarfile:5:1: client_auth verifies certificates, against what is not said: add trust_pool FILE with the authorities, or mode require to verify nothing",
		},
		"a pool that nobody looks at": {
			"route {\ntls {\ncert DIR/a.crt\nkey DIR/a.key\nclient_auth {\nmode require\ntrust_pool DIR/ca.pem\n}\n}\n}",
			"Dwaarfile:6:6: mode require verifies nothing, so that trust_pool changes nothing: write mode require_and_verify, or verify_if_given",
		},
		"a pool without certificates": {
			"route {\ntls {\ncert DIR/a.crt\nkey DIR/a.key\nclient_auth {\ntrust_pool DIR/a.key\n}\n}\n}",
			"Dwaarfile:6:1: trust_pool: reading DIR/a.key: it holds no certificate in PEM",
		},
		"a pool in a file that is called file": {
			own + "client_auth {\ntrust_pool file\n}\n}\n}",
			"Dwaarfile:6:1: trust_pool: open file: no such file or directory",
		},
		"a serial number in hex": {
			"route {\ntls {\ncert DIR/a.crt\nkey DIR/a.key\nconnection_policy {\ncert_selection {\nserial_number 0x1A\n}\n}\n}\n}",
			"Dwaarfile:7:15: serial_number 0x1A: write the number in decimal (openssl x509 -serial prints it in hex)",
		},
		"a selection of nothing": {
			own + "connection_policy {\ncert_selection {\n}\n}\n}\n}",
			"Dwaarfile:6:1: cert_selection selects nothing: add serial_number NUMBER or public_key_algorithm KIND",
		},
		"a size of no handshake": {
			own + "max_handshake 2MiB\n}\n}", "Dwaarfile:5:15: max_handshake 2MiB is out of bounds: write 4KiB to 1024KiB",
		},
		"a name with a placeholder": {
			"{\ncertificate {x}.example DIR/a.crt DIR/a.key\n}\nroute {\ntls\n}",
			`Dwaarfile:2:13: certificate: "{x}.example" is no name to look up: write the names, or default_certificate NAME for all others`,
		},
		"no deadline": {
			"route {\ntls {\ncert DIR/a.crt\nkey DIR/a.key\nhandshake_timeout 0s\n}\n}",
			"Dwaarfile:5:19: handshake_timeout 0s: write a duration like 10s; it cannot be switched off, as a silent client would stay for ever",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := *k
			kit.T, kit.store = t, new(share.Store)
			_, _, err := kit.load(c.config)
			if err == nil {
				t.Fatal("it loads")
			}
			if diff := cmp.Diff(c.want, strings.ReplaceAll(err.Error(), k.dir, "DIR")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestACertificateIsKeptAsLongAsAConfigurationNamesIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	const config = "{\ncertificate DIR/a.crt DIR/a.key\n}\nroute {\ntls\n}"
	var released []int
	_, first, err := k.load(config)
	_, second, err2 := k.load(config)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*hosttest.Builder{first, second} {
		b.Release()
		released = append(released, len(share.All[any](k.store)))
	}
	if diff := cmp.Diff([]int{3, 0}, released); diff != "" {
		t.Errorf("values kept (-want +got):\n%s", diff)
	}
}

func TestWhatLiesBesideThePairsIsNoFaultAndAKeyThatOthersReadIsSaid(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	k.trust("a.issuer.crt")
	certtest.Put(t, filepath.Join(k.dir, "b.crt"), k.ca.Issue(t, certtest.Leaf{Names: []string{"b.example"}}).CertPEM)
	k.ca.Issue(t, certtest.Leaf{Names: []string{"c.example"}, Begins: time.Now().Add(time.Hour)}).Write(t, k.dir, "c")
	if err := os.Chmod(filepath.Join(k.dir, "a.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(k.dir, "d.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	const config = "{\ncertificate DIR\n}\nroute {\ntls\n}"
	for range 2 { // a reload is no other
		_, b, err := k.load(config)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(b.Warnings.Err().Error(), k.dir, "DIR")
		got = regexp.MustCompile(`before \S+:`).ReplaceAllString(got, "before LATER:")
		want := strings.Join([]string{
			"Dwaarfile:2:13: DIR/d.pem is passed over: it is a FIFO",
			"Dwaarfile:2:13: DIR/b.crt is passed over: there is no key for it, put it into DIR/b.key",
			"Dwaarfile:2:13: the key in DIR/a.key can be read by everybody (mode 0644), who can pass for this server with it: chmod 600 it",
			"Dwaarfile:2:13: DIR/c.crt is not valid before LATER: clients refuse it until then",
		}, "\n")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestACertificateThatIsAFIFOIsAFaultAndNoWait(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.pair("a", "a.example")
	if err := syscall.Mkfifo(filepath.Join(k.dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	const what = "reading DIR/fifo: it is a FIFO: name a regular file"
	for config, want := range map[string]string{
		"{\ncertificate a.example DIR/fifo DIR/a.key\n}\nroute {\ntls\n}": "Dwaarfile:2:23: certificate: " + what,
		"{\ncertificate a.example DIR/a.crt DIR/fifo\n}\nroute {\ntls\n}": "Dwaarfile:2:23: certificate: " + what,
		"route {\ntls {\ncert DIR/fifo\n}\n}":                             "Dwaarfile:3:6: certificate: " + what,
		own + "client_auth {\ntrust_pool DIR/fifo\n}\n}\n}":               "Dwaarfile:6:1: trust_pool: " + what,
	} {
		_, _, err := k.load(config)
		if err == nil || strings.ReplaceAll(err.Error(), k.dir, "DIR") != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
