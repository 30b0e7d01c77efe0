package sdk

import (
	"math"
	"strconv"
)

// Verdict is what a [Matcher] says of the first bytes of a connection.
//
// A positive number is Yes, 0 is No, a negative number -n is Need(n), and
// [Unknown] is the most negative number. The same numbers cross the boundary to
// WebAssembly guests, so they never change.
type Verdict int32

// The verdicts that end the questions. After one of them every longer head of
// the same connection gets the same answer.
const (
	No      Verdict = 0             // not this protocol, or not these arguments
	Yes     Verdict = 1             // it is
	Unknown Verdict = math.MinInt32 // no byte the client will send before it is answered can tell
)

// Need asks for a head of at least n bytes in all (or for another datagram).
// n is greater than the length of the head that was looked at; a smaller one is
// taken for one byte more than there is. A matcher that is not sure how many
// bytes it needs asks for one more: it promises that no shorter head decides.
func Need(n int) Verdict {
	if n < 1 {
		n = 1
	}
	if n > math.MaxInt32 {
		return Unknown
	}
	return Verdict(-n)
}

// NeedBytes returns how many bytes in all an undecided verdict asks for, and 0
// for a decided one.
func (v Verdict) NeedBytes() int {
	if v >= 0 || v == Unknown {
		return 0
	}
	return int(-v)
}

// Decided reports whether the verdict is final: Yes, No or Unknown.
func (v Verdict) Decided() bool { return v >= 0 || v == Unknown }

// String returns "no", "yes", "unknown" or "need 5".
func (v Verdict) String() string {
	switch {
	case v == No:
		return "no"
	case v > 0:
		return "yes"
	case v == Unknown:
		return "unknown"
	}
	return "need " + strconv.Itoa(v.NeedBytes())
}

// Answer is one of the five values a condition can have: No, Yes, Need, Unknown
// or an error. When Err is set, Verdict has no meaning.
//
// And, Or and Not combine answers. Neither the order of the members nor the
// moment at which one of them became ready changes the result, with one
// exception that only the log sees: of two errors, and of two different numbers
// that mean Yes, the left one is kept.
type Answer struct {
	Verdict Verdict
	Err     error
}

// And combines two conditions that must both hold: No > Need > error > Unknown >
// Yes. Of two Needs the smaller one wins: at that length the answer may be No.
func (a Answer) And(b Answer) Answer { return a.join(b, rankAnd) }

// Or combines two conditions of which one must hold: Yes > Need > error >
// Unknown > No.
func (a Answer) Or(b Answer) Answer { return a.join(b, rankOr) }

// Not swaps Yes and No. Need, Unknown and errors stay what they are: what cannot
// be read is not thereby absent.
func (a Answer) Not() Answer {
	switch {
	case a.Err != nil:
		return a
	case a.Verdict == No:
		return Answer{Verdict: Yes}
	case a.Verdict > 0:
		return Answer{Verdict: No}
	}
	return a
}

// Final returns the answer when no more bytes will come: every Need becomes
// Unknown. It is for the members of a condition, before they are combined: a Need
// may hide an error or an Unknown of which something else follows.
func (a Answer) Final() Answer {
	if a.Err == nil && !a.Verdict.Decided() {
		return Answer{Verdict: Unknown}
	}
	return a
}

// Decided reports whether more bytes cannot change the answer. An error is decided.
func (a Answer) Decided() bool { return a.Err != nil || a.Verdict.Decided() }

// String returns the verdict's name, or "error: " and the error.
func (a Answer) String() string {
	if a.Err != nil {
		return "error: " + a.Err.Error()
	}
	return a.Verdict.String()
}

func (a Answer) join(b Answer, rank func(Answer) int) Answer {
	ra, rb := rank(a), rank(b)
	switch {
	case rb > ra:
		return b
	case ra > rb:
		return a
	case a.Err == nil && !a.Verdict.Decided() && b.Verdict.NeedBytes() < a.Verdict.NeedBytes():
		return b
	}
	return a
}

func rankAnd(a Answer) int {
	switch {
	case a.Err != nil:
		return 2
	case a.Verdict == No:
		return 4
	case a.Verdict == Unknown:
		return 1
	case a.Verdict > 0:
		return 0
	}
	return 3
}

func rankOr(a Answer) int {
	switch {
	case a.Err != nil:
		return 2
	case a.Verdict == No:
		return 0
	case a.Verdict == Unknown:
		return 1
	case a.Verdict > 0:
		return 4
	}
	return 3
}
