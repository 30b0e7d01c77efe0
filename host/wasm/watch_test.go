package wasm

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/sdk"
)

// watched is a bench that hears of changes.
func watched(t *testing.T) (k *bench, changes *[]Change) {
	t.Helper()
	changes = new([]Change)
	k = newBench(t)
	k.host.changed = func(_ context.Context, c Change) { *changes = append(*changes, c) }
	return k, changes
}

// look has every watcher of the bench look as often as a file has to rest.
func (k *bench) look() {
	for range 2 {
		for _, a := range k.builder.Actors() {
			if w, ok := a.(*watcher); ok {
				w.look(host.WithLog(context.Background(), k.host.log))
			}
		}
	}
}

// replace puts a file in the place of another one, as if it was written some time ago.
func replace(t *testing.T, path, by string, ago time.Duration) {
	t.Helper()
	b, err := os.ReadFile(by)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-ago)
	if err := os.Chtimes(path+".new", at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestAWatchedFileIsToldOfOnceForEachContent(t *testing.T) {
	t.Parallel()
	one, two := guest(t, "", "(i32.const 1)"), guest(t, "", "(i32.const 2)")
	path := filepath.Join(t.TempDir(), "m.wasm")
	replace(t, path, one, time.Hour)
	k, changes := watched(t)
	k.must(path, "x", "watch")
	k.look()
	replace(t, path, one, time.Minute) // touched
	k.look()
	if len(*changes) != 0 {
		t.Errorf("nothing changed, and it tells of %v", *changes)
	}
	for _, by := range []string{two, one, two} {
		replace(t, path, by, time.Hour)
		k.look()
	}
	want := []Change{{Plugin: "x", Path: path, SHA256: k.must(two, "x").module.Hash()}}
	if diff := cmp.Diff(want, *changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	k.look()
	if log := k.log.String(); strings.Count(log, "cannot be read") != 1 {
		t.Errorf("of a file that is gone it logs %s", log)
	}
}

func TestAFileThatIsBeingWrittenIsNotRead(t *testing.T) {
	t.Parallel()
	one, two := guest(t, "", "(i32.const 1)"), guest(t, "", "(i32.const 2)")
	path := filepath.Join(t.TempDir(), "m.wasm")
	replace(t, path, one, time.Hour)
	k, changes := watched(t)
	k.must(path, "x", "watch")
	k.look()
	for ago := 30 * time.Minute; ago > 20*time.Minute; ago -= time.Minute {
		replace(t, path, two, ago)
		for _, a := range k.builder.Actors() {
			a.(*watcher).look(context.Background())
		}
	}
	if len(*changes) != 0 {
		t.Errorf("it tells of %v", *changes)
	}
	k.look()
	if len(*changes) != 1 {
		t.Errorf("then it tells of %v", *changes)
	}
}

func TestNothingIsWatchedUnlessItIsAskedFor(t *testing.T) {
	t.Parallel()
	k, _ := watched(t)
	path := guest(t, "", "(i32.const 1)")
	k.must(path, "x")
	if n := len(k.builder.Actors()); n != 0 {
		t.Errorf("%d actors", n)
	}
	k.must(path, "x", "watch", "shadow "+guest(t, "", "(i32.const 2)"))
	if n := len(k.builder.Actors()); n != 3 { // its file, the shadow's, and the shadow
		t.Errorf("%d actors", n)
	}
}

// A plugin that is not watched stays what it was when another one's file has changed.
func TestRenewingChangesWatchedPluginsOnly(t *testing.T) {
	t.Parallel()
	one, two := guest(t, "", "(i32.const 1)"), guest(t, "", "(i32.const 2)")
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.wasm"), filepath.Join(dir, "b.wasm")
	replace(t, a, one, time.Hour)
	replace(t, b, one, time.Hour)
	k, _ := watched(t)
	tree := declare(a, "watch")
	tree[0].Block = append(tree[0].Block, words("plugin y "+b))
	l, err := k.load(tree)
	if err != nil {
		t.Fatal(err)
	}
	serving := l.Modules()
	replace(t, a, two, time.Hour)
	replace(t, b, two, time.Hour)
	if got := k.renewed(tree, serving); got != "yes 2, yes 1" {
		t.Errorf("renewed they say %s", got)
	}
	if got := k.renewed(tree, nil); got != "yes 2, yes 2" {
		t.Errorf("loaded again they say %s", got)
	}
}

// renewed is what x and y say in a tree that is renewed.
func (k *bench) renewed(tree []sdk.Node, serving Modules) string {
	k.t.Helper()
	builder := &hosttest.Builder{Store: k.store}
	defer builder.Release()
	l, err := k.host.loadInto(builder, tree, serving)
	if err != nil {
		k.t.Fatal(err)
	}
	var said []string
	for _, name := range []string{"x", "y"} {
		m, err := l.make(name)
		if err != nil {
			k.t.Fatal(err)
		}
		said = append(said, answer(m, ""))
	}
	return strings.Join(said, ", ")
}
