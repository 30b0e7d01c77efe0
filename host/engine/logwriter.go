package engine

import (
	"context"
	"io"

	"dwaar.dev/dwaar/host/engine/internal/logring"
)

// LogWriter is the destination of a log that must not slow anything down. Lines wait
// in a bounded buffer for the goroutine that writes them. When the buffer is full,
// lines are dropped and counted.
type LogWriter struct{ ring *logring.Ring }

// NewLogWriter returns a writer that holds at most size bytes for w, and starts its
// goroutine, which Close ends. lost, which may be nil, is called with the number of
// dropped lines when w takes lines again, and may log.
func NewLogWriter(w io.Writer, size int, lost func(lines uint64)) *LogWriter {
	return &LogWriter{logring.New(w, size, lost)}
}

// Write never blocks and always succeeds. A line is written whole or not at all.
func (w *LogWriter) Write(line []byte) (int, error) { return w.ring.Write(line) }

// Dropped returns how many lines were dropped.
func (w *LogWriter) Dropped() uint64 { return w.ring.Dropped() }

// Close writes the lines that wait, until ctx ends, and drops later ones. It does not
// close the underlying writer.
func (w *LogWriter) Close(ctx context.Context) error { return w.ring.Close(ctx) }
