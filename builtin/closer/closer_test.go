package closer_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin/closer"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/sdk"
)

func TestCloseEndsAConnectionInOrderOrWithAReset(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []sdk.Word
		code string
		sees error
	}{
		{nil, "proxy.handling.closed", io.EOF},
		{[]sdk.Word{{Text: "Reset"}}, "proxy.handling.reset", syscall.ECONNRESET},
	} {
		h, err := closer.New(&hosttest.Builder{}, &sdk.Node{Name: "close", Args: c.args})
		if err != nil {
			t.Fatal(err)
		}
		s := hosttest.Serve(t, h, nil)
		if err := sees(t, s.Addr); !errors.Is(err, c.sees) {
			t.Errorf("%v: the client sees %v", c.args, err)
		}
		if o := s.Outcome(t); o.Code.String() != c.code || o.Err != nil {
			t.Errorf("%v: %v: %v", c.args, o.Code, o.Err)
		}
	}
}

// sees is how a client that says nothing sees the end. A reset may be there before
// it knows that it is connected.
func sees(t *testing.T, addr string) error {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, hosttest.Limit)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(hosttest.Limit)); err != nil {
		t.Fatal(err)
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}
