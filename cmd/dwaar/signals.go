package main

import (
	"context"
	"log/slog"
	"os"

	"dwaar.dev/dwaar/cmd/dwaar/internal/process"
)

// life is what is left of a program's: the first call to stop ends stopping, the second one
// hurry, and over ends when there is nothing left to stop.
type life struct {
	stopping, hurry, over context.Context
	stop, hasten, end     context.CancelFunc
}

func newLife(ctx context.Context) *life {
	l := new(life)
	l.over, l.end = context.WithCancel(context.WithoutCancel(ctx))
	l.hurry, l.hasten = context.WithCancel(l.over)
	l.stopping, l.stop = context.WithCancel(ctx)
	context.AfterFunc(l.hurry, l.stop)
	return l
}

// signals passes on what signals ask for, until the program is over. It does nothing of it
// itself: the next signal may be the one that matters.
func (s *server) signals(calls *process.Calls, l *life) {
	for {
		select {
		case <-l.over.Done():
			return
		case <-calls.Reload:
			s.reloadForSignal()
		case sig := <-calls.Stop:
			s.stopForSignal(sig, l)
		case sig := <-calls.Other:
			s.log.Info(process.Elsewhere(sig), slog.String(keySignal, sig.String()))
		}
	}
}

// stopForSignal ends the program, at once if it has been told before.
func (s *server) stopForSignal(sig os.Signal, l *life) {
	if l.stopping.Err() != nil {
		s.log.Warn("ending at once", slog.String(keySignal, sig.String()))
		l.hasten()
		return
	}
	s.log.Info("ending", slog.String(keySignal, sig.String()))
	l.stop()
	s.tell(s.notify.stopping("waiting for connections to end"))
}

// reloadForSignal asks for a reload and has what is wrong logged: nobody else hears of it.
func (s *server) reloadForSignal() {
	l := s.loads.reload(s.drains.Load(), s.reread)
	go func() {
		<-l.done
		s.logFaults(l.err)
	}()
}
