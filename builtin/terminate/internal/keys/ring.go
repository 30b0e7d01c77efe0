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
	"crypto/x509"
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
	Dir   *Dir // where Files were found; pairs that appear there later are used too; nil: nowhere
}

// Ring finds certificates by name. Its methods may be called from any goroutine.
type Ring struct {
	index atomic.Pointer[index]

	mu      sync.Mutex // one look at a time
	sources []Source
	pairs   []*pair
	said    []string // of each source's directory, the last time
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
	r := &Ring{sources: sources, said: make([]string, len(sources))}
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
		changed = p.LookAgain() || changed
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
			if text := p.files.Exposed(); text != "" {
				log.Warn("a private key is not private", "file", p.files.Key, "warning", text)
			}
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
		if s.Dir == nil {
			continue
		}
		found, err := s.Dir.List()
		for _, f := range found.Pairs {
			if !known[f] {
				r.pairs = append(r.pairs, newPair(f, i))
			}
		}
		r.say(i, log, found.Notes, err)
	}
}

// say logs what is wrong with the directory of a source, unless it was said already.
func (r *Ring) say(source int, log *slog.Logger, notes []string, err error) {
	text := strings.Join(notes, "\n") + "\n" + errText(err)
	if text == r.said[source] {
		return
	}
	r.said[source] = text
	dir := r.sources[source].Dir.Path
	if err != nil {
		log.Error("certificates not found where the configuration says", "dir", dir, "error", err)
	}
	for _, note := range notes {
		log.Warn("a file among the certificates is of no use", "dir", dir, "warning", note)
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
// that are valid for longer, then those with the longer chain: a program that renews
// may write the certificate alone before the file that has all of the chain.
func prefer(a, b *tls.Certificate) int {
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		b.Leaf.NotAfter.Compare(a.Leaf.NotAfter),
		cmp.Compare(len(b.Certificate), len(a.Certificate)),
	)
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

// Find returns the certificates for a name in lower case: those for exactly it, and
// behind them those for "*." in place of its first label. The caller changes nothing.
func (r *Ring) Find(name string) []*tls.Certificate {
	ix := r.index.Load()
	exact := ix.byName[name]
	_, rest, ok := strings.Cut(name, ".")
	if !ok {
		return exact
	}
	wild := ix.byName["*."+rest]
	switch {
	case wild == nil:
		return exact
	case exact == nil:
		return wild
	}
	return slices.Concat(exact, wild)
}

// Of returns the certificates of one source.
func (r *Ring) Of(source int) []*tls.Certificate { return r.index.Load().bySource[source] }

// All returns the certificates of all sources, in their order.
func (r *Ring) All() []*tls.Certificate { return r.index.Load().all }

// Names returns every name there is a certificate for, sorted.
func (r *Ring) Names() []string { return slices.Sorted(maps.Keys(r.index.Load().byName)) }

// Pick returns the first certificate that is valid now and that the client can use,
// by its kind of key. One that has expired, or is not valid yet, is for clients that can
// use no other: they may not look. If the client can use none it is the first one, and
// the handshake says what is missing. certs is not empty.
func Pick(hello *tls.ClientHelloInfo, certs []*tls.Certificate) *tls.Certificate {
	if len(certs) == 1 {
		return certs[0]
	}
	kind := *hello
	kind.ServerName = "" // whoever found the certificates knows that they are for it
	now := time.Now()
	var last *tls.Certificate
	for _, c := range certs {
		switch {
		case kind.SupportsCertificate(c) != nil:
		case Valid(c.Leaf, now):
			return c
		case last == nil:
			last = c
		}
	}
	if last != nil {
		return last
	}
	return certs[0]
}

// Valid reports whether a certificate is neither expired at t nor not valid yet.
func Valid(leaf *x509.Certificate, t time.Time) bool {
	return !t.Before(leaf.NotBefore) && !t.After(leaf.NotAfter)
}

// Each calls visit for every pair, with its source and the last certificate that could
// be read.
func (r *Ring) Each(visit func(source int, f Files, leaf *x509.Certificate)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pairs {
		if p.Value() != nil {
			visit(p.source, p.files, p.Value().Leaf)
		}
	}
}
