package dwaar_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// signal is a log whose lines are waited for.
type signal chan string

func (s signal) log() *slog.Logger { return slog.New(slog.NewTextHandler(s, nil)) }

// Write never waits: what nobody has read in time is lost.
func (s signal) Write(p []byte) (int, error) {
	select {
	case s <- string(p):
	default:
	}
	return len(p), nil
}

func (s signal) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(limit)
	for {
		select {
		case line := <-s:
			if strings.Contains(line, text) {
				return
			}
		case <-late:
			t.Fatalf("nobody logs %q", text)
		}
	}
}
