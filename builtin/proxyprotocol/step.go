package proxyprotocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"dwaar.dev/dwaar/builtin/internal/proxyproto"
	"dwaar.dev/dwaar/host"
)

// Handle takes the header off, if there is one, and calls next.
func (h *Handler) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	return host.Take(ctx, c, h, next)
}

// Step takes the header off, once all of it is there. A client without a header goes on at
// the first byte that cannot be one, or when it has said nothing for as long as it may take.
func (h *Handler) Step(e host.Editor, final error) (host.Await, error) {
	if policy := h.policy(e.Flow().Remote.Addr()); policy != Skip {
		return h.read(e, policy, final)
	}
	return host.Await{}, nil
}

// read is Step for a peer with a policy that looks at the first bytes.
func (h *Handler) read(e host.Editor, policy Policy, final error) (host.Await, error) {
	f := e.Flow()
	header, need, err := proxyproto.Read(f.Head)
	switch {
	case policy == Reject && proxyproto.Begins(f.Head):
		return host.Await{}, refused(errors.New("a client that may not sends one"))
	case err != nil:
		return host.Await{}, refused(err)
	case need > 0 && final == nil:
		return host.Await{Bytes: need, Within: h.timeout}, nil
	case need > 0 && len(f.Head) > 0:
		return host.Await{}, h.cut(need, final)
	case header.Version > 0:
		return host.Await{}, h.take(e, &header, policy)
	case policy == Require:
		return host.Await{}, h.missing(final)
	}
	return host.Await{}, nil
}

// refused returns how a connection ends whose header is none that may be believed.
func refused(err error) error {
	return host.End(host.ByClient, host.Protocol, fmt.Errorf("reading the PROXY header: %w", err))
}

// cut returns how a connection ends that may begin a header, which has need bytes at least
// and does not come, because of final.
func (h *Handler) cut(need int, final error) error {
	switch {
	case errors.Is(final, host.ErrFull):
		return host.End(host.ByProxy, host.Cap, fmt.Errorf("reading the PROXY header: its %d bytes are more than max_head", need))
	case errors.Is(final, io.EOF):
		return host.End(host.ByClient, host.Closed, errors.New("reading the PROXY header: the client closed before it was complete"))
	}
	return host.End(host.ByClient, host.Timeout, fmt.Errorf("reading the PROXY header: it was not complete within %v", h.timeout))
}

// missing returns how a connection ends that has no header and must have one.
func (h *Handler) missing(final error) error {
	if errors.Is(final, os.ErrDeadlineExceeded) {
		return host.End(host.ByClient, host.Timeout, fmt.Errorf("reading the PROXY header: none came within %v", h.timeout))
	}
	return refused(errors.New("the client sends none"))
}

// take takes a header off and makes known what it says.
func (h *Handler) take(e host.Editor, header *proxyproto.Header, policy Policy) error {
	if policy != Ignore {
		if err := tell(e, header); err != nil {
			return host.End(host.ByProxy, host.Cap, fmt.Errorf("reading the PROXY header: %w", err))
		}
		if header.Named {
			e.Readdress(header.Source, header.Destination)
		}
	}
	e.Discard(header.Size)
	return nil
}
