package abi

import (
	"encoding/binary"
	"net/netip"
)

// WindowSize returns how many bytes of window a guest is asked for, so that it can be
// given heads of up to maxHead bytes and token blocks of up to config bytes.
func WindowSize(maxHead, config int) int {
	n := max(WindowHead+maxHead, config) + WindowTail
	return (n + WindowAlign - 1) &^ (WindowAlign - 1)
}

// Conn is what a host knows of a connection, as a guest shall see it.
type Conn struct {
	Flags         uint32         // [FlagTLS], [FlagProxied], [FlagDatagrams]
	Transport     uint8          // [TransportTCP], [TransportUDP] or [TransportUnix]
	MaxHead       uint32         // bytes
	Remote, Local netip.AddrPort // the zero value is "no IP address"

	Listener, ServerName, ALPN string // one of more than [MaxString] bytes is left out
	TLSVersion, Cipher         uint16 // as on the wire; 0 without TLS
	Accepted                   int64  // nanoseconds since 1970 UTC
}

// Window is what a guest gave to the host: Bytes, which begin at address Base of the
// guest's memory, are a multiple of [WindowAlign] and last as long as the instance.
type Window struct {
	Base  uint32
	Bytes []byte

	// How far the last call wrote into each part.
	strings, bounds, head int
}

// Config writes a token block and returns its address. The caller has made sure that
// it fits: [WindowSize].
func (w *Window) Config(block []byte) (config uint32) {
	n := copy(w.Bytes, block)
	clear(w.Bytes[n:])
	w.strings, w.bounds, w.head = WindowBounds, WindowHead, len(w.Bytes)
	return w.Base
}

// Evaluation writes what a call of match gets and returns its arguments beside the
// length of head. Nothing of an earlier call can be read afterwards, and the bytes
// behind the head are zero. bounds are the ends of datagrams, at most [MaxBounds];
// nil for streams. It allocates nothing.
func (w *Window) Evaluation(c *Conn, head []byte, bounds []int) (data, info uint32) {
	i := Info{
		Flags: c.Flags, Transport: c.Transport, MaxHead: c.MaxHead, Remote: c.Remote, Local: c.Local,
		TLSVersion: c.TLSVersion, Cipher: c.Cipher, Accepted: c.Accepted,
	}
	at := WindowStrings
	i.Listener, at = w.text(at, c.Listener)
	i.ServerName, at = w.text(at, c.ServerName)
	i.ALPN, at = w.text(at, c.ALPN)
	i.Bounds = Span{w.Base + WindowBounds, uint32(min(len(bounds), MaxBounds))}
	w.strings = w.wrote(at, w.strings)
	w.bounds = w.wrote(w.ends(bounds), w.bounds)
	EncodeInfo((*[InfoSize]byte)(w.Bytes), &i)
	n := WindowHead + copy(w.Bytes[WindowHead:len(w.Bytes)-WindowTail], head)
	clear(w.Bytes[n : n+WindowTail])
	w.head = w.wrote(n, w.head)
	return w.Base + WindowHead, w.Base
}

// wrote clears what an earlier call left behind the offset that this one reached.
func (w *Window) wrote(to, before int) int {
	if before > to {
		clear(w.Bytes[to:before])
	}
	return to
}

// text writes a string at an offset and returns its place and the offset behind it.
func (w *Window) text(at int, s string) (Span, int) {
	if len(s) > MaxString {
		s = ""
	}
	n := copy(w.Bytes[at:], s)
	return Span{w.Base + uint32(at), uint32(n)}, at + n
}

// ends writes where the datagrams end and returns the offset behind them.
func (w *Window) ends(bounds []int) int {
	at := WindowBounds
	for _, end := range bounds[:min(len(bounds), MaxBounds)] {
		binary.LittleEndian.PutUint32(w.Bytes[at:], uint32(end))
		at += 4
	}
	return at
}
