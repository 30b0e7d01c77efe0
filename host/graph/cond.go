package graph

import (
	"strconv"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// instance is one matcher with its arguments. Routes of one list that name the
// same matcher with the same arguments share it, and so its verdict.
type instance struct {
	name    string // as configured: the first part of the names of its facts
	text    string // the matcher as validate prints it
	m       sdk.Matcher
	keys    []string   // keys of the facts that the description names
	sets    []string   // full names of the facts that the arguments name
	first   *[4]uint64 // bit set of the bytes that may come first; nil: any
	reads   bool       // the matcher reads facts of other members of its condition
	sources []int      // the instances that supply those facts
	inner   []string   // full names of those facts: an earlier phase supplies none of them
	code    bool       // the number with which it says yes is its fact "code"
}

// codeFact is the fact that the graph sets for matchers whose description names it:
// those of plugins.
const codeFact = "code"

// cond is what a route demands: a tree over instances. The zero cond is always
// met.
type cond struct {
	op   op
	inst int // leaf: which instance
	kids []cond
}

type op uint8

const (
	always op = iota
	leaf
	all // every kid
	no  // not its only kid
)

// evaluator asks the instances of one list of routes about one connection.
type evaluator struct {
	instances []instance
	memo      *Memo
	flow      *sdk.Flow
	final     bool
}

// eval returns the value of a condition for the head as it is. Only a No ends the
// walk early, so that the order of members does not matter.
func (e *evaluator) eval(c *cond) sdk.Answer {
	switch c.op {
	case leaf:
		return e.ask(c.inst)
	case all:
		answer := sdk.Answer{Verdict: sdk.Yes}
		for i := range c.kids {
			answer = answer.And(e.eval(&c.kids[i]))
			if answer.Err == nil && answer.Verdict == sdk.No {
				break
			}
		}
		return answer
	case no:
		return e.eval(&c.kids[0]).Not()
	}
	return sdk.Answer{Verdict: sdk.Yes}
}

// ask returns the answer of instance i: the decided one, or the one to the head as it
// is. An instance that needs a longer head is not asked again before.
func (e *evaluator) ask(i int) sdk.Answer {
	in := &e.instances[i]
	entry := &e.memo.entries[i]
	if e.known(entry) && entry.answer.Decided() {
		return entry.answer
	}
	for _, s := range in.sources {
		if a := e.ask(s); a.Err != nil || a.Verdict != sdk.Yes {
			return a // the facts that it reads are not there yet
		}
	}
	if !e.waits(entry) {
		entry.answer, entry.phase = e.match(i, in), e.memo.phase
		entry.datagrams = len(e.flow.Bounds)
	}
	if e.final {
		entry.answer = entry.answer.Final()
	}
	return entry.answer
}

// known reports whether an instance was asked in this phase.
func (e *evaluator) known(entry *entry) bool { return entry.phase == e.memo.phase }

// waits reports whether an instance has judged the head as it is and needs more.
func (e *evaluator) waits(entry *entry) bool {
	if !e.known(entry) {
		return false
	}
	if e.flow.Bounds != nil {
		return len(e.flow.Bounds) == entry.datagrams
	}
	return len(e.flow.Head) < entry.answer.Verdict.NeedBytes()
}

// match asks the matcher itself, and corrects a verdict that no matcher may give.
func (e *evaluator) match(i int, in *instance) sdk.Answer {
	head := e.flow.Head
	if in.first != nil && len(head) > 0 && in.first[head[0]>>6]&(1<<(head[0]&63)) == 0 {
		return sdk.Answer{Verdict: sdk.No}
	}
	mark := e.memo.begin(i)
	v, err := in.m.Match(e.flow)
	switch {
	case err != nil:
		e.memo.forget(mark)
		return sdk.Answer{Err: &MatchError{in.text, err}}
	case v > 0:
		if in.code {
			var digits [10]byte
			e.memo.Set(codeFact, strconv.AppendInt(digits[:0], int64(v), 10))
		}
		return sdk.Answer{Verdict: sdk.Yes}
	}
	e.memo.forget(mark)
	return sdk.Answer{Verdict: lawful(v, e.flow)}
}

// lawful corrects an undecided verdict: a need of no more bytes than there are becomes
// a need of one more, and a need of more than a head can hold becomes Unknown.
func lawful(v sdk.Verdict, f *sdk.Flow) sdk.Verdict {
	switch n := v.NeedBytes(); {
	case n == 0:
		return v
	case n > f.MaxHead && f.MaxHead > 0:
		return sdk.Unknown
	case n <= len(f.Head):
		return sdk.Need(len(f.Head) + 1)
	}
	return v
}

// MatchError is the error of a matcher, with the matcher's name.
type MatchError struct {
	Matcher string
	Err     error
}

// Error returns "matching NAME: cause".
func (e *MatchError) Error() string { return "matching " + e.Matcher + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *MatchError) Unwrap() error { return e.Err }

// positive visits the instances that stand under no negation: those whose facts a
// connection has when the condition is met.
func (c *cond) positive(visit func(inst int)) {
	switch c.op {
	case leaf:
		visit(c.inst)
	case all:
		for i := range c.kids {
			c.kids[i].positive(visit)
		}
	}
}

// text prints a condition: "tls { sni a.example.com } and not ssh".
func (c *cond) text(instances []instance) string {
	switch c.op {
	case leaf:
		return instances[c.inst].text
	case all:
		parts := make([]string, len(c.kids))
		for i := range c.kids {
			parts[i] = c.kids[i].text(instances)
		}
		return strings.Join(parts, " and ")
	case no:
		if k := &c.kids[0]; k.op == all {
			return "not (" + k.text(instances) + ")"
		}
		return "not " + c.kids[0].text(instances)
	}
	return "everything"
}
