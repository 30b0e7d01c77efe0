package terminate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/relay"
)

// explain says who ended a handshake, why, and what the operator can do about it.
func explain(err error, g *gate, timeout time.Duration) error {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		op     *net.OpError
	)
	if e := gone(err, timeout); e != nil {
		return g.probe(e)
	}
	switch {
	case g.refused != nil:
		return protocol("terminating TLS: %w", g.refused)
	case errors.As(err, &verify):
		return protocol("terminating TLS: the client's certificate is not trusted: %w", verify.Err)
	case errors.As(err, &record):
		return protocol("terminating TLS: the client does not speak TLS: put the matcher tls in front: %w", err)
	case errors.As(err, &op) && op.Op == "remote error":
		return protocol("terminating TLS: the client refused: %w", err)
	}
	return protocol("terminating TLS: %w", err)
}

// gone is for handshakes whose connection failed beneath them, or nil.
func gone(err error, timeout time.Duration) error {
	switch {
	case errors.Is(err, errNoTurn), errors.Is(err, host.ErrNoMemory):
		return host.End(host.ByProxy, host.Cap, fmt.Errorf("terminating TLS: %w", err))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return host.End(host.ByClient, host.Timeout, fmt.Errorf("terminating TLS: the client did not finish its handshake within %v", timeout))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return host.End(host.ByClient, host.Closed, errors.New("terminating TLS: the client closed before the handshake was done"))
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return host.End(host.ByClient, host.Reset, fmt.Errorf("terminating TLS: %w", err))
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return fmt.Errorf("terminating TLS: %w", err) // by whoever closed it
	}
	return nil
}

// probe returns how a handshake ended whose connection failed beneath it. A client that
// went away before its ClientHello had come was none.
func (g *gate) probe(err error) error {
	var end *host.EndError
	if errors.As(err, &end) && end.By == host.ByClient && end.Why != host.Timeout && !g.greeted {
		return host.End(host.ByClient, host.Probe, end.Err)
	}
	return err
}

func protocol(format string, err error) error {
	return host.End(host.ByClient, host.Protocol, fmt.Errorf(format, err))
}

// What a client may still send while it is told that its handshake failed.
const (
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// linger lets an alert arrive. A socket that is closed while bytes of the client
// wait in it is reset, and the reset overtakes the alert: the client would see
// "connection reset" instead of "certificate required".
func linger(conn net.Conn, err error) {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" || gone(err, 0) != nil {
		return // there was no alert, or nobody to hear it
	}
	w, ok := conn.(relay.CloseWriter)
	if !ok || conn.SetDeadline(time.Now().Add(lingerTime)) != nil || w.CloseWrite() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, conn, lingerBytes) // however it ends, the connection is closed next
}

// orderly reports whether handlers that ended with err had said to the client what
// there was to say.
func orderly(err error) bool {
	var end *host.EndError
	if errors.As(err, &end) {
		return end.Why == host.Closed || end.Why == host.Idle
	}
	return err == nil || errors.Is(err, host.ErrNoRoute)
}
