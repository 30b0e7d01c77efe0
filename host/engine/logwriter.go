package engine

import (
	"context"
	"io"

	"dwaar.dev/dwaar/host/engine/internal/logring"
)

// LogWriter is where a log goes that must not slow anything down: lines wait in a
// bounded buffer for one goroutine that writes them, and are dropped and counted
// when it is full.
type LogWriter struct{ ring *logring.Ring }

// NewLogWriter returns a writer that holds at most size bytes for w, and starts its
// goroutine, which Close ends. lost, which may be nil, is called when w takes lines
// again, with how many were dropped: it may log that.
func NewLogWriter(w io.Writer, size int, lost func(lines uint64)) *LogWriter {
	return &LogWriter{logring.New(w, size, lost)}
}

// Write never blocks and always succeeds. A line is written whole or not at all.
func (w *LogWriter) Write(line []byte) (int, error) { return w.ring.Write(line) }

// Dropped returns how many lines were dropped.
func (w *LogWriter) Dropped() uint64 { return w.ring.Dropped() }

// Close writes what waits, until ctx ends, and drops what comes later. It does not
// close the writer below.
func (w *LogWriter) Close(ctx context.Context) error { return w.ring.Close(ctx) }
