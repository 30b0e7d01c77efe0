package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/cmd/dwaar/internal/flight"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/explain"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/wasm"
)

const explainHelp = `Shows how a configuration routes a connection: what every matcher says of its first
bytes and why, which route takes it, what is known then, and where it would be sent;
also of a subroute on the same bytes, and of what is inside TLS. Nothing is resolved,
and nobody is connected to.

The bytes are those of FILE (- is the standard input), which may be a capture of
tcpdump or Wireshark, pcap or pcapng: of several streams the first, or --stream. Or
they are given by a flag; or there are none: a client that says nothing.

  dwaar explain --tls app.example.com h2 http/1.1
  dwaar explain --http GET http://www.example.com/page
  dwaar explain --http GET https://www.example.com/page
  dwaar explain --stream 3 port443.pcapng
  printf 'SSH-2.0-x\r\n' | dwaar explain -
  dwaar explain --hex '16 03 01'

--tls takes the server name, and behind it the protocols (ALPN) that the client offers:
the hello is that of Go's crypto/tls. --http takes the method, and behind it the URL
(h2c://… is HTTP/2 without TLS): the request is that of Go's net/http, and inside TLS
with https://…. Beside --tls or other bytes the request is what the client sends inside
TLS; so is --inside FILE. The handshake is made with the handler tls of the configuration,
by crypto/tls, which asks for the same name and protocols; certificates of clients are
not shown.

With --id N the last decision about connection N of a running dwaar is explained, as
far as it kept that: what every matcher said that was asked, and what was read. Why they
said it can be told where the configuration keeps first bytes (decision_bytes) and
serves still.

What plugins log is shown, of every level, and what on_error says where one failed.`

// explainOptions are the flags of explain.
type explainOptions struct {
	config, listener, from, at string
	id                         uint64
	control                    string
	json                       bool
	clientOptions
}

func explainCommand(a *app) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain [FILE | -] [ALPN…] [URL]",
		Short: "Show how a connection is routed, and why",
		Long:  explainHelp,
		RunE:  do(func(cmd *cobra.Command, args []string) error { return a.explain(cmd.Context(), o, args) }),
	}
	configFlag(cmd, &o.config)
	f := cmd.Flags()
	f.StringVar(&o.listener, "listener", "", "`ADDR` the client connects to, as configured [the first one]")
	f.StringVar(&o.from, "from", "", "`ADDR` the client comes from, with or without a port [that of the capture, or 127.0.0.1:50000]")
	f.StringVar(&o.at, "at", "", "`TIME` at which it connects, as 2026-01-31T15:04:05Z [now]")
	o.clientOptions.flags(f)
	f.Uint64Var(&o.id, "id", 0, "connection `N` of the running dwaar, as `dwaar decisions` lists it")
	controlFlag(cmd, &o.control)
	jsonFlag(cmd, &o.json)
	cmd.MarkFlagsMutuallyExclusive("hex", "tls", "id")
	return cmd
}

func (a *app) explain(ctx context.Context, o explainOptions, args []string) error {
	if o.id > 0 {
		return a.explainDecision(ctx, o, args)
	}
	f, err := a.flight(o.clientOptions, args)
	switch {
	case errors.Is(err, errListed):
		return nil
	case err != nil:
		return err
	}
	in, err := input(&f, o.from, o.at)
	if err != nil {
		return err
	}
	src, err := a.read(o.config)
	if err != nil {
		return err
	}
	in.Logs, in.Getenv = new(explain.Logs), a.getenv
	engine := guestsWith(wasm.Options{Listen: hear(in.Logs)})
	defer engine.Close()
	return a.try(src, engine, func(c *config.Config) error {
		server, listener, err := findListener(c.Graph, o.listener)
		if err != nil {
			return err
		}
		r := explain.Connection(ctx, server, listener, in)
		if o.json {
			return a.printJSON(r)
		}
		a.printExplained(r)
		return nil
	})
}

// hear makes the listener of plugins for what explains.
func hear(logs *explain.Logs) func(wasm.Message) {
	return func(m wasm.Message) {
		logs.Add(m.Matcher, [...]string{"debug", "info", "warn", "error"}[m.Level], m.Text)
	}
}

// defaultClient is the client that nobody names.
const defaultClient = "127.0.0.1:50000"

// input makes what is explained of what a client sends.
func input(f *flight.Flight, from, at string) (explain.Input, error) {
	in := explain.Input{Network: f.Network, Head: f.Head, Bounds: f.Bounds, Client: f.TLS, Inside: f.Inside, Remote: f.Client}
	if from == "" && !f.Client.IsValid() {
		from = defaultClient
	}
	var err error
	if from != "" {
		if in.Remote, err = flight.Address(from); err != nil {
			return in, usageError{"--from " + err.Error()}
		}
	}
	if at != "" {
		if in.At, err = time.Parse(time.RFC3339, at); err != nil {
			return in, usageError{fmt.Sprintf("--at %s is no time: write --at 2026-01-31T15:04:05Z", at)}
		}
	}
	return in, nil
}

// findListener returns the listener of that name, or the first one.
func findListener(g *graph.Graph, name string) (*graph.Server, *graph.Listener, error) {
	var names []string
	for _, s := range g.Servers {
		for i := range s.Listeners {
			if l := &s.Listeners[i]; name == "" || l.Name == name {
				return s, l, nil
			}
			names = append(names, s.Listeners[i].Name)
		}
	}
	return nil, nil, usageError{fmt.Sprintf("--listener %s is none of the configuration's: %s", name, strings.Join(names, " "))}
}

// explainDecision explains a decision of the running dwaar.
func (a *app) explainDecision(ctx context.Context, o explainOptions, args []string) error {
	if len(args) > 0 || o.http != "" {
		return usageError{"--id stands alone: the running dwaar knows what the client sent"}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	d, err := a.client(o.control).Decision(ctx, o.id)
	if err != nil {
		return err
	}
	if o.json {
		return a.printJSON(d)
	}
	a.printDecision(&d)
	return nil
}

// readFlights reads the file of a flight.
func (a *app) readFlights(name string) ([]flight.Flight, error) {
	if name == "-" {
		return flight.Read(a.in)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the bytes: %w", err)
	}
	defer f.Close()
	return flight.Read(f)
}
