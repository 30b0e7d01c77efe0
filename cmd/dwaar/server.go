package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/oklog/run"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

// server is a running dwaar: an engine, and what tells it what to serve and when
// to end.
type server struct {
	*app
	log     *slog.Logger
	config  string // the file, as it was found when the program began
	control string // the flag
	demo    bool   // it is the demonstration, built in or at the root of the repository
	store   *host.Store
	engine  *engine.Engine
	guests  *wasm.Host
	notify  notifier

	mu      sync.Mutex // held during a reload
	serving origin     // what serves
	about   struct {
		sync.Mutex
		control.About
		plugins []wasm.Description // of what serves
	}
}

// run serves until a signal comes.
func (s *server) run(ctx context.Context) error {
	told := make(chan os.Signal, 4)
	signal.Notify(told, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt) // before anybody hears that it is ready
	defer signal.Stop(told)
	socket, err := s.socket()
	if err != nil {
		return errors.Join(err, s.engine.Shutdown(ctx))
	}
	warnings, text, err := s.load(ctx, s.configured)
	if err != nil {
		if socket != nil {
			socket.Close()
		}
		return errors.Join(err, s.engine.Shutdown(ctx))
	}
	s.introduce(warnings, text, socket)
	return s.serveUntilTold(ctx, socket, told)
}

// serveUntilTold runs the parts of the program. Only the engine's ends by itself,
// when it has drained: until then the socket answers and a second signal counts.
func (s *server) serveUntilTold(ctx context.Context, socket *control.Socket, told <-chan os.Signal) error {
	stopping, stop := context.WithCancel(ctx)
	over, end := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer end()

	var group run.Group
	group.Add(func() error { return s.engine.Run(stopping) }, func(error) { stop() })
	context.AfterFunc(stopping, s.guests.Interrupt) // a watched file is not waited for
	group.Add(func() error { return s.signals(over, told, stop) }, func(error) { end() })
	if socket != nil {
		group.Add(func() error { return s.answer(over, socket) }, func(error) { end() })
	}
	return group.Run()
}

// answer serves the control socket until ctx ends. Without it the program still
// does its work.
func (s *server) answer(ctx context.Context, socket *control.Socket) error {
	c := &control.Server{Log: s.log, Program: control.Program{
		Engine: s.engine, About: s.aboutNow, Upstreams: s.upstreams, Plugins: s.plugins,
		Reload: s.reload,
		Drain:  s.drain,
	}}
	if err := c.Serve(ctx, socket); err != nil {
		s.log.Error("the control socket is gone", slog.Any(keyError, err))
	}
	<-ctx.Done()
	return nil
}

// signals does what signals ask for, until ctx ends.
func (s *server) signals(ctx context.Context, told <-chan os.Signal, stop context.CancelFunc) error {
	for ending := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case sig := <-told:
			switch {
			case sig == syscall.SIGHUP:
				s.reloadForSignal(ctx)
			case ending:
				s.log.Warn("ending at once", slog.String(keySignal, sig.String()))
				return s.engine.Shutdown(ctx) // the second call: it hurries the first one
			default:
				ending = true
				s.log.Info("ending", slog.String(keySignal, sig.String()))
				s.tell(s.notify.stopping("waiting for connections to end"))
				stop()
			}
		}
	}
}

// reloadForSignal reloads and logs what is wrong: nobody else hears of it.
func (s *server) reloadForSignal(ctx context.Context) { s.logFaults(s.reload(ctx)) }

// logFaults logs why a configuration was not loaded.
func (s *server) logFaults(err error) {
	es, ok := errors.AsType[sdk.Errors](err)
	switch {
	case err == nil:
	case ok:
		for _, e := range es {
			s.log.Error("the configuration was not loaded", slog.String(keyAt, e.Pos.String()), slog.String(keyError, e.Msg))
		}
	default:
		s.log.Error("the configuration was not loaded", slog.Any(keyError, err))
	}
}

// reload reads the configuration again and serves it, or changes nothing.
func (s *server) reload(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine.Stats().State == engine.Stopping {
		return engine.ErrStopping // and the service manager is not told that it is ready again
	}
	return s.replace(ctx, s.configured)
}

// renew loads the configuration that serves again, because the file of a watched plugin
// has changed; the file of the configuration may say anything by now. If it cannot be
// loaded nothing changes. ctx ends when another configuration serves. One that accepts
// nothing, because it was drained, stays as it is.
func (s *server) renew(ctx context.Context, c wasm.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || s.engine.Stats().State != engine.Serving {
		return
	}
	s.log.Info("the file of a plugin has changed", slog.String(keyPlugin, c.Plugin), slog.String(keyPath, c.Path), slog.String(keySHA256, c.SHA256))
	s.logFaults(s.replace(ctx, func() (*built, error) { return s.rebuild(s.serving, s.store, s.guests) }))
}

// replace serves what build makes, or changes nothing. mu is held.
func (s *server) replace(ctx context.Context, build func() (*built, error)) error {
	s.tell(s.notify.reloading())
	warnings, _, err := s.load(ctx, build)
	s.about.Lock()
	if err != nil {
		s.about.FailedReloads++
		s.about.LastError = err.Error()
	} else {
		s.about.Reloads++
		s.about.LastError = ""
	}
	s.about.Unlock()
	status := "serving " + s.config
	if err != nil {
		status = "serving the old configuration, the new one has errors: " + err.Error()
	} else {
		s.logWarnings(warnings)
		s.log.Info("the configuration was loaded", slog.String(keyConfig, s.config), slog.Uint64(keyGeneration, s.generation()))
	}
	s.tell(s.notify.ready(status))
	return err
}

// load gives the configuration that build makes to the engine. It returns the graph's
// warnings and what it prints: the engine owns the graph afterwards.
func (s *server) load(ctx context.Context, build func() (*built, error)) (sdk.Errors, string, error) {
	g, err := build()
	if err != nil {
		return nil, "", err
	}
	warnings, text := g.Warnings, g.String()
	if err := s.engine.Load(ctx, g.Graph); err != nil {
		return nil, "", err
	}
	s.serving = g.origin
	s.about.Lock()
	defer s.about.Unlock()
	s.about.Warnings = warnings
	s.about.plugins = g.plugins
	return warnings, text, nil
}

// configured builds what the file of the configuration says now.
func (s *server) configured() (*built, error) {
	src, err := s.source()
	if err != nil {
		return nil, err
	}
	return s.build(src, s.store, s.guests)
}

// source reads the file that was found when the program began. One that has gone
// since is an error, never a reason to look elsewhere.
func (s *server) source() (*source, error) {
	if s.config == defaultName {
		return builtIn(), nil
	}
	if err := rereadable(s.config); err != nil {
		return nil, err
	}
	return s.readFile(s.config)
}

// generation is the number of the configuration that serves.
func (s *server) generation() uint64 {
	all := s.engine.Stats().Generations
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Number
}

func (s *server) drain() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.engine.Drain(ctx) // closes the listeners; that connections are left is no error here
	s.log.Info("accepting no more connections until the next reload")
	s.tell(s.notify.status("drained: accepting no more connections until the next reload"))
}

func (s *server) aboutNow() control.About {
	s.about.Lock()
	defer s.about.Unlock()
	about := s.about.About
	about.Version, about.Config = version(), s.config
	return about
}

func (s *server) upstreams() []host.UpstreamState {
	var states []host.UpstreamState
	for _, v := range s.store.Values() {
		if u, ok := v.(*host.Upstream); ok {
			states = append(states, u.State())
		}
	}
	return states
}

// plugins are those of the configuration that serves. What is left of others, as long as
// connections hold them, is not shown.
func (s *server) plugins() control.Plugins {
	counts := map[string]wasm.Stats{}
	for _, v := range s.store.Values() {
		if c, ok := v.(*wasm.Counts); ok {
			stats := c.Stats()
			counts[stats.Name] = stats
		}
	}
	made := s.guests.Compilations()
	all := control.Plugins{Compilations: map[string]uint64{
		"compiled": made.Compiled, "cached": made.Cached, "damaged": made.Damaged, "failed": made.Failed,
	}}
	s.about.Lock()
	defer s.about.Unlock()
	for _, p := range s.about.plugins {
		c := counts[p.Name]
		g := control.Plugin{
			Name: p.Name, Path: p.Path, SHA256: p.SHA256, Evaluations: c.Evaluations, Fuel: c.Fuel,
			Failures: c.Failures, Shadow: c.Shadow,
		}
		if p.Record != "" {
			g.Records = map[string]uint64{"written": c.Recorded, "dropped": c.Forgotten}
		}
		all.Plugins = append(all.Plugins, g)
	}
	return all
}

// tell logs that the service manager could not be told something.
func (s *server) tell(err error) {
	if err != nil {
		s.log.Warn("the service manager does not answer", slog.Any(keyError, err))
	}
}

func (s *server) logWarnings(warnings sdk.Errors) {
	for _, w := range warnings {
		s.log.Warn("about the configuration", slog.String(keyAt, w.Pos.String()), slog.String(keyWarning, w.Msg))
	}
}

// introduce says that the program serves: to whoever sits at the terminal what and
// how to try it, to everybody else in the log.
func (s *server) introduce(warnings sdk.Errors, text string, socket *control.Socket) {
	if terminal(s.err) {
		s.faults(warnings, "warning: ")
		s.intro(text, socket)
	} else {
		s.logWarnings(warnings)
	}
	var listeners []string
	for _, l := range s.engine.Stats().Listeners {
		listeners = append(listeners, l.Addr)
	}
	s.log.Info("serving", slog.String(keyVersion, version()), slog.String(keyConfig, s.config), slog.Any(keyListeners, listeners))
	s.tell(s.notify.ready(fmt.Sprintf("serving %s", s.config)))
}
