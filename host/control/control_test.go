package control_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/sdk"
)

// limit bounds every wait; a test that passes never reaches it.
const limit = 30 * time.Second

// program is a Program that answers with fixed values.
func program() control.Program {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return control.Program{
		Status: func() control.Status {
			return control.Status{Version: "v1", PID: 7, Config: "Dwaarfile", Generation: 3, Started: at, Loaded: at, Connections: 2}
		},
		Connections: func() []control.Connection {
			return []control.Connection{{ID: 5, Listener: ":443", Phase: "relay", Accepted: at, BytesUp: 1, BytesDown: 2}}
		},
		Upstreams: func() []control.Upstream { return nil },
		Decisions: func() []control.Decision {
			return []control.Decision{{ID: 1, Time: at}, {ID: 2, Time: at}, {ID: 3, Time: at, Route: "Dwaarfile:3"}}
		},
		Stats:  func() control.Stats { return control.Stats{Version: "v1"} },
		Reload: func(context.Context) (control.Reloaded, error) { return control.Reloaded{Generation: 4}, nil },
		Kill:   func(id uint64) bool { return id == 5 },
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
	p := program()
	c := serve(t, p)
	ctx := t.Context()
	status, err := c.Status(ctx)
	if diff := cmp.Diff(p.Status(), status); diff != "" || err != nil {
		t.Errorf("status: %v (-want +got):\n%s", err, diff)
	}
	conns, err := c.Connections(ctx)
	if diff := cmp.Diff(p.Connections(), conns); diff != "" || err != nil {
		t.Errorf("connections: %v (-want +got):\n%s", err, diff)
	}
	ups, err := c.Upstreams(ctx)
	if len(ups) != 0 || ups == nil || err != nil {
		t.Errorf("no upstreams are %#v, %v", ups, err)
	}
	last, err := c.Decisions(ctx, 2)
	if diff := cmp.Diff(p.Decisions()[1:], last); diff != "" || err != nil {
		t.Errorf("decisions: %v (-want +got):\n%s", err, diff)
	}
	all, err := c.Decisions(ctx, 100)
	if len(all) != 3 || err != nil {
		t.Errorf("all decisions: %v, %v", all, err)
	}
}

func TestFaultsOfAReloadComeBackWithTheirPlaces(t *testing.T) {
	t.Parallel()
	want := sdk.Errors{
		sdk.Errorf(sdk.Pos{File: "Dwaarfile", Line: 3, Col: 5}, "unknown handler %q", "prixy"),
		sdk.Errorf(sdk.Pos{}, "no server"),
	}
	p := program()
	p.Reload = func(context.Context) (control.Reloaded, error) { return control.Reloaded{}, want }
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
	p.Reload = func(context.Context) (control.Reloaded, error) {
		return control.Reloaded{}, errors.New("listening on :443: taken")
	}
	_, err := serve(t, p).Reload(t.Context())
	if err == nil || err.Error() != "listening on :443: taken" {
		t.Errorf("the error is %v", err)
	}
}

func TestReloadSaysTheNewGeneration(t *testing.T) {
	t.Parallel()
	got, err := serve(t, program()).Reload(t.Context())
	if got.Generation != 4 || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
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
