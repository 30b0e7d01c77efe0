package wasm

import (
	"errors"
	"strings"
	"unicode"

	"dwaar.dev/dwaar/sdk/abi"
)

// Kind says how an evaluation failed.
type Kind uint8

// The kinds.
const (
	Trap    Kind = iota // the code trapped: unreachable, a division by zero, memory out of bounds
	Fuel                // it took more fuel than it had
	Stack               // its calls were nested too deep
	Shape               // it tried to change tables or segments after init
	Pointer             // it gave the host an address outside of its memory
	Fail                // it called fail
	Exit                // it called proc_exit
	Closed              // the module is gone: whoever asks holds no graph
	kinds               // how many there are
)

// String is the kind's name in logs and statistics.
func (k Kind) String() string {
	return [kinds]string{"trap", "fuel", "stack", "shape", "pointer", "fail", "exit", "closed"}[k]
}

// Error is why a guest did not answer. What it says is the same for the same input.
type Error struct {
	Kind Kind
	Text string // printable
}

// Error is "it took more fuel than it may": whoever reports it names the matcher.
func (e *Error) Error() string { return e.Text }

// stop is the panic of a host function that ends the call.
type stop struct {
	kind Kind
	text string
}

// Error makes stop what wazero gives back unchanged inside of its own error.
func (s *stop) Error() string { return s.text }

// failure says why a call ended, from its error and the counters.
func (in *instance) failure(err error) *Error {
	e := &Error{Kind: Trap}
	violated := in.violated()
	s, stopped := errors.AsType[*stop](err)
	switch {
	case stopped:
		e.Kind, e.Text = s.kind, s.text
	case in.fuel != nil && int64(in.fuel.Get()) < 0:
		e.Kind, e.Text = Fuel, "it took more fuel than it may"
	case in.slots != nil && int64(in.slots.Get()) < 0:
		e.Kind, e.Text = Stack, "its calls are nested too deep"
	case violated:
		e.Kind, e.Text = Shape, "it tried to change a table or a segment after init"
	default:
		first, _, _ := strings.Cut(err.Error(), "\n")
		first = strings.TrimSuffix(first, " (recovered by wazero)")
		_, text, ok := strings.Cut(first, "wasm error: ")
		if !ok {
			text = first
		}
		e.Text = "it trapped: " + printable([]byte(text))
		if in.mod == nil {
			e.Text += " (in its start function; too much fuel ends it like that, too)"
		}
	}
	return e
}

// printable makes text of a guest fit for a log or a terminal: one line of at most
// [abi.MaxMessage] bytes.
func printable(text []byte) string {
	if len(text) > abi.MaxMessage {
		text = text[:abi.MaxMessage]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(string(text), "?"))
}
