package wasm

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin/tls"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// keeper keeps facts as a connection does, without allocating.
type keeper struct{ n int }

func (k *keeper) Get(string) (string, bool) { return "", false }

func (k *keeper) Set(_ string, value []byte) { k.n += len(value) }

// hellos are a captured ClientHello with 256 names of one length.
func hellos(b *testing.B) [][]byte {
	b.Helper()
	hello := flights(b, "tls/go-post-quantum.bin")[0]
	name := []byte("play.example.com")
	at := bytes.Index(hello, name)
	if at < 0 {
		name = serverName(b, hello)
		at = bytes.Index(hello, name)
	}
	all := make([][]byte, 256)
	for i := range all {
		all[i] = bytes.Clone(hello)
		copy(all[i][at:], fmt.Sprintf("%02x", i*37%256))
	}
	return all
}

// serverName returns what the native matcher finds.
func serverName(b testing.TB, hello []byte) []byte {
	b.Helper()
	m, err := tls.New(&sdk.Node{Name: "tls"})
	if err != nil {
		b.Fatal(err)
	}
	f := matchtest.TCP()
	f.Head = hello
	return []byte(matchtest.Ask(m, &f).Facts["server_name"])
}

// evaluate asks matchers by turns, each time for another connection.
func evaluate(b *testing.B, heads [][]byte, ms ...sdk.Matcher) {
	b.Helper()
	f := matchtest.TCP()
	kept := &keeper{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.Rehead(heads[i%len(heads)])
		f.Bind(kept)
		if v, err := ms[i%len(ms)].Match(&f); err != nil || v != sdk.Yes {
			b.Fatal(v, err)
		}
	}
}

// One evaluation with everything: account, pool, window, fuel, restore, facts. The
// native matcher stands beside it; it reads more than the guest does.
func BenchmarkEvaluation(b *testing.B) {
	k := newBench(b)
	path := sampleC(b, "testdata/sni.c")
	heads := hellos(b)
	for _, name := range []string{"x.plain", "x", "x.stores"} {
		b.Run("C, "+name, func(b *testing.B) { evaluate(b, heads, k.must(path, name)) })
	}
	two := []sdk.Matcher{k.must(path, "x"), k.must(path, "x m")}
	b.Run("C, x, another configuration each time", func(b *testing.B) { evaluate(b, heads, two...) })
	b.Run("C, x, on every P", func(b *testing.B) {
		m := k.must(path, "x")
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			f, kept := matchtest.TCP(), &keeper{}
			for i := 0; pb.Next(); i++ {
				f.Rehead(heads[i%len(heads)])
				f.Bind(kept)
				if v, err := m.Match(&f); err != nil || v != sdk.Yes {
					b.Fatal(v, err)
				}
			}
		})
	})
	b.Run("native tls", func(b *testing.B) {
		m, err := tls.New(&sdk.Node{Name: "tls"})
		if err != nil {
			b.Fatal(err)
		}
		evaluate(b, heads, m)
	})
	b.Run("Go, minecraft", func(b *testing.B) {
		evaluate(b, flights(b, "minecraft/*.bin"), k.must(moduleGo(b, "./plugins/minecraft"), "x"))
	})
}

// BenchmarkConfigure configures the committed guest ten thousand times, each with
// another name, and says what they take of memory.
func BenchmarkConfigure(b *testing.B) {
	const many = 10_000
	for b.Loop() {
		k := newBench(b)
		l, err := k.load(declare(sniStoreGuest))
		if err != nil {
			b.Fatal(err)
		}
		before, began := measure(), time.Now()
		ms := make([]sdk.Matcher, many)
		for i := range ms {
			if ms[i], err = l.make(fmt.Sprintf("x n%d.example.com", i)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/10,000")
		b.ReportMetric(float64(measure().heap-before.heap)/(1<<20), "MiB/10,000")
		runtime.KeepAlive(ms)
		k.builder.Release()
	}
}
