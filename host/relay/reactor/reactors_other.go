//go:build !linux

package reactor

import (
	"errors"
	"fmt"

	"dwaar.dev/dwaar/host/relay"
)

// Reactors are for Linux: there are none on this system.
type Reactors struct{}

// Stats is what the reactors hold now.
type Stats struct {
	Links int // pairs of sockets
	Pipes int // two descriptors each, idle ones included
	Kept  int // buffers of 16 KiB with what a destination refused
}

// New fails with errors.ErrUnsupported.
func New(int) (*Reactors, error) {
	return nil, fmt.Errorf("starting reactors: %w", errors.ErrUnsupported)
}

// Start is relay.Start.
func (*Reactors) Start(down, up relay.Endpoint, o relay.Options) *relay.Link {
	return relay.Start(down, up, o)
}

// Close does nothing.
func (*Reactors) Close() {}

// Stats counts nothing.
func (*Reactors) Stats() Stats { return Stats{} }
