//go:build !linux

package loop

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// Loops are for Linux: there are none on this system.
type Loops struct{}

// New fails with errors.ErrUnsupported.
func New(int) (*Loops, error) {
	return nil, fmt.Errorf("starting loops: %w", errors.ErrUnsupported)
}

// Start is relay.Start.
func (*Loops) Start(down, up relay.Endpoint, o relay.Options) *relay.Link {
	return relay.Start(down, up, o)
}

// Listen fails with errors.ErrUnsupported.
func (*Loops) Listen(int, Acceptor) (*Listener, error) {
	return nil, fmt.Errorf("listening: %w", errors.ErrUnsupported)
}

// Close does nothing.
func (*Loops) Close() {}

// Stats counts nothing.
func (*Loops) Stats() Stats { return Stats{} }

// Listener is none: there are no loops on this system.
type Listener struct{}

// Leave returns a closed channel.
func (*Listener) Leave() <-chan struct{} {
	left := make(chan struct{})
	close(left)
	return left
}

// Client is none: nothing is accepted on this system.
type Client struct{ link relay.Link }

// Init makes c ready.
func (c *Client) Init(Events) { c.link = relay.LinkTo(nobody{}) }

// Local returns the zero value.
func (*Client) Local() netip.AddrPort { return netip.AddrPort{} }

// Recv fails with errors.ErrUnsupported.
func (*Client) Recv([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Wait does nothing.
func (*Client) Wait(time.Time) {}

// Dial fails with errors.ErrUnsupported.
func (*Client) Dial(Dial, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Relay does nothing.
func (*Client) Relay([]byte, relay.Options) {}

// Detach fails with errors.ErrUnsupported.
func (*Client) Detach() (int, error) { return -1, errors.ErrUnsupported }

// Close does nothing.
func (*Client) Close(bool) {}

// Link returns a link that nothing moves.
func (c *Client) Link() *relay.Link { return &c.link }

// nobody relays nothing.
type nobody struct{}

func (nobody) Kill(relay.Reason)        {}
func (nobody) Counts() (up, down int64) { return 0, 0 }
