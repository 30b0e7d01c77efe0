package proxy

import (
	"context"
	"time"

	"dwaar.dev/dwaar/host/upstream"
)

// waiting is the pauses of one connection that finds no upstream which it may take.
type waiting struct {
	until time.Time // for results of checks; the zero time: not waited yet
}

// pause returns when it is worth to look again: a check had its first result, or
// lb_try_interval is over. After as long as a check may take upstreams are used without.
func (w *waiting) pause(ctx context.Context, h *Handler, a *upstream.Attempts) error {
	result := h.result()
	if result == nil || a.Blind {
		return upstream.Pause(ctx, h.tryEvery)
	}
	if w.until.IsZero() {
		w.until = time.Now().Add(h.firstCheck)
	}
	select {
	case <-result:
	case <-time.After(time.Until(w.until)):
		a.Blind = true
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// result returns what the first result of a check closes, of the first upstream that waits
// for one; nil: none does.
func (h *Handler) result() <-chan struct{} {
	for _, tier := range [...][]member{h.primaries, h.backups} {
		for i := range tier {
			if c := tier[i].up.Unchecked(); c != nil {
				return c
			}
		}
	}
	return nil
}
