package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/cmd/dwaar/internal/process"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/files"
	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/share"
)

const serveHelp = `Serves a configuration until it is told to end:

  SIGHUP, dwaar reload   read the configuration again; if anything is wrong with it
                         all of it is said and the old one serves on
  SIGTERM, SIGINT,       accept no more connections, give those that are open
  SIGQUIT                grace_period to end, and end; a second signal ends at once
  SIGABRT                print what every goroutine does, and end, for a report of a defect

Without --config, $DWAAR_CONFIG and any of the usual files it serves a
demonstration on 127.0.0.1:8443. Logs go to standard error.`

// serveOptions are the flags of serve.
type serveOptions struct {
	config    string
	control   string
	logFormat string
	logLevel  string
	loops     int
	cache     string
}

func serveCommand(a *app) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a configuration",
		Long:  serveHelp,
		Args:  cobra.NoArgs,
		RunE:  do(func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), o) }),
	}
	configFlag(cmd, &o.config)
	f := cmd.Flags()
	f.StringVar(&o.control, "control", "",
		"control socket `PATH`, or off [$DWAAR_CONTROL, $RUNTIME_DIRECTORY/dwaar.sock, /run/dwaar.sock, $XDG_RUNTIME_DIR/dwaar.sock]")
	f.StringVar(&o.logFormat, "log-format", "", "`FORMAT` of the log: text or json [text on a terminal]")
	f.StringVar(&o.logLevel, "log-level", "info", "least `LEVEL` that is logged: debug, info, warn, error")
	f.StringVar(&o.cache, "cache", "",
		"`DIR` below which compiled plugins are kept, or off [$DWAAR_CACHE, $CACHE_DIRECTORY, $XDG_CACHE_HOME/dwaar, ~/.cache/dwaar]")
	f.IntVar(&o.loops, "event-loops", -1, "`N` event loops that accept and relay, 0: goroutines do it all [one per processor]")
	for name, words := range map[string][]string{"log-format": {"text", "json"}, "log-level": {"debug", "info", "warn", "error"}} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // fails only where the flag is unknown
	}
	return cmd
}

// What a log may hold back for a reader that is slow, and how long its last lines
// may take.
const (
	logBuffer  = 1 << 20 // bytes
	logGoodbye = 2 * time.Second
)

func (a *app) serve(ctx context.Context, o serveOptions) error {
	if o.config == "-" {
		return usageError{"serve reads its configuration again at every reload: name a file instead of -"}
	}
	calls := process.Hear() // before anything that can take long, and before anybody hears that it is ready
	defer calls.Close()
	handler, writer, err := a.logHandler(o)
	if err != nil {
		return err
	}
	log := slog.New(handler)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logGoodbye)
		defer cancel()
		_ = writer.Close(ctx) // there is no place left to complain to
	}()
	loops, err := startLoops(o.loops, process.Decide(a.lookup).Processors, log)
	if err != nil {
		return err
	}
	if loops != nil {
		defer loops.Close() // after the engine: nothing is left in them then
	}
	s, err := newServer(a, o, engine.Options{Log: log, Writer: writer, Getenv: a.getenv, Loops: loops})
	if err != nil {
		return err
	}
	return errors.Join(s.run(ctx, calls), s.settle(ctx))
}

// shutting is how long what configurations shared may take to close.
const shutting = 5 * time.Second

// settle waits for what configurations shared: nobody uses it any more.
func (s *server) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutting)
	defer cancel()
	return s.store.Wait(ctx)
}

// logHandler makes where the log goes: a ring, so that nobody waits for its reader.
func (a *app) logHandler(o serveOptions) (slog.Handler, *engine.LogWriter, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, nil, usageError{fmt.Sprintf("--log-level %s is no level: write debug, info, warn or error", o.logLevel)}
	}
	format := strings.ToLower(o.logFormat)
	if format == "" {
		format = "json"
		if terminal(a.err) {
			format = "text"
		}
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	writer := engine.NewLogWriter(a.err, logBuffer, func(lines uint64) {
		slog.New(handler).Warn("log lines were dropped: nobody read them in time", slog.Uint64(keyLines, lines))
	})
	switch format {
	case "text":
		handler = slog.NewTextHandler(writer, options)
	case "json":
		options.ReplaceAttr = inSeconds
		handler = slog.NewJSONHandler(writer, options)
	default:
		return nil, nil, usageError{fmt.Sprintf("--log-format %s is no format: write text or json", o.logFormat)}
	}
	return handler, writer, nil
}

// startLoops starts the event loops: n of them, or one for each processor that the
// program can keep busy. Without any, or where there are none, it returns nil.
func startLoops(n, processors int, log *slog.Logger) (*loop.Loops, error) {
	const most = 256
	switch {
	case n == 0:
		return nil, nil
	case n > most:
		return nil, usageError{fmt.Sprintf("--event-loops %d are too many: write 0 to %d, or leave it out", n, most)}
	case n < 0:
		n = min(processors, most)
	}
	loops, err := loop.New(n)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		log.Warn("event loops cannot be had: goroutines do their work", slog.Any(keyError, err))
		return nil, nil
	}
	runtime.GOMAXPROCS(n + 1) // a goroutine beside n busy loops would wait for them
	return loops, nil
}

// inSeconds writes durations as programs like them: numbers of seconds.
func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	}
	return a
}

// rereadable refuses a configuration that a reload cannot read again: what came through
// a pipe is gone, and whoever opens a FIFO waits for somebody who writes.
func rereadable(config string) error {
	info, err := os.Stat(config)
	if err != nil || info.Mode().IsRegular() {
		return nil // reading it says more
	}
	return usageError{fmt.Sprintf("serve reads its configuration again at every reload, and %s is %s: name a regular file", config, files.Kind(info.Mode()))}
}

// newServer prepares what needs no file but the one that is named.
func newServer(a *app, o serveOptions, with engine.Options) (*server, error) {
	if err := rereadable(cmp.Or(o.config, a.getenv("DWAAR_CONFIG"))); err != nil {
		return nil, err
	}
	inherited, err := engine.Inherited(a.getenv)
	if err != nil {
		return nil, fmt.Errorf("reading what systemd passes: %w", err)
	}
	with.Inherited = inherited
	s := &server{
		app: a, log: with.Log, store: new(share.Store), notify: newNotifier(a.getenv),
		engine: engine.New(with), control: o.control, options: o,
	}
	if s.control == "" {
		s.control = a.getenv("DWAAR_CONTROL")
	}
	return s, nil
}

// socket makes the control socket; nil means that there is none.
func (s *server) socket() (*control.Socket, error) {
	switch s.control {
	case "off":
		return nil, nil
	case "":
		socket, err := control.ListenFirst(control.Paths(s.getenv))
		if errors.Is(err, control.ErrNoPlace) {
			s.log.Warn("there is no control socket: name one with --control PATH", slog.Any(keyError, err))
			return nil, nil
		}
		return socket, taken(err)
	}
	socket, err := control.Listen(s.control)
	return socket, taken(err)
}

// taken says what to do if another dwaar has the control socket.
func taken(err error) error {
	if errors.Is(err, control.ErrTaken) {
		return fmt.Errorf("%w: reload it with `dwaar reload`, or give this one --control PATH or --control off", err)
	}
	return err
}
