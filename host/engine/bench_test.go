package engine_test

import (
	"io"
	"log/slog"
	"testing"

	"dwaar.dev/dwaar/host/engine"
)

// BenchmarkShortConnection is a client that comes, is matched, gets an answer and
// goes, with its access line.
func BenchmarkShortConnection(b *testing.B) {
	ring := engine.NewLogWriter(io.Discard, 1<<20, nil)
	f := start(b, func(o *engine.Options) { o.Log = slog.New(slog.NewJSONHandler(ring, nil)) })
	f.load(serve("@a first hello", "route @a {", "echo", "}"))
	addr, _ := f.Addr(anyPort)
	b.ReportAllocs()
	for b.Loop() {
		if err := once(addr.String()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	f.active(0)
	if err := ring.Close(b.Context()); err != nil {
		b.Error(err)
	}
}

// BenchmarkReload is a configuration that replaces an equal one.
func BenchmarkReload(b *testing.B) {
	f := start(b, nil)
	text := serve("@a first hello", "route @a {", "watch", "}")
	b.ReportAllocs()
	for b.Loop() {
		f.load(text)
	}
}
