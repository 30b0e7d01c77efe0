// Package keys keeps the certificates that a configuration names: it reads them
// from files, finds those for a name, and follows the files as they change.
//
//	ring, err := keys.Open([]keys.Source{{Files: pairs}})
//	…
//	certs := ring.Find("www.example.com")
//	return keys.Pick(hello, certs), nil
package keys

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/tls"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/watch"
)

// Source is what one directive names.
type Source struct {
	Names []string // whom the pairs are for; nil: the names in the certificates
	Files []Files
	Dir   string // where Files were found; pairs that appear there later are used too
}

// Ring finds certificates by name. Its methods may be called from any goroutine.
type Ring struct {
	index atomic.Pointer[index]

	mu      sync.Mutex // one look at a time
	sources []Source
	pairs   []*pair
	dirErr  []string // what was said of each source's directory last
}

// pair is a pair of files and what was read from them last.
type pair struct {
	watch.Watched[*tls.Certificate]
	files  Files
	source int
}

// index is never changed. Of several certificates for one name the preferred one
// comes first.
type index struct {
	byName   map[string][]*tls.Certificate
	bySource [][]*tls.Certificate
	all      []*tls.Certificate
}

// Fault is what is wrong with one pair of a source.
type Fault struct {
	Source int // index in what Open was given
	Err    error
}

// Faults are everything that is wrong with the sources of a ring. Empty, they are
// no error.
type Faults []Fault

// Error returns one line for each.
func (fs Faults) Error() string {
	texts := make([]string, len(fs))
	for i, f := range fs {
		texts[i] = f.Err.Error()
	}
	return strings.Join(texts, "\n")
}

// Open reads every pair, and returns all faults if there is one.
func Open(sources []Source) (*Ring, Faults) {
	r := &Ring{sources: sources, dirErr: make([]string, len(sources))}
	for i, s := range sources {
		for _, f := range s.Files {
			r.pairs = append(r.pairs, newPair(f, i))
		}
	}
	if faults := r.Refresh(); faults != nil {
		return nil, faults
	}
	r.reindex()
	return r, nil
}

func newPair(f Files, source int) *pair {
	return &pair{
		Watched: watch.New(f.Read, f.list()...),
		files:   f, source: source,
	}
}

// Refresh looks at the files now. It returns what cannot be used; for that the
// last good certificate stays.
func (r *Ring) Refresh() Faults {
	r.mu.Lock()
	defer r.mu.Unlock()
	var faults Faults
	changed := false
	for _, p := range r.pairs {
		changed = p.Look() || changed
		if err := p.Err(); err != nil {
			faults = append(faults, Fault{p.source, err})
		}
	}
	if changed {
		r.reindex()
	}
	return faults
}

// Run follows the files until ctx is done. Several may run: when a configuration
// replaces another one, both do for a moment.
func (r *Ring) Run(ctx context.Context) error {
	log := host.Log(ctx)
	return watch.Poll(ctx, func() { r.look(log) })
}

// look is one look at all files. What was wrong twice is said once.
func (r *Ring) look(log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discover(log)
	changed := false
	for _, p := range r.pairs {
		if p.Look() {
			changed = true
			log.Info("certificate replaced", "file", p.files.Cert, "expires", p.Value().Leaf.NotAfter)
		}
		if err := p.News(); err != nil {
			log.Error("certificate not replaced, the old one stays", "file", p.files.Cert, "error", err)
		}
	}
	if changed {
		r.reindex()
	}
}

// discover adds the pairs that have appeared in directories. Those that have gone
// stay until the configuration is loaded again. r.mu is held.
func (r *Ring) discover(log *slog.Logger) {
	known := map[Files]bool{}
	for _, p := range r.pairs {
		known[p.files] = true
	}
	for i, s := range r.sources {
		if s.Dir == "" {
			continue
		}
		found, err := List(s.Dir)
		for _, f := range found {
			if !known[f] {
				r.pairs = append(r.pairs, newPair(f, i))
			}
		}
		if text := errText(err); text != r.dirErr[i] {
			r.dirErr[i] = text
			if err != nil {
				log.Error("certificates not found where the configuration says", "dir", s.Dir, "error", err)
			}
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// reindex makes what is known now known to Find. r.mu is held, or nobody else has
// r yet.
func (r *Ring) reindex() {
	ix := &index{byName: map[string][]*tls.Certificate{}, bySource: make([][]*tls.Certificate, len(r.sources))}
	for _, p := range r.pairs {
		if p.Value() == nil {
			continue // it appeared broken
		}
		names := r.sources[p.source].Names
		if names == nil {
			names = p.files.namesOf(p.Value().Leaf)
		}
		for _, name := range names {
			name = Fold(name)
			ix.byName[name] = append(ix.byName[name], p.Value())
		}
		ix.bySource[p.source] = append(ix.bySource[p.source], p.Value())
		ix.all = append(ix.all, p.Value())
	}
	for _, certs := range ix.byName {
		slices.SortStableFunc(certs, prefer)
	}
	r.index.Store(ix)
}

// prefer orders certificates for one name: cheap signatures first, then those
// that are valid for longer.
func prefer(a, b *tls.Certificate) int {
	return cmp.Or(cmp.Compare(rank(a), rank(b)), b.Leaf.NotAfter.Compare(a.Leaf.NotAfter))
}

func rank(c *tls.Certificate) int {
	switch c.Leaf.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return 0
	case ed25519.PublicKey:
		return 1
	}
	return 2
}

// Find returns the certificates for a name in lower case: those for exactly it, or
// else those for "*." in place of its first label. The caller changes nothing.
func (r *Ring) Find(name string) []*tls.Certificate {
	ix := r.index.Load()
	if certs := ix.byName[name]; certs != nil {
		return certs
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		return ix.byName["*."+rest]
	}
	return nil
}

// Of returns the certificates of one source.
func (r *Ring) Of(source int) []*tls.Certificate { return r.index.Load().bySource[source] }

// All returns the certificates of all sources, in their order.
func (r *Ring) All() []*tls.Certificate { return r.index.Load().all }

// Names returns every name there is a certificate for, sorted.
func (r *Ring) Names() []string { return slices.Sorted(maps.Keys(r.index.Load().byName)) }

// Pick returns the first certificate that the client can use, or the first one if
// it can use none: the handshake then says what is missing. certs is not empty.
func Pick(hello *tls.ClientHelloInfo, certs []*tls.Certificate) *tls.Certificate {
	if len(certs) > 1 {
		for _, c := range certs {
			if hello.SupportsCertificate(c) == nil {
				return c
			}
		}
	}
	return certs[0]
}

// Expiring calls warn for every certificate that will have expired at time t.
func (r *Ring) Expiring(t time.Time, warn func(source int, file string, at time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pairs {
		if p.Value() != nil && p.Value().Leaf.NotAfter.Before(t) {
			warn(p.source, p.files.Cert, p.Value().Leaf.NotAfter)
		}
	}
}
