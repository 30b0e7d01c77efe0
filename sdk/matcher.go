// Package sdk holds the words of dwaar: what a matcher is asked ([Flow]), what it
// may answer ([Verdict]), how a configuration reads ([Node]) and how a directive
// is described ([Spec]). A native matcher and a Go plugin compiled to
// WebAssembly are the same type; the package compiles for both and imports
// neither net nor os.
//
// A matcher is a pure function of the first bytes of a connection:
//
//	type hello struct{}
//
//	func (hello) Match(f *sdk.Flow) (sdk.Verdict, error) {
//		c := f.Cursor()
//		if !c.Literal("HELLO ") {
//			return c.No(), nil // at the first impossible byte; Need while all are right
//		}
//		return c.Yes(), nil
//	}
//
// Package sdk/matchtest checks the laws that every matcher obeys.
package sdk

import (
	"net/netip"
	"strconv"
	"strings"
)

// A Matcher decides from the first bytes of a connection whether a route takes
// it. It is asked again, always with the whole head, when as many bytes are there
// as it asked for; once it has decided, it is not asked again on that connection.
//
// Match is called from many goroutines. It keeps no state between calls, reads no
// clock (the time is Flow.Accepted), allocates nothing, does not keep f or
// anything in it, and is cheap to say [No] at the first impossible byte. An error
// means that the matcher itself is broken, never "not my protocol".
type Matcher interface {
	Match(f *Flow) (Verdict, error)
}

// A Selector finds the one key in a connection by which many routes choose, a
// server name for example. Selectors are comparable: equal ones find equal keys.
//
// Key returns [Yes] with the key (as its matchers compare it: in lower case where
// letters match in any case; valid until the head changes), or the verdict of every
// matcher that would have compared it. It allocates nothing.
type Selector interface {
	Key(f *Flow) ([]byte, Verdict)
}

// A FactSelector is a selector whose key its matchers also set as a fact. Where
// their names are exact, that fact can have no other value.
type FactSelector interface {
	Selector
	Fact() string // the fact's key, "server_name"
}

// A Keyed matcher says Yes exactly when the key that its selector finds is one of
// its names. A name that begins with "*." stands for exactly one label in its
// place. Routes with equal selectors are chosen by one lookup. by is nil if more than the
// key decides.
type Keyed interface {
	Matcher
	Keys() (by Selector, names []string)
}

// A Patterned matcher says Yes exactly when the key that its selector finds contains a
// match of its pattern. Routes with equal selectors are chosen in one pass over the key. by
// is nil if more than the key decides.
type Patterned interface {
	Matcher
	Pattern() (by Selector, pattern string) // RE2, not anchored
}

// Side says which end of the connection an address belongs to.
type Side uint8

// The two ends.
const (
	Remote Side = iota // the client
	Local              // the address it connected to
)

// A Ranged matcher says Yes exactly when the address of one side lies in one of
// its prefixes, and Unknown when that side has no IP address. A run of routes
// with Ranged matchers of one side is chosen by one lookup.
type Ranged interface {
	Matcher
	Prefixes() (of Side, p []netip.Prefix)
}

// Known is what is known of a connection before its first byte.
type Known uint8

// What an [Early] matcher goes by.
const (
	KnownLater  Known = iota // nothing of that: bytes, or facts that come of them, decide
	KnownTime                // when, and on which listener, the connection was accepted
	KnownRemote              // the client's address
	KnownLocal               // the address the client connected to
)

// An Early matcher looks at no byte: it decides when a connection is accepted, and never
// asks for more. Early returns what it goes by; where a connection lacks that, as one of a
// Unix socket lacks addresses, the matcher says Unknown. A load warns of a closing route
// that bytes decide, and refuses a matcher that no client of a listener could be told by.
type Early interface {
	Matcher
	Early() Known
}

// A Starter knows which bytes can come first in what it matches. Bit b of the
// set is set if byte b may come first; for every other byte the matcher says No,
// and is not asked. nil means that it cannot tell.
type Starter interface {
	Matcher
	First() *[4]uint64
}

// A FactReader reads facts or variables that others supply. It is placed behind
// its suppliers and asked only when they said Yes.
type FactReader interface {
	Matcher
	Reads() []string // full names, "tls.server_name"
}

// A FactSupplier can say Yes before it knows all of its facts. Supply returns the same
// matcher, but one that says Yes only when each of the facts that keys name is there or
// never will be; nil if it says Yes no earlier anyway. A set that reads facts takes that
// one for its supplier.
type FactSupplier interface {
	Matcher
	Supply(keys []string) Matcher // "path", of http.path
}

// A FactSetter sets facts that its arguments name, beside those of its [Spec].
//
// A fact whose key is itself one of these names has two full names, the usual one and
// its key: quic sets the key "tls.server_name" and returns "tls.server_name", so that
// configurations read it as {quic.tls.server_name} and as {tls.server_name}.
type FactSetter interface {
	Matcher
	Sets() []string // full names, "regexp.host.1"; "x.*" is every fact of x
}

// A SetNamed matcher sets facts that have the name of the set in which it stands. InSet
// is called once, before any other method, with that name without its @. Two sets with
// equal matchers have one each.
type SetNamed interface {
	Matcher
	InSet(name string)
}

// A Warner knows what of its arguments is allowed and probably not meant. validate
// prints what it says, and the program logs it when it loads a configuration.
type Warner interface {
	Matcher
	Warnings() Errors
}

// A Waiter cannot say No at the first impossible byte. Waits returns how many bytes
// a client must send before it can; validate warns where other routes wait behind
// it.
type Waiter interface {
	Matcher
	Waits() int
}

// A FieldReader reads fields of a header, of which method and path are two in HTTP/2. Some
// clients of it send them only after they have heard the server; validate warns where that
// may be so.
type FieldReader interface {
	Matcher
	NeedsFields() bool
}

// A Later matcher reads what some clients send only after the server has answered, which
// happens behind the route that it chooses. Later says what and who, in a sentence without
// its dot, or "" where it reads no such thing; a load warns of it.
type Later interface {
	Matcher
	Later() string
}

// An Explainer says what of a connection its answer rests on, in a few words for people:
// "the name is c.example.com", without a dot at its end; "" where there is nothing to say.
// Explain is asked by tools, after Match and with the same flow, never for a decision, and
// may allocate. What comes from the client is quoted where it could be mistaken ([Shown]).
type Explainer interface {
	Matcher
	Explain(f *Flow) string
}

// maxShown is how much of a value is shown.
const maxShown = 256 // bytes

// plainMarks are what a value may be made of to be shown without quotes.
const plainMarks = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:/*,@+"

// Shown returns what a client sent for people to read: as it is where it is letters,
// digits and common marks only, else quoted and escaped as Go does; a long value is cut.
func Shown[T string | []byte](value T) string {
	text := string(value)
	if len(text) > maxShown {
		return strconv.QuoteToASCII(text[:maxShown]) + "…"
	}
	if text != "" && strings.Trim(text, plainMarks) == "" {
		return text
	}
	return strconv.QuoteToASCII(text)
}
