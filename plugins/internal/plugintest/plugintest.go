// Package plugintest is what the tests of the plugins stand on: it loads a module as
// dwaar does, and holds what its matchers say against the laws, against golden
// verdicts, and against the same source compiled natively.
//
//	p := plugintest.Load(t, "mqtt", "mqtt.wasm")
//	samples := plugintest.Samples(t, "testdata/samples")
//	plugintest.Golden(t, samples, map[string]sdk.Matcher{
//		"mqtt":           p.Matcher(t, "mqtt"),
//		"mqtt version 5": p.Matcher(t, "mqtt version 5"),
//	})
//	matchtest.Laws(t, p.Matcher(t, "mqtt"), matchtest.TCP(), plugintest.Heads(samples)...)
//
// Samples are files *.bin, each the first flight of a real program.
package plugintest

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

// Plugin is a module that was loaded.
type Plugin struct {
	builder *hosttest.Builder
}

// big is more bytes than a module has that Go has not compiled.
const big = 256 << 10

// Load loads the module in a file as the plugin name, with the options of its
// directive, "fuel 1000000". It is closed when the test ends, and with it all
// matchers.
func Load(t testing.TB, name, path string, options ...string) *Plugin {
	t.Helper()
	config := "{\n\tplugin " + name + " " + path + " {\n"
	for _, o := range options {
		config += "\t\t" + o + "\n"
	}
	known := new(host.Registry)
	wasm.Register(known)
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(config+"\t}\n}\n"), graph.Grammar(known), dwaarfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := wasm.Options{Log: slog.New(slog.DiscardHandler)}
	if info, err := os.Stat(path); err == nil && info.Size() > big {
		o.Compiler = Compiler(t)
	}
	h := wasm.New(o)
	builder := &hosttest.Builder{Store: new(share.Store)}
	t.Cleanup(func() {
		builder.Release()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	loading := new(host.Registry)
	h.Loading(nil).Register(loading)
	if err := loading.Globals()[0].Declare(builder, tree[0].All("plugin")); err != nil {
		t.Fatal(err)
	}
	return &Plugin{builder}
}

// Matcher makes a matcher of a line of a Dwaarfile, with its block if it has one:
// "minecraft host play.example.com".
func (p *Plugin) Matcher(t testing.TB, line string) sdk.Matcher {
	t.Helper()
	m, err := p.matcher(t, line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return m
}

// Refused returns what is wrong with a line, as the user reads it.
func (p *Plugin) Refused(t testing.TB, line string) string {
	t.Helper()
	if _, err := p.matcher(t, line); err != nil {
		return err.Error()
	}
	t.Errorf("%s: it was accepted", line)
	return ""
}

func (p *Plugin) matcher(t testing.TB, line string) (sdk.Matcher, error) {
	t.Helper()
	n := Node(t, line)
	for _, e := range p.builder.Declared.Matchers() {
		if e.Spec.Name == n.Name {
			return e.New(p.builder, n)
		}
	}
	return nil, errors.New("the plugin has no such matcher")
}

// Node parses a line of a Dwaarfile as that of a plugin's matcher: all words are its
// arguments, and what stands in its block is the block's.
func Node(t testing.TB, line string) *sdk.Node {
	t.Helper()
	config := "layer4 {\n127.0.0.1:0 {\n@x {\n" + line + "\n}\nroute @x {\n}\n}\n}\n"
	tree, err := dwaarfile.ParseRaw("Dwaarfile", []byte(config), graph.Grammar(new(host.Registry)))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return &tree[0].Block[0].Block[0].Block[0]
}

// Build builds the module of the plugin in the test's directory, as plugins/build does,
// and returns its file, which is gone when the test ends. It is for those in Go, whose
// modules are not committed.
func Build(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "plugin.wasm")
	run(t, exec.CommandContext(t.Context(), "../build", filepath.Base(dir), out))
	return out
}

// BuildGo compiles a directory that holds package main as a module and returns its
// file, which is gone when the test ends.
func BuildGo(t testing.TB, dir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "go.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	run(t, cmd)
	return out
}

// Compiler returns the command that compiles a module of Go, which takes a second, and
// half a minute where this process does it under the race detector.
func Compiler(t testing.TB) []string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "compiler")
	run(t, exec.CommandContext(t.Context(), "go", "build", "-o", out, "dwaar.dev/dwaar/plugins/internal/compiler"))
	return []string{out}
}

func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if printed, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, printed)
	}
}
