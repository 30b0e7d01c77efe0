package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/builtin/subroute"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/internal/prefix"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// plans plans what comes next in its script, for one upstream.
type plans struct {
	up     *upstream.Upstream
	script func() int
}

func (p *plans) Handle(ctx context.Context, c host.Conn, _ host.Next) error { return c.Connect(ctx, p) }

func (p *plans) Plan(v host.View, last error) (upstream.Dial, error) {
	d := upstream.Dial{Network: "tcp", Addr: netip.MustParseAddrPort("192.0.2.1:1"), Timeout: time.Second, Up: p.up}
	switch p.script() % 6 {
	case 0:
		return d, host.ErrBlocks
	case 1:
		return d, host.End(host.ByProxy, host.Unavailable, last)
	case 2:
		d.After = time.Second
	case 3:
		d.First = []byte("PROXY ")
	}
	trial, ok := p.up.Acquire(0)
	if !ok {
		return d, host.End(host.ByProxy, host.Unavailable, nil)
	}
	d.Trial = trial
	v.Attempts().At++
	return d, nil
}

// world is a graph, and what its sessions borrow and count.
type world struct {
	graph  *graph.Graph
	heads  *Heads
	plans  *plans
	routes *route.Routes
}

const config = `layer4 {
	:1 {
		max_head 256
		@p prefix pp
		@h prefix hhh
		@b prefix boom
		@f prefix broken
		@s prefix subs
		@t prefix t
		route @t {
			step
			subroute {
				@q prefix q
				route @q {
					step
					plan
				}
				@d prefix d
				deny @d reset
				@k prefix k
				route @k {
					step
				}
			}
			step
		}
		route @p {
			plan
		}
		route @h {
			handle
		}
		route @b {
			plan
		}
		route @f {
			plan
		}
		route @s {
			plan
		}
	}
}
`

// steps takes the step that comes next in its script.
type steps struct{ script func() int }

func (p steps) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	return host.Take(ctx, c, p, next)
}

func (p steps) Step(e host.Editor, final error) (host.Await, error) {
	more := host.Await{Bytes: len(e.Flow().Head) + 1 + p.script()%4, Within: time.Second}
	switch p.script() % 10 {
	case 0:
		return host.Await{}, host.End(host.ByClient, host.Protocol, nil)
	case 1:
		return more, nil // also of bytes that will not come
	case 2, 3:
		if final == nil {
			return more, nil
		}
	case 4, 5:
		e.Discard(p.script() % 3)
	case 6:
		e.Readdress(netip.MustParseAddrPort("192.0.2.7:7"), netip.AddrPort{})
	case 7:
		panic("a step")
	case 8:
		e.Put("vars", "step", "taken")
	}
	return host.Await{}, nil
}

func newWorld(tb testing.TB, script func() int) *world {
	tb.Helper()
	return worldOf(tb, config, script)
}

// worldOf is newWorld with another configuration.
func worldOf(tb testing.TB, config string, script func() int) *world {
	tb.Helper()
	p := &plans{upstream.New("u", upstream.Options{MaxFails: 3, FailFor: time.Nanosecond, CloseIfUnhealthy: true}), script}
	w := plannedWorld(tb, config, p, script)
	w.plans = p
	return w
}

// plannedWorld is worldOf with another planner; the script is that of the steps.
func plannedWorld(tb testing.TB, config string, plan host.Planner, script func() int) *world {
	tb.Helper()
	w := &world{heads: new(Heads)}
	var r host.Registry
	r.Matcher(sdk.Spec{Name: "prefix", Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)}, Facts: []sdk.Fact{{Key: "is"}}}, prefix.New)
	r.Handler(sdk.Spec{Name: "plan", Ends: true}, func(host.Builder, *sdk.Node) (host.Handler, error) { return plan, nil })
	r.Handler(sdk.Spec{Name: "handle", Ends: true}, func(host.Builder, *sdk.Node) (host.Handler, error) { return handles{}, nil })
	r.Handler(sdk.Spec{Name: "step"}, func(host.Builder, *sdk.Node) (host.Handler, error) { return steps{script}, nil })
	r.Handler(subroute.Spec(), subroute.New)
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(config), graph.Grammar(&r), dwaarfile.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	if w.graph, err = graph.Build(tree, &r, graph.Options{}); err != nil {
		tb.Fatal(err)
	}
	w.routes = w.graph.Servers[0].Routes()
	return w
}

type handles struct{}

func (handles) Handle(context.Context, host.Conn, host.Next) error { return nil }

// trial is a session whose inputs a test makes up.
type trial struct {
	Session
	decided int
	ended   []host.Outcome
	steps   int
	held    int    // bytes that are charged
	room    []byte // of the last Act that asks for bytes; nil: it does not
}

func (x *trial) Decided() { x.decided++ }

func (x *trial) Readdressed() {}

// Charge has no room now and then.
func (x *trial) Charge(n int) bool {
	if n > 0 && x.ID()%8 == 0 && x.steps%3 == 2 {
		return false
	}
	x.held += n
	return true
}
func (*trial) Spend(int) bool         { return true }
func (x *trial) Ended(o host.Outcome) { x.ended = append(x.ended, o) }

// begin makes a session of the world's graph.
func (w *world) begin(id uint64) *trial {
	x := new(trial)
	w.graph.Retain()
	f := sdk.Flow{Network: "tcp", Accepted: time.Unix(1000, 0), MaxHead: 64, Remote: netip.MustParseAddrPort("192.0.2.9:9")}
	env := &Env{Heads: w.heads, Log: slog.New(slog.DiscardHandler), Terse: id%2 == 0}
	x.Init(env, x, &Begin{ID: id, Flow: f, Routes: w.routes, Graph: w.graph})
	return x
}

// tell gives the session one input as a driver does, which survives a panic.
func (x *trial) tell(in Input) (act Act) {
	x.steps++
	in.At = time.Unix(1000, int64(x.steps))
	defer func() {
		if v := recover(); v != nil {
			act = x.Step(Input{Event: Panicked, At: in.At, Err: host.End(host.ByProxy, host.Panicked, fmt.Errorf("%v", v))})
		}
		if x.room = nil; act.Do == Receive || act.Do == Look {
			x.room = act.Bytes
		}
	}()
	return x.Step(in)
}

var (
	texts = []string{"p", "pp", "h", "hh", "boom", "broken", "sub", "s", "x", "t", "tt", "q", "d", "k", "tp"}
	errs  = []error{
		nil, io.EOF, syscall.ECONNRESET, os.ErrDeadlineExceeded, host.ErrFull, host.ErrNoMemory, context.Canceled,
		host.End(host.ByClient, host.Protocol, errors.New("no")), host.ErrNoRoute, errors.New("other"),
	}
	results = []relay.Result{
		{Up: 10, Down: 20, By: relay.Down},
		{By: relay.Up, Reason: relay.Reset, Err: syscall.ECONNRESET},
		{Reason: relay.Idle},
		{Reason: relay.Killed},
		{Reason: relay.Unhealthy},
		{Reason: relay.Expired},
	}
)

// input makes an input of the event that r names: with bytes that lie in the room
// if it is one that brings bytes.
func (x *trial) input(r func() int, e Event) Input {
	in := Input{Event: e, Err: errs[r()%len(errs)], Result: results[r()%len(results)]}
	switch e {
	case Received, Looked:
		in.N = copy(x.room, texts[r()%len(texts)])
		if in.N == 0 && in.Err == nil {
			in.Err = io.EOF
		}
	case Connected:
		in.N = r() % 8
	}
	return in
}

// likely is an event that the act asks for.
func likely(r func() int, act Act) Event {
	switch act.Do {
	case Receive:
		return [...]Event{Received, Received, Received, Waits}[r()%4]
	case Wait:
		return [...]Event{Ready, Due}[r()%2]
	case Look:
		return Looked
	case Dial:
		return [...]Event{Connected, Refused}[r()%2]
	case Relay:
		return Relayed
	case Land:
		return Returned
	case Close:
		return Closed
	}
	return Event(r() % int(events))
}

// live drives the session with random inputs until it has ended, and reports
// what of its promises was broken.
func (x *trial) live(r func() int) error {
	act := Act{}
	if r()%16 > 0 {
		act = x.tell(Input{Event: Began})
	}
	for x.State() != Ended && x.steps < 400 {
		e := likely(r, act)
		switch chance := r() % 16; {
		case chance == 0:
			e = Event(r() % int(events))
		case chance == 1:
			x.Kill(host.ByOperator, host.Killed)
		}
		if act = x.tell(x.input(r, e)); x.State() > Ended {
			return fmt.Errorf("state %d", x.State())
		}
	}
	x.tell(Input{Event: Killed})
	x.tell(Input{Event: Relayed})
	x.tell(Input{Event: Closed})
	for e := range events { // after the end nothing changes
		if act := x.tell(Input{Event: e}); act.Do != Nothing {
			return fmt.Errorf("%v after the end is answered by %v", e, act.Do)
		}
	}
	return x.judge()
}

func (x *trial) judge() error {
	switch {
	case x.State() != Ended:
		return fmt.Errorf("it is %v", x.State())
	case len(x.ended) != 1:
		return fmt.Errorf("its end was told %d times", len(x.ended))
	case x.decided > 1:
		return fmt.Errorf("its decision was told %d times", x.decided)
	case x.setup != nil:
		return errors.New("it keeps its setup")
	case x.held != 0:
		return fmt.Errorf("%d bytes are charged after the end", x.held)
	}
	o := x.ended[0]
	if host.CodeAt(o.Code.Index()) != o.Code {
		return fmt.Errorf("its code is %d %d %d", o.Code.By, o.Code.In, o.Code.Why)
	}
	return nil
}

// settle reports what sessions that have ended did not give back.
func (w *world) settle() error {
	if n := w.heads.Used(); n != 0 {
		return fmt.Errorf("%d bytes of heads are lent", n)
	}
	if st := w.plans.up.State(); st.Conns != 0 {
		return fmt.Errorf("the upstream counts %d connections", st.Conns)
	}
	w.graph.Release()
	select {
	case <-w.graph.Done():
		return nil
	default:
		return errors.New("the graph is held")
	}
}

// TestRandomInputsNeverReachAnUndefinedState makes transitions by the hundred
// thousand; DWAAR_TRANSITIONS asks for more.
func TestRandomInputsNeverReachAnUndefinedState(t *testing.T) {
	t.Parallel()
	want := 200_000
	if text := os.Getenv("DWAAR_TRANSITIONS"); text != "" {
		if _, err := fmt.Sscan(text, &want); err != nil {
			t.Fatalf("DWAAR_TRANSITIONS=%s: %v", text, err)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	draw := func() int { return r.IntN(1 << 20) }
	w := newWorld(t, draw)
	codes, made := map[host.Code]int{}, 0
	for id := uint64(1); made < want; id++ {
		x := w.begin(id)
		if err := x.live(draw); err != nil {
			t.Fatalf("session %d after %d inputs: %v", id, x.steps, err)
		}
		if n := w.heads.Used(); n != 0 {
			t.Fatalf("session %d keeps %d bytes", id, n)
		}
		if n := w.plans.up.Conns(); n != 0 {
			t.Fatalf("session %d leaves %d connections with its upstream", id, n)
		}
		made += x.steps
		codes[x.ended[0].Code]++
	}
	if err := w.settle(); err != nil {
		t.Error(err)
	}
	if len(codes) < 20 {
		t.Errorf("only %d codes were reached: %v", len(codes), codes)
	}
	t.Logf("%d transitions, %d codes", made, len(codes))
}

func FuzzSession(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 0))
		b := make([]byte, 64)
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, inputs []byte) {
		next := func() int {
			if len(inputs) == 0 {
				return 0
			}
			n := int(inputs[0])
			inputs = inputs[1:]
			return n
		}
		w := newWorld(t, next)
		x := w.begin(1)
		if err := x.live(next); err != nil {
			t.Fatal(err)
		}
		if err := w.settle(); err != nil {
			t.Fatal(err)
		}
	})
}
