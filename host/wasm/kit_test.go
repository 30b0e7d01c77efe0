package wasm

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// root is the top of the repository seen from this directory.
const root = "../.."

// bench is a host with a store, and the configurations that were loaded into it.
type bench struct {
	t       testing.TB
	host    *Host
	store   *share.Store
	builder *hosttest.Builder
	log     *lines
}

// lines is a log that is read again.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newBench(t testing.TB) *bench {
	t.Helper()
	log := &lines{}
	k := &bench{
		t: t, store: new(share.Store), log: log,
		host: New(Options{Log: slog.New(slog.NewTextHandler(log, nil))}),
	}
	k.builder = &hosttest.Builder{Store: k.store}
	t.Cleanup(func() {
		k.builder.Release()
		if err := k.host.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// words makes a node of words: "host a.org" or "on_error match unsafe".
func words(line string) sdk.Node {
	fields := strings.Fields(line)
	n := sdk.Node{Name: fields[0], Pos: sdk.Pos{File: "Dwaarfile", Line: 9, Col: 1}}
	for i, w := range fields[1:] {
		n.Args = append(n.Args, sdk.Word{Text: w, Pos: sdk.Pos{File: "Dwaarfile", Line: 9, Col: 10 * (i + 1)}})
	}
	return n
}

// declare is a tree that declares a module as the plugin x.
func declare(path string, options ...string) []sdk.Node {
	n := words("plugin x " + path)
	for _, o := range options {
		n.Block = append(n.Block, words(o))
	}
	return []sdk.Node{{Block: []sdk.Node{n}}}
}

// declared is what a load made known.
type declared struct {
	*Loaded
	builder *hosttest.Builder
}

// load loads a tree as a graph would.
func (k *bench) load(tree []sdk.Node) (*declared, error) {
	k.t.Helper()
	return k.host.loadInto(k.builder, tree, nil)
}

// loadInto loads the plugins of a tree that a builder then holds.
func (h *Host) loadInto(b *hosttest.Builder, tree []sdk.Node, serving Modules) (*declared, error) {
	trial := &hosttest.Builder{Store: b.Store} // what is refused leaves nothing in b
	defer trial.Release()
	if err := h.Loading(serving).declare(trial, tree[0].All(directive)); err != nil {
		return nil, err
	}
	l := h.Loading(serving)
	b.Declared = host.Registry{}
	return &declared{l, b}, l.declare(b, tree[0].All(directive))
}

// matcher makes a matcher of x as a line of a configuration does: "x host a.org".
func (l *declared) make(line string) (sdk.Matcher, error) {
	n := words(line)
	return l.node(&n)
}

func (l *declared) node(n *sdk.Node) (sdk.Matcher, error) {
	for _, e := range l.builder.Declared.Matchers() {
		if e.Spec.Name == n.Name {
			return e.New(l.builder, n)
		}
	}
	return nil, os.ErrNotExist
}

// must returns the matcher of a module, with options of its plugin.
func (k *bench) must(path, line string, options ...string) *Matcher {
	k.t.Helper()
	l, err := k.load(declare(path, options...))
	if err != nil {
		k.t.Fatal(err)
	}
	m, err := l.make(line)
	if err != nil {
		k.t.Fatal(err)
	}
	return m.(*Matcher)
}

// wat assembles a module and returns its file.
func wat(t testing.TB, text string) string {
	t.Helper()
	in := filepath.Join(t.TempDir(), "m.wat")
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return assemble(t, in)
}

// assemble turns the text of a module into its file.
func assemble(t testing.TB, in string) string {
	t.Helper()
	tool := realtest.Look(t, "wat2wasm")
	out := filepath.Join(t.TempDir(), "m.wasm")
	if printed, err := exec.CommandContext(context.Background(), tool, in, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", in, err, printed)
	}
	return out
}

// guest is a module of one page whose window is its second half, with more in it and
// a body of match.
func guest(t testing.TB, more, match string) string {
	t.Helper()
	return wat(t, `(module `+more+`
	(memory (export "memory") 1)
	(func (export "dwaar_v1_window") (param i32) (result i32) (i32.const 32768))
	(func (export "dwaar_v1_match") (param $head i32) (param $size i32) (param $info i32) (result i32) `+match+`))`)
}

// ask evaluates a head of a TCP connection.
func ask(m sdk.Matcher, head string) matchtest.Result {
	f := matchtest.TCP()
	f.Head = []byte(head)
	return matchtest.Ask(m, &f)
}
