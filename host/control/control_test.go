package control_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/host/explain"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// limit bounds every wait; a test that passes never reaches it.
const limit = 30 * time.Second

func at() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// fake is an engine with fixed values.
type fake struct{ stats engine.Stats }

func (f *fake) Stats() engine.Stats { return f.stats }

func (f *fake) Conns() []engine.ConnInfo {
	return []engine.ConnInfo{{
		ID: 5, Listener: ":443", Generation: 2, Client: netip.MustParseAddrPort("192.0.2.1:1000"), Route: "Dwaarfile:3:1",
		Upstream: "10.0.0.1:1", Phase: host.InRelay, Up: 1, Down: 2, Accepted: at(),
	}}
}

func (f *fake) Decisions() []engine.Decision {
	return []engine.Decision{
		{ID: 1, Time: at()},
		{ID: 2, Time: at(), Listener: ":443", Route: "Dwaarfile:3:1", Bytes: 517, Took: 1500 * time.Millisecond, Final: io.EOF},
		{ID: 3, Time: at(), Ended: true, Code: host.Code{By: host.ByClient, In: host.InRelay, Why: host.Reset}},
	}
}

func (f *fake) Explain(*engine.Decision) (*explain.Phase, error) { return nil, errors.New("gone") }

func (f *fake) Kill(id uint64) bool { return id == 5 }

func plugins() []control.Plugin {
	return []control.Plugin{{
		Name: "mc", Path: "mc.wasm", SHA256: "00", Evaluations: 9, Fuel: 400, Failures: map[string]uint64{"trap": 2},
		Shadow: map[string]uint64{"agreed": 7}, Records: map[string]uint64{"written": 8, "dropped": 1},
	}}
}

// program is a Program that answers with fixed values.
func program() control.Program {
	e := &fake{engine.Stats{
		State: engine.Serving, Started: at(), Active: 3, Phases: map[host.Phase]int{host.InMatching: 1}, Budget: 400,
		Listeners:   []engine.ListenerStats{{Name: ":443", Addr: "[::]:443", Accepted: 9, Refused: 2, Active: 3}},
		Generations: []engine.GenerationStats{{Number: 1, Loaded: at(), Conns: 1}, {Number: 4, Loaded: at(), Conns: 2}},
	}}
	return control.Program{
		Engine: e,
		About: func() control.About {
			return control.About{
				Version: "v1", Config: "Dwaarfile", Reloads: 3, FailedReloads: 1, LastError: "no",
				Warnings: sdk.Errors{sdk.Errorf(sdk.Pos{File: "Dwaarfile", Line: 1, Col: 2}, "careful")},
			}
		},
		Upstreams: func() []upstream.State { return nil },
		Plugins: func() control.Plugins {
			return control.Plugins{Plugins: plugins(), Compilations: map[string]uint64{"cached": 3}}
		},
		Maps:   func() []control.MapTable { return nil },
		Reload: func(context.Context) error { return nil },
		Drain:  func() {},
	}
}

// serve runs a server until the test ends and returns a client of it.
func serve(t *testing.T, p control.Program) *control.Client {
	t.Helper()
	socket, err := control.Listen(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := &control.Server{Program: p, Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- s.Serve(ctx, socket) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the server ended with %v", err)
			}
		case <-time.After(limit):
			t.Error("the server did not end")
		}
	})
	return control.NewClient(socket.Path())
}

func TestAClientReadsWhatTheProgramSays(t *testing.T) {
	t.Parallel()
	c := serve(t, program())
	ctx := t.Context()

	status, err := c.Status(ctx)
	want := control.Status{
		Version: "v1", PID: os.Getpid(), Config: "Dwaarfile", State: "serving", Started: at(), Generation: 4,
		Generations: []control.Generation{{Number: 1, Loaded: at(), Connections: 1}, {Number: 4, Loaded: at(), Connections: 2}},
		Reloads:     3, FailedReloads: 1, LastError: "no", Connections: 3, Matching: 1, Limit: 400,
		Listeners: []control.Listener{{Name: ":443", Address: "[::]:443", Accepted: 9, Refused: 2, Open: 3}},
		Warnings:  []control.Fault{{File: "Dwaarfile", Line: 1, Col: 2, Message: "careful"}},
		Plugins:   plugins(),
	}
	equal(t, "status", want, status, err)

	conns, err := c.Connections(ctx)
	equal(t, "connections", []control.Connection{{
		ID: 5, Listener: ":443", Remote: "192.0.2.1:1000", Phase: "relay", Route: "Dwaarfile:3:1", Upstream: "10.0.0.1:1",
		Accepted: at(), BytesUp: 1, BytesDown: 2, Generation: 2,
	}}, conns, err)

	ups, err := c.Upstreams(ctx)
	equal(t, "upstreams", []control.Upstream{}, ups, err)

	last, err := c.Decisions(ctx, 2, false)
	equal(t, "decisions", []control.Decision{
		{ID: 2, Time: at(), Listener: ":443", Route: "Dwaarfile:3:1", Bytes: 517, Seconds: 1.5, Final: "end of stream"},
		{ID: 3, Time: at(), Code: "client.relay.reset"},
	}, last, err)

	all, err := c.Decisions(ctx, 100, false)
	equal(t, "the number of all decisions", 3, len(all), err)
}

func equal[T any](t *testing.T, what string, want, got T, err error) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
	}
}

func TestFaultsOfAReloadComeBackWithTheirPlaces(t *testing.T) {
	t.Parallel()
	want := sdk.Errors{
		sdk.Errorf(sdk.Pos{File: "Dwaarfile", Line: 3, Col: 5}, "unknown handler %q", "prixy"),
		sdk.Errorf(sdk.Pos{}, "no server"),
	}
	p := program()
	p.Reload = func(context.Context) error { return want }
	_, err := serve(t, p).Reload(t.Context())
	var got sdk.Errors
	if !errors.As(err, &got) {
		t.Fatalf("the error is %T: %v", err, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnyOtherErrorOfAReloadComesBackAsItsText(t *testing.T) {
	t.Parallel()
	p := program()
	p.Reload = func(context.Context) error { return errors.New("listening on :443: taken") }
	_, err := serve(t, p).Reload(t.Context())
	if err == nil || err.Error() != "listening on :443: taken" {
		t.Errorf("the error is %v", err)
	}
}

func TestReloadSaysTheNewGeneration(t *testing.T) {
	t.Parallel()
	got, err := serve(t, program()).Reload(t.Context())
	want := control.Reloaded{Generation: 4, Warnings: []control.Fault{{File: "Dwaarfile", Line: 1, Col: 2, Message: "careful"}}}
	equal(t, "the answer", want, got, err)
}

func TestKillEndsOneConnectionAndSaysIfThereIsNone(t *testing.T) {
	t.Parallel()
	c := serve(t, program())
	if err := c.Kill(t.Context(), 5); err != nil {
		t.Error(err)
	}
	err := c.Kill(t.Context(), 6)
	if err == nil || err.Error() != "there is no connection 6: it has ended, or never was" {
		t.Errorf("killing another one: %v", err)
	}
}

func TestDrainReturnsAtOnce(t *testing.T) {
	t.Parallel()
	p := program()
	drained := make(chan struct{})
	p.Drain = func() { close(drained) }
	if err := serve(t, p).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-drained
}

func TestNobodyAnsweringIsSaidSo(t *testing.T) {
	t.Parallel()
	_, err := control.NewClient(filepath.Join(t.TempDir(), "s")).Status(t.Context())
	if !errors.Is(err, control.ErrNobody) {
		t.Errorf("the error is %v", err)
	}
}
