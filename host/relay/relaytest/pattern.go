package relaytest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// stream is a pattern: the byte at offset i depends on i and on the stream.
type stream uint64

// word returns the eight bytes at offset 8*i (the finisher of SplitMix64).
func (s stream) word(i int64) uint64 {
	x := uint64(s)*0x9e3779b97f4a7c15 + uint64(i)*0xd1342543de82ef95
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fill writes the pattern from offset on into b.
func (s stream) fill(b []byte, offset int64) {
	var w [8]byte
	for len(b) > 0 {
		binary.LittleEndian.PutUint64(w[:], s.word(offset/8))
		n := copy(b, w[offset%8:])
		b, offset = b[n:], offset+int64(n)
	}
}

// bytes returns the first n bytes.
func (s stream) bytes(n int) []byte {
	b := make([]byte, n)
	s.fill(b, 0)
	return b
}

// check compares b with the pattern from offset on.
func (s stream) check(b []byte, offset int64) error {
	var want [4096]byte
	for len(b) > 0 {
		n := min(len(b), len(want))
		s.fill(want[:n], offset)
		for i := 0; i < n && !bytes.Equal(b[:n], want[:n]); i++ {
			if b[i] != want[i] {
				return fmt.Errorf("stream %d, offset %d: got %#x, want %#x", s, offset+int64(i), b[i], want[i])
			}
		}
		b, offset = b[n:], offset+int64(n)
	}
	return nil
}

// send writes the bytes [from, to) in pieces of at most size.
func (s stream) send(w io.Writer, from, to int64, size int) (sent int64, err error) {
	b := make([]byte, size)
	for from < to {
		p := b[:min(int64(size), to-from)]
		s.fill(p, from)
		n, err := w.Write(p)
		from, sent = from+int64(n), sent+int64(n)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// errPattern wraps every difference that receive finds.
var errPattern = errors.New("wrong byte")

// receive reads the bytes [from, to) and checks them. The error is io.EOF when
// the stream ended before.
func (s stream) receive(r io.Reader, from, to int64) (got int64, err error) {
	b := make([]byte, 64<<10)
	for from < to {
		n, err := r.Read(b[:min(int64(len(b)), to-from)])
		if wrong := s.check(b[:n], from); wrong != nil {
			return got, fmt.Errorf("%w: %w", errPattern, wrong)
		}
		from, got = from+int64(n), got+int64(n)
		if err != nil {
			return got, err
		}
	}
	return got, nil
}
