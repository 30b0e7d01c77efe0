package kit

import (
	"sync"

	"dwaar.dev/dwaar/host/wasm"
)

// Ear keeps what guests log. The zero value is ready, nil hears nothing.
type Ear struct {
	mu    sync.Mutex
	lines []string
}

// maxHeard is how many messages are kept: the laws ask often.
const maxHeard = 64

// Hear is for [wasm.Options], as Listen. It may be called from any goroutine.
func (e *Ear) Hear(m wasm.Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.lines) < maxHeard {
		e.lines = append(e.lines, m.Text)
	}
}

// take returns what was heard since it was last asked.
func (e *Ear) take() []string {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	lines := e.lines
	e.lines = nil
	return lines
}
