package builtin_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin/tls"
	"dwaar.dev/dwaar/sdk"
)

// many is a configuration of n routes that choose by one thing, and the client that the
// last of them takes.
type many struct {
	name, flight string
	few, many    int
	matcher      func(i int) string // of route i, from 0
	last         string             // of the last route
}

func choices() []many {
	octets := func(i int) string { return fmt.Sprintf("10.%d.%d.0/24", i/250%250, i%250) }
	return []many{
		{"tls sni", "tls/go-post-quantum.bin", 10, 10_000, func(i int) string { return fmt.Sprintf("tls sni n%d.example.org", i) }, "tls sni *.example.com *.example.test example.com"},
		{"tls sni beside alpn", "tls/go-post-quantum.bin", 10, 1000, func(i int) string { return fmt.Sprintf("tls {\nsni n%d.example.org\n}\nnot ssh", i) }, "tls sni *.example.com *.example.test example.com"},
		{"tls sni_regexp", "tls/go-post-quantum.bin", 10, 1000, func(i int) string { return fmt.Sprintf(`tls sni_regexp ^n%d-(.+)\.example\.org$`, i) }, `tls sni_regexp \.example\.`},
		{"remote_ip", "ssh/openssh.bin", 10, 10_000, func(i int) string { return "remote_ip " + octets(i) }, "remote_ip 192.0.2.0/24"},
		{"http host", "http/curl-http1.bin", 10, 1000, func(i int) string { return fmt.Sprintf("http host n%d.example.org", i) }, "http host *"},
		{"http path", "http/curl-http1.bin", 10, 1000, func(i int) string { return fmt.Sprintf("http path /n%d/*", i) }, "http path *"},
		{"dns name", "dns/tcp-dig.bin", 10, 1000, func(i int) string { return fmt.Sprintf("dns {\nallow n%d.example.org.\n}", i) }, "dns"},
		{"postgres user", "postgres/psql-disable.bin", 10, 10_000, func(i int) string { return fmt.Sprintf("postgres user n%d", i) }, "postgres user alice"},
	}
}

// config has n routes.
func (m *many) config(n int) string {
	var sets, routes strings.Builder
	for i := range n {
		text := m.last
		if i < n-1 {
			text = m.matcher(i)
		}
		fmt.Fprintf(&sets, "@n%d {\n%s\n}\n", i, text)
		fmt.Fprintf(&routes, "route @n%d {\nclose\n}\n", i)
	}
	return "layer4 {\n:1 {\n" + sets.String() + routes.String() + "}\n}\n"
}

// The mixed routes of every kind, in turn, and one at last that takes the hello.
func mixed(n int) string {
	all := choices()
	m := many{last: "tls sni *.example.com *.example.test example.com", matcher: func(i int) string {
		return all[i%len(all)].matcher(i)
	}}
	return m.config(n)
}

func TestADecisionOverManyRoutesAllocatesNothing(t *testing.T) {
	for _, m := range choices() {
		head := flight(t, m.flight)
		for _, n := range []int{m.few, 300} {
			rs := routesOf(t, m.config(n))
			f, l := &sdk.Flow{}, &factLog{}
			want := fmt.Sprint("@n", n-1)
			if name, err := pick(rs, f, head, []int{1, len(head) / 2}, l); name != want || err != nil {
				t.Errorf("%s: %d routes picked %q, %v", m.name, n, name, err)
			}
			if raceDetector {
				continue
			}
			if allocs := testing.AllocsPerRun(100, func() { pick(rs, f, head, nil, l) }); allocs != 0 {
				t.Errorf("%s: %d routes: %.1f allocations", m.name, n, allocs)
			}
		}
	}
}

// A file of thirteen thousand routes is larger than a MiB.
func TestAFileOfManyRoutesLoads(t *testing.T) {
	t.Parallel()
	m := choices()[0]
	m.matcher = func(i int) string { return fmt.Sprintf("tls sni a-customer-with-a-long-name-%d.example.org", i) }
	const n = 13_000
	text := m.config(n)
	if len(text) < 1<<20 {
		t.Fatalf("a text of %d bytes", len(text))
	}
	f, l := &sdk.Flow{}, &factLog{}
	if name, err := pick(routesOf(t, text), f, flight(t, m.flight), nil, l); name != fmt.Sprint("@n", n-1) || err != nil {
		t.Errorf("picked %q, %v", name, err)
	}
}

func TestMixedRoutesAreChosenInTheirOrder(t *testing.T) {
	rs := routesOf(t, mixed(100))
	f, l := &sdk.Flow{}, &factLog{}
	head := flight(t, "tls/go-post-quantum.bin")
	if name, err := pick(rs, f, head, []int{1, 600}, l); name != "@n99" || err != nil {
		t.Errorf("picked %q, %v", name, err)
	}
}

// Few and many routes of one kind: the ratio of the two is what counts.
func BenchmarkDecision(b *testing.B) {
	for _, m := range choices() {
		for _, n := range []int{m.few, m.many} {
			b.Run(fmt.Sprintf("%s/%d", m.name, n), func(b *testing.B) { decide(b, m.config(n), m.flight) })
		}
	}
}

// A hundred mixed routes, beside the parse of the hello that they are asked about.
func BenchmarkMixed(b *testing.B) {
	b.Run("100", func(b *testing.B) { decide(b, mixed(100), "tls/go-post-quantum.bin") })
	b.Run("1", func(b *testing.B) { decide(b, mixed(1), "tls/go-post-quantum.bin") })
	b.Run("parse", func(b *testing.B) {
		m, err := tls.New(&sdk.Node{Name: "tls"})
		if err != nil {
			b.Fatal(err)
		}
		head := flight(b, "tls/go-post-quantum.bin")
		f := &sdk.Flow{}
		least(b, func() {
			f.Reset()
			f.Head, f.MaxHead = head, 16<<10
			if v, err := m.Match(f); v != sdk.Yes || err != nil {
				b.Fatal(v, err)
			}
		})
	})
}

func decide(b *testing.B, config, sample string) {
	rs := routesOf(b, config)
	head := flight(b, sample)
	f, l := &sdk.Flow{}, &factLog{}
	least(b, func() {
		if name, err := pick(rs, f, head, nil, l); name == "none" || err != nil {
			b.Fatal(name, err)
		}
	})
}

// least runs f fifty times in each round, and reports what f took in the round that took
// least: other programs on the machine lengthen rounds, and never shorten one.
func least(b *testing.B, f func()) {
	const times = 50
	best := time.Duration(math.MaxInt64)
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		for range times {
			f()
		}
		best = min(best, time.Since(begin))
	}
	b.ReportMetric(float64(best)/times, "least-ns")
}
