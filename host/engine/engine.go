package engine

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/engine/internal/crowd"
	"dwaar.dev/dwaar/host/engine/internal/listen"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/session"
)

// Options are what an engine takes from the program around it. The zero value is
// useful: an engine that logs nothing.
type Options struct {
	Log       *slog.Logger             // what happens to the program; nil: nowhere
	Access    *slog.Logger             // one line per connection; nil: Log
	Writer    *LogWriter               // where Log and Access write, for Stats; nil: elsewhere
	Getenv    func(name string) string // for {env.NAME}; nil: every variable is empty
	Inherited []Descriptor             // open sockets, from Inherited

	Loops *loop.Loops // accept, match and relay without goroutines; nil: goroutines do. The caller closes them after Shutdown

	AccessRate int // access lines a second and listener that are all written; 0: 1000
}

// defaultAccessRate is the default of Options.AccessRate.
const defaultAccessRate = 1000

// Engine serves a graph, and after every Load another one. Make one with [New]; its
// methods may be called from any goroutine.
type Engine struct {
	log, access *slog.Logger
	writer      *LogWriter
	getenv      func(string) string
	loops       *loop.Loops
	opener      listen.Opener
	accessRate  int
	heads       session.Heads
	whole       *crowd.Ledger // of the connections of all servers
	evicting    sync.Mutex    // one connection gives way at a time
	making      atomic.Int32  // newcomers that have others give way
	budget      int           // connections that the descriptor limit allows
	started     time.Time
	codes       [host.Codes]string // texts by Code.Index, made once: every line of a connection has one

	ids       atomic.Uint64
	table     table
	live      gauge // connections
	acting    gauge // generations whose actors run
	decisions decisions
	shortage  shortage
	turned    refusedLog
	count     counters
	own       atomic.Pointer[addresses]
	machine   machine
	hops      session.Hops // of connections to listeners of the engine

	// life is the context of connections and actors. It ends with the engine, not with
	// the call of Load that began them.
	life context.Context
	end  context.CancelFunc

	mu          sync.Mutex // guards the fields below; Load, Drain and Shutdown take turns
	sockets     map[listen.Spec]*socket
	current     *served
	generations []*generation // the current one, and those with connections left
	state       State
	hurry       chan struct{} // closed by the second Shutdown
	over        chan struct{} // closed when the first one is done
}

// State is what an engine is doing.
type State uint8

// The states.
const (
	Idle     State = iota // nothing was loaded yet
	Serving               // accepting connections
	Draining              // accepting none until the next Load
	Stopping              // accepting none ever again
)

// String returns one word.
func (s State) String() string {
	return [...]string{"idle", "serving", "draining", "stopping"}[s]
}

// New returns an engine that serves nothing yet. It raises the limit of open
// descriptors as far as it may and keeps one in reserve; Shutdown gives it back.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Access == nil {
		o.Access = o.Log
	}
	if o.AccessRate <= 0 {
		o.AccessRate = defaultAccessRate
	}
	e := &Engine{
		log: o.Log, access: o.Access, writer: o.Writer, getenv: o.Getenv,
		loops:      o.Loops,
		opener:     listen.Opener{Inherited: o.Inherited},
		accessRate: o.AccessRate,
		whole:      crowd.New(crowd.Whole, wholeShards),
		budget:     connBudget(descriptorLimit()),
		started:    time.Now(),
		sockets:    map[listen.Spec]*socket{},
		hurry:      make(chan struct{}),
		over:       make(chan struct{}),
	}
	for i := range e.codes {
		e.codes[i] = host.CodeAt(i).String()
	}
	e.turned.log, e.turned.crowd = o.Access, e.whole.Crowd
	e.whole.Limit(crowd.Conns, int64(e.budget))
	e.whole.Limit(crowd.Bytes, clientMemory(graph.Settings{}))
	e.shortage.reserve()
	e.life, e.end = context.WithCancel(context.Background())
	return e
}

// Descriptor is a socket that the service manager passed.
type Descriptor = listen.Descriptor

// Inherited returns the listening sockets that systemd passes to this process by the
// environment, for Options.
func Inherited(getenv func(string) string) ([]Descriptor, error) {
	return listen.Inherited(getenv, os.Getpid())
}

// Addr returns the address of a listener by its name in the configuration, with
// the port the kernel chose if the name has none. It is false if there is no such
// listener.
func (e *Engine) Addr(listener string) (netip.AddrPort, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.sockets {
		if s.target.Load().listener == listener {
			return addrPort(s.ln.Addr()), true
		}
	}
	return netip.AddrPort{}, false
}

// settings are those of the configuration that is served now; the zero value before
// the first Load. e.mu is held.
func (e *Engine) settings() graph.Settings {
	if e.current == nil {
		return graph.Settings{}
	}
	return e.current.settings
}
