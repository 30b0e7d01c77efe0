package terminate

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/route"
)

// notes is a connection that keeps what it is told.
type notes struct {
	host.Conn
	facts map[string]string
}

func (n notes) Put(of, key, value string) bool {
	n.facts[of+"."+key] = value
	return true
}

func TestEveryPartOfAClientsCertificateIsAFact(t *testing.T) {
	t.Parallel()
	name := func(s string) pkix.Name {
		return pkix.Name{
			CommonName: s + " name", SerialNumber: s + " number", Organization: []string{s + " one", s + ", two"}, OrganizationalUnit: []string{s + " unit"},
			Country: []string{"DE"}, Locality: []string{"Berlin"}, Province: []string{"BE"}, StreetAddress: []string{"Street 1"}, PostalCode: []string{"10115"},
		}
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name("subject"), Issuer: name("issuer"), EmailAddresses: []string{"a@example.com"},
		IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::1")}, URIs: []*url.URL{{Scheme: "spiffe", Host: "x"}},
	}
	crowded := &x509.Certificate{Subject: pkix.Name{Country: []string{"0", "1", "2", "3", "4"}}}
	for i := range maxNames + 1 {
		crowded.DNSNames = append(crowded.DNSNames, fmt.Sprint(i))
		crowded.EmailAddresses = append(crowded.EmailAddresses, fmt.Sprint(i))
		crowded.IPAddresses = append(crowded.IPAddresses, net.IPv4(192, 0, 2, byte(i)))
		crowded.URIs = append(crowded.URIs, &url.URL{Path: fmt.Sprint(i)})
	}
	for _, l := range lists() { // docs/reference.md says how many are told one by one
		n := notes{facts: map[string]string{}}
		l.tell(n, crowded)
		want := 0
		switch {
		case strings.HasPrefix(l.key, "client.san."):
			want = 1 + 8
		case l.key == "client.subject.country":
			want = 1 + 4
		}
		if len(n.facts) != want {
			t.Errorf("%s: %d facts, want %d", l.key, len(n.facts), want)
		}
	}
	for i := range 100 {
		cert.DNSNames = append(cert.DNSNames, fmt.Sprintf("n%d", i))
	}
	n := notes{facts: map[string]string{}}
	tellClient(n, cert, true)
	want := map[string]string{
		"san.dns_names.0": "n0", "san.dns_names.7": "n7", "san.emails": "a@example.com", "san.emails.0": "a@example.com",
		"san.ips": "192.0.2.1,2001:db8::1", "san.ips.1": "2001:db8::1", "san.uris.0": "spiffe://x",
	}
	for _, of := range []string{"subject", "issuer"} {
		for key, value := range map[string]string{
			"common_name": of + " name", "serial": of + " number", "organization": of + " one", "organization.0": of + " one",
			"organization.1": of + ", two", "organizational_unit": of + " unit", "country": "DE", "locality": "Berlin", "province": "BE",
			"street_address": "Street 1", "postal_code.0": "10115",
		} {
			want[of+"."+key] = value
		}
	}
	for key, value := range want {
		if got := n.facts["tls.client."+key]; got != value {
			t.Errorf("tls.client.%s: %q, want %q", key, got, value)
		}
	}
	if got, ok := n.facts["tls.client.san.dns_names.8"]; ok {
		t.Errorf("a ninth name: %s", got)
	}

	// each of them is known when a configuration is loaded, and leaves room for others
	var b hosttest.Builder
	supply(&b)
	known := map[string]bool{}
	for _, f := range facts() {
		known["tls."+f.Key] = true
	}
	for _, f := range b.Supplied {
		known[f] = true
	}
	var unknown []string
	for key := range n.facts {
		if !known[key] {
			unknown = append(unknown, key)
		}
	}
	if diff := cmp.Diff([]string(nil), unknown); diff != "" || len(known) > route.MaxFacts*3/4 {
		t.Errorf("%d facts, unknown at load (-want +got):\n%s", len(known), strings.TrimSpace(diff))
	}
}
