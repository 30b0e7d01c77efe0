package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

func loader(t *testing.T) *config.Loader {
	t.Helper()
	r := new(host.Registry)
	builtin.Register(r)
	h := wasm.New(wasm.Options{})
	l := &config.Loader{Registry: r, Store: new(share.Store), Plugins: h, Env: func(name string) (string, bool) { return "127.0.0.1:9", name == "TO" }}
	t.Cleanup(func() {
		if err := errors.Join(l.Store.Wait(t.Context()), h.Close()); err != nil {
			t.Log(err)
		}
	})
	return l
}

// write makes the files of a directory.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func module(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../plugins/" + name + "/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const routes = "layer4 {\n:1 {\nimport more\n}\n}\n"

func TestAFileIsLoadedWithWhatLiesBesideIt(t *testing.T) {
	t.Parallel()
	l := loader(t)
	for name, text := range map[string]string{
		"Dwaarfile": routes, "a.toml": "[layer4.\":1\"]\nimport = \"more\"\n",
	} {
		dir := write(t, map[string]string{name: text, "more": "route {\nproxy {$TO}\n}\n"})
		src, err := config.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Load(src)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.String(); !strings.Contains(got, "proxy 127.0.0.1:9") {
			t.Errorf("%s is\n%s", name, got)
		}
		c.Release()
	}
	if _, err := config.ReadFile(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := l.Load(config.Text("Dwaarfile", routes)); err == nil {
		t.Error("a text without a directory has imported something")
	}
}

func TestAllFaultsComeAtOnce(t *testing.T) {
	t.Parallel()
	text := "{\nplugin a gone.wasm\n}\nlayer4 {\n:1 {\n@a a\n@b a.x 1\nimport nothing\nroute @a @b {\ncloze\n}\n}\n}\n"
	_, err := loader(t).Load(config.Text("Dwaarfile", text))
	es, ok := errors.AsType[sdk.Errors](err)
	if !ok || len(es) != 3 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{"Dwaarfile:2:10: ", "Dwaarfile:8:8: ", "Dwaarfile:10:1: unknown handler"} {
		if !strings.HasPrefix(es[i].Error(), want) {
			t.Errorf("%v, want %s", es[i], want)
		}
	}
	l := loader(t)
	l.Plugins = nil
	if _, err := l.Load(config.Text("Dwaarfile", text)); err == nil || !strings.Contains(err.Error(), "this program loads no plugins") {
		t.Errorf("without plugins: %v", err)
	}
}

// A configuration is made again of its tree: its files may say anything by then, and
// plugins without watch are what they were.
func TestReloadReadsNoFileButThoseOfWatchedPlugins(t *testing.T) {
	t.Parallel()
	l := loader(t)
	dir := write(t, map[string]string{"more": "route {\nproxy {$TO}\n}\n", "a.wasm": module(t, "redis"), "b.wasm": module(t, "redis")})
	text := "{\nplugin a " + dir + "/a.wasm\nplugin b " + dir + "/b.wasm {\nwatch\n}\n}\nlayer4 {\n:1 {\n@a a\n@b b\nroute @a @b {\n}\nimport more\n}\n}\n"
	src, err := config.Read("Dwaarfile", dir, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	first, err := l.Load(src)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Release()
	for _, name := range []string{"more", "a.wasm", "b.wasm"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(module(t, "stun")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := l.Reload(first)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Release()
	if again.String() != first.String() {
		t.Errorf("it is\n%s\nand was\n%s", again, first)
	}
	if again.Plugins[0].SHA256 != first.Plugins[0].SHA256 || again.Plugins[1].SHA256 == first.Plugins[1].SHA256 {
		t.Errorf("its plugins are %v, and were %v", again.Plugins, first.Plugins)
	}
	third, err := l.Reload(again)
	if err != nil {
		t.Fatal(err)
	}
	third.Release()
}
