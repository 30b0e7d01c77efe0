package plugins_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"

	"dwaar.dev/dwaar/plugins"
)

func TestTheModulesThatDwaarCarriesAreThoseOfTheRepository(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("redis/redis.wasm")
	if err != nil {
		t.Fatal(err)
	}
	got, err := fs.ReadFile(plugins.Files{}, "plugins/redis/redis.wasm")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes instead of %d, %v", len(got), len(want), err)
	}
	for _, name := range []string{"redis/redis.wasm", "plugins/gone.wasm", "/plugins/redis/redis.wasm", "plugins/../Dwaarfile", ""} {
		if f, err := (plugins.Files{}).Open(name); err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v, %v", name, f, err)
		}
	}
}
