package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine/internal/crowd"
	"dwaar.dev/dwaar/host/engine/internal/listen"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/session"
	"dwaar.dev/dwaar/sdk"
)

// talker is an engine with what it logs, as text without times.
type talker struct {
	*Engine
	out bytes.Buffer
}

func talking(o Options) *talker {
	e := new(talker)
	o.Log = slog.New(slog.NewTextHandler(&e.out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	e.Engine = New(o)
	e.shortage.close() // its descriptor
	return e
}

// said returns the lines since the last call.
func (e *talker) said() []string {
	defer e.out.Reset()
	return strings.FieldsFunc(e.out.String(), func(r rune) bool { return r == '\n' })
}

// says expects lines that hold these texts, in this order.
func (e *talker) says(t *testing.T, when string, want ...string) {
	t.Helper()
	lines := e.said()
	ok := len(lines) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = strings.Contains(lines[i], want[i])
	}
	if !ok {
		t.Errorf("%s the log has\n%s\nwant\n%s", when, strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheLimitsOfAServerFollowFromEachOther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limits                 graph.Limits
		conns, matching, perIP int64
	}{
		"none":                          {graph.Limits{}, 0, 50, 0},
		"connections":                   {graph.Limits{MaxConnections: 31}, 31, 15, 0},
		"one connection":                {graph.Limits{MaxConnections: 1}, 1, 1, 0},
		"two connections":               {graph.Limits{MaxConnections: 2}, 2, 1, 0},
		"four connections":              {graph.Limits{MaxConnections: 4}, 4, 2, 0},
		"undecided":                     {graph.Limits{MaxMatching: 7, MaxConnectionsPerIP: 3}, 0, 7, 3},
		"more undecided than there are": {graph.Limits{MaxConnections: 5, MaxMatching: 70}, 5, 70, 0},
	} {
		k := newCaps()
		k.set(c.limits, crowd.Levels{V4: 24, V6: 48}, 100)
		got := []int64{k.ledger.Most(crowd.Conns), k.ledger.Most(crowd.Matching), int64(k.limits.Load().MaxConnectionsPerIP)}
		if diff := gocmp.Diff([]int64{c.conns, c.matching, c.perIP}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got := k.ledger.Crowd(netip.MustParseAddr("192.0.2.7")).String(); got != "192.0.2.0/24" {
			t.Errorf("%s: the crowd is %s", name, got)
		}
	}
	if got, want := levels(graph.Settings{CrowdV4: 20, CrowdV6: 50}), (crowd.Levels{V4: 20, V6: 50}); got != want {
		t.Errorf("levels %+v", got)
	}
}

func TestANewEngineIsBoundedByWhatTheProgramHas(t *testing.T) {
	t.Parallel()
	e := talking(Options{})
	got := []int64{e.whole.Most(crowd.Conns), e.whole.Most(crowd.Matching), e.whole.Most(crowd.Bytes), int64(e.accessRate)}
	want := []int64{int64(e.budget), 0, clientMemory(graph.Settings{}), defaultAccessRate}
	if diff := gocmp.Diff(want, got); diff != "" || e.budget < leastConns {
		t.Errorf("connections, undecided ones, bytes, lines a second (-want +got):\n%s", diff)
	}
	if e.access != e.log || time.Since(e.started) < 0 || e.life.Err() != nil {
		t.Errorf("started at %v", e.started)
	}
	other := slog.New(slog.DiscardHandler)
	if e := New(Options{AccessRate: 7, Access: other}); e.accessRate != 7 || e.access != other || e.log == other {
		t.Errorf("%d lines a second", e.accessRate)
	}
	if s := e.Stats(); s.State != Idle || s.Budget != e.budget || s.ClientMemory != want[2] || !s.Started.Equal(e.started) || len(s.Listeners)+len(s.Generations) != 0 {
		t.Errorf("%+v", s)
	}
}

// The texts of a decision are forgotten with it: they are of a configuration that may be
// gone.
func TestADecisionKeepsNothingOfTheOneBefore(t *testing.T) {
	t.Parallel()
	var e Engine
	long, short := new(route.Trail), new(route.Trail)
	for range 5 {
		long.Asked = append(long.Asked, route.Asked{Matcher: "old"})
	}
	short.Asked = append(short.Asked, route.Asked{Matcher: "new"})
	e.decisions.add(&Decision{}, long, new(route.Facts))
	for range remembered {
		e.decisions.add(&Decision{}, short, new(route.Facts))
	}
	for _, r := range e.decisions.ring {
		for i, a := range r.Asked[:cap(r.Asked)] {
			if (a.Matcher != "") != (i == 0) {
				t.Errorf("%q is at %d of %d", a.Matcher, i, len(r.Asked))
			}
		}
	}
}

// Memory is charged while there is room. Where there is none somebody who holds more gives
// way, and where nobody does, the charge is refused, counted and logged.
func TestMemoryIsChargedWhileThereIsRoom(t *testing.T) {
	t.Parallel()
	e := talking(Options{})
	e.whole.Limit(crowd.Bytes, 1000)
	caps := newCaps()
	caps.set(graph.Limits{}, crowd.DefaultLevels(), 100)
	x, y := admitted(t, e.Engine, caps, "192.0.2.1:1"), admitted(t, e.Engine, caps, "192.0.2.2:1")
	for i, step := range []struct {
		x    *conn
		n    int
		want bool
		held int64
		more []string
	}{
		{x, 400, true, 400, nil},
		{x, 600, true, 1000, nil},
		{x, 1, false, 1000, []string{"connections are refused: client_memory is reached"}},
		{x, -1, true, 999, nil},
		{y, 1, true, 1000, nil},
		{y, 100, true, 1100, []string{"closed for others: client_memory is reached"}}, // x goes, and still has its bytes
		{x, 1, false, 1100, nil},
		{x, -999, true, 101, nil},
		{y, 900, false, 101, nil},
		{y, -101, true, 0, nil},
	} {
		if got := step.x.Charge(step.n); got != step.want || e.whole.Held() != step.held {
			t.Errorf("step %d: %v, %d bytes are held, want %d", i+1, got, e.whole.Held(), step.held)
		}
		e.says(t, "after a charge", step.more...)
	}
	if s := e.Stats(); s.Refused["client_memory"] != 3 || s.Evicted["client_memory"] != 1 {
		t.Errorf("refused %v, evicted %v", s.Refused, s.Evicted)
	}
	if got := killed(x); got != "proxy.accept.evicted" {
		t.Errorf("the one who gave way ended with %q", got)
	}
}

func TestWhoMovesBytesEitherWayHasMoved(t *testing.T) {
	t.Parallel()
	x := killable(New(Options{}), 1, new(generation))
	link := relay.LinkTo(counting{5, 7})
	x.Hold(&link)
	if n := x.Moved(); n != 12 {
		t.Errorf("%d bytes have moved, want 12", n)
	}
}

// counting is a relay that has moved bytes.
type counting struct{ up, down int64 }

func (counting) Kill(relay.Reason)          {}
func (c counting) Counts() (up, down int64) { return c.up, c.down }

// texts returns attributes as they are logged.
func texts(attrs []slog.Attr) (all []string) {
	for _, a := range attrs {
		all = append(all, a.String())
	}
	return all
}

func TestAnAccessLineHasEveryValueThatIsKnown(t *testing.T) {
	t.Parallel()
	e := New(Options{})
	caps := newCaps()
	caps.set(graph.Limits{}, crowd.DefaultLevels(), 100)
	begun := time.Unix(1000, 0)
	make := func(peer string) *conn {
		x := admitted(t, e, caps, "192.0.2.1:1")
		x.peer = netip.AddrPort{}
		if peer != "" {
			x.peer = netip.MustParseAddrPort(peer)
		}
		x.account.listener, x.account.generation = ":443", &generation{number: 7}
		x.Init(&x.env, x, &session.Begin{ID: 9, Flow: sdk.Flow{Accepted: begun, MaxHead: 10}})
		return x
	}
	o := host.Outcome{
		Code: host.Code{By: host.ByClient, In: host.InRelay, Why: host.Reset}, Up: 3, Down: 5, Ended: begun.Add(9 * time.Second),
	}
	common := []string{"conn=9", "listener=:443", "generation=7", "code=client.relay.reset"}
	x := make("")
	want := append(common[:4:4], "bytes_up=3", "bytes_down=5", "total=9s")
	if diff := gocmp.Diff(want, texts(x.accessAttrs(o))); diff != "" {
		t.Errorf("on a Unix socket (-want +got):\n%s", diff)
	}
	x = make("192.0.2.7:1234")
	*x.Record() = session.Record{Tries: 1}
	want = append(common[:4:4], "client=192.0.2.7:1234", "bytes_up=3", "bytes_down=5", "total=9s")
	if diff := gocmp.Diff(want, texts(x.accessAttrs(o))); diff != "" {
		t.Errorf("after one attempt (-want +got):\n%s", diff)
	}
	x = make("192.0.2.7:1234")
	near, _ := net.Pipe()
	x.Serve(near, func(_ context.Context, c host.Conn) error {
		c.Readdress(netip.MustParseAddrPort("203.0.113.9:99"), netip.AddrPort{})
		*x.Record() = session.Record{Tries: 2, Matched: time.Second, Connected: 3 * time.Second, Fuel: 1}
		o.Err = errors.New("why")
		want := append(common[:4:4], "client=203.0.113.9:99", "peer=192.0.2.7", "tries=2", "bytes_up=3", "bytes_down=5",
			"matching=1s", "connect=2s", "total=9s", "fuel=1", "error=why")
		got := texts(x.accessAttrs(o))
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("behind another proxy (-want +got):\n%s", diff)
		}
		if i := x.info(); i.Client.String() != "203.0.113.9:99" || i.ID != 9 || i.Listener != ":443" || i.Generation != 7 || i.Phase != host.InHandling || !i.Accepted.Equal(begun) {
			t.Errorf("listed as %+v", i)
		}
		return nil
	})
}

// What this program could not do is logged however many lines there are, and what nobody
// wants to read is neither logged nor counted.
func TestOnlyLinesOfWhatClientsDoAreLeftOut(t *testing.T) {
	t.Parallel()
	e := talking(Options{AccessRate: 1})
	caps := newCaps()
	caps.set(graph.Limits{}, crowd.DefaultLevels(), 100)
	x := admitted(t, e.Engine, caps, "192.0.2.1:1")
	end := func(second int64, why host.Why) host.Outcome {
		return host.Outcome{Code: host.Code{Why: why}, Ended: time.Unix(second, 0)}
	}
	for _, why := range []host.Why{host.Closed, host.Closed, host.Failed, host.Failed, host.Probe, host.Closed, host.Panicked} {
		x.e.writeAccess(x, end(1, why))
	}
	e.says(t, "in the first second", "level=INFO", "level=WARN", "level=WARN", "level=ERROR")
	x.e.writeAccess(x, end(2, host.Closed))
	e.says(t, "in the second one", "suppressed=2")
	x.e.writeAccess(x, end(3, host.Closed))
	if lines := e.said(); len(lines) != 1 || strings.Contains(lines[0], "suppressed") {
		t.Errorf("in the third one the log has %q", lines)
	}
	if n := e.Stats().LinesSuppressed; n != 2 {
		t.Errorf("%d are counted as left out", n)
	}
}

// A spell of refusals or evictions is told of when it begins, and when its cap was not hit
// for a while; each reason for itself.
func TestSpellsOfACapAreToldOfOnce(t *testing.T) {
	t.Parallel()
	e := talking(Options{})
	a := &account{listener: ":1", caps: newCaps()}
	from, begun := netip.MustParseAddrPort("192.0.2.1:1"), time.Unix(1000, 0)
	tell := func(after time.Duration) { a.caps.spells.tellRecovery(e.Engine, ":1", begun.Add(after)) }
	tell(0)
	e.says(t, "before the first")
	e.record(a, from, byConnections, false, begun)
	e.says(t, "at the first", "connections refused", "level=WARN msg=\"connections are refused: max_connections is reached\" listener=:1 client=192.0.2.1 connections=0")
	e.record(a, from, byConnections, false, begun.Add(time.Second))
	e.says(t, "at the second")
	e.record(a, from, byMatching, true, begun.Add(2*time.Second))
	e.says(t, "at the first eviction", "msg=\"connections of whoever has most are closed for others: max_matching is reached\" listener=:1")
	e.record(a, from, byMemory, false, begun.Add(2*time.Second))
	e.says(t, "at the end of a session", "connections are refused: client_memory is reached") // which has its own line
	e.record(a, from, byDescriptors, false, begun)
	e.says(t, "without descriptors", "connections refused")
	tell(time.Second + capQuiet - 1)
	e.says(t, "too soon")
	tell(time.Second + capQuiet)
	e.says(t, "when the first is over", "level=INFO msg=\"connections are no longer refused: max_connections\" listener=:1 refused=2")
	tell(2*time.Second + capQuiet)
	e.says(t, "when the others are over",
		"msg=\"connections are no longer closed for others: max_matching\" listener=:1 evicted=1", "msg=\"connections are no longer refused: client_memory\" listener=:1 refused=1")
	tell(time.Hour)
	e.says(t, "later")
	if a.caps.spells.any.Load() {
		t.Error("a spell is still looked for")
	}
	e.record(a, from, byConnections, false, begun.Add(time.Hour))
	e.says(t, "at the next spell", "connections are refused: max_connections is reached") // of the client there is a line in this interval
	s := e.Stats()
	want := map[string]uint64{"max_connections": 3, "max_connections_per_ip": 0, "max_matching": 0, "client_memory": 1, "descriptors": 1}
	if diff := gocmp.Diff(want, s.Refused); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	want = map[string]uint64{"max_connections": 0, "max_connections_per_ip": 0, "max_matching": 1, "client_memory": 0, "descriptors": 0}
	if diff := gocmp.Diff(want, s.Evicted); diff != "" {
		t.Errorf("evicted (-want +got):\n%s", diff)
	}
}

// Whoever comes or goes after a spell has the end of it told.
func TestTheNextConnectionTellsThatASpellIsOver(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(x *conn, at time.Time){
		"that comes": func(x *conn, at time.Time) { x.e.admit(&conn{e: x.e, account: x.account}, at) },
		"that ends":  func(x *conn, at time.Time) { x.Ended(host.Outcome{Ended: at}) },
	} {
		e := talking(Options{})
		caps := newCaps()
		caps.set(graph.Limits{}, crowd.DefaultLevels(), 100)
		x := admitted(t, e.Engine, caps, "192.0.2.1:1")
		begun := time.Now()
		e.record(x.account, x.peer, byMatching, true, begun)
		e.says(t, name, "are closed for others")
		next(x, begun.Add(capQuiet))
		if text := strings.Join(e.said(), " "); !strings.Contains(text, "no longer closed for others: max_matching") {
			t.Errorf("one %s: %s", name, text)
		}
	}
}

// A decision is of the time when the phase ended; where it ended without a route, of now.
func TestADecisionSaysHowLongItTook(t *testing.T) {
	t.Parallel()
	e := New(Options{})
	caps := newCaps()
	caps.set(graph.Limits{}, crowd.DefaultLevels(), 100)
	for i, matched := range []time.Duration{5 * time.Second, 0} {
		x := admitted(t, e, caps, "192.0.2.1:1")
		accepted := time.Now().Add(-time.Hour)
		x.Init(&x.env, x, &session.Begin{ID: 3, Flow: sdk.Flow{Accepted: accepted, MaxHead: 10}})
		x.Record().Matched = matched
		x.Decided()
		d := e.Decisions()[i]
		if d.Took < max(matched, 5*time.Second) || matched > 0 && d.Took != matched || matched == 0 && d.Took < time.Hour || !d.Time.Equal(accepted.Add(d.Took)) {
			t.Errorf("took %v, at %v", d.Took, d.Time.Sub(accepted))
		}
	}
	for _, c := range []struct {
		err  error
		want bool
	}{{nil, false}, {io.EOF, false}, {os.ErrDeadlineExceeded, true}} {
		if timedOut(c.err) != c.want {
			t.Errorf("%v is a timeout: %v", c.err, !c.want)
		}
	}
}

func TestATableCountsWhatBeganAndHowItEnded(t *testing.T) {
	t.Parallel()
	e := New(Options{})
	x, y := killable(e, 1, new(generation)), killable(e, 2, new(generation))
	link := relay.LinkTo(counting{5, 7})
	y.Hold(&link)
	cap := host.Code{By: host.ByProxy, In: host.InAccept, Why: host.Cap}
	reset := host.Code{By: host.ByClient, In: host.InRelay, Why: host.Reset}
	e.table.refuse(3, cap)
	e.table.end(x, host.Outcome{Code: reset, Up: 10, Down: 20})
	s := e.Stats()
	if s.Accepted != 3 || s.Active != 1 || s.Phases[host.InAccept] != 1 || s.Up != 15 || s.Down != 27 || s.Ended[cap.Index()] != 1 || s.Ended[reset.Index()] != 1 {
		t.Errorf("%+v", s)
	}
	if y.Step(session.Input{Event: session.Panicked}); y.State() != session.Closing || y.phase() != host.InRelay {
		t.Errorf("one that is %v is listed in %v", y.State(), y.phase())
	}
	if e.table.find(2) != y || e.table.find(1) != nil || e.Kill(1) || !e.Kill(2) {
		t.Error("the one that ended is found, or the other one not")
	}
	for state, want := range map[State]string{Idle: "idle", Serving: "serving", Draining: "draining", Stopping: "stopping"} {
		if state.String() != want {
			t.Errorf("%v is not %s", state, want)
		}
	}
}

func TestWhatIsKnownOfThisMachineIsBelievedForAWhile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		near       bool
		cost, want time.Duration
	}{
		{true, 0, 10 * time.Millisecond},
		{true, time.Millisecond, 20 * time.Millisecond},
		{true, time.Microsecond, 10 * time.Millisecond},
		{false, 0, time.Second},
		{false, time.Millisecond, time.Second},
		{false, time.Second, 20 * time.Second},
	} {
		if got := newsLast(c.near, c.cost); got != c.want {
			t.Errorf("near %v, at a cost of %v: %v, want %v", c.near, c.cost, got, c.want)
		}
	}
	for _, c := range []struct {
		addr, network string
		v4, v6        bool
	}{
		{"0.0.0.0", "tcp4", true, false},
		{"::", "tcp", true, true},
		{"::", "tcp6", false, true},
		{"::", "tcp4", true, false},
		{"127.0.0.1", "tcp", true, false},
		{"::1", "tcp", false, true},
		{"::1", "tcp6", false, true},
	} {
		at := netip.MustParseAddr(c.addr)
		if got, want := listening(at, c.network), (ownAddr{at, c.v4, c.v6}); got != want {
			t.Errorf("%s on %s: %+v", c.addr, c.network, got)
		}
	}
}

func TestWhoAskedForAnAddressInBetweenIsBelieved(t *testing.T) {
	t.Parallel()
	var m machine
	before := &interfaces{at: time.Now().Add(-time.Hour)}
	fresh := &interfaces{addrs: map[netip.Addr]bool{netip.MustParseAddr("192.0.2.77"): true}, at: time.Now().Add(time.Hour)}
	m.known.Store(fresh)
	if m.ask(before, true) != fresh {
		t.Error("the kernel was asked although somebody else just did")
	}
	if k := m.ask(fresh, true); k == fresh || k.addrs[netip.MustParseAddr("192.0.2.77")] || k.cost <= 0 || m.known.Load() != k {
		t.Error("the kernel was not asked although nobody else did")
	}
	m.known.Store(before)
	if m.ask(nil, true) == before {
		t.Error("news of an hour ago is believed")
	}
}

// Of an upstream's path is known for a while whether it is ours.
func TestWhatIsKnownOfAPathIsBelievedForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &addresses{paths: []string{"/ours"}, asked: map[string]ownPath{}}
		e := &Engine{}
		e.own.Store(a)
		if !e.ownsPath("/ours", false) || e.ownsPath("/theirs", false) {
			t.Fatal("before")
		}
		a.paths = []string{"/theirs"}
		for _, step := range []struct {
			wait       time.Duration
			near, ours bool
		}{{10 * time.Millisecond, true, true}, {time.Second - 10*time.Millisecond, false, true}, {1, false, false}} {
			time.Sleep(step.wait)
			if got := e.ownsPath("/ours", step.near); got != step.ours {
				t.Errorf("after another %v: %v", step.wait, got)
			}
		}
		a.paths = []string{"/ours"}
		time.Sleep(10*time.Millisecond + 1)
		if !e.ownsPath("/ours", true) {
			t.Error("who comes from here gets old news")
		}
		e.own.Store(&addresses{})
		if e.ownsPath("/ours", true) {
			t.Error("without Unix listeners a path is ours")
		}
	})
}

// A shortage is over when accept has not failed for a while, and that is looked for, also
// where no client comes.
func TestTheEndOfAShortageIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := talking(Options{})
		s := &socket{leaving: make(chan struct{})}
		s.target.Store(&target{account: &account{listener: ":1"}})
		var b backoff
		if d := e.strained(s, &b, syscall.EMFILE); d != minPause || !b.strained {
			t.Errorf("the first pause is %v", d)
		}
		e.says(t, "at the first error", "level=WARN msg=\"accepting pauses: connections wait until descriptors or memory are free\" listener=:1 error=\"too many open files\"")
		if d := e.strained(s, &b, syscall.EMFILE); d != 2*minPause || len(e.said()) > 0 {
			t.Errorf("the second pause is %v", d)
		}
		failed := time.Now()
		if at := e.patience(&b, failed); !at.Equal(failed.Add(quiet)) || !b.strained || b.delay != 0 {
			t.Errorf("accept waits until %v after the error, and %+v", at.Sub(failed), b)
		}
		if at := e.patience(&b, failed.Add(quiet-1)); at.IsZero() {
			t.Error("it is over too soon")
		}
		if at := e.patience(&b, failed.Add(quiet)); !at.IsZero() || b.strained {
			t.Errorf("it is not over: %v", at)
		}
		e.says(t, "at the end", "level=INFO msg=\"accepting goes on\" pauses=2")
		b.strained = true // another socket, which learns of the end later
		if at := e.patience(&b, failed.Add(quiet)); !at.IsZero() || len(e.said()) > 0 {
			t.Error("the end is told of twice")
		}
		if n := e.Stats().AcceptPauses; n != 2 {
			t.Errorf("%d pauses are counted", n)
		}
	})
}

// Event loops have nobody who waits for the end of a shortage: a timer looks.
func TestTheEndOfAShortageIsNoticedInLoops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := talking(Options{})
		s := &socket{leaving: make(chan struct{})}
		s.target.Store(&target{account: &account{listener: ":1"}})
		a := &acceptor{e: e.Engine, s: s}
		if d := a.Failed(syscall.EMFILE); d != minPause || !a.strained.Load() {
			t.Fatalf("the loop pauses for %v", d)
		}
		time.Sleep(quiet) // the timer is set to a pause later
		synctest.Wait()
		if !a.strained.Load() {
			t.Error("it is over too soon")
		}
		time.Sleep(minPause)
		synctest.Wait()
		if a.strained.Load() {
			t.Error("it is not over")
		}
		a.Failed(syscall.EMFILE)
		time.Sleep(time.Second)
		a.relieved() // a client came
		if !a.strained.Load() {
			t.Error("one client ends it")
		}
		time.Sleep(quiet - 1)
		synctest.Wait()
		if !a.strained.Load() {
			t.Error("after a client it is over too soon")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if a.strained.Load() {
			t.Error("after a client it is not over")
		}
		a.relieved() // nothing is to be told
		e.says(t, "of two shortages", "accepting pauses", "accepting goes on", "accepting pauses", "accepting goes on")
	})
}

func TestAPauseIsOverWhenTheSocketGoes(t *testing.T) {
	t.Parallel()
	var o listen.Opener
	ln, err := o.Open(t.Context(), listen.Spec{Network: "tcp", Addr: netip.MustParseAddrPort("127.0.0.1:0")}, listen.Access{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	synctest.Test(t, func(t *testing.T) {
		e, s := talking(Options{}), newSocket(ln)
		s.target.Store(&target{account: &account{listener: ":1"}})
		b := backoff{delay: maxPause / 2}
		begun := time.Now()
		e.pause(s, &b, syscall.EMFILE)
		if d := time.Since(begun); d != maxPause || s.isLeaving() {
			t.Errorf("it paused for %v", d)
		}
		s.leave()
		if !s.isLeaving() {
			t.Error("it does not leave")
		}
		b = backoff{delay: maxPause / 2}
		begun = time.Now()
		e.pause(s, &b, syscall.EMFILE)
		if d := time.Since(begun); d != 0 {
			t.Errorf("a socket that goes pauses for %v", d)
		}
	})
}

// The spare descriptor is there until it is needed, and afterwards.
func TestTheSpareDescriptorComesBack(t *testing.T) {
	t.Parallel()
	var o listen.Opener
	ln, err := o.Open(t.Context(), listen.Spec{Network: "tcp", Addr: netip.MustParseAddrPort("127.0.0.1:0")}, listen.Access{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	e, s := New(Options{}), newSocket(ln)
	s.target.Store(&target{account: &account{listener: ":1", caps: newCaps(), socket: s}})
	if e.shortage.spare == nil {
		t.Fatal("there is none at first")
	}
	for range 3 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	spare := e.shortage.spare
	e.shed(s)
	if s.refused.Load() != 3 || e.Stats().Refused["descriptors"] != 3 || e.shortage.spare == nil || e.shortage.spare == spare {
		t.Errorf("%d were turned away, %d counted", s.refused.Load(), e.Stats().Refused["descriptors"])
	}
	_ = e.shortage.spare.Close()
	e.shortage.spare = nil // it could not be opened again
	if e.shed(s); e.shortage.spare == nil {
		t.Error("it is not opened when there are descriptors again")
	}
	e.shortage.close()
	e.shortage.close()
	if e.shed(s); e.shortage.spare != nil {
		t.Error("after the end there is one")
	}
}

// What is waited for at the end has an end itself, and the error says what is left.
func TestTheWaitsOfAShutdownEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wait func(e *Engine) error
		took time.Duration
		want string
	}{
		"nothing is left": {func(e *Engine) error {
			e.wait(context.Background(), time.Hour)
			return errors.Join(e.killAll(), e.acted())
		}, 0, ""},
		"the grace period": {func(e *Engine) error {
			e.live.add()
			e.wait(context.Background(), time.Hour)
			return nil
		}, time.Hour, ""},
		"the last connection": {func(e *Engine) error {
			e.live.add()
			time.AfterFunc(time.Minute, e.live.done)
			e.wait(context.Background(), time.Hour)
			return nil
		}, time.Minute, ""},
		"the end of the context": {func(e *Engine) error {
			e.live.add()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			e.wait(ctx, time.Hour)
			return nil
		}, time.Second, ""},
		"a second shutdown": {func(e *Engine) error {
			e.live.add()
			if !e.beginStopping() {
				t.Error("the first one is not the first")
			}
			time.AfterFunc(2*time.Second, func() {
				for range 2 {
					if e.beginStopping() {
						t.Error("a later one is the first")
					}
				}
			})
			e.wait(context.Background(), time.Hour)
			return nil
		}, 2 * time.Second, ""},
		"a connection that does not end": {func(e *Engine) error {
			e.live.add()
			killable(e, 1, new(generation))
			err := e.killAll()
			if e.life.Err() == nil {
				t.Error("handlers are not told")
			}
			return err
		}, windUp, "ending connections: 1 are still there"},
		"an actor that does not end": {func(e *Engine) error {
			e.acting.add()
			return e.acted()
		}, windUp, "stopping: what checks and watches for 1 configurations goes on"},
		"an actor that ends": {func(e *Engine) error {
			e.acting.add()
			time.AfterFunc(time.Second, e.acting.done)
			return e.acted()
		}, time.Second, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := talking(Options{})
			begun, text := time.Now(), ""
			if err := c.wait(e.Engine); err != nil {
				text = err.Error()
			}
			if d := time.Since(begun); d != c.took || text != c.want {
				t.Errorf("%s: it took %v, and said %q", name, d, text)
			}
			if lines := e.said(); (len(lines) > 0) != (c.took > 0 && !strings.Contains(name, "actor")) {
				t.Errorf("%s: the log has %q", name, lines)
			}
			e.end()
		})
	}
}

// leaver is a connection that leaves the table when it is killed.
type leaver struct {
	counting
	x *conn
}

func (l leaver) Kill(relay.Reason) { l.x.e.table.end(l.x, host.Outcome{}) }

// Connections of a replaced configuration have gone when reload_drain is over, one after
// the other.
func TestAReloadDrainsWithinItsTime(t *testing.T) {
	t.Parallel()
	for drain, want := range map[time.Duration][]int{0: {10, 10, 10, 10}, 10 * drainStep: {6, 3, 0, 0}} {
		synctest.Test(t, func(t *testing.T) {
			e := talking(Options{})
			old := &generation{number: 1}
			e.generations = []*generation{old}
			for id := range uint64(10) {
				x := killable(e.Engine, id+1, old)
				link := relay.LinkTo(leaver{x: x})
				x.Hold(&link)
			}
			ctx, cancel := context.WithCancel(t.Context())
			gen := &served{generation: &generation{number: 2, loaded: time.Now()}, settings: graph.Settings{ReloadDrain: drain}}
			done := make(chan error, 1)
			go func() { done <- e.drainOld(ctx, gen) }()
			time.Sleep(drainStep / 2)
			var left []int
			for range want {
				time.Sleep(3 * drainStep)
				synctest.Wait()
				left = append(left, len(e.table.all()))
			}
			if diff := gocmp.Diff(want, left); diff != "" {
				t.Errorf("left after 3, 6, 9 and 12 steps of %v (-want +got):\n%s", drain, diff)
			}
			if len(done) > 0 {
				t.Error("it does not wait for the end of its configuration")
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
			if due := old.due.Load(); (due != 0) != (drain > 0) || drain > 0 && time.Unix(0, due).Sub(gen.loaded) != drain {
				t.Errorf("the time to go is %d", due)
			}
		})
	}
}
