package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dwaar.dev/dwaar/host/engine"
)

// doing runs the loads of q until the returned function is called, which waits for that.
func doing(q *loads, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		q.do(ctx, log)
		close(ended)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func TestReloadsThatWaitAreOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q loads
		defer doing(&q, slog.New(slog.DiscardHandler))()
		reloads, held := 0, make(chan struct{})
		wrong := errors.New("wrong")
		reload := func(context.Context, uint64) error {
			reloads++
			<-held
			if reloads == 2 {
				return wrong
			}
			return nil
		}
		first := q.reload(0, reload)
		synctest.Wait()
		second, third := q.reload(1, reload), q.reload(2, reload) // the first one has begun, and may have read the file
		others := 0
		for range 2 {
			q.other(0, func(context.Context, uint64) error { others++; return nil })
		}
		synctest.Wait()
		if reloads != 1 || second != third || first == second || second.drains != 2 {
			t.Errorf("%d have begun, and the second and the third are %p and %p", reloads, second, third)
		}
		close(held)
		synctest.Wait()
		if reloads != 2 || others != 2 || first.err != nil || !errors.Is(second.err, wrong) {
			t.Errorf("%d reloads and %d others: %v, %v", reloads, others, first.err, second.err)
		}
		<-q.reload(0, reload).done
		if reloads != 3 {
			t.Errorf("one that came later was not done")
		}
	})
}

func TestALoadThatHangsIsLeftBehindByAStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q loads
		var said strings.Builder
		stop := doing(&q, slog.New(slog.NewTextHandler(&said, nil)))
		forever := make(chan struct{})
		hanging := q.reload(0, func(context.Context, uint64) error { <-forever; return nil })
		synctest.Wait()
		waiting := q.reload(0, func(context.Context, uint64) error { t.Error("it was done"); return nil })
		time.Sleep(slowLoad) // of the bubble's clock
		synctest.Wait()
		if !strings.Contains(said.String(), "takes long") {
			t.Errorf("nobody hears of it: %q", said.String())
		}
		stop()
		late := q.other(0, func(context.Context, uint64) error { t.Error("it was done"); return nil })
		for _, l := range []*load{hanging, waiting, late} {
			<-l.done
		}
		if !errors.Is(hanging.err, errLeft) || !errors.Is(waiting.err, engine.ErrStopping) || !errors.Is(late.err, engine.ErrStopping) {
			t.Errorf("%v; %v; %v", hanging.err, waiting.err, late.err)
		}
		close(forever)
	})
}

func TestALoadThatEndsInItsLastMomentSaysHow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q loads
		stop := doing(&q, slog.New(slog.DiscardHandler))
		wrong := errors.New("wrong")
		l := q.reload(0, func(ctx context.Context, _ uint64) error {
			<-ctx.Done()
			time.Sleep(lastMoment / 2)
			return wrong
		})
		synctest.Wait()
		stop()
		if <-l.done; !errors.Is(l.err, wrong) {
			t.Errorf("it ended with %v", l.err)
		}
	})
}

func TestAPanicOfALoadIsItsError(t *testing.T) {
	t.Parallel()
	var q loads
	defer doing(&q, slog.New(slog.DiscardHandler))()
	l := q.reload(0, func(context.Context, uint64) error { panic("no such thing") })
	if <-l.done; l.err == nil || !strings.Contains(l.err.Error(), "a defect: no such thing\n") {
		t.Errorf("it ended with %v", l.err)
	}
	if l := q.reload(0, func(context.Context, uint64) error { return nil }); l != nil {
		if <-l.done; l.err != nil {
			t.Errorf("the next one ended with %v", l.err)
		}
	}
}
