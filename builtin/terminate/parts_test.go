package terminate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin/terminate/internal/certtest"
	"dwaar.dev/dwaar/builtin/terminate/internal/keys"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/hosttest"
)

// bill is what an account has charged.
type bill struct {
	total int
	err   error // of the next charges
}

func (b *bill) charge(n int) error {
	if b.err == nil {
		b.total += n
	}
	return b.err
}

// The package's comment and docs/operations.md say what a handshake is charged.
func TestAHandshakeIsChargedForItsBuffersInSteps(t *testing.T) {
	t.Parallel()
	const k = 1 << 10
	type step struct{ receive, room, want int }
	for name, steps := range map[string][]step{
		"a silent client":      {{0, 0, 16 * k}, {0, 5, 16 * k}, {0, 4 * k, 16 * k}},
		"a record announced":   {{0, 0, 16 * k}, {0, 4*k + 1, 20 * k}, {0, 8 * k, 20 * k}, {0, 8*k + 1, 24 * k}, {0, 5, 24 * k}},
		"its first byte":       {{0, 0, 16 * k}, {1, 5, 36 * k}, {1, 4 * k, 36 * k}, {0, 4*k + 1, 40 * k}},
		"a long hello":         {{4 * k, 0, 36 * k}, {1, 0, 40 * k}, {2*k - 1, 0, 40 * k}, {1, 0, 44 * k}},
		"all of it at one go":  {{30 * k, 16 * k, 100 * k}},
		"a byte of its record": {{1, 4*k + 1, 40 * k}, {4*k - 1, 0, 40 * k}, {2*k - 1, 0, 40 * k}, {1, 0, 44 * k}},
	} {
		var b bill
		a := account{charge: b.charge, most: 64 * k}
		for i, s := range steps {
			if err := errors.Join(a.receive(s.receive), a.hold(s.room)); err != nil || b.total != s.want {
				t.Errorf("%s, step %d: %d bytes are charged, %v, want %d", name, i, b.total, err, s.want)
			}
		}
		for range 2 {
			if a.close(); b.total != 0 {
				t.Errorf("%s: %d bytes are charged after the end", name, b.total)
			}
		}
	}
}

func TestAHandshakeThatIsNotLentMemoryOwesNone(t *testing.T) {
	t.Parallel()
	var b bill
	a := account{charge: b.charge, most: 100}
	if err := a.hold(0); err != nil {
		t.Fatal(err)
	}
	b.err = host.ErrNoMemory
	if err := a.hold(16 << 10); !errors.Is(err, host.ErrNoMemory) {
		t.Errorf("it was lent: %v", err)
	}
	if b.err = nil; b.total != 16<<10 {
		t.Errorf("%d bytes are charged", b.total)
	}
	if a.close(); b.total != 0 {
		t.Errorf("%d bytes are charged after the end", b.total)
	}
}

func TestTheBoundOfWhatAClientSendsIsTheLastByteThatIsTaken(t *testing.T) {
	t.Parallel()
	a := account{most: 100}
	if err := errors.Join(a.receive(60), a.receive(40)); err != nil {
		t.Error(err)
	}
	const want = "the client sent too much before its handshake was done: 101 bytes and more; max_handshake allows 100"
	if err := a.receive(1); !errors.Is(err, errHandshakeSize) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// What a client may send is bounded by what the block says, or else by what it asks for.
func TestHowMuchAClientMaySendFollowsFromWhatItIsAsked(t *testing.T) {
	t.Parallel()
	asks := spoken{options: options{auth: &clientAuth{}}}
	for want, s := range map[int]settings{
		32 << 10: {policies: []*policySettings{{}}}, 128 << 10: {spoken: asks}, 5000: {spoken: asks, handshake: 5000},
	} {
		if got := s.most(); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
	}
	some := settings{policies: []*policySettings{{}, {spoken: asks}}}
	if got := some.most(); got != 128<<10 {
		t.Errorf("%d bytes where one policy asks", got)
	}
}

// stop is how a handshake ended: by whom, and why.
type stop struct {
	by  host.Party
	why host.Why
}

func stopOf(err error) (s stop, ok bool) {
	var end *host.EndError
	if ok = errors.As(err, &end); ok {
		s = stop{end.By, end.Why}
	}
	return s, ok
}

func TestAHandshakeThatFailsHasAnEndForEveryCause(t *testing.T) {
	t.Parallel()
	wrapped := func(err error) error { return &net.OpError{Op: "read", Err: fmt.Errorf("wrapped: %w", err)} }
	client := func(why host.Why) stop { return stop{host.ByClient, why} }
	for _, c := range []struct {
		err             error
		before, greeted stop // before its hello had come, and after that
	}{
		{wrapped(io.EOF), client(host.Probe), client(host.Closed)},
		{wrapped(io.ErrUnexpectedEOF), client(host.Probe), client(host.Closed)},
		{wrapped(syscall.ECONNRESET), client(host.Probe), client(host.Reset)},
		{wrapped(syscall.EPIPE), client(host.Probe), client(host.Reset)},
		{wrapped(os.ErrDeadlineExceeded), client(host.Timeout), client(host.Timeout)},
		{errNoTurn, stop{host.ByProxy, host.Cap}, stop{host.ByProxy, host.Cap}},
		{host.ErrNoMemory, stop{host.ByProxy, host.Cap}, stop{host.ByProxy, host.Cap}},
		{errors.New("tls: odd"), client(host.Protocol), client(host.Protocol)},
		{tls.RecordHeaderError{Msg: "odd"}, client(host.Protocol), client(host.Protocol)},
	} {
		for greeted, want := range map[bool]stop{false: c.before, true: c.greeted} {
			if got, ok := stopOf(explain(c.err, &gate{greeted: greeted}, time.Second)); !ok || got != want {
				t.Errorf("%v, greeted %v: %v, want %v", c.err, greeted, got, want)
			}
		}
	}
	for _, err := range []error{context.Canceled, net.ErrClosed} { // whoever did that knows why
		if got, ok := stopOf(explain(wrapped(err), &gate{}, time.Second)); ok {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestWhyAHandshakeFailedIsSaidForTheOperator(t *testing.T) {
	t.Parallel()
	refused := errors.New("no certificate for it")
	for want, c := range map[string]struct {
		err     error
		refused error
	}{
		"terminating TLS: no certificate for it":                                                                            {errors.New("tls: x"), refused},
		"terminating TLS: the client's certificate is not trusted: odd":                                                     {&tls.CertificateVerificationError{Err: errors.New("odd")}, nil},
		"terminating TLS: the client does not speak TLS: put the matcher tls in front: tls: no":                             {tls.RecordHeaderError{Msg: "no"}, nil},
		"terminating TLS: the client refused: remote error: tls: bad certificate":                                           {&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, nil},
		"terminating TLS: local error: tls: x":                                                                              {&net.OpError{Op: "local error", Err: errors.New("tls: x")}, nil},
		"terminating TLS: the client did not finish its handshake within 3s":                                                {os.ErrDeadlineExceeded, refused},
		"terminating TLS: the client closed before the handshake was done":                                                  {io.EOF, refused},
		"terminating TLS: waiting for a turn among the handshakes: none until the deadline":                                 {errNoTurn, nil},
		"terminating TLS: the client sent too much before its handshake was done: 9 bytes and more; max_handshake allows 8": {(&account{most: 8}).receive(9), nil},
	} {
		if got := explain(c.err, &gate{refused: c.refused}, 3*time.Second); got.Error() != want {
			t.Errorf("%v: %v, want %s", c.err, got, want)
		}
	}
}

// ear is a connection whose peer sends without end.
type ear struct {
	net.Conn
	heard    int
	ended    bool // the peer was told that there is no more
	deadline time.Time
	err      error // of SetDeadline
	endErr   error // of CloseWrite
}

func (e *ear) Read(p []byte) (int, error)     { e.heard += len(p); return len(p), nil }
func (e *ear) CloseWrite() error              { e.ended = e.endErr == nil; return e.endErr }
func (e *ear) SetDeadline(at time.Time) error { e.deadline = at; return e.err }

// A client that is sent an alert is listened to for a moment, so that it hears the alert;
// one that is gone, or has said itself that it goes, is not.
func TestOnlyAClientThatIsSentAnAlertIsListenedTo(t *testing.T) {
	t.Parallel()
	alert := &net.OpError{Op: "local error", Err: errors.New("tls: bad certificate")}
	synctest.Test(t, func(t *testing.T) {
		for _, err := range []error{alert, errors.New("tls: odd"), errHandshakeSize} {
			e := &ear{}
			linger(e, err)
			if e.heard != lingerBytes || !e.ended || !e.deadline.Equal(time.Now().Add(lingerTime)) {
				t.Errorf("%v: %d bytes, end %v, deadline in %v", err, e.heard, e.ended, time.Until(e.deadline))
			}
		}
	})
	for _, err := range []error{
		&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, io.EOF, syscall.ECONNRESET, os.ErrDeadlineExceeded,
		net.ErrClosed, errNoTurn, host.ErrNoMemory,
	} {
		e := &ear{}
		if linger(e, err); e.heard != 0 || e.ended || !e.deadline.IsZero() {
			t.Errorf("%v: %d bytes, end %v", err, e.heard, e.ended)
		}
	}
	for _, e := range []*ear{{err: net.ErrClosed}, {endErr: net.ErrClosed}} {
		if linger(e, alert); e.heard != 0 || e.ended {
			t.Errorf("a broken connection: %d bytes, end %v", e.heard, e.ended)
		}
	}
	var plain struct{ net.Conn } // a call of any of its methods would panic
	linger(plain, alert)
}

func TestOnlyHandlersThatSaidWhatThereWasToSayEndInOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, true},
		{host.ErrNoRoute, true},
		{fmt.Errorf("wrapped: %w", host.ErrNoRoute), true},
		{host.End(host.ByUpstream, host.Closed, nil), true},
		{host.End(host.ByProxy, host.Idle, nil), true},
		{host.End(host.ByUpstream, host.Reset, nil), false},
		{host.End(host.ByClient, host.Timeout, io.EOF), false},
		{io.EOF, false},
	} {
		if got := orderly(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// broken is a connection that carries one read or write, and counts them.
type broken struct {
	net.Conn
	reads, writes int
	err           error
}

func (b *broken) Read(p []byte) (int, error)  { b.reads++; return len(p), b.err }
func (b *broken) Write(p []byte) (int, error) { b.writes++; return len(p), b.err }

func TestAGateReturnsWhatItHasReadWithTheReasonItEnds(t *testing.T) {
	t.Parallel()
	var b bill
	c := &broken{}
	g := &gate{Conn: c, turns: make(turns, 1), account: account{charge: b.charge, most: 10}}
	if err := g.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := g.Read(make([]byte, 10)); n != 10 || err != nil || !g.held {
		t.Errorf("within the bound: %d bytes, %v, turn %v", n, err, g.held)
	}
	if n, err := g.Read(make([]byte, 1)); n != 1 || !errors.Is(err, errHandshakeSize) || g.held {
		t.Errorf("beyond it: %d bytes, %v, turn %v", n, err, g.held)
	}
	b.err = host.ErrNoMemory
	if n, err := g.Read(make([]byte, 64<<10)); n != 0 || !errors.Is(err, host.ErrNoMemory) || c.reads != 2 {
		t.Errorf("without memory: %d bytes, %v, reads %d", n, err, c.reads)
	}
	b.err = nil
	if err := g.begin(t.Context()); err != nil || !g.held {
		t.Errorf("a turn: %v, %v", g.held, err)
	}
	c.err = io.ErrClosedPipe
	for name, do := range map[string]func([]byte) (int, error){"reading": g.Read, "writing": g.Write} {
		if n, err := do(make([]byte, 1)); n != 1 || !errors.Is(err, io.ErrClosedPipe) || g.held {
			t.Errorf("%s: %d bytes, %v, turn %v", name, n, err, g.held)
		}
	}
	g.end()
	if n, err := g.Read(make([]byte, 64<<10)); n != 64<<10 || !errors.Is(err, io.ErrClosedPipe) || b.total != 0 {
		t.Errorf("after the handshake: %d bytes, %v, charged %d", n, err, b.total)
	}
	if n, _ := g.Write(make([]byte, 1)); n != 1 || g.held || g.NetConn() != net.Conn(c) {
		t.Errorf("after the handshake: %d bytes written, turn %v", n, g.held)
	}
}

func TestAHandshakeWithoutMemoryTakesNoTurn(t *testing.T) {
	t.Parallel()
	b := bill{err: host.ErrNoMemory}
	g := &gate{turns: make(turns, 1), account: account{charge: b.charge}}
	if err := g.begin(t.Context()); !errors.Is(err, host.ErrNoMemory) || len(g.turns) != 0 {
		t.Errorf("%v, turns taken %d", err, len(g.turns))
	}
}

func TestThereAreFourTurnsForEveryProcessor(t *testing.T) {
	t.Parallel()
	all, err := sharedTurns(&hosttest.Builder{})
	if err != nil || cap(all) != 4*runtime.GOMAXPROCS(0) {
		t.Errorf("%d, %v", cap(all), err)
	}
}

// ringOf makes a ring with one certificate for the names.
func ringOf(t *testing.T, names ...string) *keys.Ring {
	t.Helper()
	dir := t.TempDir()
	certtest.NewCA(t).Issue(t, certtest.Leaf{Names: names}).Write(t, dir, "a")
	ring, faults := keys.Open([]keys.Source{{Files: []keys.Files{{Cert: dir + "/a.crt", Key: dir + "/a.key"}}}})
	if faults != nil {
		t.Fatal(faults)
	}
	return ring
}

// A ticket says which name a session was for: that name must still have a certificate.
func TestASessionIsResumedForNamesThatAreServedOnly(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, "a.example")
	identities := map[string]bool{}
	for name, c := range map[string]struct {
		k    keeper
		want []string
	}{
		"the internal CA": {keeper{}, []string{"a.example", "b.example", ""}},
		"its own":         {keeper{ring: ring, own: true}, []string{"a.example", "b.example", ""}},
		"global":          {keeper{ring: ring}, []string{"a.example", ""}},
		"with a default":  {keeper{ring: ring, fallback: "a.example"}, []string{"a.example", "b.example", ""}},
	} {
		var got []string
		for _, asked := range []string{"a.example", "b.example", ""} {
			if c.k.knows(asked) {
				got = append(got, asked)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		identities[c.k.identity()] = true
	}
	if len(identities) != 4 { // sessions of one are none of another
		t.Errorf("identities: %v", identities)
	}
}

func TestAListOfNamesInAMessageIsShort(t *testing.T) {
	t.Parallel()
	names := []string{"a.example", "b.example", "c.example", "d.example", "e.example", "f.example", "g.example"}
	for n, want := range map[int]string{
		1: "a.example", 5: "a.example, b.example, c.example, d.example, e.example",
		6: "a.example, b.example, c.example, d.example, e.example and 1 more", 7: "a.example, b.example, c.example, d.example, e.example and 2 more",
	} {
		if got := someNames(ringOf(t, names[:n]...)); got != want {
			t.Errorf("of %d: %s, want %s", n, got, want)
		}
	}
}

func TestTheValidityOfACertificateIsJudgedToTheSecond(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const weeks = 14 * 24 * time.Hour
	for _, c := range []struct {
		begins, ends time.Duration
		want         string
	}{
		{-weeks, -time.Second, "f has expired on 2026-03-01: clients refuse it, renew it"},
		{-weeks, 0, "f expires on 2026-03-01: renew it; a new one is used without a reload"},
		{-weeks, weeks - time.Second, "f expires on 2026-03-15: renew it; a new one is used without a reload"},
		{-weeks, weeks, ""},
		{0, 2 * weeks, ""},
		{time.Second, 2 * weeks, "f is not valid before 2026-03-01T12:00:01Z: clients refuse it until then"},
	} {
		leaf := &x509.Certificate{NotBefore: now.Add(c.begins), NotAfter: now.Add(c.ends)}
		if got := validity("f", leaf, now); got != c.want {
			t.Errorf("from %v to %v: %q, want %q", c.begins, c.ends, got, c.want)
		}
	}
}

func TestAPolicyIsForTheNamesItLists(t *testing.T) {
	t.Parallel()
	all := []string{"a.example", "b.a.example", "c.b.a.example", "example", ""}
	for _, c := range []struct{ names, want []string }{
		{nil, all},
		{[]string{"*"}, all},
		{[]string{"a.example"}, []string{"a.example"}},
		{[]string{"*.a.example"}, []string{"b.a.example"}},
		{[]string{"x", "*.example", "example"}, []string{"a.example", "example"}},
		{[]string{"x", "*.x"}, []string{}},
	} {
		p := policy{names: c.names}
		got := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !p.matches(name) })
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.names, diff)
		}
	}
}

// What a policy says counts, and what it does not say is the handler's, each for itself.
func TestAPolicyHasWhatItSaysAndTheRestOfItsHandler(t *testing.T) {
	t.Parallel()
	handler := options{[]string{"h2"}, tls.VersionTLS12, tls.VersionTLS12, []tls.CurveID{tls.X25519}, []uint16{1}, &clientAuth{mode: tls.RequestClientCert}}
	own := options{[]string{"x"}, tls.VersionTLS13, tls.VersionTLS13, []tls.CurveID{tls.CurveP256}, []uint16{2}, &clientAuth{mode: tls.RequireAnyClientCert}}
	parts := func(o options) []string {
		return []string{
			fmt.Sprint(o.alpn), fmt.Sprint(o.lowest, o.highest), fmt.Sprint(o.curves), fmt.Sprint(o.ciphers),
			fmt.Sprint(o.auth == handler.auth, o.auth == own.auth),
		}
	}
	for i, o := range []options{
		{alpn: own.alpn},
		{lowest: own.lowest, highest: own.highest},
		{curves: own.curves},
		{ciphers: own.ciphers},
		{auth: own.auth},
	} {
		want := parts(handler)
		want[i] = parts(own)[i]
		if diff := cmp.Diff(want, parts(o.over(handler))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestAConfigurationIsMadeOnceAndHasTheLowestVersion(t *testing.T) {
	t.Parallel()
	p := policy{keeper: &keeper{}, tickets: &tls.Config{MinVersion: tls.VersionTLS12}}
	c := p.config()
	if c != p.config() || c.MinVersion != tls.VersionTLS12 || c.ClientAuth != tls.NoClientCert {
		t.Errorf("two: %v, from version %x, clients %v", c != p.config(), c.MinVersion, c.ClientAuth)
	}
}

func TestAHandlerOffersWhatAnyOfItsPoliciesDoes(t *testing.T) {
	t.Parallel()
	h := &Handler{policies: []*policy{{}, {options: options{alpn: []string{"http/1.1", "h2"}}}}}
	for protocol, want := range map[string]bool{"h2": true, "http/1.1": true, "h3": false, "": false} {
		if h.Offers(protocol) != want {
			t.Errorf("%q: %v", protocol, !want)
		}
	}
}
