package sdk_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

// answers holds every value an answer can have, with two of those that come in
// several sizes.
func answers() []sdk.Answer {
	return []sdk.Answer{
		{Verdict: sdk.No},
		{Verdict: sdk.Yes},
		{Verdict: 7},
		{Verdict: sdk.Need(3)},
		{Verdict: sdk.Need(12)},
		{Verdict: sdk.Unknown},
		{Err: errors.New("fuel ran out")},
		{Verdict: sdk.Yes, Err: errors.New("trapped")},
	}
}

// value is what an answer means: the number of a Yes and the text of an error do
// not count.
func value(a sdk.Answer) string {
	switch {
	case a.Err != nil:
		return "error"
	case a.Verdict > 0:
		return "yes"
	}
	return a.Verdict.String()
}

// or is what routes are to each other: one of them must match.
func or(a, b sdk.Answer) sdk.Answer { return a.Not().And(b.Not()).Not() }

type law struct {
	name        string
	left, right func(a, b, c sdk.Answer) sdk.Answer
}

func algebra() []law {
	return []law{
		{
			"and commutes",
			func(a, b, _ sdk.Answer) sdk.Answer { return a.And(b) },
			func(a, b, _ sdk.Answer) sdk.Answer { return b.And(a) },
		},
		{
			"or commutes",
			func(a, b, _ sdk.Answer) sdk.Answer { return or(a, b) },
			func(a, b, _ sdk.Answer) sdk.Answer { return or(b, a) },
		},
		{
			"and associates",
			func(a, b, c sdk.Answer) sdk.Answer { return a.And(b).And(c) },
			func(a, b, c sdk.Answer) sdk.Answer { return a.And(b.And(c)) },
		},
		{
			"or associates",
			func(a, b, c sdk.Answer) sdk.Answer { return or(or(a, b), c) },
			func(a, b, c sdk.Answer) sdk.Answer { return or(a, or(b, c)) },
		},
		{
			"not undoes not",
			func(a, _, _ sdk.Answer) sdk.Answer { return a.Not().Not() },
			func(a, _, _ sdk.Answer) sdk.Answer { return a },
		},
		{
			"an answer and itself is itself",
			func(a, _, _ sdk.Answer) sdk.Answer { return a.And(a) },
			func(a, _, _ sdk.Answer) sdk.Answer { return or(a, a) },
		},
		{
			"yes adds nothing to and",
			func(a, _, _ sdk.Answer) sdk.Answer { return a.And(sdk.Answer{Verdict: sdk.Yes}) },
			func(a, _, _ sdk.Answer) sdk.Answer { return a },
		},
		{
			"no adds nothing to or",
			func(a, _, _ sdk.Answer) sdk.Answer { return or(a, sdk.Answer{Verdict: sdk.No}) },
			func(a, _, _ sdk.Answer) sdk.Answer { return a },
		},
		{
			"final twice is final once",
			func(a, _, _ sdk.Answer) sdk.Answer { return a.Final().Final() },
			func(a, _, _ sdk.Answer) sdk.Answer { return a.Final() },
		},
		{
			"final and not commute",
			func(a, _, _ sdk.Answer) sdk.Answer { return a.Final().Not() },
			func(a, _, _ sdk.Answer) sdk.Answer { return a.Not().Final() },
		},
	}
}

func TestAnswersObeyTheLawsOfTheirAlgebra(t *testing.T) {
	t.Parallel()
	all := answers()
	for _, law := range algebra() {
		t.Run(law.name, func(t *testing.T) {
			t.Parallel()
			for _, a := range all {
				for _, b := range all {
					for _, c := range all {
						left, right := law.left(a, b, c), law.right(a, b, c)
						if value(left) != value(right) {
							t.Errorf("a = %v, b = %v, c = %v: %v is not %v", a, b, c, left, right)
						}
					}
				}
			}
		})
	}
}

// TestWhatIsDecidedNeverChanges is why the order is No, Need, error, Unknown, Yes
// and not another one: whatever a Need turns into, a decided answer stays.
func TestWhatIsDecidedNeverChanges(t *testing.T) {
	t.Parallel()
	joins := map[string]func(a, b, c sdk.Answer) sdk.Answer{
		"(a and b) and c": func(a, b, c sdk.Answer) sdk.Answer { return a.And(b).And(c) },
		"(a and b) or c":  func(a, b, c sdk.Answer) sdk.Answer { return or(a.And(b), c) },
		"(a or b) and c":  func(a, b, c sdk.Answer) sdk.Answer { return or(a, b).And(c) },
		"(a or b) or c":   func(a, b, c sdk.Answer) sdk.Answer { return or(or(a, b), c) },
		"not(a or b) or c": func(a, b, c sdk.Answer) sdk.Answer {
			return or(or(a, b).Not(), c)
		},
	}
	for name, join := range joins {
		for _, b := range answers() {
			for _, c := range answers() {
				before := join(sdk.Answer{Verdict: sdk.Need(3)}, b, c)
				if !before.Decided() {
					continue
				}
				for _, later := range answers() {
					if after := join(later, b, c); value(after) != value(before) {
						t.Errorf("%s with b = %v, c = %v is %v while a needs bytes, and %v when a is %v", name, b, c, before, after, later)
					}
				}
			}
		}
	}
}

func TestTheStrongestAnswerWins(t *testing.T) {
	t.Parallel()
	ranked := func(join func(a, b sdk.Answer) sdk.Answer) []string {
		all := answers()
		slices.SortStableFunc(all, func(a, b sdk.Answer) int {
			switch {
			case value(a) == value(b):
				return 0
			case value(join(a, b)) == value(a):
				return -1
			}
			return 1
		})
		var names []string
		for _, a := range all {
			names = append(names, value(a))
		}
		return slices.Compact(names)
	}
	wantAnd := []string{"no", "need 3", "need 12", "error", "unknown", "yes"}
	if diff := cmp.Diff(wantAnd, ranked(sdk.Answer.And)); diff != "" {
		t.Errorf("and (-want +got):\n%s", diff)
	}
	wantOr := []string{"yes", "need 3", "need 12", "error", "unknown", "no"}
	if diff := cmp.Diff(wantOr, ranked(or)); diff != "" {
		t.Errorf("or (-want +got):\n%s", diff)
	}
}

func TestOfTwoErrorsTheLeftOneIsKept(t *testing.T) {
	t.Parallel()
	first, second := sdk.Answer{Err: errors.New("first")}, sdk.Answer{Err: errors.New("second")}
	for _, got := range []sdk.Answer{first.And(second), or(first, second)} {
		if got.Err != first.Err {
			t.Errorf("got %v, want %v", got, first)
		}
	}
}

func TestTheEndOfWaitingTurnsNeedIntoUnknown(t *testing.T) {
	t.Parallel()
	for _, a := range answers() {
		want := value(a)
		if !a.Decided() {
			want = "unknown"
		}
		if got := a.Final(); value(got) != want || !got.Decided() {
			t.Errorf("the end of %v is %v, want %s", a, got, want)
		}
	}
}

func TestVerdictsAreNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v       sdk.Verdict
		number  int32
		text    string
		needs   int
		decided bool
	}{
		{sdk.No, 0, "no", 0, true},
		{sdk.Yes, 1, "yes", 0, true},
		{sdk.Verdict(200), 200, "yes", 0, true},
		{sdk.Unknown, math.MinInt32, "unknown", 0, true},
		{sdk.Need(5), -5, "need 5", 5, false},
		{sdk.Need(0), -1, "need 1", 1, false},
		{sdk.Need(-3), -1, "need 1", 1, false},
		{sdk.Need(math.MaxInt32), -math.MaxInt32, "need 2147483647", math.MaxInt32, false},
	}
	for _, test := range tests {
		got := fmt.Sprintf("%d %s %d %t", int32(test.v), test.v, test.v.NeedBytes(), test.v.Decided())
		want := fmt.Sprintf("%d %s %d %t", test.number, test.text, test.needs, test.decided)
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if huge := int64(math.MaxInt32) + 1; int64(int(huge)) == huge && sdk.Need(int(huge)) != sdk.Unknown {
		t.Errorf("Need(%d) = %v, want unknown: no head is that long", huge, sdk.Need(int(huge)))
	}
	if got, want := (sdk.Answer{Err: errors.New("trapped")}).String(), "error: trapped"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
