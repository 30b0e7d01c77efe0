// Package tee holds the handler tee, which gives a copy of what a client sends to a branch
// of handlers, beside those of the route.
//
//	route {
//		tee {
//			proxy 127.0.0.1:9000
//		}
//		proxy 127.0.0.1:8080
//	}
//
// The branch never holds up the connection: what it has not taken waits in a buffer, and a
// branch whose buffer is full is cut, which is counted and logged. What the branch answers
// goes nowhere.
package tee

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

const (
	name          = "tee"
	bufferOption  = "buffer"
	defaultBuffer = 64 << 10

	// linger is how long a branch may take for what it has not taken when the connection has
	// ended, as a relay lets a slow end take what is queued for it.
	linger = 10 * time.Second
	// warnApart is the time between two log lines of branches that were cut.
	warnApart = 10 * time.Second
)

// settings are the options in the block, beside the handlers.
type settings struct{ buffer int64 }

func options() []sdk.Option[settings] {
	return []sdk.Option[settings]{
		sdk.Line(sdk.Spec{
			Name: bufferOption, Default: "64KiB",
			Doc:  "How much a branch may lag behind before it is cut",
			Args: []sdk.Arg{sdk.One("SIZE", sdk.Size)},
		}, sdk.SetSize(func(s *settings) *int64 { return &s.buffer })),
	}
}

// Spec describes the handler.
func Spec() sdk.Spec {
	return sdk.Spec{
		Name: name, Need: true,
		Doc:   "Gives a copy of what the client sends to handlers of its own, which hold nobody up",
		Block: &sdk.Block{Options: sdk.Specs(options()), Holds: sdk.HoldsHandlers},
	}
}

// New makes the handler from its directive.
func New(b host.Builder, n *sdk.Node) (host.Handler, error) {
	s := settings{buffer: defaultBuffer}
	if err := sdk.Apply(&s, n.Block, options()); err != nil {
		return nil, err
	}
	var handlers []sdk.Node
	for _, line := range n.Block {
		if line.Name != bufferOption {
			handlers = append(handlers, line)
		}
	}
	if len(handlers) == 0 {
		return nil, sdk.Errorf(n.Pos, "tee has no handler for the copy: write one, as proxy 127.0.0.1:9000")
	}
	cuts, err := host.Share(b, name, func() (*Cuts, error) { return new(Cuts), nil })
	if err != nil {
		return nil, err
	}
	return &Handler{branch: b.Handlers(handlers), buffer: int(s.buffer), linger: linger, cuts: cuts}, nil
}

// Cuts counts the branches that were cut, of all tee handlers.
type Cuts struct {
	total atomic.Uint64

	mu     sync.Mutex
	warned time.Time
}

// Total returns how many branches were cut so far.
func (c *Cuts) Total() uint64 { return c.total.Load() }

// add counts a branch, and reports whether a line is due.
func (c *Cuts) add(now time.Time) (due bool) {
	c.total.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.warned) < warnApart {
		return false
	}
	c.warned = now
	return true
}

// Handler gives copies to a branch.
type Handler struct {
	branch host.Chain
	buffer int
	linger time.Duration
	cuts   *Cuts
}

// errCut is how a branch ends that lags too far behind.
var errCut = errors.New("the branch lags behind by more than its buffer holds: it is cut")

// Handle starts a branch, and hands the connection on. Where connections hold as many
// descriptors as they may there is no branch, which counts as cut.
func (h *Handler) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	brancher, ok := c.(host.Brancher)
	if !ok { // an explanation
		return next(ctx, c)
	}
	main := &conn{Conn: c.Net(), branch: newBranch(c.Net(), h.buffer), linger: h.linger}
	main.branch.cut = func(err error) { h.tell(c.Log(), c.Flow().Listener, err) }
	giveBack, err := spend(c)
	if err != nil {
		main.branch.cut(err)
		return next(ctx, c)
	}
	log := c.Log()
	main.kill = brancher.Branch(main.branch, h.branch.Run, func(o host.Outcome) {
		giveBack()
		_ = main.branch.Close()
		close(main.branch.done)
		log.Debug("a branch of tee ended", slog.String("code", o.Code.String()), slog.Any("error", o.Err))
	})
	inner := c.Wrap(main)
	defer func() {
		if !inner.Given() {
			main.finish()
		}
	}()
	return next(ctx, inner)
}

// spend counts the descriptor of a branch's upstream.
func spend(c host.Conn) (giveBack func(), err error) {
	if s, ok := c.(host.Spender); ok {
		return s.Spend(1)
	}
	return func() {}, nil
}

// tell counts and logs a branch that was cut.
func (h *Handler) tell(log *slog.Logger, listener string, err error) {
	if h.cuts.add(time.Now()) {
		log.Warn("a branch of tee was cut", slog.String("listener", listener), slog.Any("error", err), slog.Uint64("cut", h.cuts.Total()))
	}
}
