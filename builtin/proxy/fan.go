package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"dwaar.dev/dwaar/host/relay"
)

// fan is several connections as one: what is written goes to each, and what any of
// them sends is read, piece by piece as it comes. A write waits for the slowest. It
// ends when all have ended; if one breaks, so does the fan.
type fan struct {
	net.Conn // the first: whose addresses it has
	all      []net.Conn
	pieces   chan []byte   // read by its readers, taken by Read
	taken    chan struct{} // the piece was copied: its reader may go on
	closing  chan struct{}
	closed   func() // called when all are closed
	once     sync.Once
	readers  sync.WaitGroup

	mu      sync.Mutex
	rest    []byte        // of the piece being read
	expired chan struct{} // closed at the read deadline
	timer   *time.Timer   // of the read deadline
	set     int           // how often it was set
	running int
	failed  error
	over    chan struct{} // closed when every reader has ended or one has failed
}

// fanBuffer is what each connection of a fan holds in user space.
const fanBuffer = 16 << 10

func newFan(all []net.Conn, closed func()) *fan {
	f := &fan{
		Conn: all[0], all: all, closed: closed, running: len(all),
		pieces: make(chan []byte), taken: make(chan struct{}),
		closing: make(chan struct{}), over: make(chan struct{}), expired: make(chan struct{}),
	}
	for _, conn := range all {
		f.readers.Go(func() { f.leave(f.receive(conn)) })
	}
	return f
}

// receive hands on what conn sends, until it ends.
func (f *fan) receive(conn net.Conn) error {
	b := make([]byte, fanBuffer)
	for {
		n, err := conn.Read(b)
		if n > 0 && !f.handOn(b[:n]) {
			return net.ErrClosed
		}
		if err != nil {
			return err
		}
	}
}

// handOn gives a piece to Read and waits until it was copied.
func (f *fan) handOn(b []byte) bool {
	select {
	case f.pieces <- b:
	case <-f.closing:
		return false
	}
	select {
	case <-f.taken:
		return true
	case <-f.closing:
		return false
	}
}

// leave notes how a connection ended.
func (f *fan) leave(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	if f.failed != nil {
		return
	}
	if !errors.Is(err, io.EOF) {
		f.failed = err
	} else if f.running == 0 {
		f.failed = io.EOF
	}
	if f.failed != nil {
		close(f.over)
	}
}

// Read returns bytes of one of the connections; io.EOF when all have ended.
func (f *fan) Read(p []byte) (int, error) {
	f.mu.Lock()
	expired := f.expired
	f.mu.Unlock()
	if len(f.rest) == 0 {
		select {
		case <-expired:
			return 0, os.ErrDeadlineExceeded
		default:
		}
		select {
		case f.rest = <-f.pieces:
		case <-expired:
			return 0, os.ErrDeadlineExceeded
		case <-f.over:
			return 0, f.failed
		}
	}
	n := copy(p, f.rest)
	if f.rest = f.rest[n:]; len(f.rest) == 0 {
		select {
		case f.taken <- struct{}{}:
		case <-f.closing:
		}
	}
	return n, nil
}

// Write writes p to each.
func (f *fan) Write(p []byte) (int, error) {
	for _, conn := range f.all {
		if n, err := conn.Write(p); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// CloseWrite ends the sending side of each.
func (f *fan) CloseWrite() error {
	var failed error
	for _, conn := range f.all {
		if w, ok := conn.(relay.CloseWriter); ok {
			failed = errors.Join(failed, w.CloseWrite())
		}
	}
	return failed
}

// Reset ends each abruptly.
func (f *fan) Reset() error {
	for _, conn := range f.all {
		_ = relay.Abort(conn)
	}
	return f.Close()
}

// Close closes each and waits for the readers.
func (f *fan) Close() error {
	var failed error
	f.once.Do(func() {
		close(f.closing)
		for _, conn := range f.all {
			failed = errors.Join(failed, conn.Close())
		}
		f.closed()
		f.readers.Wait()
		f.mu.Lock()
		if f.timer != nil {
			f.timer.Stop()
		}
		f.mu.Unlock()
	})
	return failed
}

// SetDeadline sets both deadlines.
func (f *fan) SetDeadline(t time.Time) error {
	return errors.Join(f.SetReadDeadline(t), f.SetWriteDeadline(t))
}

// SetReadDeadline ends a Read at t; the zero time never.
func (f *fan) SetReadDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set++
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	select {
	case <-f.expired:
		f.expired = make(chan struct{})
	default:
	}
	d := time.Until(t)
	switch {
	case t.IsZero():
	case d <= 0:
		close(f.expired)
	default:
		set := f.set
		f.timer = time.AfterFunc(d, func() { f.expire(set) })
	}
	return nil
}

// expire is the end of a read deadline, unless another one was set meanwhile.
func (f *fan) expire(set int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.set == set {
		close(f.expired)
	}
}

// SetWriteDeadline ends Writes to each at t; the zero time never.
func (f *fan) SetWriteDeadline(t time.Time) error {
	var failed error
	for _, conn := range f.all {
		failed = errors.Join(failed, conn.SetWriteDeadline(t))
	}
	return failed
}
