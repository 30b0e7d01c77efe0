package tls

import (
	"dwaar.dev/dwaar/builtin/internal/clienthello"
	"dwaar.dev/dwaar/sdk"
)

// records finds the hello in TLS records.
type records struct{}

// Hello implements [hello.Source].
func (records) Hello(f *sdk.Flow) (*clienthello.Hello, []byte, sdk.Verdict) {
	s := parse(f)
	if s.verdict <= 0 {
		return nil, nil, s.verdict
	}
	return &s.hello, s.message(f.Head), s.verdict
}

// Tell implements [hello.Source]: records have no facts of their own.
func (records) Tell(*sdk.Flow) {}

// First implements [hello.Source].
func (records) First() *[4]uint64 { return first() }

// first has the content types of records, and what begins a hello in the format of SSL
// 2.0.
func first() *[4]uint64 {
	return &[4]uint64{1<<change | 1<<alert | 1<<handshake, 0, ^uint64(0), ^uint64(0)}
}
