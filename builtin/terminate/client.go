package terminate

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strconv"
	"strings"

	"dwaar.dev/dwaar/host"
)

// The bounds of what is told one by one of a client's certificate, which may be anything.
const (
	maxParts = 4 // values of one part of a subject or issuer
	maxNames = 8 // names of one kind
)

// list is a fact with several values: its key holds all of them, with commas between, and
// its key with .0, .1 and so on each of the first ones.
type list struct {
	key, doc string
	most     int
	of       func(*x509.Certificate) []string
}

// lists are what is told of a client's certificate beside the facts that have one value.
func lists() []list {
	all := []list{
		{"client.san.dns_names", "its DNS names, one by one as .0 to .7", maxNames, func(c *x509.Certificate) []string { return c.DNSNames }},
		{"client.san.emails", "its mail addresses, likewise", maxNames, func(c *x509.Certificate) []string { return c.EmailAddresses }},
		{"client.san.ips", "its addresses, likewise", maxNames, addressesOf},
		{"client.san.uris", "its URIs, likewise", maxNames, urisOf},
	}
	subject := func(c *x509.Certificate) *pkix.Name { return &c.Subject }
	issuer := func(c *x509.Certificate) *pkix.Name { return &c.Issuer }
	return append(all, append(parts("client.subject.", "the subject's", subject), parts("client.issuer.", "the issuer's", issuer)...)...)
}

// parts are those of a distinguished name.
func parts(prefix, whose string, name func(*x509.Certificate) *pkix.Name) []list {
	var all []list
	add := func(key, doc string, of func(*pkix.Name) []string) {
		all = append(all, list{prefix + key, whose + " " + doc, maxParts, func(c *x509.Certificate) []string { return of(name(c)) }})
	}
	add("common_name", "common name", func(n *pkix.Name) []string { return []string{n.CommonName} })
	add("serial", "serial number", func(n *pkix.Name) []string { return []string{n.SerialNumber} })
	add("organization", "organizations; each part of a name one by one as .0 to .3", func(n *pkix.Name) []string { return n.Organization })
	add("organizational_unit", "units", func(n *pkix.Name) []string { return n.OrganizationalUnit })
	add("country", "countries", func(n *pkix.Name) []string { return n.Country })
	add("locality", "localities", func(n *pkix.Name) []string { return n.Locality })
	add("province", "provinces or states", func(n *pkix.Name) []string { return n.Province })
	add("street_address", "street addresses", func(n *pkix.Name) []string { return n.StreetAddress })
	add("postal_code", "postal codes", func(n *pkix.Name) []string { return n.PostalCode })
	return all
}

func addressesOf(c *x509.Certificate) []string {
	var all []string
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

func urisOf(c *x509.Certificate) []string {
	var all []string
	for _, u := range c.URIs {
		all = append(all, u.String())
	}
	return all
}

// tell records the values that there are.
func (l *list) tell(c host.Conn, cert *x509.Certificate) {
	all := l.of(cert)
	fact(c, l.key, joined(all))
	for i, value := range all[:min(len(all), l.most)] {
		fact(c, l.key+"."+strconv.Itoa(i), value)
	}
}

// supply tells the builder of the facts that have numbers: the description has the others.
func supply(b host.Builder) {
	for _, l := range lists() {
		for i := range l.most {
			b.Supplies(handlerName + "." + l.key + "." + strconv.Itoa(i))
		}
	}
}

// joined puts commas between values. One with a comma, which could pass for two, is left
// out.
func joined(values []string) string {
	var whole []string
	for _, v := range values {
		if !strings.Contains(v, ",") {
			whole = append(whole, v)
		}
	}
	return strings.Join(whole, ",")
}
