package wasm

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/wasm/record"
)

// How long a file of records may become, in bytes.
const (
	defaultRecords = 16 << 20
	leastRecords   = 64 << 10
	mostRecords    = 16 << 30
)

// recorder writes copies of evaluations to a file. It is an actor: nothing is opened
// or copied before the graph it belongs to is loaded.
type recorder struct {
	*tap
	path  string
	limit int64
	again chan struct{} // a configuration with it was made
}

func newRecorder(path string, limit int64) *recorder {
	return &recorder{newTap(false), path, limit, make(chan struct{}, 1)}
}

// reopen has the file opened again: the old one may have been full, and moved away.
func (r *recorder) reopen() {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

// Run writes until ctx is done. A file that cannot be written to ends the records, until
// it is opened again, and nothing else.
func (r *recorder) Run(ctx context.Context) error {
	log := host.Log(ctx)
	select {
	case <-r.again: // the configuration that begins now
	default:
	}
	for ctx.Err() == nil {
		err := r.write(ctx, log)
		r.begun() // if it has not: nobody waits for what will not come
		if err == nil {
			continue
		}
		log.Error("evaluations are not recorded any more", slog.String(keyPath, r.path), slog.Any(keyError, err))
		select {
		case <-ctx.Done():
		case <-r.again:
		}
	}
	return nil
}

// write writes to one file after the other, until ctx is done or one fails. What comes
// while a file is opened waits.
func (r *recorder) write(ctx context.Context, log *slog.Logger) error {
	r.users.Add(1)
	defer r.users.Add(-1)
	for ctx.Err() == nil {
		f, err := record.Open(r.path, r.limit)
		if err != nil {
			return err
		}
		log.Warn("evaluations are recorded, with the first bytes of connections", slog.String(keyPath, r.path))
		if err := errors.Join(r.fill(ctx, f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// fill writes to a file until ctx is done, the file fails, or is to be opened again.
func (r *recorder) fill(ctx context.Context, f *record.File) (failed error) {
	ctx, end := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-r.again:
			end()
		case <-ctx.Done():
		}
	}()
	r.run(ctx, func(s *sample) {
		c := s.matcher.plugin.counts
		if failed == nil && !s.recalled.over {
			failed = f.Write(s.record())
		}
		if failed == nil && !s.recalled.over {
			c.recorded.Add(1)
			return
		}
		c.forgotten.Add(1)
		if failed != nil {
			end()
		}
	})
	end()
	<-watched
	return failed
}

// record is the sample as it is written: without the client's address, if the outcome
// is the same without it.
func (s *sample) record() *record.Record {
	m := s.matcher
	r := &record.Record{
		Version: record.Version, Plugin: m.plugin.Name, Module: hex.EncodeToString(m.module.sum[:]), Pages: m.module.pages,
		Window: m.module.window, Matcher: m.module.matchers[m.export].name, Config: m.config.block,
		Conn: connOf(&s.flow), Head: s.head, Bounds: s.flow.Bounds, Reads: s.recalled.list, Budget: s.budget,
		Outcome: s.outcome,
	}
	real := s.flow.Remote
	s.flow.Remote = nobody(real)
	s.flow.Bind(&s.recalled)
	if o, _ := m.try(&s.flow, s.budget, muted); o.Diff(&s.outcome) == "" && !s.recalled.missed {
		r.Conn.Remote, r.Conn.Hidden = s.flow.Remote, s.flow.Remote != real
	}
	return r
}

// nobody is an address for documentation (RFC 5737, RFC 3849) of the same family.
func nobody(a netip.AddrPort) netip.AddrPort {
	switch {
	case a.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 1)
	case a.Addr().Is6():
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}), 1)
	}
	return a
}

// recording is the option record of a plugin.
type recording struct {
	path  string
	limit int64
}

func (r recording) key() string { return fmt.Sprintf("wasm records %s, %d bytes", r.path, r.limit) }
