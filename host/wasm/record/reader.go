package record

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"dwaar.dev/dwaar/sdk/abi"
)

// The bounds of what a record may hold. A file comes from anywhere.
const (
	MaxLine  = 8 << 20 // bytes of a line: the greatest head and the longest arguments, in base64
	MaxHead  = 1 << 20 // bytes
	MaxReads = 64      // facts that one evaluation asked for
	maxPages = 1024    // of 64 KiB
	maxFuel  = 1 << 40 // units
)

// Reader reads records, one after the other.
type Reader struct {
	lines *bufio.Scanner
	line  int
}

// NewReader returns a reader of r, which stays the caller's to close.
func NewReader(r io.Reader) *Reader {
	s := bufio.NewScanner(r)
	s.Buffer(nil, MaxLine)
	return &Reader{lines: s}
}

// Next returns the next record. The error is io.EOF behind the last one, and names
// the line otherwise: a record that is damaged or of another version. Reading can go
// on behind that, but not behind a line of more than [MaxLine] bytes.
func (r *Reader) Next() (*Record, error) {
	for r.lines.Scan() {
		r.line++
		text := r.lines.Bytes()
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		var rec Record
		if err := json.Unmarshal(text, &rec); err != nil {
			return nil, fmt.Errorf("reading the record in line %d: %w", r.line, err)
		}
		if err := rec.check(); err != nil {
			return nil, fmt.Errorf("reading the record in line %d: %w", r.line, err)
		}
		return &rec, nil
	}
	if err := r.lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the record in line %d: %w", r.line+1, err)
	}
	return nil, io.EOF
}

// check makes sure that a host can be given what a record holds.
func (r *Record) check() error {
	switch sum, err := hex.DecodeString(r.Module); {
	case r.Version != Version:
		return fmt.Errorf("its version is %d, and this program knows %d", r.Version, Version)
	case err != nil || len(sum) != 32:
		return errors.New("its sha256 is no hash")
	case r.Matcher != "" && !abi.ValidName(r.Matcher):
		return fmt.Errorf("%q is no matcher", r.Matcher)
	case len(r.Reads) > MaxReads:
		return fmt.Errorf("it asks for %d facts", len(r.Reads))
	}
	return errors.Join(
		within("memory", int64(r.Pages), 1, maxPages),
		within("budget", r.Budget, 0, maxFuel),
		within("greatest head", int64(r.Conn.MaxHead), 0, MaxHead),
		r.fits(),
		r.ends(),
	)
}

func within(what string, n, least, most int64) error {
	if n < least || n > most {
		return fmt.Errorf("its %s of %d is out of bounds", what, n)
	}
	return nil
}

// fits checks that the window holds what is written to it.
func (r *Record) fits() error {
	switch least, most := abi.WindowSize(0, 0), abi.WindowSize(MaxHead, abi.MaxConfig); {
	case r.Window < least || r.Window > most || r.Window%abi.WindowAlign != 0:
		return fmt.Errorf("its window of %d is out of bounds", r.Window)
	case len(r.Config)+abi.WindowTail > r.Window:
		return fmt.Errorf("its arguments of %d bytes do not fit into the window", len(r.Config))
	case abi.WindowHead+len(r.Head)+abi.WindowTail > r.Window:
		return fmt.Errorf("its head of %d bytes does not fit into the window", len(r.Head))
	}
	return nil
}

// ends checks the ends of datagrams.
func (r *Record) ends() error {
	last := 0
	for _, end := range r.Bounds {
		if end < last || end > len(r.Head) {
			return fmt.Errorf("a datagram ends at %d of %d bytes", end, len(r.Head))
		}
		last = end
	}
	return nil
}
