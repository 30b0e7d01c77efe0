package wasm

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestAProgramCarriesItsPlugins(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile(sniGuest)
	if err != nil {
		t.Fatal(err)
	}
	k := newBench(t)
	k.host.files = fstest.MapFS{
		"plugins/sni.wasm": {Data: src},
		"big.wasm":         {Data: make([]byte, maxFile+1)},
	}
	if got := ask(k.must("plugins/sni.wasm", "x"), "SSH-2.0-x").String(); got != "no" {
		t.Errorf("it says %s", got)
	}
	for path, want := range map[string]string{
		sniGuest:       "file does not exist", // here it does
		"gone.wasm":    "reading the module: open gone.wasm: file does not exist",
		"big.wasm":     "reading the module: big.wasm has more than 8 MiB",
		"plugins":      "reading the module: ",
		"/etc/passwd":  "reading the module: open /etc/passwd: file does not exist",
		"./sni.wasm":   "file does not exist",
		"plugins/x/..": "file does not exist",
	} {
		if _, err := k.load(declare(path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}
