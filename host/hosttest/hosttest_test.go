package hosttest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/sdk"
)

type greeter struct{}

func (greeter) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	if _, err := io.WriteString(c.Net(), "hello"); err != nil {
		return err
	}
	return next(ctx, c)
}

func TestAServerGivesConnectionsToItsHandlerAndTellsHowTheyEnd(t *testing.T) {
	t.Parallel()
	s := hosttest.Serve(t, greeter{}, nil)
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	o := s.Outcome(t)
	if !errors.Is(o.Err, host.ErrNoRoute) || o.Code.Why != host.NoRoute {
		t.Errorf("ended with %v, %v", o.Code, o.Err)
	}
}

func TestBuildersOfOneStoreShareAndReleaseWhatTheyHold(t *testing.T) {
	t.Parallel()
	store := new(share.Store)
	made := 0
	make := func() (any, error) { made++; return made, nil }
	first, second := &hosttest.Builder{Store: store}, &hosttest.Builder{Store: store}
	for _, b := range []*hosttest.Builder{first, second} {
		if v, err := b.Share("key", make); v != 1 || err != nil {
			t.Errorf("shared %v, %v", v, err)
		}
	}
	first.Release()
	if diff := cmp.Diff([]any{1}, share.All[any](store)); diff != "" {
		t.Errorf("one still holds it (-want +got):\n%s", diff)
	}
	second.Release()
	if got := share.All[any](store); len(got) != 0 {
		t.Errorf("nobody holds it, and it is kept: %v", got)
	}
}

func TestABuilderKeepsWhatItIsTold(t *testing.T) {
	t.Parallel()
	b := &hosttest.Builder{Options: []sdk.Node{{Name: "a"}, {Name: "b"}, {Name: "a"}}}
	if got := len(b.Global("a")); got != 2 {
		t.Errorf("found %d nodes", got)
	}
	b.Warnf(sdk.Pos{Line: 1, Col: 2}, "careful: %d", 1)
	b.Reads(sdk.Pos{}, "tls.version")
	b.Supplies("vars.x")
	got := []string{b.Warnings.Error(), b.Read[0], b.Supplied[0]}
	if diff := cmp.Diff([]string{"1:2: careful: 1", "tls.version", "vars.x"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
