package engine

import (
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/session"
)

// Each reload gives the generations before it until when they have to be gone. The one
// that it brings, and the time that an earlier reload gave, it leaves alone.
func TestAReloadGivesATimeToThoseBeforeItOnly(t *testing.T) {
	t.Parallel()
	e := New(Options{Log: slog.New(slog.DiscardHandler)})
	for n := range uint64(4) {
		e.generations = append(e.generations, &generation{number: n + 1})
	}
	dues := func() (at []int64) {
		for _, o := range e.generations {
			at = append(at, o.due.Load())
		}
		return at
	}
	e.setDue(&served{generation: e.generations[1]}, time.Unix(0, 50))
	if diff := gocmp.Diff([]int64{50, 0, 0, 0}, dues()); diff != "" {
		t.Errorf("after the second (-want +got):\n%s", diff)
	}
	e.setDue(&served{generation: e.generations[3]}, time.Unix(0, 70))
	if diff := gocmp.Diff([]int64{50, 70, 70, 0}, dues()); diff != "" {
		t.Errorf("after the fourth (-want +got):\n%s", diff)
	}
}

// killable is a connection that can be killed, of a generation.
func killable(e *Engine, id uint64, of *generation) *conn {
	x := &conn{e: e, account: &account{generation: of}}
	x.Init(&session.Env{Heads: new(session.Heads)}, x, &session.Begin{ID: id})
	e.table.begin(x)
	return x
}

func TestOnlyConnectionsOfOlderGenerationsWithATimeAreDrained(t *testing.T) {
	t.Parallel()
	e := New(Options{Log: slog.New(slog.DiscardHandler)})
	old, unlimited, now := &generation{number: 1}, &generation{number: 2}, &generation{number: 3}
	due := time.Now()
	old.due.Store(due.Add(9 * drainStep).UnixNano())
	now.due.Store(1) // no reload does this: drainSome does not rely on it
	var olds []*conn
	for id := range uint64(20) {
		olds = append(olds, killable(e, id+1, old))
	}
	others := []*conn{killable(e, 100, unlimited), killable(e, 101, now)}
	isKilled := func(x *conn) bool {
		act := x.Step(session.Input{Event: session.Began})
		return act.Do == session.Close
	}
	if !e.drainSome(&served{generation: now}, due) {
		t.Error("none has to go")
	}
	for i, x := range olds {
		if got, want := isKilled(x), i < 2; got != want { // 20 in ten steps, the oldest first
			t.Errorf("connection %d is killed: %v", i+1, got)
		}
	}
	for _, x := range others {
		if isKilled(x) {
			t.Errorf("connection %d of generation %d is killed", x.ID(), x.generation.number)
		}
	}
	for _, x := range olds {
		delete(e.table.part(x.ID()).conns, x.ID())
	}
	if e.drainSome(&served{generation: now}, due) {
		t.Error("there are more to go when all have gone")
	}
}

// The connect time begins where the matching ended.
func TestTheTimesOfAnAccessLineAreThoseOfThePhases(t *testing.T) {
	t.Parallel()
	begin := time.Unix(1000, 0)
	for _, tc := range []struct {
		r    session.Record
		want []string
	}{
		{session.Record{}, []string{"total=9s"}},
		{session.Record{Matched: 2 * time.Second}, []string{"matching=2s", "total=9s"}},
		{session.Record{Matched: 2 * time.Second, Connected: 5 * time.Second}, []string{"matching=2s", "connect=3s", "total=9s"}},
		{session.Record{Connected: 5 * time.Second}, []string{"total=9s"}},
	} {
		x := &conn{}
		b := &session.Begin{ID: 1}
		b.Flow.Accepted = begin
		x.Init(&session.Env{Heads: new(session.Heads)}, x, b)
		var got []string
		for _, a := range x.times(&tc.r, begin.Add(9*time.Second)) {
			got = append(got, a.String())
		}
		if diff := gocmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tc.r, diff)
		}
	}
}

func TestUnknownAddressesAreNobodysOwn(t *testing.T) {
	t.Parallel()
	e := New(Options{Log: slog.New(slog.DiscardHandler)})
	if e.owns(netip.MustParseAddrPort("127.0.0.1:80")) {
		t.Error("before the first load an address is our own")
	}
}

// A gauge that went down to zero is one that counts on.
func TestAGaugeIsWaitedForMoreThanOnce(t *testing.T) {
	t.Parallel()
	var g gauge
	isZero := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	for range 3 {
		if !isZero(g.zero()) {
			t.Fatal("an empty gauge is waited for")
		}
		g.add()
		g.add()
		first, second := g.zero(), g.zero()
		g.done()
		if isZero(first) || isZero(second) || g.count() != 1 {
			t.Errorf("zero with %d left", g.count())
		}
		g.done()
		if !isZero(first) || !isZero(second) || g.count() != 0 {
			t.Errorf("not zero with %d left", g.count())
		}
	}
}

// A second episode counts anew, and is told of anew.
func TestASecondEpisodeIsToldOfWithItsOwnCount(t *testing.T) {
	t.Parallel()
	var ep episode
	now := time.Unix(1000, 0)
	for round, hits := range []int{3, 1, 2} {
		for i := range hits {
			if first := ep.hit(now); first != (i == 0) {
				t.Errorf("round %d, hit %d: told %v", round, i, first)
			}
		}
		if _, over := ep.over(now.Add(time.Second), 2*time.Second); over {
			t.Errorf("round %d is over too soon", round)
		}
		now = now.Add(time.Minute)
		if n, over := ep.over(now, 2*time.Second); !over || int(n) != hits {
			t.Errorf("round %d: over %v, %d times, want %d", round, over, n, hits)
		}
	}
}

// Connections are listed oldest first, however many there are.
func TestConnectionsAreListedInOrder(t *testing.T) {
	t.Parallel()
	e := New(Options{Log: slog.New(slog.DiscardHandler)})
	gen := &generation{number: 1}
	for id := range uint64(3 * shards) {
		x := killable(e, 3*shards-id, gen)
		x.account.socket = newSocket(nil)
	}
	for i, x := range e.Conns() {
		if x.ID != uint64(i+1) {
			t.Fatalf("connection %d is at place %d", x.ID, i)
		}
	}
	used := 0
	for i := range e.table.parts {
		if n := len(e.table.parts[i].conns); n == 3 {
			used++
		}
	}
	if used != shards || len(e.Conns()) != 3*shards {
		t.Errorf("%d of %d parts have their share", used, shards)
	}
}

// A line has the last facts, and of a long value the beginning.
func TestTheFactsOfALineAreBounded(t *testing.T) {
	t.Parallel()
	var facts route.Facts
	for i := range maxLoggedFacts + 4 {
		facts.PutString("f", strconv.Itoa(i), strings.Repeat("x", maxLoggedValue+i-2))
	}
	attrs := factAttrs(facts.All())
	if len(attrs) != maxLoggedFacts || attrs[0].Key != "f.4" || attrs[maxLoggedFacts-1].Key != "f.19" {
		t.Errorf("%d facts, from %s on", len(attrs), attrs[0].Key)
	}
	if got, want := attrs[0].Value.String(), strings.Repeat("x", maxLoggedValue)+"…"; got != want {
		t.Errorf("a long value is written as %q", got)
	}
	facts.Reset()
	facts.PutString("f", "exact", strings.Repeat("x", maxLoggedValue))
	for range maxLoggedFacts - 1 {
		facts.PutString("g", strconv.Itoa(facts.Len()), "")
	}
	if attrs = factAttrs(facts.All()); len(attrs) != maxLoggedFacts || attrs[0].Value.String() != strings.Repeat("x", maxLoggedValue) {
		t.Errorf("as much as there may be is cut: %d facts", len(attrs))
	}
}
