package engine

import (
	"math"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine/internal/crowd"
	"dwaar.dev/dwaar/host/engine/internal/listen"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/session"
	"dwaar.dev/dwaar/sdk"
)

func TestDecisionsAreTheLastOnesAndLearnTheirEnd(t *testing.T) {
	t.Parallel()
	var e Engine
	if got := e.Decisions(); len(got) != 0 {
		t.Errorf("before the first one there are %d", len(got))
	}
	code := host.Code{By: host.ByClient, In: host.InRelay, Why: host.Reset}
	for id := range uint64(remembered + 10) {
		number := e.decisions.add(&Decision{ID: id}, new(route.Trail), new(route.Facts))
		if id%2 == 0 {
			e.decisions.end(number, code, "up")
		}
	}
	e.decisions.end(0, code, "")  // there was none
	e.decisions.end(1, code, "")  // forgotten
	e.decisions.end(10, code, "") // the last one that is forgotten, whose place the latest has
	e.decisions.end(e.decisions.last-remembered, code, "")
	got := e.Decisions()
	if len(got) != remembered {
		t.Fatalf("%d decisions, want %d", len(got), remembered)
	}
	for i, d := range got {
		want := Decision{ID: uint64(i + 10)}
		if want.ID%2 == 0 {
			want.Ended, want.Code, want.Upstream = true, code, "up"
		}
		if diff := gocmp.Diff(want, d, gocmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Fatalf("decision %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestADecisionHoldsCopiesWithinBoundsAndIsRememberedWithoutAllocating(t *testing.T) {
	var e Engine
	var trail route.Trail
	var facts route.Facts
	for i := range 40 {
		facts.PutString("of", strconv.Itoa(i), strings.Repeat("v", 200))
	}
	trail.Asked = append(trail.Asked, route.Asked{Matcher: "ssh", Answer: sdk.Answer{Verdict: sdk.No}})
	trail.More = 3
	head := []byte("head")
	add := func() { e.decisions.add(&Decision{ID: 7, Bytes: 9, Head: head}, &trail, &facts) }
	for range 2 * remembered {
		add()
	}
	copy(head, "gone")
	trail.Asked[0].Matcher = "gone"
	d := e.Decisions()[0]
	if string(d.Head) != "head" || len(d.Asked) != 1 || d.Asked[0].Matcher != "ssh" || d.More != 3 {
		t.Errorf("%q, %v, %d", d.Head, d.Asked, d.More)
	}
	if len(d.Facts) != maxLoggedFacts || len(d.Facts["of.39"]) != maxLoggedValue || d.Facts["of.0"] != "" {
		t.Errorf("%d facts, of which the last has %d bytes", len(d.Facts), len(d.Facts["of.39"]))
	}
	var read route.Trail // where no route took it: what was read on the way
	for i := range 40 {
		read.Seen.PutString("seen", strconv.Itoa(i), strings.Repeat("v", 200))
	}
	e.decisions.add(&Decision{ID: 8}, &read, new(route.Facts))
	if d := e.Decisions()[remembered-1]; len(d.Facts) != maxLoggedFacts || len(d.Facts["seen.39"]) != maxLoggedValue || d.Facts["seen.0"] != "" {
		t.Errorf("%d facts that were read, of which the last has %d bytes", len(d.Facts), len(d.Facts["seen.39"]))
	}
	for range remembered {
		e.decisions.add(&Decision{}, &read, &facts)
	}
	if n := testing.AllocsPerRun(2*remembered, add); n != 0 {
		t.Errorf("%.1f allocations", n)
	}
}

func TestAnEpisodeIsToldOfWhenItBeginsAndWhenItIsOver(t *testing.T) {
	t.Parallel()
	var ep episode
	now := time.Unix(1000, 0)
	if _, over := ep.over(now, time.Second); over {
		t.Error("over before it began")
	}
	if !ep.hit(now) || ep.hit(now.Add(time.Millisecond)) {
		t.Error("it does not begin once")
	}
	if _, over := ep.over(now.Add(time.Second), time.Second); over {
		t.Error("over a second after the first time, not after the last")
	}
	n, over := ep.over(now.Add(2*time.Second), time.Second)
	if !over || n != 2 {
		t.Errorf("over: %v, %d times", over, n)
	}
	if _, again := ep.over(now.Add(3*time.Second), time.Second); again {
		t.Error("over twice")
	}
	if !ep.hit(now.Add(time.Minute)) {
		t.Error("the next one does not begin")
	}
}

func TestDrainingIsEvenAndComplete(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ conns, steps int }{{1, 1}, {10, 3}, {1000, 7}, {3, 100}, {1, 50}} {
		left, most := tc.conns, 0
		for step := range tc.steps + 1 {
			n := dueNow(left, time.Duration(tc.steps-step)*drainStep)
			most = max(most, n)
			left -= n
		}
		if even := (tc.conns + tc.steps) / tc.steps; left != 0 || most > even {
			t.Errorf("%d connections in %d steps: %d left, at most %d at once", tc.conns, tc.steps, left, most)
		}
	}
}

func TestWhoIsLateIsDrainedAtOnce(t *testing.T) {
	t.Parallel()
	for _, left := range []time.Duration{drainStep - 1, 0, -1, -drainStep, -time.Hour} {
		if n := dueNow(7, left); n != 7 {
			t.Errorf("with %v left %d of 7 are ended", left, n)
		}
	}
}

func TestTheBudgetIsHalfOfWhatTheProgramDoesNotNeed(t *testing.T) {
	t.Parallel()
	for limit, want := range map[uint64]int{0: 16, 100: 16, 256: 28, 1024: 412, 20000: 9900, 1 << 62: 1<<31 - 1} {
		if got := connBudget(limit); got != want {
			t.Errorf("%d descriptors allow %d connections, want %d", limit, got, want)
		}
	}
}

func TestPausesGrowUntilAcceptSucceeds(t *testing.T) {
	t.Parallel()
	var b backoff
	var got []time.Duration
	for range 10 {
		got = append(got, b.next()/time.Millisecond)
	}
	want := []time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("pauses in milliseconds (-want +got):\n%s", diff)
	}
}

func TestAccessLevelsTellClientsFromDefects(t *testing.T) {
	t.Parallel()
	for code, want := range map[host.Code]string{
		{By: host.ByClient, In: host.InMatching, Why: host.Probe}:     "DEBUG",
		{By: host.ByClient, In: host.InHandling, Why: host.Protocol}:  "INFO",
		{By: host.ByUpstream, In: host.InRelay, Why: host.Failed}:     "INFO",
		{By: host.ByProxy, In: host.InMatching, Why: host.NoRoute}:    "INFO",
		{By: host.ByProxy, In: host.InHandling, Why: host.Failed}:     "WARN",
		{By: host.ByProxy, In: host.InConnect, Why: host.NoAddress}:   "WARN",
		{By: host.ByProxy, In: host.InHandling, Why: host.Panicked}:   "ERROR",
		{By: host.ByOperator, In: host.InRelay, Why: host.Drained}:    "INFO",
		{By: host.ByProxy, In: host.InConnect, Why: host.Unavailable}: "INFO",
	} {
		if got := accessLevel(host.Outcome{Code: code}).String(); got != want {
			t.Errorf("%v is logged as %s, want %s", code, got, want)
		}
	}
}

func TestTheSamplerNeverLosesCount(t *testing.T) {
	t.Parallel()
	var s sampler
	written, suppressed := uint64(0), uint64(0)
	for i := range 10_000 {
		now := time.Unix(int64(i/1000), 0)
		if n, ok := s.take(now, 100); ok {
			written++
			suppressed += n
		}
	}
	if want := uint64(10 * (100 + 900/oneIn)); written != want {
		t.Errorf("%d lines, want %d", written, want)
	}
	if rest := s.rest(); written+suppressed+rest != 10_000 {
		t.Errorf("%d written, %d suppressed and %d at the end are not 10000", written, suppressed, rest)
	}
}

func TestASocketThatIsToGoIsNotPutToSleepAgain(t *testing.T) {
	t.Parallel()
	var o listen.Opener
	ln, err := o.Open(t.Context(), listen.Spec{Network: "tcp", Addr: netip.MustParseAddrPort("127.0.0.1:0")}, listen.Access{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := newSocket(ln)
	s.leave()
	s.within(time.Time{}) // as after a shortage that ended at the same moment
	if _, err := ln.Accept(); !timedOut(err) {
		t.Errorf("accepting: %v", err)
	}
}

func TestWhoEndsBeforeItsRoutesAreTriedLeavesItsCrowd(t *testing.T) {
	t.Parallel()
	e := New(Options{})
	caps := newCaps()
	caps.set(graph.Limits{}, crowd.DefaultLevels(), 100)
	x := &conn{e: e, account: &account{
		caps: caps, socket: newSocket(nil), generation: &generation{}, env: e.environment(e.log),
	}}
	if _, ok := e.admit(x, time.Now()); !ok {
		t.Fatal("the first connection is refused")
	}
	x.Init(&x.env, x, &session.Begin{ID: 1})
	e.live.add()
	e.table.begin(x)
	for _, l := range []*crowd.Ledger{caps.ledger, e.whole} {
		if c, m := l.Total(crowd.Conns), l.Total(crowd.Matching); c != 1 || m != 1 || l.Crowds() != 1 {
			t.Fatalf("%d connections are counted and %d undecided, want this one", c, m)
		}
	}
	x.Step(session.Input{Event: session.Killed})
	x.Step(session.Input{Event: session.Closed})
	for _, l := range []*crowd.Ledger{caps.ledger, e.whole} {
		if n := l.Total(crowd.Conns) + l.Total(crowd.Matching) + l.Crowds() + l.Held(); n != 0 || x.State() != session.Ended {
			t.Errorf("something is counted, and this one is %v", x.State())
		}
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestClientMemoryIsAQuarterOfALowLimit(t *testing.T) {
	was := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(was)
	for limit, want := range map[int64]int64{math.MaxInt64: 256 << 20, 4 << 30: 256 << 20, 512 << 20: 128 << 20, 1 << 20: 1 << 20} {
		debug.SetMemoryLimit(limit)
		if got := clientMemory(graph.Settings{}); got != want {
			t.Errorf("with %d bytes for the program, clients have %d, want %d", limit, got, want)
		}
		if got := clientMemory(graph.Settings{ClientMemory: 7 << 20}); got != 7<<20 {
			t.Errorf("configured are 7 MiB, used %d", got)
		}
	}
}
