// Package dwaar is dwaar for Go programs: everything between the text of a
// configuration and the connections, in one value.
//
//	s, err := dwaar.New(dwaar.Options{Log: slog.Default()})
//	…
//	if err := s.Load(ctx, config.Text("Dwaarfile", text)); err != nil {
//		return err     // sdk.Errors: all that is wrong, each with its place
//	}
//	return s.Run(ctx)  // until ctx ends; Load may be called again meanwhile
//
// A program adds matchers and handlers of its own to a registry, and takes
// connections out with package target. The parts, for programs that want to put them
// together otherwise, are host/config and host/engine; cmd/dwaar does.
package dwaar

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

// Options are what a server takes from its program. The zero value is useful.
type Options struct {
	Registry *host.Registry                   // what a configuration can name, but plugin; nil: what comes with dwaar
	Log      *slog.Logger                     // what happens, a line for each connection included; nil: nowhere
	Env      func(name string) (string, bool) // environment; nil: that of the process
	Fallback host.Handler                     // gets connections that no route takes, a target.Listener for example; nil: they are closed
	Loops    int                              // event loops that accept and relay, on Linux; 0: goroutines do it all

	// Compiler is the command line of a process that compiles plugins, as
	// [wasm.Options] has it. nil: this process compiles them, without a bound in time.
	Compiler []string
}

// Server serves a configuration, and after every Load another one. Its methods may be
// called from any goroutine.
type Server struct {
	log     *slog.Logger
	store   share.Store
	plugins *wasm.Host
	loader  *config.Loader
	engine  *serving

	mu      sync.Mutex     // held during a load
	current *config.Config // what serves; its graph is the engine's
}

// New returns a server that serves nothing yet. Whoever has it calls Run or Close.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.Registry == nil {
		o.Registry = new(host.Registry)
		builtin.Register(o.Registry)
	}
	s := &Server{log: o.Log}
	var err error
	if s.engine, err = newServing(o); err != nil {
		return nil, err
	}
	s.plugins = wasm.New(wasm.Options{Log: o.Log, Compiler: o.Compiler, Changed: s.changed})
	s.loader = &config.Loader{Registry: o.Registry, Env: o.Env, Store: &s.store, Plugins: s.plugins, Fallback: o.Fallback}
	return s, nil
}

// Load serves a configuration from now on, in the place of what was served before, or
// changes nothing and returns an error: [sdk.Errors] with all that is wrong, or why it
// could not be read. No connection ends. ctx bounds the opening of sockets.
func (s *Server) Load(ctx context.Context, src *config.Source) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serve(ctx, func() (*config.Config, error) { return s.loader.Load(src) })
}

// serve gives what load makes to the engine. s.mu is held.
func (s *Server) serve(ctx context.Context, load func() (*config.Config, error)) error {
	c, err := load()
	if err != nil {
		return err
	}
	warnings := c.Warnings
	if err := s.engine.load(ctx, c.Graph); err != nil {
		return err
	}
	s.current = c
	for _, w := range warnings {
		s.log.Warn("about the configuration", slog.String("at", w.Pos.String()), slog.String("warning", w.Msg))
	}
	return nil
}

// changed loads what serves again, because the file of a watched plugin has changed.
// ctx ends when another configuration serves.
func (s *Server) changed(ctx context.Context, c wasm.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || s.current == nil {
		return
	}
	s.log.Info("the file of a plugin has changed", slog.String("plugin", c.Plugin), slog.String("sha256", c.SHA256))
	if err := s.serve(ctx, func() (*config.Config, error) { return s.loader.Reload(s.current) }); err != nil {
		s.log.Error("the configuration was not loaded", slog.Any("error", err))
	}
}

// Addr returns the address of a listener by its name in the configuration, with the
// port that the kernel chose if it names none. It is false if there is no such one.
func (s *Server) Addr(listener string) (netip.AddrPort, bool) { return s.engine.addr(listener) }

// Validate says what a configuration does, as dwaar validate prints it, and what is
// probably not meant in it. Nothing is served. The error is that of Load.
func (s *Server) Validate(src *config.Source) (printed string, warnings sdk.Errors, err error) {
	c, err := s.loader.Load(src)
	if err != nil {
		return "", nil, err
	}
	defer c.Release()
	return c.String(), c.Warnings, nil
}

// Run serves until ctx ends. Then no more connections are accepted, those that are
// open have grace_period to end, and everything is closed.
func (s *Server) Run(ctx context.Context) error {
	return errors.Join(s.engine.run(ctx), s.Close())
}

// goodbye is how long shared values may take to close.
const goodbye = 5 * time.Second

// Close ends everything at once. After Run it does nothing.
func (s *Server) Close() error {
	s.plugins.Interrupt()
	err := s.engine.close()
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	return errors.Join(err, s.store.Wait(ctx), s.plugins.Close())
}
