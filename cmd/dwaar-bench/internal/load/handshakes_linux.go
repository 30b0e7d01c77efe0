package load

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// handshakes is the part of Handshakes. Unlike the others it runs in goroutines of
// its own: crypto/tls blocks.
type handshakes struct {
	*run
	Handshakes
	started bool
	stop    chan struct{}
	all     sync.WaitGroup

	mu     sync.Mutex
	counts counts
	ended  int
}

func (h *handshakes) fill() error {
	if h.started {
		return nil
	}
	h.started, h.stop = true, make(chan struct{})
	for range h.InFlight {
		h.all.Go(h.client)
	}
	return nil
}

func (h *handshakes) client() {
	opens := time.Now().Add(h.Warm)
	for {
		select {
		case <-h.stop:
			return
		default:
		}
		at := time.Now()
		err := h.one()
		took := time.Since(at)
		h.mu.Lock()
		switch {
		case err != nil:
			h.counts.add(reason(err))
		case at.Add(took).After(opens): // also one that the window's beginning found waiting
			h.counts.Done++
			h.counts.latency.Add(took)
		}
		h.ended++
		h.mu.Unlock()
	}
}

// one connects, shakes hands and resets the connection.
func (h *handshakes) one() error {
	c, err := net.DialTimeout("tcp", h.To.String(), patience)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.(*net.TCPConn).SetLinger(0) // no TIME_WAIT
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return tls.Client(c, &tls.Config{
		ServerName: h.Name, InsecureSkipVerify: true, // a certificate of the measurement itself
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
	}).Handshake()
}

// reason is what an error says without addresses, which differ each time.
func reason(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return "shaking hands: " + err.Error()
}

func (h *handshakes) event(int32, uint32) error { return nil }

func (h *handshakes) done() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended >= h.Count
}

func (h *handshakes) end(s *Sample) {
	if h.stop != nil {
		close(h.stop)
	}
	h.all.Wait()
	s.Handshakes = h.counts.report()
}
