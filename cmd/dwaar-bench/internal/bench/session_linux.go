// Package bench compares proxies: it starts them, plays their clients and upstreams,
// and makes ratios of paired rounds.
//
//	result, err := bench.Run(ctx, bench.Options{Programs: peer.Programs(), Reference: "nginx", Rounds: 60, …})
//	err = result.Write("result.json")
//
// A result says how much it can be trusted: every ratio has an interval, and beside it
// stands that of the reference to itself.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/box"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/cert"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/load"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
)

// Options is what is measured and how.
type Options struct {
	Programs  []peer.Program // those that take part
	Reference string         // the one that ratios are to; empty: each scenario has its own
	Scenarios []Scenario     // in this order
	Rounds    int            // of each comparison
	Window    time.Duration  // of a sample; it is warmed up for a fifth of it before
	Pinned    bool           // load and upstream on one core, the proxy on another with one worker
	User      int            // the proxies run as this user; 0: as who runs this
	Quick     bool           // fewer idle connections, that rest for a shorter time
	Nice      int            // priority of the proxies, the load and the upstream: box.Place
	Namespace bool           // this process is in a network namespace of its own: only told
	Log       io.Writer      // progress
	Terminal  bool           // somebody watches Log
}

// session is a run that goes on.
type session struct {
	Options
	dir     string
	servers *servers
	clients clients
	limit   int       // descriptors of a process
	cores   []int     // that may be used
	others  []float64 // cores that were busy with something else, of every sample
	cert    cert.Files
}

// Run measures everything and returns what it found. Everything it starts has ended
// when it returns. What goes wrong with one proxy is in the result and not an error.
func Run(ctx context.Context, o Options) (*report.Result, error) {
	s, err := newSession(o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	began := time.Now()
	r := s.result(ctx)
	defer func() { // of a run that was interrupted too
		r.Seconds, r.Machine.Others = time.Since(began).Seconds(), figures.Of(s.others)
	}()
	for _, sc := range o.Scenarios {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if sc.Nobody && os.Getuid() != 0 {
			s.tell("%s is left out: only root can have others run as nobody", sc.Name)
			continue
		}
		at := time.Now()
		m, err := sc.measure(s, ctx, sc)
		if err != nil {
			return r, fmt.Errorf("measuring %s: %w", sc.Name, err)
		}
		m.Seconds = time.Since(at).Seconds()
		r.Measured = append(r.Measured, m)
		s.tell("%s: %.0f s", sc.Name, m.Seconds)
	}
	return r, nil
}

// nobody is the user of that name on every Linux: the overflow user of user namespaces.
const nobody = 65534

// The sides of a measurement, each with a core of its own if processes are bound.
const (
	loadSide = iota
	proxySide
	sides
)

// ErrCores is the error of a machine where not every side can have a core.
var ErrCores = errors.New("binding the load to one core and the proxies to another needs two: without that, --pin=false")

func newSession(o Options) (*session, error) {
	s := &session{Options: o}
	var err error
	if s.limit, err = box.Descriptors(); err != nil {
		return nil, err
	}
	if s.cores, err = box.Cores(); err != nil {
		return nil, err
	}
	if s.Pinned && len(s.cores) < sides {
		return nil, ErrCores
	}
	if s.dir, err = os.MkdirTemp("", "dwaar-bench-"); err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	if err := s.prepare(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) prepare() (err error) {
	if err := os.Chmod(s.dir, 0o755); err != nil { // other users' proxies read it
		return fmt.Errorf("preparing a directory: %w", err)
	}
	if s.cert, err = cert.New(s.dir, serverName(0)); err != nil {
		return err
	}
	at := s.place(loadSide)
	if s.servers, err = startServers(at, names); err != nil {
		return err
	}
	s.clients.helper, err = startHelper(at, "load")
	return err
}

// place is where the processes of a side run.
func (s *session) place(side int) box.Place {
	at := box.Place{CPU: -1, Nice: s.Nice}
	if s.Pinned {
		at.CPU = s.cores[side]
	}
	return at
}

func (s *session) close() {
	if s.clients.helper != nil {
		s.clients.stop()
	}
	if s.servers != nil {
		s.servers.stop()
	}
	_ = os.RemoveAll(s.dir) // what is left of it harms nobody
}

// subjects are the programs that can do a scenario, the reference among them.
func (s *session) subjects(sc Scenario) []peer.Program {
	return slices.DeleteFunc(slices.Clone(s.Programs), func(p peer.Program) bool {
		return !p.Can(sc.Kind) || p.Splice && !sc.Bulk
	})
}

// start starts a program for a scenario.
func (s *session) start(ctx context.Context, sc Scenario, p peer.Program) (*peer.Process, error) {
	first, err := sc.flight()
	if err != nil {
		return nil, err
	}
	setup := peer.Setup{
		Probe: wire.Header{Mode: wire.Reply, Answer: answer, Close: true}.Append(first),
		Kind:  sc.Kind, Dir: s.dir, Name: serverName(0), Cert: s.cert.Cert, Key: s.cert.Key, PEM: s.cert.Both,
		Threads: runtime.NumCPU(), Place: s.place(proxySide), User: s.User,
		Descriptors: s.limit, Conns: (s.limit - spareDescriptors) / 2,
	}
	if sc.Nobody {
		setup.User = nobody
	}
	if s.Pinned {
		setup.Threads = 1
	}
	n := map[peer.Kind]int{peer.Plain: 1, peer.Secure: 1, peer.Mux: 4, peer.Names: names}[sc.Kind]
	for i, addr := range s.servers.addrs[:n] {
		setup.Upstreams = append(setup.Upstreams, peer.Upstream{Addr: addr, Name: serverName(i)})
	}
	return p.Start(ctx, setup)
}

// loadFor returns the load of a scenario towards a process, or without one straight
// towards the upstream.
func (s *session) loadFor(sc Scenario, process *peer.Process) (load.Load, error) {
	first, err := sc.flight()
	if err != nil {
		return load.Load{}, err
	}
	l := sc.load(first)
	upstream := sc.upstream
	l.Helpers = []int{s.servers.pid()}
	if process == nil {
		l.To, l.Expect = s.servers.addrs[upstream], s.servers.addrs[upstream].Port()
		return l, nil
	}
	if process.Blind && sc.Kind == peer.Mux && upstream > 1 {
		upstream = 1
	}
	l.To, l.Expect, l.Proxy = process.Listen, s.servers.addrs[upstream].Port(), process.PIDs
	if l.Handshakes != nil {
		l.Handshakes.To = process.Secure
	}
	return l, nil
}

// failed tells that a proxy gave no figures.
func (s *session) failed(m *report.Measured, name string, err error) {
	if m.Missing == nil {
		m.Missing = map[string]string{}
	}
	m.Missing[name] = err.Error()
	s.tell("%s: %s: %v", m.Name, name, err)
}

// tell writes a line of progress.
func (s *session) tell(format string, words ...any) {
	if s.Terminal {
		fmt.Fprint(s.Log, "\r\x1b[K")
	}
	fmt.Fprintf(s.Log, format+"\n", words...)
}

func (s *session) progress(sc Scenario, round, rounds int) {
	if s.Terminal {
		fmt.Fprintf(s.Log, "\r%s: round %d of %d\x1b[K", sc.Name, round+1, rounds)
	}
}

// result begins the result with what is known before.
func (s *session) result(ctx context.Context) *report.Result {
	r := &report.Result{
		Command: slices.Clone(os.Args),
		Machine: report.Machine{
			When: time.Now().UTC().Format(time.RFC3339), Processor: processor(), Cores: runtime.NumCPU(), Kernel: kernel(),
			Namespace: s.Namespace, Congestion: box.Congestion(), Pinned: s.Pinned, User: s.User, Nice: s.Nice,
			Rounds: s.Rounds, WindowMS: int(s.Window.Milliseconds()),
		},
	}
	r.Command[0] = "dwaar-bench"
	for _, p := range s.Programs {
		r.Peers = append(r.Peers, report.Peer{Name: p.Name, Version: p.Version(ctx), Note: p.Note})
	}
	return r
}

func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo") // unknown elsewhere
	for line := range strings.Lines(string(b)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
