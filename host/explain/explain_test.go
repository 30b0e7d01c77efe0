package explain_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/explain"
	"dwaar.dev/dwaar/sdk"
)

// explained loads a configuration and explains a connection to its first listener.
func explained(t *testing.T, text string, in explain.Input, more ...func(*host.Registry)) *explain.Report {
	t.Helper()
	r := new(host.Registry)
	builtin.Register(r)
	for _, register := range more {
		register(r)
	}
	l := config.Loader{Registry: r}
	c, err := l.Load(config.Text("Dwaarfile", "layer4 {\n:1 {\n"+text+"\n}\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Release)
	return explain.Connection(context.Background(), c.Servers[0], &c.Servers[0].Listeners[0], in)
}

// phases returns what the phases came to, a word each.
func phases(r *explain.Report) string {
	var all []string
	for _, p := range r.Phases {
		all = append(all, strings.TrimSpace(p.On+": "+p.Name))
	}
	return strings.Join(all, "; ")
}

func TestARouteThatDoesNotEndGoesOnWithThoseBehindIt(t *testing.T) {
	t.Parallel()
	r := explained(t, `
		@ssh ssh
		route {
			vars who me
		}
		route @ssh {
			proxy {vars.who}.example.com:22
		}`, explain.Input{Head: []byte("SSH-2.0-x\r\n")})
	if got := phases(r); got != "the first bytes:; the same bytes: @ssh" {
		t.Errorf("phases: %s", got)
	}
	if r.Phases[1].Routes[0].Number != 2 || r.Phases[1].Route != 2 {
		t.Errorf("the second phase: %+v", r.Phases[1])
	}
	if diff := cmp.Diff([]string{"me.example.com:22"}, r.Upstreams); diff != "" {
		t.Errorf("upstreams (-want +got):\n%s", diff)
	}
	if r.Facts["vars.who"] != "me" || r.Facts["ssh.version"] != "SSH-2.0-x" {
		t.Errorf("facts: %v", r.Facts)
	}
}

func TestHowAConnectionEndsIsSaid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, head, end, code string }{
		{"route {\nclose\n}", "", "the connection ends: closed by proxy", "closed"},
		{"route {\nclose reset\n}", "", "the connection ends: reset by proxy", "reset"},
		{"route {\necho\n}", "abc", "the connection ends: closed by client", "closed"},
		{"@s ssh\nroute @s {\necho\n}", "abc", "no route takes the connection: it is closed", "no_route"},
		{"route {\ntls\necho\n}", "GET / HTTP/1.1\r\n", "the client does not speak TLS", "protocol"},
		{"@t tls\nroute @t {\nproxy {tls.server_name}:1\n}", "", "no route takes", "no_route"},
	} {
		r := explained(t, c.text, explain.Input{Head: []byte(c.head)})
		if !strings.Contains(r.End, c.end) || r.Code != c.code {
			t.Errorf("%q on %q: %q (%s), want %q (%s)", c.head, c.text, r.End, r.Code, c.end, c.code)
		}
	}
}

func TestWhereClientsMayNotConnectIsAnEndWithoutAnUpstream(t *testing.T) {
	t.Parallel()
	text := `
		@web http host *
		route @web {
			proxy {http.host}:80 {
				allow *.example.com
			}
		}`
	request := func(host string) explain.Input {
		return explain.Input{Head: []byte("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")}
	}
	if r := explained(t, text, request("a.example.com")); !cmp.Equal(r.Upstreams, []string{"a.example.com:80"}) || r.Code != "" {
		t.Errorf("%v, %s", r.Upstreams, r.End)
	}
	for _, name := range []string{"127.0.0.1", "a.example.org", "[::1]"} {
		if r := explained(t, text, request(name)); r.Upstreams != nil || r.Code != "refused" {
			t.Errorf("%s: %v, %s (%s)", name, r.Upstreams, r.End, r.Code)
		}
	}
}

// hasty says yes to two bytes at once and no to one: it breaks the law that cuts do not matter.
type hasty struct{}

func (hasty) Match(f *sdk.Flow) (sdk.Verdict, error) {
	switch len(f.Head) {
	case 0:
		return sdk.Need(1), nil
	case 1:
		return sdk.No, nil
	}
	return sdk.Yes, nil
}

// late is lawful: it waits for three bytes.
type late struct{}

func (late) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if len(f.Head) < 3 {
		return sdk.Need(3), nil
	}
	f.Set("three", f.Head[:3])
	return sdk.Yes, nil
}

func registerOdd(r *host.Registry) {
	r.Matcher(sdk.Spec{Name: "hasty"}, func(*sdk.Node) (sdk.Matcher, error) { return hasty{}, nil })
	r.Matcher(sdk.Spec{Name: "late", Facts: []sdk.Fact{{Key: "three"}}}, func(*sdk.Node) (sdk.Matcher, error) { return late{}, nil })
	r.Matcher(sdk.Spec{Name: "broken"}, func(*sdk.Node) (sdk.Matcher, error) { return broken{}, nil })
}

// broken fails.
type broken struct{}

func (broken) Match(*sdk.Flow) (sdk.Verdict, error) { return sdk.No, errors.New("it is broken") }

func TestACutThatMattersIsFound(t *testing.T) {
	t.Parallel()
	in := explain.Input{Head: []byte("abcdef"), Cuts: true}
	r := explained(t, "@h hasty\nroute @h {\nclose\n}", in, registerOdd)
	if want := "cut behind byte 1: no route takes the connection, and route @h if the bytes come at once"; r.Phases[0].Cut != want {
		t.Errorf("%q, want %q", r.Phases[0].Cut, want)
	}
	r = explained(t, "@l late\n@s ssh\nroute @s {\nclose\n}\nroute @l {\nclose\n}", in, registerOdd)
	if r.Phases[0].Cut != "" || r.Phases[0].Name != "@l" || r.Facts["late.three"] != "abc" {
		t.Errorf("%q, %q, %v", r.Phases[0].Cut, r.Phases[0].Name, r.Facts)
	}
}

func TestABrokenMatcherEndsTheConnection(t *testing.T) {
	t.Parallel()
	r := explained(t, "@b broken\nroute @b {\nclose\n}", explain.Input{Head: []byte("a")}, registerOdd)
	if p := r.Phases[0]; p.Error != "matching broken: it is broken" || p.Routes[0].Members[0].Answer != "error: matching broken: it is broken" || r.Code != "failed" {
		t.Errorf("%+v: %s", p, r.End)
	}
}

func TestDatagramsAreCutBetweenThem(t *testing.T) {
	t.Parallel()
	r := explained(t, "@l late\nroute @l {\nclose\n}", explain.Input{
		Network: "udp", Head: []byte("abcd"), Bounds: []int{2, 4}, Cuts: true,
	}, registerOdd)
	if r.Network != "udp" || r.Phases[0].Name != "@l" || r.Phases[0].Cut != "" {
		t.Errorf("%+v", r.Phases[0])
	}
}

func TestWhatMatchersSawIsSaid(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 7, 0, 0, 0, time.UTC)
	request := "POST /a?b=c HTTP/1.1\r\nHost: a.example.com\r\nX-A: one\r\n\r\n"
	for _, c := range []struct{ matcher, head, why string }{
		{"clock 08:00 18:00", "", "it was 07:00:00 UTC"},
		{"remote_ip 10.0.0.0/8", "", "the client has no IP address"},
		{"local_ip 10.0.0.0/8", "", "the listener has no IP address"},
		{"regexp ^HELLO 5", "WORLD", `the bytes are WORLD`},
		{"regexp a.c 3 hex", "\x00\xff\x01", "the bytes are 00FF01"},
		{"regexp ello 5", "he", "the pattern is tried on 5 bytes, and there are 2"},
		{"http host b.example.com", request, "the host is a.example.com"},
		{"http host b.example.com", "GET / HTTP/1.0\r\n\r\n", "there is no host"},
		{"http method GET", request, "the method is POST"},
		{"http path /b", request, "the path is /a"},
		{"http {\nheader X-A two\n}", request, "the header field x-a is one"},
		{"http {\nheader X-B two\n}", request, "there is no header field x-b"},
		{"http {\nquery b=d\n}", request, `the query is "b=c"`},
		{"http", request, "the request is POST /a"},
		{"http protocol http/1.0", request, "the protocol is HTTP/1.1"},
		{"ssh", "HTTP", "byte 1 is 0x48 ('H')"},
		{"ssh", "SSX-2.0-x\r\n", "byte 3 is 0x58 ('X')"},
		{"postgres {\nuser a\n}", "\x00\x00\x00\x12\x00\x03\x00\x00user\x00bob\x00\x00", "{postgres.user} is bob, {postgres.database} is bob"},
	} {
		r := explained(t, "@m {\n"+c.matcher+"\n}\nroute @m {\nclose\n}", explain.Input{Head: []byte(c.head), At: at})
		m := r.Phases[0].Routes[0].Members[0]
		if m.Why != c.why {
			t.Errorf("%s on %q: %s, %q, want %q", c.matcher, c.head, m.Answer, m.Why, c.why)
		}
	}
}
