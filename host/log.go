package host

import (
	"context"
	"log/slog"
)

type logKey struct{}

// WithLog returns the context in which an [Actor] runs, with the logger that the actor
// writes to. The package that starts actors calls WithLog.
func WithLog(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, logKey{}, log)
}

// Log returns the logger of an [Actor], from the context that Run was given. A
// context without one has a logger that discards everything.
func Log(ctx context.Context) *slog.Logger {
	if log, ok := ctx.Value(logKey{}).(*slog.Logger); ok {
		return log
	}
	return slog.New(slog.DiscardHandler)
}
