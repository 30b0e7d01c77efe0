package route

import (
	"strconv"

	"dwaar.dev/dwaar/sdk"
)

// evaluator asks the instances of one list of routes about one connection.
type evaluator struct {
	instances []Instance
	memo      *Memo
	flow      *sdk.Flow
	final     bool
}

// eval returns the value of a condition for the head as it is. Only a No ends the
// walk early, so that the order of members does not matter.
func (e *evaluator) eval(c *Cond) sdk.Answer {
	switch c.Op {
	case Leaf:
		return e.ask(c.Inst)
	case All:
		answer := sdk.Answer{Verdict: sdk.Yes}
		for i := range c.Kids {
			answer = answer.And(e.eval(&c.Kids[i]))
			if answer.Err == nil && answer.Verdict == sdk.No {
				break
			}
		}
		return answer
	case Not:
		return e.eval(&c.Kids[0]).Not()
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
	for _, s := range in.Sources {
		if a := e.ask(s); a.Err != nil || a.Verdict != sdk.Yes {
			return a // the facts that it reads are not there yet
		}
	}
	if !e.waits(entry) {
		if !e.known(entry) {
			e.memo.asked = append(e.memo.asked, int32(i))
		}
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
func (e *evaluator) match(i int, in *Instance) sdk.Answer {
	head := e.flow.Head
	if in.First != nil && len(head) > 0 && in.First[head[0]>>6]&(1<<(head[0]&63)) == 0 {
		return sdk.Answer{Verdict: sdk.No}
	}
	mark := e.memo.begin(i)
	v, err := in.Matcher.Match(e.flow)
	switch {
	case err != nil:
		e.memo.forget(mark)
		return sdk.Answer{Err: &MatchError{in.Text, err}}
	case v > 0:
		if in.Code {
			var digits [10]byte
			e.memo.Set(CodeFact, strconv.AppendInt(digits[:0], int64(v), 10))
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
