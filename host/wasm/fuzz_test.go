package wasm

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// Whatever a file holds, loading it ends with a matcher or an error, and a matcher
// with a verdict or an error: for the same head the same each time, also behind
// others.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob(root + "/testdata/wasm/conformance/*.wat")
	if err != nil || len(files) == 0 {
		f.Fatalf("no conformance modules (%v)", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(assemble(f, file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src, []byte("head"))
	}
	k := newBench(f)
	f.Fuzz(func(t *testing.T, src, head []byte) {
		m := &Module{sum: sha256.Sum256(src), size: len(src), pages: 4, window: 2048}
		if m.load(k.host, src) != nil {
			return
		}
		defer m.Close()
		plugin := &Plugin{Name: "x", Fuel: defaultFuel, OnError: OnErrorClose, Module: m, counts: new(Counts)}
		for i := range m.matchers {
			who := &Matcher{name: "x", export: i, plugin: plugin, module: m}
			block, _, err := tokens(&sdk.Node{Args: []sdk.Word{{Text: "a"}}})
			if err != nil {
				t.Fatal(err)
			}
			if who.config, err = m.configure(who, block); err != nil {
				continue
			}
			again(t, who, head)
			if who.config != m.plain {
				_ = who.config.Close()
			}
		}
	})
}

// again asks a matcher for a head, for others, and for the first again.
func again(t *testing.T, m *Matcher, head []byte) {
	t.Helper()
	flow := matchtest.TCP()
	flow.MaxHead = 512
	flow.Head = head[:min(len(head), 512)]
	first := matchtest.Ask(m, &flow).String()
	other := matchtest.TCP()
	other.Head = []byte("another connection")
	matchtest.Ask(m, &other)
	flow.Reset()
	fresh := matchtest.TCP()
	fresh.MaxHead, fresh.Head = 512, head[:min(len(head), 512)]
	if second := matchtest.Ask(m, &fresh).String(); second != first {
		t.Fatalf("%s, and then %s", first, second)
	}
}
