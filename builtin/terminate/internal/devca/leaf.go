package devca

import (
	"container/list"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// ForName returns a certificate for a name that a client asked for, lower case. It
// fails for what can be no host name. An address is one.
func (ca *CA) ForName(name string) (*tls.Certificate, error) {
	if a, err := netip.ParseAddr(name); err == nil && a.Zone() == "" {
		return ca.leaf(name, nil, []netip.Addr{a.Unmap()})
	}
	if !ValidName(name) {
		return nil, fmt.Errorf("%q is no host name", name)
	}
	return ca.leaf(name, []string{name}, nil)
}

// ForAddr returns a certificate for a client that asked for no name, on a
// connection to the address a, which may be invalid: for localhost, the loopback
// addresses, and a.
func (ca *CA) ForAddr(a netip.Addr) (*tls.Certificate, error) {
	addrs := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}
	a = a.Unmap().WithZone("")
	if a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() {
		addrs = append(addrs, a)
	}
	return ca.leaf("@"+a.String(), []string{"localhost"}, addrs)
}

// leaf returns the certificate under key, made if there is none or it is old.
func (ca *CA) leaf(key string, names []string, addrs []netip.Addr) (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	now := time.Now()
	if err := ca.ready(now); err != nil {
		return nil, err
	}
	if c := ca.leaves.get(key); c != nil && now.Add(leafRenew).Before(c.Leaf.NotAfter) {
		return c, nil
	}
	c, err := ca.issue(now, names, addrs)
	if err != nil {
		return nil, err
	}
	ca.leaves.put(key, c)
	return c, nil
}

// issue signs a certificate. ca.mu is held and there is a root.
func (ca *CA) issue(now time.Time, names []string, addrs []netip.Addr) (*tls.Certificate, error) {
	if ca.leafKey == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("making a key: %w", err)
		}
		ca.leafKey = key
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	ips := make([]net.IP, len(addrs))
	for i, a := range addrs {
		ips[i] = a.AsSlice()
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"dwaar development certificate"}},
		DNSNames:     names, IPAddresses: ips,
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := sign(template, ca.root.cert, &ca.leafKey.PublicKey, ca.root.key)
	if err != nil {
		return nil, err
	}
	return ca.certificate(cert), nil
}

// ValidName reports whether a name in lower case can be a host's (RFC 1123, section
// 2.1, and the underscore that people use).
func ValidName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// maxLeaves bounds what clients can make us remember: about 2 MiB.
const maxLeaves = 1024

// cache keeps the certificates that were asked for last. The zero value is empty.
type cache struct {
	byKey map[string]*list.Element // of *entry
	order list.List                // the one asked for last in front
}

type entry struct {
	key  string
	cert *tls.Certificate
}

func (c *cache) get(key string) *tls.Certificate {
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry).cert
}

func (c *cache) put(key string, cert *tls.Certificate) {
	if e := c.byKey[key]; e != nil {
		e.Value.(*entry).cert = cert
		c.order.MoveToFront(e)
		return
	}
	if c.byKey == nil {
		c.byKey = map[string]*list.Element{}
	}
	c.byKey[key] = c.order.PushFront(&entry{key, cert})
	if c.order.Len() > maxLeaves {
		last := c.order.Back()
		delete(c.byKey, last.Value.(*entry).key)
		c.order.Remove(last)
	}
}

func (c *cache) clear() {
	clear(c.byKey)
	c.order.Init()
}
