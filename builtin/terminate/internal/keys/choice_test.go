package keys

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/terminate/internal/certtest"
)

// Clients by the kinds of key that they can check.
func hello(schemes ...tls.SignatureScheme) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: "a.example", SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes: schemes, SupportedCurves: []tls.CurveID{tls.CurveP256},
		CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
	}
}

func everyKind() *tls.ClientHelloInfo { return hello(tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256) }
func onlyRSA() *tls.ClientHelloInfo   { return hello(tls.PSSWithSHA256) }
func onlyEd() *tls.ClientHelloInfo    { return hello(tls.Ed25519) }

func TestAClientGetsWhatIsValidAndOfAKindThatItSupports(t *testing.T) {
	k := newKit(t)
	now := time.Now()
	exact, wild, named := []string{"a.example"}, []string{"*.example"}, []string{"other.test"}
	leaf := map[string]certtest.Leaf{
		"exact ecdsa":      {Names: exact, Serial: 1},
		"exact rsa":        {Names: exact, Kind: "rsa", Serial: 2},
		"wild ecdsa":       {Names: wild, Serial: 3},
		"wild rsa":         {Names: wild, Kind: "rsa", Serial: 4},
		"expired ecdsa":    {Names: exact, Serial: 5, Ends: now.Add(-time.Hour)},
		"expired rsa":      {Names: exact, Kind: "rsa", Serial: 6, Ends: now.Add(-time.Hour)},
		"future ecdsa":     {Names: exact, Serial: 7, Begins: now.Add(time.Hour)},
		"of another name":  {Names: named, Serial: 8},
		"rsa of that name": {Names: named, Kind: "rsa", Serial: 9},
	}
	files := map[string]Files{}
	for name, l := range leaf {
		files[name] = k.pair(strings.ReplaceAll(name, " ", "-"), l)
	}
	for _, tc := range []struct {
		client *tls.ClientHelloInfo
		there  []string
		want   string
	}{
		{everyKind(), []string{"wild rsa", "wild ecdsa", "exact rsa", "exact ecdsa"}, "exact ecdsa"},
		{onlyRSA(), []string{"exact ecdsa", "exact rsa"}, "exact rsa"},
		{onlyRSA(), []string{"exact ecdsa", "wild rsa"}, "wild rsa"}, // the exact one hides nothing
		{everyKind(), []string{"exact rsa", "wild ecdsa"}, "exact rsa"},
		{everyKind(), []string{"expired ecdsa", "exact rsa"}, "exact rsa"},
		{everyKind(), []string{"expired ecdsa", "wild rsa"}, "wild rsa"},
		{everyKind(), []string{"future ecdsa", "exact ecdsa"}, "exact ecdsa"}, // valid for longer, from later on
		{everyKind(), []string{"future ecdsa", "wild rsa"}, "wild rsa"},
		{onlyRSA(), []string{"expired rsa", "exact ecdsa"}, "expired rsa"}, // it can check no other
		{everyKind(), []string{"expired rsa", "expired ecdsa"}, "expired ecdsa"},
		{onlyEd(), []string{"exact rsa", "exact ecdsa"}, "exact ecdsa"}, // none: the handshake says so
	} {
		var source Source
		for _, name := range tc.there {
			source.Files = append(source.Files, files[name])
		}
		got := Pick(tc.client, k.open(source).Find("a.example")).Leaf.SerialNumber.Int64()
		if want := leaf[tc.want].Serial; got != want {
			t.Errorf("of %v it gets number %d, want %s", tc.there, got, tc.want)
		}
	}
	r := k.open(Source{Files: []Files{files["of another name"], files["rsa of that name"]}})
	if got := Pick(onlyRSA(), r.All()).Leaf.SerialNumber.Int64(); got != 9 {
		t.Errorf("for a name that no certificate has it gets number %d, want the one of its kind", got)
	}
}

func TestWhatAppearsInADirectoryLaterNeverFailsAReload(t *testing.T) {
	k := newKit(t)
	k.pair("a", certtest.Leaf{Names: []string{"a.example"}, Serial: 1})
	dir := NewDir(k.dir)
	found, err := dir.List()
	if err != nil {
		t.Fatal(err)
	}
	r := k.open(Source{Files: found.Pairs, Dir: dir})
	certtest.Put(t, filepath.Join(k.dir, "a.issuer.crt"), k.ca.PEM)
	certtest.Put(t, filepath.Join(k.dir, "ca.pem"), k.ca.PEM)
	certtest.Put(t, filepath.Join(k.dir, "half.crt"), k.ca.Issue(t, certtest.Leaf{Names: []string{"half.example"}}).CertPEM)
	if err := syscall.Mkfifo(filepath.Join(k.dir, "pipe.pem"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.look(r)
	k.look(r)
	again, err := dir.List()
	if diff := cmp.Diff(found.Pairs, again.Pairs); diff != "" || err != nil || r.Refresh() != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	log := k.log.String()
	for _, want := range []string{"half.crt is passed over", "pipe.pem is passed over: it is a FIFO"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("want %q once, logged:\n%s", want, log)
		}
	}
	if strings.Contains(log, "issuer") || strings.Contains(log, "ERROR") {
		t.Errorf("logged:\n%s", log)
	}
}

func TestACertificateThatBecomesAFIFOKeepsTheOldOne(t *testing.T) {
	k := newKit(t)
	f := k.pair("a", certtest.Leaf{Names: []string{"a.example"}, Serial: 1})
	r := k.open(Source{Files: []Files{f}})
	if err := os.Remove(f.Cert); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(f.Cert, 0o600); err != nil {
		t.Fatal(err)
	}
	k.look(r)
	k.look(r)
	if got := serial(r, "a.example"); got != 1 || !strings.Contains(k.log.String(), "it is a FIFO") {
		t.Errorf("in use is %d, logged:\n%s", got, k.log.String())
	}
	if faults := r.Refresh(); len(faults) != 1 || !strings.Contains(faults.Error(), "it is a FIFO") {
		t.Errorf("loading again says %v", faults)
	}
}

func TestAKeyThatOthersCanReadIsSaid(t *testing.T) {
	k := newKit(t)
	f := k.pair("a", certtest.Leaf{Names: []string{"a.example"}})
	for mode, want := range map[os.FileMode]string{
		0o600: "", 0o640: "by its group (mode 0640)", 0o644: "by everybody (mode 0644)",
	} {
		if err := os.Chmod(f.Key, mode); err != nil {
			t.Fatal(err)
		}
		if got := f.Exposed(); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%v: %q, want %q", mode, got, want)
		}
	}
	r := k.open(Source{Files: []Files{f}})
	next := k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
	certtest.Put(t, f.Cert, next.CertPEM)
	certtest.Put(t, f.Key, next.KeyPEM)
	if err := os.Chmod(f.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	k.look(r)
	if log := k.log.String(); !strings.Contains(log, "a private key is not private") {
		t.Errorf("logged:\n%s", log)
	}
}

func TestOfTwoFilesWithOneCertificateTheOneWithItsChainComesFirst(t *testing.T) {
	k := newKit(t)
	leaf := k.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
	dir := NewDir(k.dir)
	certtest.Put(t, filepath.Join(k.dir, "a.cer"), leaf.CertPEM)
	certtest.Put(t, filepath.Join(k.dir, "a.key"), leaf.KeyPEM)
	found, err := dir.List()
	if err != nil {
		t.Fatal(err)
	}
	r := k.open(Source{Files: found.Pairs, Dir: dir})
	certtest.Put(t, filepath.Join(k.dir, "fullchain.cer"), append(leaf.CertPEM, k.ca.PEM...))
	r.look(slog.New(slog.DiscardHandler))
	if got := r.Find("a.example"); len(got) != 2 || len(got[0].Certificate) != 2 {
		t.Errorf("%d certificates, the first with a chain of %d", len(got), len(got[0].Certificate))
	}
}
