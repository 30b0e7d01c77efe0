package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
)

// prefix matches connections that begin with a text and sets the fact "prefix.is".
type prefix string

func (p prefix) Match(f *sdk.Flow) (sdk.Verdict, error) {
	n := min(len(f.Head), len(p))
	switch {
	case string(f.Head[:n]) != string(p[:n]):
		return sdk.No, nil
	case n < len(p):
		return sdk.Need(n + 1), nil
	case p == "broken":
		return sdk.No, errors.New("it is broken")
	}
	f.Set("is", []byte(p))
	return sdk.Yes, nil
}

// is matches when a fact has a value.
type is struct{ fact, value string }

func (i is) Reads() []string { return []string{i.fact} }
func (i is) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if v, ok := f.Get(i.fact); ok && v == i.value {
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// say answers with a text and ends, or continues.
type say struct {
	text host.Template
	ends bool
}

func (s say) Ends() bool { return s.ends }
func (s say) Handle(ctx context.Context, c *host.Conn, next host.Next) error {
	text, err := s.text.Expand(c.Get)
	if err != nil {
		text = "?"
	}
	if _, err := io.WriteString(c.Net(), text+"\n"); err != nil {
		return err
	}
	if s.ends {
		return nil
	}
	return next(ctx, c)
}

// upper is a handler that makes other bytes of a connection's.
type upper struct{}

func (upper) Handle(ctx context.Context, c *host.Conn, next host.Next) error {
	return next(ctx, c.Wrap(shouting{c.Net()}))
}

type shouting struct{ net.Conn }

func (s shouting) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	copy(p, bytes.ToUpper(p[:n]))
	return n, err
}

type subroute struct{ host.Routes }

func testRegistry() *host.Registry {
	r := &host.Registry{}
	facts := []sdk.Fact{{Key: "is", Doc: "the text"}}
	newPrefix := func(n *sdk.Node) (sdk.Matcher, error) {
		if len(n.Args) == 0 {
			return prefix(""), nil
		}
		return prefix(n.Args[0].Text), nil
	}
	r.Matcher(sdk.Spec{
		Name: "prefix", Doc: "begins with TEXT", Args: []sdk.Arg{sdk.Maybe("TEXT", sdk.Free)}, Facts: facts,
		Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "other", Doc: "and matches", Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)}, Hoist: true},
			{Name: "not", Doc: "and does not match", Negates: true, Block: &sdk.Block{}},
		}},
	}, newPrefix)
	r.Matcher(sdk.Spec{Name: "other", Doc: "as prefix", Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)}, Facts: facts}, newPrefix)
	r.Matcher(sdk.Spec{
		Name: "is", Doc: "a fact equals VALUE", Args: []sdk.Arg{sdk.One("FACT", sdk.Free), sdk.One("VALUE", sdk.Free)},
	}, func(n *sdk.Node) (sdk.Matcher, error) { return is{n.Args[0].Text, n.Args[1].Text}, nil })
	for _, name := range []string{"say", "greet"} {
		ends := name == "say"
		r.Handler(sdk.Spec{Name: name, Doc: "answers", Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)}, Ends: ends},
			func(b host.Builder, n *sdk.Node) (host.Handler, error) {
				tmpl, err := host.ParseTemplate(n.Args[0])
				for _, f := range tmpl.Facts() {
					b.Reads(n.Args[0].Pos, f)
				}
				return say{tmpl, ends}, err
			})
	}
	r.Handler(sdk.Spec{Name: "upper", Doc: "makes letters upper case"},
		func(host.Builder, *sdk.Node) (host.Handler, error) { return upper{}, nil })
	r.Handler(sdk.Spec{
		Name: "subroute", Doc: "routes again", Need: true,
		Block: &sdk.Block{Options: sdk.Specs(phaseOptions()), Holds: sdk.HoldsRoutes},
	}, func(b host.Builder, n *sdk.Node) (host.Handler, error) { return subroute{b.Routes(n)}, nil })
	return r
}

func build(text string) (*Graph, error) {
	r := testRegistry()
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(text), Grammar(r), dwaarfile.Options{})
	if err != nil {
		return nil, err
	}
	return Build(tree, r, Options{})
}

func mustBuild(t *testing.T, text string) *Graph {
	t.Helper()
	g, err := build(text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Release)
	return g
}

// answer is what a client hears that sends bytes and then, unless it is silent,
// ends its stream; and how the connection ended.
func answer(t *testing.T, g *Graph, sent string, silent bool) string {
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
	outcome := make(chan host.Outcome, 1)
	env := &host.Env{Heads: host.NewHeads(1 << 20), Ended: func(_ *host.Conn, o host.Outcome) { outcome <- o }}
	c := host.NewConn(sock, 1, sdk.Flow{Network: "tcp", Listener: ":1", MaxHead: g.Servers[0].Limits.MaxHead}, env)
	go func() { c.Finish(g.Servers[0].Serve(t.Context(), c)) }()
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
	o := <-outcome
	return strings.ReplaceAll(string(heard), "\n", " ") + o.Code.String()
}

func server(block string) string { return "layer4 {\n:1 {\n" + block + "\n}\n}\n" }

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
			if got := answer(t, mustBuild(t, server(c.config)), c.sent, false); got != c.want {
				t.Errorf("%q is answered %q, want %q", c.sent, got, c.want)
			}
		})
	}
}

func TestSilentClientsAreServedWhenTheirTimeIsOver(t *testing.T) {
	t.Parallel()
	g := mustBuild(t, server("matching_timeout 20ms\n@a prefix a\nroute @a {\nsay a\n}\nroute {\nsay welcome\n}"))
	if got := answer(t, g, "", true); got != "welcome proxy.handling.closed" {
		t.Errorf("a silent client is answered %q", got)
	}
	g = mustBuild(t, server("matching_timeout 20ms\n@a prefix ab\nroute @a {\nsay a\n}"))
	if got := answer(t, g, "a", true); got != "client.matching.timeout" {
		t.Errorf("a client that stops within a prefix is answered %q", got)
	}
}

func TestHeadsThatAreFullAreDecided(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 300)
	g := mustBuild(t, server(fmt.Sprintf("max_head 256\n@a prefix %s\nroute @a {\nsay a\n}\nroute {\nsay rest\n}", long)))
	if got := answer(t, g, long[:280], true); !strings.HasPrefix(got, "rest ") {
		t.Errorf("a prefix that no head can hold is answered %q", got)
	}
}

func TestGraphsCountTheirUsersAndDropWhatTheySharedWithTheLast(t *testing.T) {
	t.Parallel()
	g, err := build(server("route {\nsay a\n}"))
	if err != nil {
		t.Fatal(err)
	}
	if !g.Retain() {
		t.Fatal("a new graph is gone")
	}
	g.Release()
	select {
	case <-g.Done():
		t.Fatal("gone with a user")
	default:
	}
	g.Release()
	<-g.Done()
	if g.Retain() {
		t.Error("a graph that is gone was retained")
	}
}

func TestTheGraphOfATreeIsPrinted(t *testing.T) {
	t.Parallel()
	g := mustBuild(t, server("@a prefix a other ab\n@b not prefix b\nroute @a {\ngreet x\n}\nroute @b {\nsubroute {\nroute {\nsay \"in side\"\n}\n}\n}"))
	want := `server :1
  matching_timeout 3s
  1. prefix a and other ab  (@a)
       greet x
       runs in a goroutine: greet needs one
       then the routes from 2 on
  2. not prefix b  (@b)
       subroute
         matching_timeout 3s
         1. everything
              say "in side"
       runs in a goroutine: subroute needs one
  otherwise close
`
	if diff := cmp.Diff(want, g.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
