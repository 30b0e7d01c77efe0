package builtin_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// tenRoutes are of mixed kinds; the last of each protocol matches its flight.
const tenRoutes = `layer4 {
	:1 {
		@office remote_ip 10.0.0.0/8
		@admin tls sni admin.example.com
		@mail tls sni mail.example.com alpn imap
		@app tls sni *.example.com *.example.test example.test example.com
		@pg postgres user app
		@old regexp ^\x03\x00 2
		@api http host api.example.com
		@web http host *
		@ssh ssh
		@any tls
		route @office {
			close
		}
		route @admin {
			close
		}
		route @mail {
			close
		}
		route @pg {
			close
		}
		route @old {
			close
		}
		route @api {
			close
		}
		route @app {
			echo
		}
		route @web {
			echo
		}
		route @ssh {
			echo
		}
		route @any {
			echo
		}
	}
}
`

func flight(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("../testdata/flights", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func routesOf(tb testing.TB, config string) *route.Routes {
	tb.Helper()
	r := registry()
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(config), graph.Grammar(r), dwaarfile.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	g, err := graph.Build(tree, r, graph.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(g.Release)
	return g.Servers[0].Routes()
}

// factLog keeps the facts of a picked route without allocating.
type factLog struct {
	text [4096]byte
	n    int
}

func (l *factLog) put(of, key string, value []byte) bool {
	for _, part := range [...]string{of, ".", key, "="} {
		l.n += copy(l.text[l.n:], part)
	}
	l.n += copy(l.text[l.n:], value)
	l.n += copy(l.text[l.n:], " ")
	return true
}

// pick is a matching phase without its socket: the head after each read, at last
// the whole of it.
func pick(rs *route.Routes, f *sdk.Flow, head []byte, cuts []int, l *factLog) (string, error) {
	f.Reset()
	f.Network, f.MaxHead = "tcp", 16<<10
	f.Remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1000)
	m := rs.NewMemo(f, nil)
	defer rs.Forget(f, m)
	l.n = 0
	for i := 0; i <= len(cuts)+1; i++ {
		switch {
		case i == 0: // before any byte
		case i <= len(cuts):
			f.Head = head[:cuts[i-1]]
		default:
			f.Head = head
		}
		r, need, err := rs.Pick(f, m, false)
		if err != nil {
			return "", err
		}
		if r != nil {
			r.Facts(m, l.put)
			return r.Name, nil
		}
		if need == 0 {
			return "none", nil
		}
	}
	return "undecided", nil
}

func TestFromBytesToRouteAndFactsNothingIsAllocated(t *testing.T) {
	rs := routesOf(t, tenRoutes)
	for _, c := range []struct{ flight, route string }{
		{"tls/go-post-quantum.bin", "@any"},
		{"tls/openssl-tls13.bin", "@any"},
		{"http/curl-http1.bin", "@web"},
		{"ssh/openssh.bin", "@ssh"},
	} {
		head := flight(t, c.flight)
		f, l := &sdk.Flow{}, &factLog{}
		cuts := []int{1, len(head) / 2}
		name, err := pick(rs, f, head, cuts, l)
		if err != nil || name != c.route && !(c.route == "@any" && name == "@app") {
			t.Errorf("%s: picked %q, %v", c.flight, name, err)
		}
		if l.n == 0 {
			t.Errorf("%s: the route has no facts", c.flight)
		}
		if raceDetector {
			continue
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := pick(rs, f, head, cuts, l); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %.1f allocations", c.flight, n)
		}
	}
}

// trailed is a matching phase that keeps its trail, unless t is nil, in three steps of one
// head.
func trailed(rs *route.Routes, f *sdk.Flow, head []byte, t *route.Trail, facts *route.Facts) (*route.Route, error) {
	f.Reset()
	f.Network, f.MaxHead = "tcp", 16<<10
	facts.Reset()
	p := rs.Begin(nil)
	if t != nil {
		t.Reset()
		p.Trail = t
	}
	defer p.End(f)
	for _, n := range [...]int{0, len(head) / 2, len(head)} {
		f.Head = head[:n]
		if r, need, err := p.Try(f, facts); need == 0 || err != nil {
			return r, err
		}
	}
	p.Final = io.EOF
	r, _, err := p.Try(f, facts)
	return r, err
}

func TestATrailTellsWhatWasReadOnTheWayToNoRouteAndAllocatesNothing(t *testing.T) {
	rs := routesOf(t, `layer4 {
	:1 {
		@app tls sni app.example.com
		@web http path /nobody
		@user postgres user nobody
		@ssh ssh
		route @app @web @user @ssh {
			close
		}
	}
}
`)
	for name, want := range map[string]string{
		"tls/go-post-quantum.bin":   "tls.server_name",
		"http/curl-http1.bin":       "http.path",
		"http/curl-http2.bin":       "http.path",
		"postgres/psql-disable.bin": "postgres.user",
	} {
		head := flight(t, name)
		f, trail, facts := &sdk.Flow{}, new(route.Trail), new(route.Facts)
		r, err := trailed(rs, f, head, trail, facts)
		if r != nil || err != nil || facts.Len() > 0 {
			t.Fatalf("%s: %v, %v, %d facts", name, r, err, facts.Len())
		}
		if value, _ := trail.Seen.Get(want); value == "" {
			t.Errorf("%s: {%s} was not seen", name, want)
		}
		if len(trail.Asked) != 4 || trail.Asked[0].Matcher != "tls { sni app.example.com }" || trail.Asked[0].Answer.Verdict != sdk.No {
			t.Errorf("%s: asked %v", name, trail.Asked)
		}
		if raceDetector {
			continue
		}
		without := testing.AllocsPerRun(100, func() { _, _ = trailed(rs, f, head, nil, facts) }) // those of HPACK
		if n := testing.AllocsPerRun(100, func() { _, _ = trailed(rs, f, head, trail, facts) }); n != without {
			t.Errorf("%s: %.1f allocations, and %.1f without a trail", name, n, without)
		}
	}
}

func TestAPostQuantumHelloPicksTheSameRouteHoweverItIsCut(t *testing.T) {
	t.Parallel()
	rs := routesOf(t, tenRoutes)
	hello := flight(t, "tls/go-post-quantum.bin")
	if len(hello) < 1400 {
		t.Fatalf("a post-quantum hello of %d bytes", len(hello))
	}
	want := ""
	for _, records := range []int{1, 2, 5} {
		head := reframe(hello, records)
		for cut := range len(head) + 1 {
			f, l := &sdk.Flow{}, &factLog{}
			name, err := pick(rs, f, head, []int{cut}, l)
			got := fmt.Sprint(name, " ", string(l.text[:l.n]), err)
			if want == "" {
				want = got
			}
			if got != want {
				t.Fatalf("%d records, cut at %d: %q, want %q", records, cut, got, want)
			}
		}
	}
}

// reframe puts the one handshake message of a hello into that many TLS records.
func reframe(hello []byte, records int) []byte {
	const header = 5 // type, version, length
	body := hello[header:]
	var out []byte
	for i := range records {
		part := body[len(body)*i/records : len(body)*(i+1)/records]
		out = append(out, hello[:3]...)
		out = binary.BigEndian.AppendUint16(out, uint16(len(part)))
		out = append(out, part...)
	}
	return out
}

func BenchmarkTenRoutes(b *testing.B) {
	rs := routesOf(b, tenRoutes)
	for _, name := range []string{"tls/go-post-quantum.bin", "tls/openssl-tls13.bin", "http/curl-http1.bin", "ssh/openssh.bin"} {
		b.Run(name, func(b *testing.B) {
			head := flight(b, name)
			f, l := &sdk.Flow{}, &factLog{}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := pick(rs, f, head, nil, l); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The last of n routes by server name: a run of them is one lookup.
func BenchmarkLastOfManyNames(b *testing.B) {
	head := flight(b, "tls/go-post-quantum.bin")
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var sets, routes strings.Builder
			for i := range n - 1 {
				fmt.Fprintf(&sets, "@n%d tls sni n%d.example.org\n", i, i)
				fmt.Fprintf(&routes, "route @n%d {\nclose\n}\n", i)
			}
			last := "@last tls sni *.example.com *.example.test example.com\n"
			rs := routesOf(b, "layer4 {\n:1 {\n"+sets.String()+last+routes.String()+"route @last {\nclose\n}\n}\n}\n")
			f, l := &sdk.Flow{}, &factLog{}
			b.ReportAllocs()
			for b.Loop() {
				if name, err := pick(rs, f, head, nil, l); name != "@last" || err != nil {
					b.Fatal(name, err)
				}
			}
		})
	}
}
