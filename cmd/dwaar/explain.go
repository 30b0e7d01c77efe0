package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

const explainHelp = `Shows how a configuration routes the first bytes of a connection: what every
matcher says of them, which route takes the connection, and what it knows then.
Nothing is started and nobody is connected to. The bytes come as --hex, from --file
(- is the standard input), or there are none: a client that says nothing.

  dwaar explain --hex '16 03 01'
  printf 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n' | dwaar explain --file -

What plugins log is shown, of every level. Only the first matching phase is explained:
what a handler makes of the bytes (TLS), and routes behind it, are not tried.`

// explainOptions are the flags of explain.
type explainOptions struct {
	config, listener, hex, file, remote string
	json                                bool
}

func explainCommand(a *app) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Show how the first bytes of a connection are routed, and why",
		Long:  explainHelp,
		Args:  cobra.NoArgs,
		RunE:  do(func(*cobra.Command, []string) error { return a.explain(o) }),
	}
	configFlag(cmd, &o.config)
	f := cmd.Flags()
	f.StringVar(&o.listener, "listener", "", "`ADDR` the client connects to, as configured [the first one]")
	f.StringVar(&o.hex, "hex", "", "the `BYTES`, in hexadecimal; spaces and colons may stand between them")
	f.StringVar(&o.file, "file", "", "`FILE` with the bytes")
	f.StringVar(&o.remote, "remote", "127.0.0.1:50000", "`ADDR` the client comes from")
	jsonFlag(cmd, &o.json)
	cmd.MarkFlagsMutuallyExclusive("hex", "file")
	return cmd
}

func (a *app) explain(o explainOptions) error {
	head, err := a.head(o)
	if err != nil {
		return err
	}
	remote, err := netip.ParseAddrPort(o.remote)
	if err != nil {
		return usageError{fmt.Sprintf("--remote %s is no address: write --remote 192.0.2.1:50000", o.remote)}
	}
	src, err := a.read(o.config)
	if err != nil {
		return err
	}
	said := &sayings{}
	engine := guestsWith(wasm.Options{Listen: said.add})
	defer engine.Close()
	return a.try(src, engine, func(c *config.Config) error {
		server, listener, err := findListener(c.Graph, o.listener)
		if err != nil {
			return err
		}
		return a.explainOn(o, said, server, listener, remote, head)
	})
}

// explainOn explains what becomes of a head on a listener.
func (a *app) explainOn(o explainOptions, said *sayings, server *graph.Server, listener *graph.Listener, remote netip.AddrPort, head []byte) error {
	f := sdk.Flow{
		Head: head, Network: "tcp", Remote: host.Plain(remote), Local: listener.Addr, Accepted: time.Now(),
		Listener: listener.Name, MaxHead: server.Limits.MaxHead,
	}
	if listener.Network == "unix" {
		f.Network, f.Remote, f.Local = "unix", netip.AddrPort{}, netip.AddrPort{}
	}
	f.Head = f.Head[:min(len(f.Head), f.MaxHead)]
	now := server.Routes().Explain(&f, len(f.Head) == f.MaxHead)
	later := now
	said.over = true // the same matchers are asked again
	if now.Need > 0 {
		later = server.Routes().Explain(&f, true)
	}
	if o.json {
		v := viewOf(listener.Name, &f, &now, &later)
		v.Logs = said.list
		return a.printJSON(v)
	}
	a.printExplanation(listener.Name, &f, &now, &later, said)
	return nil
}

// saying is what a plugin logged.
type saying struct {
	Matcher string `json:"matcher"`
	Level   string `json:"level"` // debug, info, warn, error
	Message string `json:"message"`
}

// sayings are what plugins log, in order, until it is over.
type sayings struct {
	list []saying
	over bool
}

func (s *sayings) add(m wasm.Message) {
	if !s.over {
		s.list = append(s.list, saying{m.Matcher, [...]string{"debug", "info", "warn", "error"}[m.Level], m.Text})
	}
}

// head reads the bytes to be explained.
func (a *app) head(o explainOptions) ([]byte, error) {
	switch {
	case o.file == "-":
		return readAll(a.in)
	case o.file != "":
		f, err := os.Open(o.file)
		if err != nil {
			return nil, fmt.Errorf("reading the bytes: %w", err)
		}
		defer f.Close()
		return readAll(f)
	}
	head, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "", "\n", "").Replace(o.hex))
	if err != nil {
		return nil, usageError{fmt.Sprintf("--hex is not hexadecimal: %v; write --hex '16 03 01'", err)}
	}
	return head, nil
}

// maxInput is more than any head has.
const maxInput = 16 << 20 // bytes

func readAll(r io.Reader) ([]byte, error) {
	head, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err == nil && len(head) > maxInput {
		err = fmt.Errorf("reading the bytes: there are more than %d", maxInput)
	}
	return head, err
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

func (a *app) printExplanation(listener string, f *sdk.Flow, now, later *route.Explanation, said *sayings) {
	fmt.Fprintf(a.out, "%s, %d bytes from %s\n\n", listener, len(f.Head), f.Remote)
	for i := range now.Routes {
		r := &now.Routes[i]
		name := ""
		if r.Name != "" {
			name = "  (" + r.Name + ")"
		}
		fmt.Fprintf(a.out, "%d. %s%s: %s\n", i+1, r.Text, name, r.Answer)
		if len(r.Members) > 1 {
			for _, m := range r.Members {
				fmt.Fprintf(a.out, "     %s: %s\n", m.Text, m.Answer)
			}
		}
	}
	for _, m := range said.list {
		fmt.Fprintf(a.out, "     %s logs %s: %s\n", dash(m.Matcher), m.Level, m.Message)
	}
	if now.Need > 0 {
		fmt.Fprintf(a.out, "\nundecided: dwaar waits for at least %d more; if no more come, ", now.Need-len(f.Head))
	} else {
		fmt.Fprintln(a.out)
	}
	fmt.Fprint(a.out, conclusion(later))
}

// conclusion says who takes the connection.
func conclusion(x *route.Explanation) string {
	switch {
	case x.Err != nil:
		return fmt.Sprintf("the connection is closed: %v\n", x.Err)
	case x.Picked < 0:
		return "no route takes the connection: it is closed\n"
	}
	r := &x.Routes[x.Picked]
	var b strings.Builder
	if r.Deny {
		fmt.Fprintf(&b, "deny %d at %s turns the connection away%s\n", x.Picked+1, r.Pos, doubt(x.Denied, ": it "))
	} else {
		fmt.Fprintf(&b, "route %d at %s takes the connection\n", x.Picked+1, r.Pos)
	}
	for line := range strings.Lines(r.Chain) {
		fmt.Fprintf(&b, "     %s\n", strings.TrimSuffix(line, "\n"))
	}
	fmt.Fprintf(&b, "     runs %s\n", r.Path)
	for _, f := range x.Facts {
		fmt.Fprintf(&b, "{%s} is %q\n", f.Name, f.Value)
	}
	return b.String()
}

// doubt returns what a deny could not tell, behind a text; "": it has matched.
func doubt(denied error, before string) string {
	if cause := errors.Unwrap(denied); cause != nil {
		return before + cause.Error()
	}
	return ""
}

// explanation is what explain says to programs.
type explanation struct {
	Listener string            `json:"listener"`
	Bytes    int               `json:"bytes"`
	Need     int               `json:"need,omitempty"`      // undecided: until there are so many bytes
	Route    int               `json:"route"`               // from 1; if undecided, what it is when no more bytes come; 0: none
	At       string            `json:"at,omitempty"`        // where the route stands
	Denied   bool              `json:"denied,omitempty"`    // the route is a deny
	Doubt    string            `json:"undecided,omitempty"` // what the deny could not tell, which counts as a match
	Path     string            `json:"path,omitempty"`      // where its connections live: in an event loop, or a goroutine and why
	Error    string            `json:"error,omitempty"`     // of a matcher that is broken
	Facts    map[string]string `json:"facts"`
	Routes   []routeAnswer     `json:"routes"`
	Logs     []saying          `json:"logs,omitempty"` // of plugins, while they were configured and asked
}

type routeAnswer struct {
	Condition string         `json:"condition"`
	Answer    string         `json:"answer"`
	Members   []memberAnswer `json:"matchers"`
}

type memberAnswer struct {
	Matcher string `json:"matcher"`
	Answer  string `json:"answer"`
}

func viewOf(listener string, f *sdk.Flow, now, later *route.Explanation) explanation {
	v := explanation{Listener: listener, Bytes: len(f.Head), Need: now.Need, Route: later.Picked + 1, Facts: map[string]string{}}
	if later.Picked >= 0 {
		v.At = later.Routes[later.Picked].Pos.String()
		v.Path, v.Denied, v.Doubt = later.Routes[later.Picked].Path, later.Routes[later.Picked].Deny, doubt(later.Denied, "")
	}
	if later.Err != nil {
		v.Error = later.Err.Error()
	}
	for _, fact := range later.Facts {
		v.Facts[fact.Name] = fact.Value
	}
	for _, r := range now.Routes {
		one := routeAnswer{Condition: r.Text, Answer: r.Answer.String(), Members: []memberAnswer{}}
		for _, m := range r.Members {
			one.Members = append(one.Members, memberAnswer{m.Text, m.Answer.String()})
		}
		v.Routes = append(v.Routes, one)
	}
	return v
}
