package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/oklog/run"

	"dwaar.dev/dwaar/builtin/mapfile"
	"dwaar.dev/dwaar/builtin/tee"
	"dwaar.dev/dwaar/cmd/dwaar/internal/process"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

// server is a running dwaar: an engine, and what tells it what to serve and when
// to end.
type server struct {
	*app
	log     *slog.Logger
	options serveOptions
	config  string // the file, as it was found when the program began
	control string // the flag, or the environment's
	demo    bool   // it is the demonstration, built in or at the root of the repository
	store   *share.Store
	engine  *engine.Engine
	guests  *wasm.Host // nil before the file was found
	loader  *config.Loader
	notify  *notifier

	loads   loads          // what is to be served instead
	serving *config.Config // what serves; its graph is the engine's; of the load under way, of which there is one

	gate   sync.Mutex    // held while the engine is given a configuration, or drained
	drains atomic.Uint64 // how often it was; counts on with gate held

	about struct {
		sync.Mutex
		control.About
		plugins []wasm.Description // of what serves
	}
}

// run serves until a signal comes.
func (s *server) run(ctx context.Context, calls *process.Calls) error {
	l := newLife(ctx)
	var group run.Group
	group.Add(func() error { s.signals(calls, l); return nil }, func(error) { l.end() })
	group.Add(func() error { return s.live(l) }, func(error) { l.stop() })
	return group.Run()
}

// live begins to serve, and does it until it is to stop. A stop that comes before it serves
// is no failure.
func (s *server) live(l *life) error {
	socket, err := s.begin(l.stopping)
	if err == nil {
		err = s.serveUntilTold(l, socket)
	} else {
		err = errors.Join(err, aside(l.stopping, func() error { return s.engine.Shutdown(l.hurry) }))
		if l.stopping.Err() != nil {
			s.log.Info("ended before it served", slog.Any(keyError, err))
			err = nil
		}
	}
	if s.guests != nil {
		l.hasten() // nothing is left that is worth more than a moment
		_ = aside(l.hurry, s.guests.Close)
	}
	return err
}

// begin finds the configuration and loads it. It returns the control socket; nil means that
// there is none. All of it may hang, on a file that is a pipe for example, and ends with ctx.
func (s *server) begin(ctx context.Context) (*control.Socket, error) {
	var src source
	var socket *control.Socket
	if err := aside(ctx, func() (err error) { src, err = s.readOrDefault(s.options.config); return err }); err != nil {
		return nil, err
	}
	s.config, s.demo = src.Name, string(src.Text) == defaultText
	s.guests = guestsWith(wasm.Options{Log: s.log, Files: src.files, Cache: s.codeDir(s.options.cache), Changed: s.renew})
	s.loader = s.app.loader(s.store, s.guests)
	context.AfterFunc(ctx, s.guests.Interrupt) // a compiler is not waited for
	if err := aside(ctx, func() (err error) { socket, err = s.socket(); return err }); err != nil {
		return nil, err
	}
	err := aside(ctx, func() error {
		warnings, text, err := s.load(ctx, 0, s.configured)
		if err == nil {
			s.introduce(warnings, text, socket)
		}
		return err
	})
	if err != nil && socket != nil {
		socket.Close()
	}
	return socket, err
}

// serveUntilTold runs the parts of the program. Only the engine's ends by itself,
// when it has drained: until then the socket answers and a second signal counts.
func (s *server) serveUntilTold(l *life, socket *control.Socket) error {
	over, end := context.WithCancel(context.WithoutCancel(l.stopping))
	defer end()
	defer context.AfterFunc(l.hurry, func() { _ = s.engine.Shutdown(l.hurry) })() // the call under way says what is wrong

	var group run.Group
	group.Add(func() error { return s.drained(l) }, func(error) { l.stop() })
	group.Add(func() error { s.loads.do(l.stopping, s.log); <-over.Done(); return nil }, func(error) { end() })
	if socket != nil {
		group.Add(func() error { return s.answer(over, socket) }, func(error) { end() })
	}
	return group.Run()
}

// drained returns when the engine has served all that it has accepted, or has had its last
// moment.
func (s *server) drained(l *life) error {
	err := aside(l.hurry, func() error { return s.engine.Run(l.stopping) })
	if errors.Is(err, errLeft) {
		s.log.Warn("connections end with the process")
		return nil
	}
	return err
}

// answer serves the control socket until ctx ends. Without it the program still
// does its work.
func (s *server) answer(ctx context.Context, socket *control.Socket) error {
	c := &control.Server{Log: s.log, Program: control.Program{
		Engine: s.engine, About: s.aboutNow, Upstreams: s.upstreams, Names: s.names, Plugins: s.plugins, Maps: s.maps, TeeCuts: s.teeCuts,
		Reload: s.reload,
		Drain:  s.drain,
	}}
	if err := c.Serve(ctx, socket); err != nil {
		s.log.Error("the control socket is gone", slog.Any(keyError, err))
	}
	<-ctx.Done()
	return nil
}

// configured builds what the file of the configuration says now.
func (s *server) configured() (*config.Config, error) {
	src, err := s.source()
	if err != nil {
		return nil, err
	}
	return s.loader.Load(src.Source)
}

// source reads the file that was found when the program began. One that has gone
// since is an error, never a reason to look elsewhere.
func (s *server) source() (source, error) {
	if s.config == defaultName {
		return builtIn(), nil
	}
	if err := rereadable(s.config); err != nil {
		return source{}, err
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

func (s *server) aboutNow() control.About {
	s.about.Lock()
	defer s.about.Unlock()
	about := s.about.About
	about.Version, about.Config = version(), s.config
	return about
}

func (s *server) upstreams() []upstream.State {
	var states []upstream.State
	for _, u := range share.All[*upstream.Upstream](s.store) {
		states = append(states, u.State())
	}
	return states
}

// names is what resolves host names: those of upstreams, and those that clients choose.
func (s *server) names() []names.Stats {
	var stats []names.Stats
	for _, p := range share.All[*names.Pool](s.store) {
		stats = append(stats, p.Stats())
	}
	return stats
}

// maps are those of the configuration that serves: of two with one name, which are there
// while one takes the place of the other, the one that began last.
func (s *server) maps() []control.MapTable {
	latest := map[string]*mapfile.Map{}
	for _, m := range share.All[*mapfile.Map](s.store) {
		if other := latest[m.Name()]; m.Since() > 0 && (other == nil || m.Since() > other.Since()) {
			latest[m.Name()] = m
		}
	}
	var tables []control.MapTable
	for _, name := range slices.Sorted(maps.Keys(latest)) {
		m := latest[name]
		about := func() control.Map {
			s := m.State()
			return control.Map{
				Name: s.Name, File: s.File, Kind: s.Kind, Keys: s.Keys, Changes: s.Changes,
				Versions: s.Swaps, Failures: s.Failures, Error: s.Error,
			}
		}
		tables = append(tables, control.MapTable{Name: name, About: about, Find: m.Find, All: m.All, Set: m.Set, Delete: m.Delete})
	}
	return tables
}

// plugins are those of the configuration that serves. What is left of others, as long as
// connections hold them, is not shown.
func (s *server) plugins() control.Plugins {
	counts := map[string]wasm.Stats{}
	for _, c := range share.All[*wasm.Counts](s.store) {
		stats := c.Stats()
		counts[stats.Name] = stats
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

// teeCuts returns how many branches of tee were cut.
func (s *server) teeCuts() (n uint64) {
	for _, c := range share.All[*tee.Cuts](s.store) {
		n += c.Total()
	}
	return n
}
