package graph_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/session"
	"dwaar.dev/dwaar/sdk"
)

// served is a session that tells how it ended.
type served struct {
	session.Session
	outcome chan host.Outcome
}

func (*served) Charge(int) bool        { return true }
func (*served) Spend(int) bool         { return true }
func (*served) Decided()               {}
func (*served) Readdressed()           {}
func (x *served) Ended(o host.Outcome) { x.outcome <- o }

// answer is what a client hears that sends bytes and then, unless it is silent,
// ends its stream; and how the connection ended.
func answer(t *testing.T, g *graph.Graph, sent string, silent bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	sock, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	x := &served{outcome: make(chan host.Outcome, 1)}
	f := sdk.Flow{Network: "tcp", Listener: ":1", Accepted: time.Now(), MaxHead: g.Servers[0].Limits.MaxHead}
	env := &session.Env{Heads: new(session.Heads), Life: t.Context()}
	x.Init(env, x, &session.Begin{ID: 1, Flow: f, Routes: g.Servers[0].Routes()})
	go x.Serve(sock, nil)
	client.SetDeadline(time.Now().Add(20 * time.Second))
	for i := range len(sent) { // byte by byte
		if _, err := client.Write([]byte{sent[i]}); err != nil {
			break
		}
	}
	if !silent {
		client.(*net.TCPConn).CloseWrite()
	}
	heard, _ := io.ReadAll(client)
	o := <-x.outcome
	return strings.ReplaceAll(string(heard), "\n", " ") + o.Code.String()
}

func TestConnectionsAreServedByTheirRoute(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ config, sent, want string }{
		"the first route that matches wins": {
			"@a prefix ab\n@b prefix abc\nroute @a {\nsay a\n}\nroute @b {\nsay b\n}", "abc", "a proxy.handling.closed",
		},
		"an undecided earlier route makes a later one wait": {
			"@a prefix abcd\n@b prefix a\nroute @a {\nsay a\n}\nroute @b {\nsay b\n}", "abcd", "a proxy.handling.closed",
		},
		"at the end of the bytes what is undecided does not match": {
			"@a prefix abcd\n@b prefix a\nroute @a {\nsay a\n}\nroute @b {\nsay b\n}", "abc", "b proxy.handling.closed",
		},
		"nor does it match when it is negated": {
			"@a not prefix abcd\nroute @a {\nsay a\n}", "abc", "proxy.matching.no_route",
		},
		"a route names sets of which one is enough": {
			"@a prefix a\n@b prefix b\nroute @a @b {\nsay {prefix.is}\n}", "b", "b proxy.handling.closed",
		},
		"all matchers of a set must match": {
			"@a {\nprefix a\nnot prefix ab\n}\nroute @a {\nsay a\n}\nroute {\nsay rest\n}", "ab", "rest proxy.handling.closed",
		},
		"a catch-all does not wait for bytes": {
			"route {\nsay hello\n}", "", "hello proxy.handling.closed",
		},
		"a client that leaves without a byte is a probe": {
			"@a prefix a\nroute @a {\nsay a\n}\nroute {\nsay rest\n}", "", "client.matching.probe",
		},
		"no route": {"@a prefix a\nroute @a {\nsay a\n}", "b", "proxy.matching.no_route"},
		"an error ends the connection": {
			"@a prefix broken\nroute @a {\nsay a\n}\nroute {\nsay rest\n}", "broken", "proxy.matching.failed",
		},
		"but not when an earlier route matches": {
			"@a prefix brokenly\n@b prefix broken\nroute @a {\nsay a\n}\nroute @b {\nsay b\n}", "brokenly", "a proxy.handling.closed",
		},
		"a chain that does not end continues with the routes behind it": {
			"@a prefix a\n@b prefix b\n@ab prefix ab\nroute @a {\ngreet one\n}\nroute @b {\nsay b\n}\nroute @ab {\nsay {prefix.is}\n}", "ab",
			"one ab proxy.handling.closed",
		},
		"and with none, ends": {
			"@a prefix a\nroute @a {\ngreet one\n}", "ab", "one proxy.handling.no_route",
		},
		"facts under a negation are not known": {
			"@a {\nprefix a\nnot {\nother ab\nprefix xx\n}\n}\nroute @a {\nsay {prefix.is}\n}", "ab", "a proxy.handling.closed",
		},
		"a reader sees the facts of its set": {
			"@a {\nis prefix.is ab\nprefix ab\n}\nroute @a {\nsay yes\n}\nroute {\nsay no\n}", "ab", "yes proxy.handling.closed",
		},
		"and says no to others": {
			"@a {\nis prefix.is xx\nprefix ab\n}\nroute @a {\nsay yes\n}\nroute {\nsay no\n}", "ab", "no proxy.handling.closed",
		},
		"a negated reader waits for its supplier": {
			"@a {\nnot is prefix.is xx\nprefix ab\n}\nroute @a {\nsay yes\n}\nroute {\nsay no\n}", "ab", "yes proxy.handling.closed",
		},
		"a subroute matches what the connection now carries": {
			"@a prefix a\nroute @a {\nupper\nsubroute {\n@b prefix AB\nroute @b {\nsay {prefix.is}\n}\n}\nsay fell\n}", "ab", "AB proxy.handling.closed",
		},
		"what a subroute does not take goes to the handler behind it": {
			"@a prefix a\nroute @a {\nsubroute {\n@b prefix zz\nroute @b {\nsay b\n}\n}\nsay {prefix.is}\n}", "ab", "a proxy.handling.closed",
		},
		"options that are matchers must match too": {
			"@a prefix a other ab\nroute @a {\nsay both\n}\nroute {\nsay no\n}", "ac", "no proxy.handling.closed",
		},
		"options can be negated": {
			"@a prefix a not other ab\nroute @a {\nsay a\n}\nroute {\nsay no\n}", "ab", "no proxy.handling.closed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := answer(t, graph.MustBuild(t, graph.ServerOf(c.config)), c.sent, false); got != c.want {
				t.Errorf("%q is answered %q, want %q", c.sent, got, c.want)
			}
		})
	}
}

func TestSilentClientsAreServedWhenTheirTimeIsOver(t *testing.T) {
	t.Parallel()
	g := graph.MustBuild(t, graph.ServerOf("matching_timeout 20ms\n@a prefix a\nroute @a {\nsay a\n}\nroute {\nsay welcome\n}"))
	if got := answer(t, g, "", true); got != "welcome proxy.handling.closed" {
		t.Errorf("a silent client is answered %q", got)
	}
	g = graph.MustBuild(t, graph.ServerOf("matching_timeout 20ms\n@a prefix ab\nroute @a {\nsay a\n}"))
	if got := answer(t, g, "a", true); got != "client.matching.timeout" {
		t.Errorf("a client that stops within a prefix is answered %q", got)
	}
}

func TestHeadsThatAreFullAreDecided(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 300)
	g := graph.MustBuild(t, graph.ServerOf(fmt.Sprintf("max_head 256\n@a prefix %s\nroute @a {\nsay a\n}\nroute {\nsay rest\n}", long)))
	if got := answer(t, g, long[:280], true); !strings.HasPrefix(got, "rest ") {
		t.Errorf("a prefix that no head can hold is answered %q", got)
	}
}
