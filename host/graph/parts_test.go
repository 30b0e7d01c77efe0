package graph

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
)

// made builds a configuration with a registry of the test's own, and returns what is wrong
// with it and what it is warned of, a line each.
func made(t *testing.T, r *host.Registry, text string, o Options) (g *Graph, errs, warnings []string) {
	t.Helper()
	tree, err := dwaarfile.Parse("", []byte(text), Grammar(r), dwaarfile.Options{})
	if err == nil {
		g, err = Build(tree, r, o)
	}
	if err != nil {
		return nil, strings.Split(err.Error(), "\n"), nil
	}
	t.Cleanup(g.Release)
	for _, w := range g.Warnings {
		warnings = append(warnings, w.Error())
	}
	return g, nil, warnings
}

func TestNamesOfFactsAreListedByWhatTheyHaveInCommon(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 8 {
		many = append(many, fmt.Sprintf("tls.client.san.dns.%d", i))
	}
	many = append(many, "tls.client.san.dns", "tls.client.san.ips", "tls.client.serial", "tls.server_name", "tls.version")
	for _, c := range []struct {
		name string
		near []string
		want []string
	}{
		{"tls.x", many[8:], many[8:]},
		{"tls.x", many[:12], many[:12]},        // as many as are listed
		{"tls.x", many, many[8:]},              // one more: without numbers
		{"tls.client.x", many[:12], many[:12]}, // as they are few, all of them
		{"tls.client.x", many, many[:11]},
		{"tls.client.san.x", many, many[:10]},
		{"tls.client.san.dns.x", many, many[:8]},
		{"tls.client.none.x", many, many[:11]},
		{"tls", many, many[8:]},
	} {
		if diff := cmp.Diff(c.want, alike(c.name, slices.Clone(c.near))); diff != "" {
			t.Errorf("%s of %d (-want +got):\n%s", c.name, len(c.near), diff)
		}
	}
	for name, want := range map[string]string{
		"http.hots": "http.host", "http.pathh": "http.path", "http.sni": "", "http.hos": "", "http.nothing": "",
	} {
		if got := meantFact(name, []string{"http.host", "http.path"}); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := factHint(factSet([]string{"http.host", "http.path"}), "http.hots"); got != "did you mean {http.host}?" {
		t.Error(got)
	}
}

// Sizes and lengths have bounds, which themselves are taken.
func TestGlobalOptionsAreTakenUpToTheirBounds(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]string{
		"client_memory 1MiB": "", "client_memory 1048575": "2:15: client_memory 1048575 is too little to serve with: write 1MiB at least",
		"client_prefix_ipv4 16": "", "client_prefix_ipv4 32": "",
		"client_prefix_ipv4 15": "2:20: client_prefix_ipv4 15 is no length of a prefix of clients: write 16 to 32",
		"client_prefix_ipv4 33": "2:20: client_prefix_ipv4 33 is no length of a prefix of clients: write 16 to 32",
		"client_prefix_ipv6 16": "", "client_prefix_ipv6 128": "",
		"client_prefix_ipv6 15":  "2:20: client_prefix_ipv6 15 is no length of a prefix of clients: write 16 to 128",
		"client_prefix_ipv6 129": "2:20: client_prefix_ipv6 129 is no length of a prefix of clients: write 16 to 128",
		"decision_bytes 1":       "", "decision_bytes 16KiB": "", "decision_bytes off": "",
		"decision_bytes 0":     "2:16: decision_bytes 0: write a size from 1 to 16KiB, or off",
		"decision_bytes 16385": "2:16: decision_bytes 16385: write a size from 1 to 16KiB, or off",
	} {
		_, errs, _ := made(t, testRegistry(), "{\n"+option+"\n}\n"+server("route {\nsay a\n}"), Options{})
		if got := strings.Join(errs, "\n"); got != want {
			t.Errorf("%s: %q, want %q", option, got, want)
		}
	}
}

func TestSocketsHaveAnOwnerWhereThereIsOne(t *testing.T) {
	t.Parallel()
	number := fmt.Sprint(os.Getuid())
	for text, want := range map[string]string{
		"unix//run/a {\nsocket_owner " + number + "\n%s\n}":                      "",
		"unix//run/a :1 {\nsocket_group 5\n%s\n}":                                "",
		":1 {\nsocket_owner 1\n%s\n}":                                            "2:1: socket_owner and socket_group are for Unix sockets, and this server has none: leave them out, or listen on unix//run/app.sock",
		"unix/@a {\nsocket_owner 1\n%s\n}":                                       "2:1: socket_owner and socket_group are for Unix sockets, and this server has none: leave them out, or listen on unix//run/app.sock",
		":70000 {\nsocket_owner 1\n%s\n}":                                        `2:1: ":70000": "70000" is no port: write a number from 0 to 65535, or a range 1000-1010`,
		"unix//run/a {\nsocket_owner nobody-by-that-name\n%s\n}":                 "3:14: socket_owner nobody-by-that-name: this machine knows nobody by that name: write a name that it knows, or a number",
		"unix//run/a {\nsocket_group nobody-by-that-name\nsocket_owner 1\n%s\n}": "3:14: socket_group nobody-by-that-name: this machine knows nobody by that name: write a name that it knows, or a number",
	} {
		g, errs, _ := made(t, testRegistry(), "layer4 {\n"+fmt.Sprintf(text, "route {\nsay a\n}")+"\n}\n", Options{})
		if got := strings.Join(errs, "\n"); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		if g == nil {
			continue
		}
		for _, l := range g.Servers[0].Listeners {
			owner, group := -1, -1
			switch {
			case l.Network != "unix":
				owner, group = 0, 0
			case strings.Contains(text, "group"):
				group = 5
			default:
				owner = os.Getuid()
			}
			if l.Access.Owner != owner || l.Access.Group != group {
				t.Errorf("%s: %s is of %d and %d", text, l.Name, l.Access.Owner, l.Access.Group)
			}
		}
	}
}

// begins is a matcher whose first byte is known.
type begins struct{ byte }

func (b begins) First() *[4]uint64 {
	var set [4]uint64
	set[b.byte>>6] |= 1 << (b.byte & 63)
	return &set
}

func (b begins) Match(f *sdk.Flow) (sdk.Verdict, error) {
	switch {
	case len(f.Head) == 0:
		return sdk.Need(1), nil
	case f.Head[0] == b.byte:
		return sdk.Unknown, nil
	}
	return sdk.No, nil
}

// shutting has handlers that turn away, and matchers begins and early.
func shutting() *host.Registry {
	r := testRegistry()
	r.Handler(sdk.Spec{Name: "shut", Ends: true, Args: []sdk.Arg{sdk.Maybe("HOW", sdk.Free)}},
		func(host.Builder, *sdk.Node) (host.Handler, error) { return denies{say{ends: true}}, nil })
	r.Matcher(sdk.Spec{Name: "begins", Args: []sdk.Arg{sdk.One("BYTE", sdk.Free), sdk.List("MORE", sdk.Free)}},
		func(n *sdk.Node) (sdk.Matcher, error) { return begins{n.Args[0].Text[0]}, nil })
	return r
}

// A closing route does not take whom it cannot tell: where a broader route behind it may
// take them, that is said. One that begins with other bytes cannot, nor can one of the same
// kind.
func TestAClosingRouteThatLetsPastIsSaid(t *testing.T) {
	t.Parallel()
	const closing = "route @a {\nshut\n}\n"
	for rest, to := range map[string]string{
		"@b begins y\nroute @b {\nsay b\n}":                    "",
		"@b begins x two\nroute @b {\nsay b\n}":                "the route at 8:1",
		"@b not begins y\nroute @b {\nsay b\n}":                "the route at 8:1", // of what begins with x that is no
		"@b begins x one two\nroute @b {\nsay b\n}":            "",                 // unknown of the same
		"@b prefix q\nroute @b {\nsay b\n}":                    "the route at 8:1",
		"@b begins y\nroute @b {\nshut\n}":                     "",
		"route {\nsay b\n}":                                    "the route at 7:1",
		"route {\nshut\n}":                                     "",
		"@b begins y\nroute @b {\nsay b\n}\nroute {\nsay c\n}": "the route at 11:1",
		"@b prefix q\nroute @b {\nsay b\n}\nroute {\nsay c\n}": "the route at 11:1",
	} {
		_, errs, warnings := made(t, shutting(), server("@a begins x one\n"+closing+rest), Options{})
		if errs != nil {
			t.Fatalf("%s: %v", rest, errs)
		}
		want := []string(nil)
		if to != "" {
			want = []string{fmt.Sprintf(`4:1: connections of which @a cannot be told when the waiting ends get past this route, to %s: write "deny @a" in its place`, to)}
		}
		if diff := cmp.Diff(want, warnings); diff != "" {
			t.Errorf("%q (-want +got):\n%s", rest, diff)
		}
	}
}

func TestWhatAClosingRouteIsToBeIsWritten(t *testing.T) {
	t.Parallel()
	for route, want := range map[string]string{
		"route @a @b {\nshut\n}":              `5:1: connections of which @a @b cannot be told when the waiting ends get past this route, to the route at 8:1: write "deny @a @b" in its place`,
		"route @a @b {\nshut RESET\n}":        `5:1: connections of which @a @b cannot be told when the waiting ends get past this route, to the route at 8:1: write "deny @a @b reset" in its place`,
		"route @a @b {\ngreet x\nshut now\n}": `5:1: connections of which @a @b cannot be told when the waiting ends get past this route, to the route at 9:1: write "deny @a @b" in its place`,
	} {
		_, _, warnings := made(t, shutting(), server("@a begins x\n@b begins y\n"+route+"\nroute {\nsay b\n}"), Options{})
		if !slices.Contains(warnings, want) {
			t.Errorf("%s: %s, want %s", route, strings.Join(warnings, "\n"), want)
		}
	}
	var text strings.Builder
	for i := range maxPassing + 3 {
		fmt.Fprintf(&text, "@s%d begins x %d\nroute @s%[1]d {\nshut\n}\n", i, i)
	}
	_, _, warnings := made(t, shutting(), server(text.String()+"route {\nsay b\n}"), Options{})
	if n := len(warnings); n != maxPassing+1 || !slices.Contains(warnings, "4:1: 3 more closing routes of this list let the same connections past") {
		t.Errorf("%d warnings:\n%s", n, strings.Join(warnings, "\n"))
	}
}

// A deny behind routes that let all others in keeps nobody out.
func TestADenyThatComesTooLateIsSaid(t *testing.T) {
	t.Parallel()
	const late = "this deny comes too late: the route at 4:1 takes its connections before, and nothing behind lets any in: move the deny before the routes that it is to guard"
	for rules, want := range map[string][]string{
		"route @b {\nsay b\n}\ndeny @a":                       {"7:1: " + late},
		"route @b {\nsay b\n}\ndeny @a @c":                    {"7:1: " + late},
		"route @b {\nsay b\n}\ndeny @a reset":                 nil, // a reset is seen
		"deny @a\nroute @b {\nsay b\n}":                       nil,
		"route @b {\nsay b\n}\ndeny @a\nroute @c {\nsay c\n}": nil,
		"route @b {\nshut\n}\ndeny @a":                        nil,
		"route @b {\nsay b\n}\ndeny @a\nroute {\nshut\n}":     {"7:1: " + late},
	} {
		_, errs, warnings := made(t, shutting(), server("@a begins x\n"+rules+"\n@b begins y\n@c begins z"), Options{})
		warnings = slices.DeleteFunc(warnings, func(w string) bool { return strings.Contains(w, "no route uses") })
		if diff := cmp.Diff(want, warnings, cmpopts.EquateEmpty()); diff != "" || errs != nil {
			t.Errorf("%q: %v (-want +got):\n%s", rules, errs, diff)
		}
	}
}

// What no route of a server takes goes to whoever embeds the server, if anybody does.
func TestAFallbackStandsBehindRoutesThatLeaveSomething(t *testing.T) {
	t.Parallel()
	for routes, want := range map[string][]string{
		"@a prefix a\nroute @a {\nsay a\n}":                            {"  2. everything", "       fallback"},
		"@a prefix a\nroute @a {\nsay a\n}\nroute {\nsay b\n}":         nil,
		"route {\nsubroute {\n@a prefix a\nroute @a {\nsay a\n}\n}\n}": {"  2. everything", "       fallback"},
		"": {"  1. everything", "       fallback"},
	} {
		for _, with := range []bool{true, false} {
			o := Options{}
			if with {
				o.Fallback = say{ends: true}
			}
			g, errs, _ := made(t, testRegistry(), server(routes), o)
			if errs != nil {
				t.Fatal(errs)
			}
			lines := strings.Split(g.String(), "\n")
			for _, line := range want {
				if slices.Contains(lines, line) != with {
					t.Errorf("%q, with one: %v:\n%s", routes, with, g)
				}
			}
			if n := strings.Count(g.String(), " fallback\n"); want == nil && n > 0 || n > 1 {
				t.Errorf("%q: %d of them:\n%s", routes, n, g)
			}
			if ends := g.Servers[0].Routes().Ends(); ends != (with || want == nil) {
				t.Errorf("%q, with one: %v: ends %v", routes, with, ends)
			}
		}
	}
}

// leadsTo is a handler that connects to addresses of the configuration.
type leadsTo struct {
	say
	to []host.Target
}

func (l leadsTo) Targets() []host.Target { return l.to }

// A server whose connections all come back to it is refused, over whatever other servers.
func TestServersThatLeadBackToThemselvesAreFound(t *testing.T) {
	t.Parallel()
	r := testRegistry()
	r.Handler(sdk.Spec{Name: "to", Ends: true, Args: []sdk.Arg{sdk.Some("ADDR", sdk.Free)}}, func(_ host.Builder, n *sdk.Node) (host.Handler, error) {
		l := leadsTo{say: say{ends: true}}
		for _, w := range n.Args {
			if path, ok := strings.CutPrefix(w.Text, "unix/"); ok {
				l.to = append(l.to, host.Target{Path: path})
			} else {
				l.to = append(l.to, host.Target{Addr: netip.MustParseAddrPort(w.Text)})
			}
		}
		return l, nil
	})
	always := func(name, to string) string { return name + " {\nroute {\nto " + to + "\n}\n}\n" }
	sometimes := func(name, to string) string { return name + " {\n@a prefix a\nroute @a {\nto " + to + "\n}\n}\n" }
	wrapped := func(name, to string) string { return name + " {\nroute {\nupper\nto " + to + "\n}\n}\n" }
	inner := func(name, to string) string {
		return name + " {\nroute {\nsubroute {\nroute {\nto " + to + "\n}\n}\n}\n}\n"
	}
	const (
		one   = "127.0.0.1:1"
		two   = "127.0.0.1:2"
		three = "127.0.0.1:3"
	)
	refused := func(at, to string) string {
		return at + ": " + to + " is one of our own listeners and leads back here, so that every connection would go round for ever: name the real upstream"
	}
	warned := func(at, to string) string {
		return at + ": " + to + " is one of our own listeners: a connection that this route takes again is refused then"
	}
	for text, want := range map[string][]string{
		always(":1", one):                                           {refused("4:1", one)},
		always(":1", two):                                           nil,
		always(":1", one+" "+one):                                   {refused("4:1", one)},
		always("unix//run/a", "unix//run/../run/a"):                 {refused("4:1", "unix//run/../run/a")},
		sometimes(":1", one):                                        {warned("5:1", one)},
		always(":1", two) + always(":2", one):                       {refused("4:1", two), refused("9:1", one)},
		always(":1", two) + always(":2", three) + always(":3", one): {refused("4:1", two), refused("9:1", three), refused("14:1", one)},
		always(":1", two) + sometimes(":2", one):                    {warned("10:1", one)},
		sometimes(":1", two) + always(":2", one):                    {warned("5:1", two)},
		always(":1", two) + always(":2", three):                     nil,
		always(":1", two) + always(":2", two):                       {refused("9:1", two)},
		always(":1", three) + always(":2", two) + always(":3", two): {refused("9:1", two)},
		wrapped(":1", one):                                          {refused("5:1", one)},
		inner(":1", one):                                            {refused("6:1", one)},
	} {
		_, errs, warnings := made(t, r, "layer4 {\n"+text+"}\n", Options{})
		if diff := cmp.Diff(want, append(errs, warnings...)); diff != "" {
			t.Errorf("%s(-want +got):\n%s", text, diff)
		}
	}
}

// plugs declares matchers by its first argument: NAME and NAME.other, nothing if it is
// called empty, and fails if it is called bad.
func plugs() *host.Registry {
	r := testRegistry()
	r.Declare(sdk.Spec{Name: "plug", Many: true, Args: []sdk.Arg{sdk.One("NAME", sdk.Free)}},
		func(d host.Declarer, ns []*sdk.Node) error {
			for _, n := range ns {
				switch name := n.Args[0].Text; name {
				case "bad":
					return sdk.Errorf(n.Pos, "it is bad")
				case "panics":
					panic("on purpose")
				case "empty":
				default:
					for _, name := range []string{name, name + ".other"} {
						d.Matcher(sdk.Spec{Name: name}, func(host.Builder, *sdk.Node) (sdk.Matcher, error) { return begins{'x'}, nil })
					}
				}
			}
			return nil
		})
	return r
}

// What a global directive declares is known everywhere, and what it does not is an error
// with what there is; where it fails, that alone is said.
func TestMatchersThatADirectiveDeclaresAreKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plugs, matcher string
		errs, warnings []string
	}{
		{"plug a", "a", nil, nil},
		{"plug a", "a.other", nil, nil},
		{"plug a\nplug b", "b", nil, nil},
		{"plug a", "a.none", []string{`6:4: unknown matcher "a.none": there are a, a.other`}, nil},
		{"plug a\nplug b", "b.none", []string{`7:4: unknown matcher "b.none": there are b, b.other`}, nil},
		{"plug empty", "empty", []string{`6:4: unknown matcher "empty": leave it out`}, nil},
		{"plug bad", "bad", []string{"2:1: it is bad"}, nil},
		{"plug panics", "panics", []string{"2:1: a defect in the program: please report it: on purpose"}, nil},
		{"plug other", "other", nil, []string{"2:1: the plug other stands for the built-in matcher of that name in this configuration: give it another name to have both"}},
		{"plug", "prefix a", []string{`2:1: "plug" needs NAME`}, nil},
	} {
		_, errs, warnings := made(t, plugs(), "{\n"+c.plugs+"\n}\n"+server("@a "+c.matcher+"\nroute @a {\nsay a\n}"), Options{})
		if c.plugs == "plug" || c.plugs == "plug panics" { // whose words are another's
			if len(errs) != 1 || !strings.HasPrefix(errs[0], "2:1: ") {
				t.Errorf("%s: %q", c.plugs, errs)
			}
			continue
		}
		if diff := cmp.Diff([][]string{c.errs, c.warnings}, [][]string{errs, warnings}); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", c.plugs, c.matcher, diff)
		}
	}
}

func TestWordsArePrintedSoThatTheyCanBeToldApart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a": "a", "": `""`, "a b": `"a b"`, "a;b": `"a;b"`, "a\nb\r": `"a\nb\r"`, `a"b`: `"a\"b"`, `a\b c`: `"a\\b c"`, `a\b`: `a\b`,
		"{a}": "{a}", "{a}{b}": "{a}{b}", "{a": `"{a"`, "{a b}": `"{a b}"`, "a}": `"a}"`, "a{b}": `"a{b}"`, "`": "\"`\"",
	} {
		if got := quoted(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	n := sdk.Node{Name: "n", Args: []sdk.Word{{Text: "a"}, {Text: "b c"}}, Block: []sdk.Node{{Name: "x"}, {Name: "y", Block: []sdk.Node{}}}}
	if got, want := nodeText(&n), `n a "b c" { x; y { } }`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A matcher that there is not might have set any fact: that it is missing is said, once.
func TestFactsOfAMatcherThatIsMissingAreNoSecondError(t *testing.T) {
	t.Parallel()
	_, errs, _ := made(t, testRegistry(), server("@a nothing x\nroute @a {\nsay {nothing.is}\n}"), Options{})
	if len(errs) != 1 || !strings.HasPrefix(errs[0], `3:4: unknown matcher "nothing"`) {
		t.Errorf("%q", errs)
	}
}

// What declares matchers knows the longest head that any of them will see.
func TestWhoDeclaresMatchersKnowsTheLongestHead(t *testing.T) {
	t.Parallel()
	for limits, want := range map[string]int{"": 16 << 10, "max_head 256": 16 << 10, "max_head 64KiB": 64 << 10} {
		got := 0
		r := testRegistry()
		r.Declare(sdk.Spec{Name: "plug", Args: []sdk.Arg{sdk.One("NAME", sdk.Free)}}, func(d host.Declarer, _ []*sdk.Node) error {
			got = d.MaxHead()
			return nil
		})
		text := "{\nplug a\n}\nlayer4 {\n:1 {\n" + limits + "\nroute {\nsay a\n}\n}\n:2 {\nroute {\nsay a\n}\n}\n}\n"
		if _, errs, _ := made(t, r, text, Options{}); errs != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", limits, got, errs, want)
		}
	}
}

// holds is a matcher that decides only when so many bytes are there.
type holds struct {
	begins
	n int
}

func (h holds) Waits() int { return h.n }

func TestAMatcherThatHoldsClientsBeforeOtherRoutesIsSaid(t *testing.T) {
	t.Parallel()
	r := testRegistry()
	r.Matcher(sdk.Spec{Name: "holds", Args: []sdk.Arg{sdk.One("N", sdk.Int)}}, func(n *sdk.Node) (sdk.Matcher, error) {
		v, err := sdk.ParseInt(n.Args[0].Text)
		return holds{n: v}, err
	})
	const said = "3:4: holds may hold clients that send fewer than 2 bytes for 3s before the routes behind it are tried: anchor it, or move its route down"
	for text, want := range map[string][]string{
		"@a holds 2\nroute @a {\nsay a\n}\nroute {\nsay b\n}":     {said},
		"@a holds 1\nroute @a {\nsay a\n}\nroute {\nsay b\n}":     nil,
		"@a not holds 2\nroute @a {\nsay a\n}\nroute {\nsay b\n}": nil,
		"@a holds 2\nroute @a {\nsay a\n}":                        nil,
	} {
		_, errs, warnings := made(t, r, server(text), Options{})
		if diff := cmp.Diff(want, warnings, cmpopts.EquateEmpty()); diff != "" || errs != nil {
			t.Errorf("%q: %v (-want +got):\n%s", text, errs, diff)
		}
	}
}
