package wasm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/watch"
)

// watchEvery is how often the file of a plugin is looked at: what a person who has just
// copied it hardly notices, and next to nothing for the machine.
const watchEvery = time.Second

// Change is a plugin whose file has other content than what serves.
type Change struct {
	Plugin string // its name in the configuration
	Path   string // the file
	SHA256 string // what it holds now, in hexadecimal
}

// watcher looks at the file of a plugin, or of a shadow. It is an actor: it ends with
// the last graph that was loaded with the same content of the file.
type watcher struct {
	host   *Host
	plugin string
	path   string
	loaded [sha256.Size]byte // what serves

	mu     sync.Mutex
	seen   watch.Stamp       // of the file when its content was last read
	before watch.Stamp       // of the file at the last look
	told   [sha256.Size]byte // the last content that somebody was told of
	failed string            // why it could not be read, as it was logged
}

// watches makes the watcher of a plugin's file a part of a graph.
func (p *Plugin) watches(b host.Builder) error {
	w := &watcher{host: p.Module.host, plugin: p.Name, path: p.Path, loaded: p.Module.sum}
	key := fmt.Sprintf("wasm watch of %s, %s, %x", w.plugin, w.path, w.loaded)
	_, err := host.Share(b, key, func() (*watcher, error) { return w, nil })
	return err
}

// Run looks until ctx is done.
func (w *watcher) Run(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.look(ctx)
		}
	}
}

// look reads the file if it is another than before, and has been the same for two
// looks: whoever writes it may not be done. Content that serves, or was told of, is no
// news, however often the file is touched.
func (w *watcher) look(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	info, err := os.Stat(w.path)
	if err != nil {
		w.fails(ctx, err)
		return
	}
	now := watch.Stamp{info}
	before := w.before
	w.before = now
	if now.Same(w.seen) || !now.Same(before) {
		return
	}
	src, err := readModule(w.path)
	if err != nil {
		w.fails(ctx, err)
		return
	}
	w.seen, w.failed = now, ""
	sum := sha256.Sum256(src)
	if sum == w.loaded || sum == w.told {
		return
	}
	w.told = sum
	w.host.changed(ctx, Change{w.plugin, w.path, hex.EncodeToString(sum[:])})
}

// fails logs why the file cannot be read, once. What serves goes on.
func (w *watcher) fails(ctx context.Context, err error) {
	if text := err.Error(); text != w.failed {
		w.failed = text
		host.Log(ctx).Error("a plugin's file cannot be read: what was loaded serves on",
			slog.String(keyPlugin, w.plugin), slog.Any(keyError, err))
	}
}

// Modules are the contents that a configuration was loaded with, by plugin.
type Modules map[string][sha256.Size]byte

// Modules returns what the plugins were loaded with, for [Host.Loading].
func (l *Loaded) Modules() Modules {
	all := Modules{}
	for _, p := range l.plugins {
		all[p.Name] = p.Module.sum
		if p.shadow != nil {
			all[p.shadow.Name] = p.shadow.Module.sum
		}
	}
	return all
}
