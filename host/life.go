package host

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/sdk"
)

// Env is what the engine lends to every connection of a listener.
type Env struct {
	Heads   *Heads                        // where its first bytes are kept and accounted for
	Log     *slog.Logger                  // of the listener
	Getenv  func(string) string           // for {env.NAME}; nil: every variable is empty
	Entered func(c *Conn, from, to Phase) // nil, or told of each new phase
	Ended   func(c *Conn, o Outcome)      // nil, or told once how it ended
	Own     func(netip.AddrPort) bool     // whether a listener of this program has the address; nil: nobody knows
	Start   Relayer                       // what relays; nil: relay.Start
	Terse   bool                          // at the end nobody asks for facts
}

// Relayer is relay.Start, or what does the same for the ends that it can serve
// better.
type Relayer func(down, up relay.Endpoint, o relay.Options) *relay.Link

// Record is what the log and the control socket say of a connection. Only the
// goroutine that owns the connection writes it.
type Record struct {
	Route     string        // where the route stands: "Dwaarfile:12", and its sets
	Upstream  string        // its address as configured, once one is chosen
	Phase     Phase         // where the connection is now
	Tries     int32         // attempts to reach an upstream
	Matched   time.Duration // from accept until the outer route was chosen; 0: none was
	Connected time.Duration // from accept until the upstream stood; 0: none does
	Fuel      int64         // units that plugins took to choose its routes
	Final     error         // why no more bytes were waited for; nil: the bytes decided
}

// life is what all layers of one connection share.
type life struct {
	id     uint64
	begun  time.Time // when it was accepted
	env    *Env
	first  *Conn // whose socket is the connection's; it has none while it is bare
	keeper any
	facts  *Facts
	record Record
	given  bool
	header atomic.Int32 // bytes to the upstream that are not the client's, where an event loop sends them
	onEnd  *ending      // the last one registered
	link   atomic.Pointer[relay.Link]
	killed atomic.Pointer[Code]

	stop    atomic.Pointer[context.CancelFunc] // ends what its goroutine waits for
	proxied *netip.AddrPort                    // the client as a PROXY header names it; nil: there was none
	up      *Upstream                          // that it stands with; it counts the connection
	before  *life                              // in the list of up
	after   *life
}

// NewConn begins the life of a connection that was accepted on sock. f says what is
// known of it; its head is empty and its MaxHead is set.
func NewConn(sock net.Conn, id uint64, f sdk.Flow, env *Env) *Conn {
	return begin(new(draft), sock, id, f, env)
}

func begin(d *draft, sock net.Conn, id uint64, f sdk.Flow, env *Env) *Conn {
	both := &struct {
		Conn
		life
	}{
		Conn{draft: d, sock: sock},
		life{id: id, begun: f.Accepted, env: env, facts: &d.facts},
	}
	c := &both.Conn
	c.life = &both.life
	c.life.first = c
	c.life.record.Phase = InMatching
	d.flow.Become(f)
	c.flow.Bind(c)
	return c
}

// ID numbers the connections of a process from 1.
func (c *Conn) ID() uint64 { return c.life.id }

// SetKeeper attaches what the engine has of the connection, for Keeper.
func (c *Conn) SetKeeper(k any) { c.life.keeper = k }

// Keeper is what SetKeeper was given.
func (c *Conn) Keeper() any { return c.life.keeper }

// Accepted is when the connection was.
func (c *Conn) Accepted() time.Time { return c.life.begun }

// Age is how long ago that is.
func (c *Conn) Age() time.Duration { return time.Since(c.life.begun) }

// Log is the logger of the connection's listener.
func (c *Conn) Log() *slog.Logger { return c.life.env.Log }

// Record is what is told of the connection.
func (c *Conn) Record() *Record { return &c.life.record }

// Facts is what is known of the connection.
func (c *Conn) Facts() *Facts {
	if c.life.facts == nil { // nobody was to ask
		return new(Facts)
	}
	return c.life.facts
}

// Proxied returns the client's address as a PROXY header named it, nil if there was
// none. Nobody changes it.
func (c *Conn) Proxied() *netip.AddrPort { return c.life.proxied }

// Set records a variable, {vars.key}. With Get it makes Conn the [sdk.Facts] of its
// flow.
func (c *Conn) Set(key string, value []byte) { c.life.facts.Put("vars", key, value) }

// Get returns a fact, a variable, or one of conn.* and env.*, by its full name.
func (c *Conn) Get(name string) (string, bool) {
	if v, ok := c.life.facts.Get(name); ok {
		return v, true
	}
	of, key, _ := strings.Cut(name, ".")
	switch of {
	case "conn":
		return c.connFact(key)
	case "env":
		if c.life.env.Getenv == nil {
			return "", false
		}
		return c.life.env.Getenv(key), true
	}
	return "", false
}

// ConnFacts lists the facts conn.* that every connection has, as far as its network
// does.
func ConnFacts() []string {
	return []string{
		"remote_addr", "remote_ip", "remote_port", "local_addr", "local_ip", "local_port",
		"listener", "network", "id", "peer_addr",
	}
}

func (c *Conn) connFact(key string) (string, bool) {
	f := &c.flow
	switch key {
	case "remote_addr":
		return f.Remote.String(), f.Remote.IsValid()
	case "remote_ip":
		return f.Remote.Addr().String(), f.Remote.IsValid()
	case "remote_port":
		return strconv.Itoa(int(f.Remote.Port())), f.Remote.IsValid()
	case "local_addr":
		return f.Local.String(), f.Local.IsValid()
	case "local_ip":
		return f.Local.Addr().String(), f.Local.IsValid()
	case "local_port":
		return strconv.Itoa(int(f.Local.Port())), f.Local.IsValid()
	case "listener":
		return f.Listener, true
	case "network":
		return f.Network, true
	case "id":
		return strconv.FormatUint(c.life.id, 10), true
	}
	return "", false
}

// Enter says that a new phase of the connection begins.
func (c *Conn) Enter(p Phase) {
	from := c.life.record.Phase
	c.life.record.Phase = p
	if c.life.env.Entered != nil && from != p {
		c.life.env.Entered(c, from, p)
	}
}

// OnEnd has f called once, when the connection really ends: a relay may outlive
// the handler that began it. The last one registered is called first.
func (c *Conn) OnEnd(f func(Outcome)) { c.life.onEnd = &ending{f, c.life.onEnd} }

// ending is a function that waits for the end of a connection.
type ending struct {
	tell   func(Outcome)
	before *ending // registered before
}

// Given says whether the connection was given to a relay.
func (c *Conn) Given() bool { return c.life.given }

// Relay gives the connection away: head first, then bytes both ways until both
// sides are done. It may return before the relay ends; c is then not the caller's
// any more. Limits come from o; its Done is the connection's own.
func (c *Conn) Relay(up relay.Endpoint, o relay.Options) error {
	down := relay.Endpoint{Conn: c.sock, Head: bytes.Clone(c.flow.Head)}
	c.release()
	c.Enter(InRelay)
	c.life.given = true
	o.Done = func(r relay.Result) { c.ended(c.relayed(r)) }
	start := c.life.env.Start
	if start == nil {
		start = relay.Start
	}
	link := start(down, up, o)
	c.life.link.Store(link)
	if code := c.life.killed.Load(); code != nil {
		link.Kill(relayReason(code.Why))
	}
	return nil
}

// Counts returns the bytes relayed so far: from the client, and to it.
func (c *Conn) Counts() (up, down int64) {
	link := c.life.link.Load()
	if link == nil {
		return 0, 0
	}
	up, down = link.Counts()
	return c.life.fromClient(up), down
}

// fromClient is what of the bytes to the upstream was the client's.
func (l *life) fromClient(up int64) int64 { return max(up-int64(l.header.Load()), 0) }

// Kill ends the connection from any goroutine, for a reason of the operator's or
// an upstream's. Its owner notices.
func (c *Conn) Kill(by Party, why Why) { c.life.kill(by, why) }

func (l *life) kill(by Party, why Why) {
	if !l.killed.CompareAndSwap(nil, &Code{By: by, Why: why}) {
		return
	}
	if stop := l.stop.Load(); stop != nil {
		(*stop)()
	}
	if link := l.link.Load(); link != nil {
		link.Kill(relayReason(why))
		return
	}
	l.first.sock.Close()
}

// Finish ends a connection that was not given away: it closes the socket and
// tells everybody. err is what its handlers returned.
func (c *Conn) Finish(err error) {
	c.release()
	if sock := c.life.first.sock; sock != nil {
		sock.Close()
	}
	c.ended(c.failed(err))
}

func (c *Conn) ended(o Outcome) {
	l := c.life
	for e := l.onEnd; e != nil; e = e.before {
		c.tell(e.tell, o)
	}
	if l.up != nil {
		l.up.forget(l, o)
	}
	if l.env.Ended != nil {
		l.env.Ended(c, o)
	}
}

// tell calls a function that waited for the end. A defect in it stops neither those
// that wait as well nor, in the goroutine of a relay, the program.
func (c *Conn) tell(f func(Outcome), o Outcome) {
	defer func() {
		if r := recover(); r != nil && c.life.env.Log != nil {
			c.life.env.Log.Error("a defect at the end of a connection: please report it",
				"conn", c.life.id, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	f(o)
}
