// Package peer knows the proxies that are compared, and runs them: each from a
// template of its configuration, on loopback, in the foreground, until it is stopped.
//
//	p, _ := peer.Find(peer.Programs(), "nginx")
//	running, err := p.Start(ctx, setup)
//	defer running.Stop()
//
// The configurations are the fastest sane ones: one thread when pinned, no logs, no
// option that costs without being asked for.
package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/box"
)

// Kind is what a proxy is to do.
type Kind string

// The kinds.
const (
	Plain  Kind = "plain"  // forwards everything to one upstream
	Mux    Kind = "mux"    // one port: TLS by server name, SSH, HTTP by host, PostgreSQL
	Names  Kind = "names"  // TLS by server name, a hundred of them
	Secure Kind = "secure" // Plain, and on a second port TLS terminated
)

// Program is a proxy that can be compared.
type Program struct {
	Name   string   // in tables
	Binary string   // found in $PATH or an absolute path; empty: this program itself
	Args   []string // templates over Setup
	Config string   // name of the template, which is also the configuration's; may be empty
	Kinds  []Kind   // what it can do
	Splice bool     // Setup.Splice
	Dwaar  bool     // answers on a control socket
	Note   string   // how it is set, for people
	// MaxConns is how many connections it can hold; 0: as many as descriptors allow,
	// of which each takes PerConn, or two if that is 0.
	MaxConns, PerConn int
	// Blind is true if it cannot tell SSH, HTTP and PostgreSQL from each other: what is
	// not TLS goes to the second upstream.
	Blind bool
}

// Programs returns the proxies, in the order of tables. The one named dwaar has no
// Binary yet.
func Programs() []Program {
	every := []Kind{Plain, Mux, Names, Secure}
	return []Program{
		Dwaar("dwaar", ""),
		{
			Name: "nginx", Binary: "/usr/sbin/nginx", Args: []string{"-c", "{{.Config}}", "-p", "{{.Dir}}", "-e", "{{.Dir}}/nginx.error"},
			Config: "nginx.conf", Kinds: every, Blind: true,
			Note: "stream, one worker, no reuseport, no access log; ssl_preread tells TLS by name from the rest and nothing more",
		},
		{
			Name: "haproxy", Binary: "/usr/sbin/haproxy", Args: []string{"-db", "-f", "{{.Config}}"},
			Config: "haproxy.cfg", Kinds: every, Note: "nbthread 1, no log, nosplice",
		},
		{
			Name: "haproxy-splice", Binary: "/usr/sbin/haproxy", Args: []string{"-db", "-f", "{{.Config}}"},
			Config: "haproxy.cfg", Kinds: []Kind{Plain, Secure}, Splice: true, Note: "the same with option splice-request and splice-response",
		},
		{
			Name: "sslh", Binary: "/usr/sbin/sslh-select", Args: []string{"-f", "-F{{.Config}}"},
			Config: "sslh.cfg", Kinds: []Kind{Plain, Mux, Names}, MaxConns: 500,
			Note: "sslh-select, one process; select(2) ends at 1,024 descriptors; HTTP is not matched by host, PostgreSQL is what is left",
		},
		{
			Name: "plain-go", Args: []string{"helper", "plain-go", "--listen", "{{.Listen}}", "--to", "{{(index .Upstreams 0).Addr}}", "--secure", "{{.Secure}}", "--cert", "{{.Cert}}", "--key", "{{.Key}}"},
			Kinds: []Kind{Plain, Secure}, PerConn: 6, // a pipe for each direction
			Note: "accept, dial, two io.Copy, as the standard library does it; part of this program",
		},
	}
}

// Dwaar is a dwaar of that name; several builds can be compared.
func Dwaar(name, binary string) Program {
	return Program{
		Name: name, Binary: binary, Dwaar: true, Config: "Dwaarfile", Kinds: []Kind{Plain, Mux, Names, Secure},
		Args: []string{"serve", "--config", "{{.Config}}", "--control", "{{.Control}}", "--log-level", "error"},
		Note: "serve --log-level error, so that no access lines are written; nothing else is set",
	}
}

// ErrUnknown is the error of a name that no program has.
var ErrUnknown = errors.New("there is no such proxy: `dwaar-bench list` names them")

// Find returns the program of a name.
func Find(programs []Program, name string) (Program, error) {
	i := slices.IndexFunc(programs, func(p Program) bool { return p.Name == name })
	if i < 0 {
		return Program{}, fmt.Errorf("looking for %s: %w", name, ErrUnknown)
	}
	return programs[i], nil
}

// Installed reports whether the program can be started here.
func (p *Program) Installed() bool {
	if p.Binary == "" {
		return !p.Dwaar
	}
	_, err := exec.LookPath(p.Binary)
	return err == nil
}

// Can reports whether the program can do what kind asks for.
func (p *Program) Can(kind Kind) bool { return slices.Contains(p.Kinds, kind) }

// Upstream is a server behind the proxy.
type Upstream struct {
	Addr netip.AddrPort
	Name string // the server name that is routed to it
}

// Setup is what a configuration is made of. Listen, Secure, Config and Control are
// filled in by Start.
type Setup struct {
	Kind        Kind
	Upstreams   []Upstream // in the order of routes
	Dir         string     // scratch: configurations, logs, sockets
	Name        string     // the server name of the certificate
	Cert, Key   string     // PEM files
	PEM         string     // both in one file
	Threads     int        // workers, where a proxy has to be told
	Descriptors int        // the limit of a process
	Conns       int        // connections that it can relay with these
	Place       box.Place  // of its processes
	User        int        // the user and group it runs as; 0: who runs this
	Probe       []byte     // what a client sends that is answered, when the proxy is ready

	Listen, Secure  netip.AddrPort // Secure: of the kind of that name
	Config, Control string         // paths
	Splice          bool           // bytes are to be spliced, whatever that costs others
}

// Root reports whether the proxy runs as root.
func (s *Setup) Root() bool { return s.User == 0 && uid() == 0 }
