package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
)

// What a client sends before it finishes sending, how often, and how long it waits.
const (
	halfBytes   = 300_000
	halfTimes   = 20
	halfTimeout = 3 * time.Second
)

func halfCloseScenario() Scenario {
	return Scenario{
		Name: "half-close", Title: "clients that finish sending and then wait for the answer (20 each)",
		Kind: peer.Plain, measure: (*session).halfClose,
	}
}

// halfClose sees whether a client that has finished sending (a FIN) still gets its
// answer, and whether all it sent arrived: RFC 9293 section 3.6 lets it wait.
func (s *session) halfClose(ctx context.Context, sc Scenario) (report.Measured, error) {
	m := report.Measured{Name: sc.Name, Title: sc.Title}
	f := report.Figure{Name: "answered", Unit: fmt.Sprintf("of %d", halfTimes), Of: map[string]report.Value{}}
	for _, p := range s.subjects(sc) {
		r, err := s.start(ctx, sc, p)
		if err != nil {
			s.failed(&m, p.Name, err)
			continue
		}
		answered := 0.0
		for range halfTimes {
			if err := halfClosed(r); err != nil {
				m.Count(p.Name, err.Error(), 1)
				continue
			}
			m.Count(p.Name, report.Done, 1)
			answered++
		}
		r.Stop()
		f.Of[p.Name] = report.Value{Value: figures.Of([]float64{answered})}
	}
	m.Figures = []report.Figure{f}
	return m, nil
}

// What can happen to a client that has finished sending.
var (
	errNoAnswer = errors.New("the answer was lost")
	errShort    = errors.New("not everything arrived")
)

// halfClosed is one such client.
func halfClosed(r *peer.Process) error {
	c, err := net.DialTimeout("tcp", r.Listen.String(), halfTimeout)
	if err != nil {
		return errNoAnswer
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(halfTimeout)); err != nil {
		return err
	}
	b := wire.Header{Mode: wire.Sink}.Append(nil)
	if _, err := c.Write(append(b, make([]byte, halfBytes)...)); err != nil {
		return errNoAnswer
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return errNoAnswer
	}
	answer := make([]byte, 8)
	if _, err := io.ReadFull(c, answer); err != nil {
		return errNoAnswer
	}
	if binary.BigEndian.Uint64(answer) != halfBytes {
		return errShort
	}
	return nil
}
