package relay

import (
	"errors"
	"io"
	"syscall"
	"testing"
)

// closing closes a link whose halves have left, after sent came from the client, and
// returns what the upstream then sees and whether the result is a cut.
func closing(t *testing.T, sent string, before func(l *link)) (end error, cut bool) {
	t.Helper()
	down, client := loopback(t)
	up, server := loopback(t)
	l := &link{over: make(chan struct{})}
	for i, e := range []Endpoint{{Conn: down}, {Conn: up}} {
		if err := l.ends[i].open(Down+Side(i), e); err != nil {
			t.Fatal(err)
		}
	}
	for i := range l.halves {
		l.halves[i].join(l, &l.ends[i], &l.ends[1-i])
	}
	if _, err := client.Write([]byte(sent)); err != nil {
		t.Fatal(err)
	}
	for l.ends[0].unread() != len(sent) {
	}
	before(l)
	l.close()
	_, end = server.Read(make([]byte, 1))
	return end, l.res.Cut
}

// An end that has not got everything is reset, so that its peer does not take a part for
// the whole: the bytes may be unread, or read and not written.
func TestBytesThatNeverReachTheOtherEndAreACut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		sent   string
		before func(*link)
		cut    bool
	}{
		"nothing is missing":    {"", func(*link) {}, false},
		"one byte is unread":    {"x", func(*link) {}, true},
		"a head is not written": {"", func(l *link) { l.halves[0].head = []byte("x") }, true},
		"a write failed":        {"", func(l *link) { l.halves[0].cut = true }, true},
	} {
		end, cut := closing(t, tc.sent, tc.before)
		if cut != tc.cut || errors.Is(end, syscall.ECONNRESET) != tc.cut || errors.Is(end, io.EOF) == tc.cut {
			t.Errorf("%s: cut %v, the upstream saw %v", name, cut, end)
		}
	}
}
