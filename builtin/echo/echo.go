// Package echo sends back what a client sends: to try a configuration, and to
// measure a network.
//
//	route {
//		echo {
//			idle_timeout 5m
//		}
//	}
package echo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/sdk"
)

const (
	defaultIdle = time.Hour // as proxy has it
	bufferSize  = 4 << 10   // what a connection costs; nothing is queued beside it
)

// options are what stands in the block.
func options() []sdk.Option[Handler] {
	return []sdk.Option[Handler]{
		sdk.Line(sdk.Spec{
			Name: "idle_timeout", Doc: "Ends a connection on which no byte moved for so long", Default: "1h",
			Args: []sdk.Arg{sdk.OrOff(sdk.One("D", sdk.Duration))},
		}, sdk.SetLimit(func(h *Handler) *time.Duration { return &h.Idle })),
	}
}

// Spec describes the handler.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: "echo", Doc: "Sends back what the client sends", Ends: true,
		Block: &sdk.Block{Options: sdk.Specs(options())},
	}
}

// New makes the handler from its directive.
func New(_ host.Builder, n *sdk.Node) (host.Handler, error) {
	h := &Handler{Idle: defaultIdle}
	if err := sdk.Apply(h, n.Block, options()); err != nil {
		return nil, err
	}
	return h, nil
}

// Handler sends back what it receives, until the client has finished.
type Handler struct {
	Idle time.Duration // without a byte either way; 0: no limit
}

// Handle never calls next. A client that does not read what it is sent stops its
// own bytes from being read, nothing else.
func (h *Handler) Handle(_ context.Context, c host.Conn, _ host.Next) error {
	c.Enter(host.InRelay)
	conn := c.Net()
	buf := make([]byte, bufferSize)
	for {
		n, err := h.read(conn, buf)
		if n > 0 {
			if err := h.write(conn, buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return finish(conn)
		}
		if err != nil {
			return err
		}
	}
}

func (h *Handler) read(conn net.Conn, buf []byte) (int, error) {
	if err := conn.SetReadDeadline(h.deadline()); err != nil {
		return 0, fmt.Errorf("setting a deadline: %w", err)
	}
	n, err := conn.Read(buf)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, host.End(host.ByProxy, host.Idle, fmt.Errorf("reading from the client: nothing came for %v", h.Idle))
	}
	return n, failed("reading from the client", err)
}

func (h *Handler) write(conn net.Conn, b []byte) error {
	if err := conn.SetWriteDeadline(h.deadline()); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	_, err := conn.Write(b)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return host.End(host.ByClient, host.Idle, fmt.Errorf("writing to the client: it read nothing for %v", h.Idle))
	}
	return failed("writing to the client", err)
}

func (h *Handler) deadline() time.Time {
	if h.Idle == 0 {
		return time.Time{}
	}
	return time.Now().Add(h.Idle)
}

// finish tells a client that has finished that so has the echo.
func finish(conn net.Conn) error {
	w, ok := conn.(relay.CloseWriter)
	if !ok {
		return host.End(host.ByClient, host.Closed, nil)
	}
	if err := w.CloseWrite(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return failed("finishing", err)
	}
	return host.End(host.ByClient, host.Closed, nil)
}

func failed(doing string, err error) error {
	why := host.Failed
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		why = host.Reset
	}
	return host.End(host.ByClient, why, fmt.Errorf("%s: %w", doing, err))
}
