package terminate

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"dwaar.dev/dwaar/host"
)

// free is an account that charges nobody.
func free() account {
	return account{charge: func(int) error { return nil }, most: 1 << 20}
}

func TestAHandshakeThatGetsNoTurnUntilItsDeadlineIsTheProxysFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		taken := make(turns, 1)
		taken <- struct{}{}
		ctx, cancel := context.WithDeadlineCause(t.Context(), time.Now().Add(time.Second), errNoTurn)
		defer cancel()
		g := &gate{turns: taken, account: free()}
		err := g.begin(ctx)
		var end *host.EndError
		if !errors.As(explain(err, g, time.Second), &end) || end.By != host.ByProxy || end.Why != host.Cap {
			t.Errorf("it ended with %v", err)
		}
		g.end()
		if len(taken) != 1 {
			t.Error("it gave back a turn it never had")
		}
	})
}

func TestAHandshakeThatWaitsForItsClientHoldsNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		one := make(turns, 1)
		g := &gate{Conn: here, turns: one, account: free()}
		if err := g.begin(t.Context()); err != nil || len(one) != 1 {
			t.Fatalf("its turn: %d, %v", len(one), err)
		}
		for name, io := range map[string]struct {
			here, there func([]byte) (int, error)
		}{
			"reading": {g.Read, there.Write},
			"writing": {g.Write, there.Read},
		} {
			done := make(chan error)
			go func() {
				_, err := io.here(make([]byte, 1))
				done <- err
			}()
			synctest.Wait()
			if len(one) != 0 {
				t.Errorf("%s, it holds its turn", name)
			}
			_, err := io.there(make([]byte, 1))
			if err := errors.Join(err, <-done); err != nil || len(one) != 1 {
				t.Errorf("%s: %v; turns taken afterwards: %d", name, err, len(one))
			}
		}
		g.end()
		go func() { _, _ = there.Write([]byte("x")) }()
		if _, err := io.ReadFull(g, make([]byte, 1)); err != nil || len(one) != 0 {
			t.Errorf("after the handshake: %v, turns taken %d", err, len(one))
		}
	})
}
