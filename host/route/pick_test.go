package route

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

// scripted answers by the length of the head and notes when it was asked.
type scripted struct {
	answers map[int]sdk.Verdict
	asked   *[]int
	first   *[4]uint64
}

func (s scripted) First() *[4]uint64 { return s.first }
func (s scripted) Match(f *sdk.Flow) (sdk.Verdict, error) {
	*s.asked = append(*s.asked, len(f.Head))
	return s.answers[len(f.Head)], nil
}

func listOf(ms ...sdk.Matcher) *List {
	l := &List{}
	for i, m := range ms {
		in := Instance{Name: "m", Text: fmt.Sprint("m", i), Matcher: m}
		if s, ok := m.(sdk.Starter); ok {
			in.First = s.First()
		}
		l.Instances = append(l.Instances, in)
		l.Routes = append(l.Routes, Route{Name: fmt.Sprint("@", i), Cond: Cond{Op: Leaf, Inst: i}})
	}
	l.index()
	return l
}

// feed gives a head to a list byte by byte, and then its end.
func feed(l *List, head string) (picked string) {
	rs := &Routes{list: l}
	f := &sdk.Flow{MaxHead: 8}
	m := rs.NewMemo(f, nil)
	defer rs.Forget(f, m)
	for n := 0; n <= len(head)+1; n++ {
		f.Head = []byte(head[:min(n, len(head))])
		if r, need, _ := rs.Pick(f, m, n > len(head)); r != nil {
			return fmt.Sprintf("%s after %d", r.Name, n)
		} else if need == 0 {
			return fmt.Sprintf("none after %d", n)
		}
	}
	return "undecided"
}

func TestAMatcherIsAskedOnlyWhenItsBytesAreThereAndNeverAfterItDecided(t *testing.T) {
	t.Parallel()
	var asked, other []int
	l := listOf(
		scripted{map[int]sdk.Verdict{0: sdk.Need(2), 2: sdk.Need(3), 3: sdk.No}, &asked, nil},
		scripted{map[int]sdk.Verdict{3: sdk.Need(8)}, &other, nil},
	)
	if got := feed(l, "abcde"); got != "none after 6" {
		t.Errorf("picked %s", got)
	}
	if diff := cmp.Diff([]int{0, 2, 3}, asked); diff != "" {
		t.Errorf("the first was asked at (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{3}, other); diff != "" {
		t.Errorf("the second was asked at (-want +got):\n%s", diff)
	}
}

func TestAMatcherThatWaitedBehindAnotherSeesTheWholeHeadAtTheEnd(t *testing.T) {
	t.Parallel()
	var asked, other []int
	all := Cond{Op: All, Kids: []Cond{{Op: Leaf, Inst: 0}, {Op: Leaf, Inst: 1}}}
	l := listOf(
		scripted{map[int]sdk.Verdict{0: sdk.Need(8)}, &asked, nil},
		scripted{map[int]sdk.Verdict{0: sdk.Need(1), 1: sdk.Need(2), 2: sdk.Need(3), 3: sdk.Yes}, &other, nil},
	)
	l.Routes = []Route{{Name: "@both", Cond: all}, {Name: "@second", Cond: Cond{Op: Leaf, Inst: 1}}}
	l.index()
	if got := feed(l, "abc"); got != "@second after 4" {
		t.Errorf("picked %s", got)
	}
}

func TestAMatcherThatNeedsMoreThanAHeadCanHoldDoesNotWait(t *testing.T) {
	t.Parallel()
	var asked, other []int
	l := listOf(
		scripted{map[int]sdk.Verdict{0: sdk.Need(9)}, &asked, nil},
		scripted{map[int]sdk.Verdict{0: sdk.Yes}, &other, nil},
	)
	if got := feed(l, "abc"); got != "@1 after 0" {
		t.Errorf("picked %s", got)
	}
}

func TestAMatcherThatNeedsWhatItHasIsGivenOneByteMore(t *testing.T) {
	t.Parallel()
	var asked []int
	l := listOf(scripted{map[int]sdk.Verdict{0: sdk.Need(1), 1: sdk.Need(1), 2: sdk.Yes}, &asked, nil})
	if got := feed(l, "abc"); got != "@0 after 2" {
		t.Errorf("picked %s", got)
	}
}

func TestAMatcherIsNotAskedAboutAFirstByteItCannotBegin(t *testing.T) {
	t.Parallel()
	for b := range 256 {
		var asked []int
		first := &[4]uint64{}
		first[b>>6] |= 1 << (b & 63)
		answers := map[int]sdk.Verdict{0: sdk.Need(1), 1: sdk.Yes}
		l := listOf(scripted{answers, &asked, first})
		if got := feed(l, string([]byte{byte(b)})); got != "@0 after 1" {
			t.Fatalf("byte %d: picked %s", b, got)
		}
		if got := feed(l, string([]byte{byte(b + 1)})); got != "none after 1" {
			t.Fatalf("byte %d behind %d: picked %s", b+1, b, got)
		}
	}
}

// A list has more matchers than a memo has room for at first.
func TestAMemoOfALongListForgetsNoAnswer(t *testing.T) {
	t.Parallel()
	const n = 5 * direct
	asked := make([][]int, n)
	var ms []sdk.Matcher
	for i := range n {
		answers := map[int]sdk.Verdict{0: sdk.No, 3: sdk.No, 5: sdk.No}
		if i == 6 {
			answers[0] = sdk.Need(3)
		}
		if i == n/2 {
			answers[3] = sdk.Need(5)
		}
		ms = append(ms, scripted{answers, &asked[i], nil})
	}
	l := listOf(ms...)
	for range 2 { // with a memo of a connection before, too
		if got := feed(l, "abcde"); got != "none after 5" {
			t.Errorf("picked %s", got)
		}
		for i := range asked {
			want := []int{0}
			switch {
			case i == 6:
				want = []int{0, 3}
			case i == n/2:
				want = []int{3, 5}
			case i > n/2: // the walk waited for those that need more
				want = []int{5}
			case i > 6:
				want = []int{3}
			}
			if diff := cmp.Diff(want, asked[i]); diff != "" {
				t.Fatalf("matcher %d was asked at (-want +got):\n%s", i, diff)
			}
			asked[i] = nil
		}
	}
}
