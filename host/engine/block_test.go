package engine_test

import (
	"testing"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine"
	"dwaar.dev/dwaar/sdk"
)

// slow is something that configurations share, whose end takes until it is released.
type slow struct{ closing, release chan struct{} }

func (s *slow) Close() error {
	close(s.closing)
	<-s.release
	return nil
}

// The last to let go of an old configuration is a connection that was undecided when it
// was replaced: in a loop, which has to go on with everybody else.
func TestTheEndOfAnOldConfigurationHoldsUpNoLoop(t *testing.T) {
	f := start(t, func(o *engine.Options) {
		if inLoops {
			o.Loops = someLoops(t, 1)
		}
	})
	f.echoes()
	s := &slow{closing: make(chan struct{}), release: make(chan struct{})}
	f.registry.Handler(sdk.Spec{Name: "slow", Ends: true}, func(b host.Builder, _ *sdk.Node) (host.Handler, error) {
		_, err := host.Share(b, "slow", func() (*slow, error) { return s, nil })
		return handler(echo), err
	})
	f.load(serve("matching_timeout 10m", "@a first aaa", "route @a {", "slow", "}", "@p first ppp", "route @p {", "proxy", "}"))
	undecided := f.dial()
	undecided.says("a", "")
	await(t, "its byte to arrive", func() bool { return f.Stats().HeadBytes > 0 })
	f.load(serve("matching_timeout 10m", "@p first ppp", "route @p {", "proxy", "}"))
	other := f.dial()
	other.says("ppp", "ppp")
	undecided.Close()
	<-s.closing // and it does not return
	for range 10 {
		other.says("more", "more")
		c := f.dial()
		c.says("ppp", "ppp")
		c.Close()
	}
	close(s.release)
}
