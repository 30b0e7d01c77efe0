package wasm

import (
	"errors"
	"fmt"
	"time"

	"dwaar.dev/dwaar/host/wasm/record"
	"dwaar.dev/dwaar/sdk"
)

// Replayer makes recorded evaluations again, with one module: the one they were made
// with, or another that is to be compared with it.
type Replayer struct {
	host     *Host
	src      []byte
	path     string
	sum      string
	modules  map[Limits]*Plugin
	matchers map[string]*Matcher
}

// Replayer returns a replayer for the module in a file. The caller closes it.
func (h *Host) Replayer(path string) (*Replayer, error) {
	src, err := readModule(path)
	if err != nil {
		return nil, err
	}
	r := &Replayer{host: h, src: src, path: path, modules: map[Limits]*Plugin{}, matchers: map[string]*Matcher{}}
	r.sum = (&Module{sum: sumOf(src)}).Hash()
	return r, nil
}

// Hash is the SHA-256 of the module's file, in hexadecimal: that of a record made with
// the same module.
func (r *Replayer) Hash() string { return r.sum }

// Replay makes an evaluation again. Of the same module the outcome is the recorded
// one, to the last unit of fuel. The error says why there is no evaluation: the module
// does not load with the limits of the record, has no such matcher, or refuses its
// arguments.
func (r *Replayer) Replay(rec *record.Record) (record.Outcome, error) {
	m, err := r.matcher(rec)
	if err != nil {
		return record.Outcome{}, fmt.Errorf("replaying an evaluation of %s: %w", rec.Plugin, err)
	}
	f := flowOf(rec)
	f.Bind(&recalled{list: rec.Reads})
	o, err := m.try(&f, rec.Budget, aloud)
	if failed, ok := errors.AsType[*Error](err); err != nil && (!ok || failed.Kind == Closed) {
		return record.Outcome{}, fmt.Errorf("replaying an evaluation of %s: %w", rec.Plugin, err)
	}
	return o, nil
}

// Close ends the modules.
func (r *Replayer) Close() error {
	var errs []error
	for _, p := range r.modules {
		errs = append(errs, p.Close())
	}
	clear(r.matchers)
	clear(r.modules)
	return errors.Join(errs...)
}

// matcher returns the matcher of a record, configured once.
func (r *Replayer) matcher(rec *record.Record) (*Matcher, error) {
	l := Limits{Pages: rec.Pages, Window: rec.Window}
	key := fmt.Sprintf("%v %s %x", l, rec.Matcher, rec.Config)
	if m := r.matchers[key]; m != nil {
		return m, nil
	}
	p := r.modules[l]
	if p == nil {
		var err error
		if p, err = r.host.open(r.path, r.src, l); err != nil {
			return nil, err
		}
		r.modules[l] = p
	}
	m, err := p.find(rec.Matcher)
	if err != nil {
		return nil, err
	}
	if err := m.configure(rec.Config); err != nil {
		return nil, err
	}
	r.matchers[key] = m
	return m, nil
}

// connOf is what a record keeps of a flow beside its bytes.
func connOf(f *sdk.Flow) record.Conn {
	return record.Conn{
		Network: f.Network, Remote: f.Remote, Local: f.Local, Accepted: f.Accepted.UnixNano(), Listener: f.Listener,
		MaxHead: f.MaxHead, ServerName: f.ServerName, ALPN: f.ALPN, TLSVersion: f.TLSVersion, Cipher: f.CipherSuite,
		Proxied: f.Proxied,
	}
}

// flowOf is the flow of a record.
func flowOf(r *record.Record) sdk.Flow {
	c := &r.Conn
	return sdk.Flow{
		Head: r.Head, Bounds: r.Bounds, Network: c.Network, Remote: c.Remote, Local: c.Local,
		Accepted: time.Unix(0, c.Accepted), Listener: c.Listener, MaxHead: c.MaxHead, ServerName: c.ServerName,
		ALPN: c.ALPN, TLSVersion: c.TLSVersion, CipherSuite: c.Cipher, Proxied: c.Proxied,
	}
}
