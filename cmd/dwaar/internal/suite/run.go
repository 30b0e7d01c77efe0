package suite

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"dwaar.dev/dwaar/cmd/dwaar/internal/flight"
	"dwaar.dev/dwaar/host/explain"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

// Result is what came of one test.
type Result struct {
	Name   string          `json:"name"`             // of the test
	At     string          `json:"at"`               // where the test stands
	Passed bool            `json:"passed"`           // all came as expected
	Faults []string        `json:"faults,omitempty"` // what came otherwise than expected
	Report *explain.Report `json:"report,omitempty"` // all that came of the connection; nil: it could not be made
}

// Runner runs tests.
type Runner struct {
	Graph  *graph.Graph                             // of the configuration; retained by the caller, and serving nobody
	Open   func(name string) (io.ReadCloser, error) // opens the files that tests name
	Getenv func(string) string                      // for {env.NAME}; nil: every variable is empty
	Logs   *explain.Logs                            // what plugins log; nil: nobody listens
}

// defaultClient is who connects where nobody says who.
func defaultClient() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:50000") }

// Run makes the connection of a test in memory, with its bytes at once and cut in every way,
// and compares.
func (r *Runner) Run(ctx context.Context, t *Test) Result {
	result := Result{Name: t.Name, At: t.Pos.String()}
	s, l := r.listener(t.Listener)
	if s == nil {
		result.faultf("listener: the configuration has none called %s: it has %s", sdk.Shown(t.Listener), r.listeners())
		return result
	}
	in, err := r.input(t)
	if err != nil {
		result.faultf("%v", err)
		return result
	}
	result.Report = explain.Connection(ctx, s, l, in)
	result.judge(t)
	result.Passed = len(result.Faults) == 0
	return result
}

// listener returns the listener of that name, or the first one; nil: there is none.
func (r *Runner) listener(name string) (*graph.Server, *graph.Listener) {
	for _, s := range r.Graph.Servers {
		for i := range s.Listeners {
			if l := &s.Listeners[i]; name == "" || l.Name == name {
				return s, l
			}
		}
	}
	return nil, nil
}

func (r *Runner) listeners() string {
	var names []string
	for _, s := range r.Graph.Servers {
		for i := range s.Listeners {
			names = append(names, s.Listeners[i].Name)
		}
	}
	return strings.Join(names, " ")
}

// input makes what is sent.
func (r *Runner) input(t *Test) (explain.Input, error) {
	f, err := r.flight(&t.Sent)
	if err != nil {
		return explain.Input{}, err
	}
	in := explain.Input{
		Network: f.Network, Remote: t.From, At: t.At, Head: f.Head, Bounds: f.Bounds, Client: f.TLS, Inside: f.Inside,
		Cuts: true, Logs: r.Logs, Getenv: r.Getenv,
	}
	if !in.Remote.IsValid() {
		in.Remote = f.Client
	}
	if !in.Remote.IsValid() {
		in.Remote = defaultClient()
	}
	if t.Inside.Kind == Silence {
		return in, nil
	}
	in.Inside, err = r.inside(&t.Inside)
	return in, err
}

func (r *Runner) inside(b *Bytes) (func(alpn string) []byte, error) {
	if b.Kind == HTTP {
		return flight.Requests(b.Method, b.Name)
	}
	f, err := r.flight(b)
	return func(string) []byte { return f.Head }, err
}

// flight makes bytes as they are given.
func (r *Runner) flight(b *Bytes) (flight.Flight, error) {
	switch b.Kind {
	case Literal:
		return flight.Flight{Head: b.Head}, nil
	case TLS:
		return flight.TLS(b.Name, b.ALPN)
	case HTTP:
		return flight.HTTP(b.Method, b.Name, nil)
	case File, Capture:
		return r.file(b)
	}
	return flight.Flight{}, nil
}

func (r *Runner) file(b *Bytes) (flight.Flight, error) {
	f, err := r.Open(b.Name)
	if err != nil {
		return flight.Flight{}, fmt.Errorf("reading the bytes: %w", err)
	}
	defer f.Close()
	all, err := flight.Read(f)
	switch n := max(b.Stream, 1); {
	case err != nil:
		return flight.Flight{}, err
	case n > len(all):
		return flight.Flight{}, fmt.Errorf("reading the bytes: %s has %d streams, and not %d", b.Name, len(all), n)
	default:
		return all[n-1], nil
	}
}

func (r *Result) faultf(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// judge compares what came of a connection with what was expected.
func (r *Result) judge(t *Test) {
	got := r.Report
	for i := range got.Phases {
		if cut := got.Phases[i].Cut; cut != "" {
			r.faultf("on %s: %s", got.Phases[i].On, cut)
		}
	}
	r.judgeRoute(t)
	for _, f := range t.Facts {
		switch value, ok := got.Fact(f.Name); {
		case !ok:
			r.faultf("fact %s: expected %s, and nobody knows it", f.Name, sdk.Shown(f.Value))
		case value != f.Value:
			r.faultf("fact %s: expected %s, it is %s", f.Name, sdk.Shown(f.Value), sdk.Shown(value))
		}
	}
	for _, name := range t.NoFacts {
		if value, ok := got.Fact(name); ok {
			r.faultf("no_fact %s: it is %s", name, sdk.Shown(value))
		}
	}
	r.judgeEnd(t)
}

// judgeRoute compares the names of the routes, of inner phases as far as they are expected.
func (r *Result) judgeRoute(t *Test) {
	var names []string
	for i := range r.Report.Phases {
		p := &r.Report.Phases[i]
		if p.Route == 0 {
			names = append(names, None)
			continue
		}
		names = append(names, cmp.Or(p.Name, Everything))
	}
	if len(t.Route) > len(names) || !slices.Equal(t.Route, names[:len(t.Route)]) {
		r.faultf("route: expected %s, got %s", strings.Join(t.Route, " "), strings.Join(names, " "))
	}
}

// judgeEnd compares where the connection goes.
func (r *Result) judgeEnd(t *Test) {
	got := r.Report
	for _, up := range t.Upstreams {
		if !slices.Contains(got.Upstreams, up) {
			r.faultf("upstream: expected %s: %s", up, ending(got))
		}
	}
	if t.Closed && (got.Code == "" || t.Why != "" && t.Why != got.Code) {
		r.faultf("closed: expected %s: %s", cmp.Or(t.Why, "no upstream"), ending(got))
	}
}

// ending says where a connection goes.
func ending(r *explain.Report) string {
	if len(r.Upstreams) > 0 {
		return "it is sent to " + strings.Join(r.Upstreams, ", or ")
	}
	return r.End
}
