package keys

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/files"
	"dwaar.dev/dwaar/host/watch"
)

// Pool is the certificate authorities in a set of files, followed as they change.
// Its methods may be called from any goroutine.
type Pool struct {
	now atomic.Pointer[Authorities]

	mu    sync.Mutex
	files watch.Watched[*Authorities]
}

// Authorities are whom a client's certificate is checked against.
type Authorities struct {
	Pool   *x509.CertPool
	Digest [sha256.Size]byte // equal for equal files
}

// OpenPool reads the files, each of which holds at least one certificate in PEM.
func OpenPool(names []string) (*Pool, error) {
	p := &Pool{files: watch.New(func() (*Authorities, error) { return readAuthorities(names) }, names...)}
	if err := p.Refresh(); err != nil {
		return nil, err
	}
	return p, nil
}

func readAuthorities(names []string) (*Authorities, error) {
	a := &Authorities{Pool: x509.NewCertPool()}
	digest := sha256.New()
	for _, name := range names {
		text, err := files.ReadPEM(name)
		if err != nil {
			return nil, err
		}
		if !a.Pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("reading %s: it holds no certificate in PEM", name)
		}
		digest.Write(text)
	}
	digest.Sum(a.Digest[:0])
	return a, nil
}

// Now returns the last good content of the files.
func (p *Pool) Now() *Authorities { return p.now.Load() }

// Refresh looks at the files now. With an error the last good content stays.
func (p *Pool) Refresh() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.files.LookAgain() {
		p.now.Store(p.files.Value())
	}
	return p.files.Err()
}

// Run follows the files until ctx is done.
func (p *Pool) Run(ctx context.Context) error {
	log := host.Log(ctx)
	return watch.Poll(ctx, func() { p.look(log) })
}

func (p *Pool) look(log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.files.Look() {
		p.now.Store(p.files.Value())
		log.Info("trust pool replaced", "files", p.files.Files())
	}
	if err := p.files.News(); err != nil {
		log.Error("trust pool not replaced, the old one stays", "files", p.files.Files(), "error", err)
	}
}
