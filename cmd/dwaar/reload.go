package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

// logFaults logs why a configuration was not loaded.
func (s *server) logFaults(err error) {
	es, ok := errors.AsType[sdk.Errors](err)
	level := slog.LevelError
	if errors.Is(err, engine.ErrStopping) {
		level = slog.LevelInfo
	}
	switch {
	case err == nil:
	case ok:
		for _, e := range es {
			s.log.Error("the configuration was not loaded", slog.String(keyAt, e.Pos.String()), slog.String(keyError, e.Msg))
		}
	default:
		s.log.Log(context.Background(), level, "the configuration was not loaded", slog.Any(keyError, err))
	}
}

// reload has the configuration read again and served, or nothing changed. If ctx ends before,
// the reload goes on without the one who asked.
func (s *server) reload(ctx context.Context) error {
	l := s.loads.reload(s.drains.Load(), s.reread)
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the reload, which goes on: %w", ctx.Err())
	}
}

// reread is the load of a reload.
func (s *server) reread(ctx context.Context, drains uint64) error {
	return s.replace(ctx, drains, s.configured)
}

// renew has the configuration that serves loaded again, because the file of a watched plugin
// has changed; the file of the configuration may say anything by now. If it cannot be
// loaded nothing changes. ctx ends when another configuration serves. One that accepts
// nothing, because it was drained, stays as it is.
func (s *server) renew(ctx context.Context, c wasm.Change) {
	about := []any{slog.String(keyPlugin, c.Plugin), slog.String(keyPath, c.Path), slog.String(keySHA256, c.SHA256)}
	s.loads.other(s.drains.Load(), func(loading context.Context, drains uint64) error {
		if ctx.Err() != nil {
			return nil
		}
		if s.engine.Stats().State != engine.Serving {
			s.log.Info("the file of a plugin has changed, and the next reload loads it", about...)
			return nil
		}
		s.log.Info("the file of a plugin has changed", about...)
		err := s.replace(loading, drains, s.renewed)
		s.logFaults(err)
		return err
	})
}

// renewed builds what serves, with what watched plugins are now.
func (s *server) renewed() (*config.Config, error) { return s.loader.Reload(s.serving) }

// replace serves what build makes, or changes nothing. It is a load's.
func (s *server) replace(ctx context.Context, drains uint64, build func() (*config.Config, error)) error {
	if ctx.Err() != nil {
		return engine.ErrStopping
	}
	s.tell(s.notify.reloading())
	warnings, _, err := s.load(ctx, drains, build)
	if errors.Is(err, engine.ErrStopping) {
		return err // and the service manager is not told that it is ready again
	}
	s.about.Lock()
	if err != nil {
		s.about.FailedReloads++
		s.about.LastError = err.Error()
	} else {
		s.about.Reloads++
		s.about.LastError = ""
	}
	s.about.Unlock()
	if err == nil {
		s.logWarnings(warnings)
		s.log.Info("the configuration was loaded", slog.String(keyConfig, s.config), slog.Uint64(keyGeneration, s.generation()))
	}
	s.tell(s.notify.ready(s.standing(err)))
	return err
}

// standing is a line about what serves after a reload.
func (s *server) standing(err error) string {
	switch {
	case err == nil:
		return "serving " + s.config
	case s.engine.Stats().State == engine.Draining:
		return statusDrained + ", and that has failed: " + err.Error()
	}
	return "serving the old configuration, the new one has errors: " + err.Error()
}

// load gives the configuration that build makes to the engine, and returns when all of it
// has begun. It returns the graph's warnings and what it prints: the engine owns the graph
// afterwards.
func (s *server) load(ctx context.Context, drains uint64, build func() (*config.Config, error)) (sdk.Errors, string, error) {
	g, err := build()
	if err != nil && ctx.Err() != nil {
		return nil, "", engine.ErrStopping // which is why
	}
	if err != nil {
		return nil, "", err
	}
	warnings, text := g.Warnings, g.String()
	if err := s.give(ctx, g, drains); err != nil {
		return nil, "", err
	}
	s.serving = g
	s.about.Lock()
	s.about.Warnings = warnings
	s.about.plugins = g.Plugins
	s.about.Unlock()
	s.untilBegun(ctx)
	return warnings, text, nil
}

// errDrained is why a configuration does not open the listeners again.
var errDrained = errors.New("the listeners were closed by a drain after this was asked for: reload again to open them")

// give has the engine serve g, unless the program was told to stop, or to drain, after g was
// asked for: what was asked for later counts.
func (s *server) give(ctx context.Context, g *config.Config, drains uint64) error {
	s.gate.Lock()
	defer s.gate.Unlock()
	switch {
	case ctx.Err() != nil:
		g.Release()
		return engine.ErrStopping
	case s.drains.Load() != drains:
		g.Release()
		return errDrained
	}
	return s.engine.Load(ctx, g.Graph)
}

// untilBegun returns when the actors of what serves have begun: evaluations are recorded
// before anybody hears that they are.
func (s *server) untilBegun(ctx context.Context) {
	for _, b := range share.All[host.Beginner](s.store) {
		select {
		case <-b.Begun():
		case <-ctx.Done():
		}
	}
}

const statusDrained = "drained: accepting no more connections until the next reload"

func (s *server) drain() {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.drains.Add(1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.engine.Drain(ctx) // closes the listeners; that connections are left is no error here
	s.log.Info("accepting no more connections until the next reload")
	s.tell(s.notify.status(statusDrained))
}
