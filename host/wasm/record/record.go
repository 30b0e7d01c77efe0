package record

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"dwaar.dev/dwaar/sdk/abi"
)

// Version is that of the format. A reader refuses any other.
const Version = 1

// Record is one evaluation: what it was given, and what came of it.
type Record struct {
	Version int    `json:"version"` // of the format
	Plugin  string `json:"plugin"`  // its name in the configuration
	Module  string `json:"sha256"`  // of the module's file, in hexadecimal
	Pages   uint32 `json:"memory"`  // of 64 KiB that the memory may have
	Window  int    `json:"window"`  // bytes that the guest was asked for
	Matcher string `json:"matcher"` // in the module; "" is the default one
	Config  []byte `json:"config"`  // its arguments, as a token block

	Conn   Conn   `json:"conn"`
	Head   []byte `json:"head"`   // the first bytes of the connection
	Bounds []int  `json:"bounds"` // where datagrams in them end; nil for streams
	Reads  []Fact `json:"reads"`  // what it asked for, once each; a nil Value was absent
	Budget int64  `json:"budget"` // units of fuel it could take

	Outcome
}

// Conn is what is known of a connection beside its first bytes, as in sdk.Flow.
type Conn struct {
	Network    string         `json:"network"`               // tcp, udp or unix
	Remote     netip.AddrPort `json:"remote"`                // the client
	Hidden     bool           `json:"hidden,omitempty"`      // Remote is made up: with the real one the outcome was the same
	Local      netip.AddrPort `json:"local"`                 // what it connected to
	Accepted   int64          `json:"accepted"`              // nanoseconds since 1970 UTC
	Listener   string         `json:"listener"`              // as configured
	MaxHead    int            `json:"max_head"`              // bytes
	ServerName string         `json:"server_name,omitempty"` // of TLS that was terminated here
	ALPN       string         `json:"alpn,omitempty"`        // the same
	TLSVersion uint16         `json:"tls_version,omitempty"` // as on the wire
	Cipher     uint16         `json:"cipher,omitempty"`      // as on the wire
	Proxied    bool           `json:"proxied,omitempty"`     // the addresses come from a PROXY header
}

// Fact is a fact's name and its value.
type Fact struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// Outcome is what came of an evaluation.
type Outcome struct {
	Answer int32  `json:"answer"`          // what match returned; 0 with an error
	Facts  []Fact `json:"facts"`           // of a yes, in the order they were first set; names are keys
	Fuel   int64  `json:"fuel"`            // units it took; beyond the budget where that was its end
	Error  string `json:"error,omitempty"` // the kind: trap, fuel, stack, shape, pointer, fail, exit; "": none
	Text   string `json:"text,omitempty"`  // of the error
}

// Diff says how another outcome of the same evaluation differs: a line for each
// difference, recorded first. It is empty if they are equal.
func (o *Outcome) Diff(other *Outcome) string {
	var b strings.Builder
	line := func(what string, was, is any) {
		if was != is {
			fmt.Fprintf(&b, "%s: was %v, is %v\n", what, was, is)
		}
	}
	line("answer", o.Answer, other.Answer)
	line("error", o.failure(), other.failure())
	line("fuel", o.Fuel, other.Fuel)
	for i := range max(len(o.Facts), len(other.Facts)) {
		line("fact", o.fact(i), other.fact(i))
	}
	return b.String()
}

// Same reports whether another outcome means the same to a connection: fuel does not
// count, nor how many bytes more than there are it wants, nor the order of facts.
func (o *Outcome) Same(other *Outcome) bool {
	if o.verdict() != other.verdict() || o.Error != other.Error || len(o.Facts) != len(other.Facts) {
		return false
	}
	for _, f := range o.Facts {
		if v, ok := Find(other.Facts, f.Name); !ok || !bytes.Equal(v, f.Value) {
			return false
		}
	}
	return true
}

// verdict is the answer, or -1 for every number of bytes that is wanted.
func (o *Outcome) verdict() int32 {
	if o.Answer < 0 && o.Answer != abi.Unknown {
		return -1
	}
	return o.Answer
}

func (o *Outcome) failure() string {
	if o.Error == "" {
		return "none"
	}
	return o.Error + ": " + o.Text
}

func (o *Outcome) fact(i int) string {
	if i >= len(o.Facts) {
		return "none"
	}
	return fmt.Sprintf("%s=%q", o.Facts[i].Name, o.Facts[i].Value)
}

// AppendFact appends a copy of a fact to a list, in memory that elements behind its end
// may have. A nil value stays nil.
func AppendFact(list []Fact, name string, value []byte) []Fact {
	n := len(list)
	if n < cap(list) {
		list = list[:n+1]
	} else {
		list = append(list, Fact{})
	}
	f := &list[n]
	f.Name = name
	if value == nil {
		f.Value = nil
		return list
	}
	if f.Value == nil {
		f.Value = []byte{}
	}
	f.Value = append(f.Value[:0], value...)
	return list
}

// Find returns the value of the fact of that name.
func Find(facts []Fact, name string) (value []byte, ok bool) {
	for i := range facts {
		if facts[i].Name == name {
			return facts[i].Value, true
		}
	}
	return nil, false
}
