package http_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"dwaar.dev/dwaar/builtin/http"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
	"github.com/google/go-cmp/cmp"
)

// flights returns first flights of real clients by name.
func flights(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/flights/http/*.bin")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captured flights: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".bin")] = b
	}
	return all
}

// node makes the node of options that are written one a line; a word in '…' may
// hold spaces.
func node(lines ...string) *sdk.Node {
	n := &sdk.Node{Name: "http"}
	for i, line := range lines {
		o := sdk.Node{Pos: sdk.Pos{Line: i + 1, Col: 1}}
		for j, text := range strings.Fields(line) {
			if j == 0 {
				o.Name = text
				continue
			}
			o.Args = append(o.Args, sdk.Word{Text: strings.Trim(text, "'"), Pos: sdk.Pos{Line: i + 1, Col: j + 1}})
		}
		n.Block = append(n.Block, o)
	}
	return n
}

func build(t testing.TB, lines ...string) *http.Matcher {
	t.Helper()
	m, err := http.New(node(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*http.Matcher)
}

func ask(m sdk.Matcher, head string) string {
	f := matchtest.TCP()
	f.Head = []byte(head)
	return matchtest.Ask(m, &f).String()
}

func TestRealClientsAreRecognizedWithTheirFacts(t *testing.T) {
	t.Parallel()
	type answers struct{ Bare, Host string }
	want := map[string]answers{
		"curl-connect":        {`yes method="CONNECT"`, `yes host="app.example.com" method="CONNECT"`},
		"curl-http1":          {`yes method="GET" path="/v1/items"`, `yes host="app.example.com" method="GET" path="/v1/items"`},
		"curl-http10":         {`yes method="GET" path="/"`, `yes host="app.example.com" method="GET" path="/"`},
		"curl-http2":          {`yes`, `yes host="app.example.com" method="GET" path="/v1/items"`},
		"curl-ipv6-host":      {`yes method="GET" path="/"`, `yes host="2001:db8::1" method="GET" path="/"`},
		"curl-post":           {`yes method="POST" path="/form"`, `yes host="app.example.com" method="POST" path="/form"`},
		"curl-proxy":          {`yes method="GET" path="/absolute"`, `yes host="app.example.com" method="GET" path="/absolute"`},
		"curl-upgrade-h2c":    {`yes method="GET" path="/"`, `yes host="app.example.com" method="GET" path="/"`},
		"curl-websocket":      {`yes method="GET" path="/socket"`, `yes host="app.example.com" method="GET" path="/socket"`},
		"grpc-python":         {`yes`, `need 91`}, // it waits for the server's SETTINGS
		"nghttp":              {`yes`, `yes host="app.example.com" method="GET" path="/style.css"`},
		"nghttp-continuation": {`yes`, `yes host="app.example.com" method="GET" path="/"`},
		"nghttp-padding":      {`yes`, `yes host="app.example.com" method="GET" path="/"`},
		"node-http":           {`yes method="GET" path="/node"`, `yes host="app.example.com" method="GET" path="/node"`},
		"node-http2":          {`yes`, `yes host="app.example.com" method="GET" path="/node"`},
		"python-http-client":  {`yes method="PUT" path="/upload"`, `yes host="app.example.com" method="PUT" path="/upload"`},
		"wget":                {`yes method="GET" path="/a file"`, `yes host="127.0.0.1" method="GET" path="/a file"`},
	}
	got := map[string]answers{}
	bare, host := build(t), build(t, "host *")
	for name, head := range flights(t) {
		got[name] = answers{ask(bare, string(head)), ask(host, string(head))}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers to captured flights (-want +got):\n%s", diff)
	}
}

// matchers are forms that wait for different things.
func matchers(t testing.TB) map[string]sdk.Matcher {
	all := map[string]sdk.Matcher{}
	for _, lines := range [][]string{
		nil,
		{"host app.example.com"},
		{"host *.example.com other.test"},
		{"method GET PUT"},
		{"path_regexp v ^/v(\\d+)"},
		{"method GET", "path /v1/*", "host app.example.com"},
		{"header Accept */*"},
		{"header_regexp agent User-Agent ^(?P<name>\\w+)/"},
		{"query sort=asc page=*"},
		{"protocol http/1.1 grpc"},
		{"protocol http/1.1", "host *"},
	} {
		all[strings.Join(lines, "; ")] = build(t, lines...)
	}
	return all
}

func TestEveryFormObeysTheLaws(t *testing.T) {
	t.Parallel()
	heads := [][]byte{nil, []byte("SSH-2.0-OpenSSH_9.2\r\n"), []byte("PRI * HTTP/1.1\r\n\r\n"), []byte("PRI * HTTP/2.1")}
	for name, head := range flights(t) {
		if name != "nghttp-continuation" { // 18 KiB in all: it has a test of its own
			heads = append(heads, head)
		}
	}
	for _, text := range oddities() {
		heads = append(heads, []byte(text))
	}
	for name, m := range matchers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			matchtest.Laws(t, m, matchtest.TCP(), heads...)
		})
	}
}

// oddities are requests that servers read in different ways, or refuse.
func oddities() []string {
	return []string{
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET http://a.test/x?y HTTP/1.1\r\nHost: b.test\r\n\r\n",
		"GET http://a.test HTTP/1.1\r\nHost: A.test.:80\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET foo HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.10\r\nHost: a\r\n\r\n",
		"GET /\r\n",
		"PRI * HTTP/2.0\n\n",
	}
}

func TestAFrameHeaderBeyondTheHeadStillRoutesWithAGreaterHead(t *testing.T) {
	t.Parallel()
	f := matchtest.TCP()
	f.Head = flights(t)["nghttp-continuation"]
	m := build(t, "host app.example.com")
	for _, n := range []int{100, 16 << 10, len(f.Head) - 1} {
		g := f
		g.Head = f.Head[:n]
		if r := matchtest.Ask(m, &g); r.Answer.Decided() {
			t.Errorf("with %d bytes: %v", n, r)
		}
	}
	if r := matchtest.Ask(m, &f); r.Answer.Verdict != sdk.Yes {
		t.Errorf("got %v", r)
	}
}

func TestOtherProtocolsAreRefusedAtTheFirstImpossibleByte(t *testing.T) {
	t.Parallel()
	m := build(t, "host a.test")
	for _, c := range []struct{ head, what string }{
		{"\x16", "TLS"},
		{"\x00", "PostgreSQL"},
		{" ", "a space"},
		{"SSH-2.0-OpenSSH_9.2\r", "SSH"},
		{"EHLO mail.example.com\r", "SMTP"},
		{"\r\n\x00", "a NUL behind an empty line"},
		{"USER a 0", "IRC"},
		{"OPTIONS rtsp://a/ R", "RTSP"},
		{"GET /\x7f", "a control character in a target"},
		{"GET foo\r", "a target without a form and without a version"},
		{"GET / HTTP/x", "a version without a digit"},
		{"GET / HTTP/1.x", "a version that is none"},
		{"GET / HTTP/1.1\rx", "a bare CR"},
	} {
		if got := ask(m, c.head); got != "no" {
			t.Errorf("%s: %q is %s", c.what, c.head, got)
		}
		if got := ask(m, c.head[:len(c.head)-1]); !strings.HasPrefix(got, "need") {
			t.Errorf("%s: %q is %s, one byte early", c.what, c.head[:len(c.head)-1], got)
		}
	}
}

// Each of these is taken by net/http, nginx or HAProxy, and refused by another of them.
func TestWhatOnlySomeServersTakeIsUnknownAtOnce(t *testing.T) {
	t.Parallel()
	for _, m := range []sdk.Matcher{build(t), build(t, "host a.test"), build(t, "protocol http/1.1")} {
		for _, c := range []struct{ head, what string }{
			{"GET  ", "two spaces"},
			{"GET\t", "a tab"},
			{"GET / HTTP/2", "HTTP/2 outside the preface"},
			{"GET / HTTP/0", "HTTP/0.9 with its name"},
			{"GET /\r", "HTTP/0.9"},
			{"GET http://a\n", "HTTP/0.9 to a proxy"},
			{"GET / \r", "HTTP/0.9 and a space"},
			{"GET / HTTP/1.10", "a version of two digits"},
			{"GET / HTTP/1.1 ", "something behind the version"},
			{"PRI * HTTP/2.0\r\n\r\nSX", "a broken preface"},
			{"\r\nPRI * HTTP/2", "a preface behind an empty line"},
			{strings.Repeat("A", 33), "a long method"},
		} {
			if got := ask(m, c.head); got != "unknown" {
				t.Errorf("%s: %q is %s", c.what, c.head, got)
			}
			if got := ask(m, c.head[:len(c.head)-1]); !strings.HasPrefix(got, "need") {
				t.Errorf("%s: %q is %s, one byte early", c.what, c.head[:len(c.head)-1], got)
			}
		}
	}
}

func TestEmptyLinesBeforeARequestArePassedOver(t *testing.T) {
	t.Parallel()
	m := build(t, "host a.test")
	for _, before := range []string{"\n", "\r\n", "\r\n\r\n", "\n\n\n"} {
		want := `yes host="a.test" method="GET" path="/x"`
		if got := ask(m, before+"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"); got != want {
			t.Errorf("%q: %s, want %s", before, got, want)
		}
	}
}

// HAProxy takes any text for a target: this is HTTP, and nobody knows where it goes.
func TestATargetWithoutAKnownFormHidesHostAndPath(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"foo", "?a", "http:/x", "*x", "mailto:a", "\\x"} {
		head := "GET " + target + " HTTP/1.1\r\nHost: a.test\r\n\r\n"
		for options, want := range map[string]string{"": `yes method="GET"`, "host a.test": "unknown", "path /x": "unknown", "query a=b": "unknown", "method GET": `yes method="GET"`, "method PUT": "no"} {
			m := build(t)
			if options != "" {
				m = build(t, options)
			}
			if got := ask(m, head); got != want {
				t.Errorf("%q, %s: %s, want %s", target, options, got, want)
			}
		}
	}
}

func TestTheHostIsFoundOrUnknownNeverGuessed(t *testing.T) {
	t.Parallel()
	m := build(t, "host a.test *.b.test")
	for _, c := range []struct{ head, want string }{
		{"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "yes"},
		{"GET / HTTP/1.1\r\nhOST:\t A.Test.:8080 \r\n\r\n", "yes"},
		{"GET / HTTP/1.1\nHost: a.test\n\n", "yes"},
		{"GET / HTTP/1.1\r\nHost: x.b.test\r\n\r\n", "yes"},
		{"GET / HTTP/1.1\r\nHost: x.y.b.test\r\n\r\n", "no"},
		{"GET / HTTP/1.1\r\nHost: b.test\r\n\r\n", "no"},
		{"GET / HTTP/1.1\r\nHost: c.test\r\n\r\n", "no"},
		{"GET / HTTP/1.0\r\n\r\n", "no"},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", "no"},
		{"GET http://a.test/ HTTP/1.1\r\nHost: a.test:80\r\n\r\n", "yes"},
		{"GET http://a.test/ HTTP/1.1\r\n\r\n", "yes"},
		{"GET http://a.test?q HTTP/1.1\r\n\r\n", "yes"},
		{"CONNECT a.test:443 HTTP/1.1\r\n\r\n", "yes"},
		{"GET http://c.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "unknown"},
		{"GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n", "unknown"},
		{"GET http://a.test/ HTTP/1.1\r\nHost:\r\n\r\n", "unknown"},
		{"GET http://u@a.test/ HTTP/1.1\r\n\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: a.test, c.test\r\n\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: a..test\r\n\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: .b.test\r\n\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: *.b.test\r\n\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: a.test:x\r\n\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: " + strings.Repeat("a", 256) + "\r\n\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost : a.test\r\n", "unknown"},
		{"GET / HTTP/1.1\r\n Host: a.test\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: a.test\r\n c\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: a.test\r\nX\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n", "unknown"},
		{"GET / HTTP/1.1\r\nHost: a.test\r\nX: \x00\r\n", "unknown"},
	} {
		got, _, _ := strings.Cut(ask(m, c.head), " ")
		if got != c.want {
			t.Errorf("%q is %s, want %s", c.head, got, c.want)
		}
	}
}

func TestOptionsHoldAsACaddyfileSays(t *testing.T) {
	t.Parallel()
	const head = "POST /Api/v1//items/../users/./7%2e?sort=asc&tag=a+b%26c&tag=d&empty HTTP/1.1\r\n" +
		"Host: a.test\r\nAccept: text/html\r\nAccept: application/json\r\nX-Empty:\r\n\r\n"
	for _, c := range []struct{ option, want string }{
		{"method POST", "yes"},
		{"method GET", "no"},
		{"path /api/v1/users/7.", "yes"},
		{"path /api/v1", "no"},
		{"path /api/*", "yes"},
		{"path *7.", "yes"},
		{"path *V1/US*", "yes"},
		{"path /api/*/users/*", "yes"},
		{"path /api/*/7.", "no"},
		{"path *", "yes"},
		{"path /other /api/*", "yes"},
		{"path_regexp ^/Api/v\\d/", "yes"},
		{"path_regexp ^/api", "no"},
		{"header Accept application/json", "yes"},
		{"header accept TEXT/html", "no"},
		{"header Accept image/* *html", "yes"},
		{"header Accept *cation/j*", "yes"},
		{"header Accept", "yes"},
		{"header X-Empty", "yes"},
		{"header X-Empty ''", "yes"},
		{"header X-None", "no"},
		{"header !X-None", "yes"},
		{"header !Accept", "no"},
		{"header_regexp Accept ^application/", "yes"},
		{"header_regexp X-None .", "no"},
		{"header_regexp X-Empty ^$", "yes"},
		{"query sort=asc", "yes"},
		{"query sort=desc", "no"},
		{"query sort=desc sort=asc tag=d", "yes"},
		{"query sort=asc tag=x", "no"},
		{"query empty=*", "yes"},
		{"query none=*", "no"},
		{"protocol http", "yes"},
		{"protocol https", "no"},
		{"protocol grpc", "no"},
		{"protocol http/1.1", "yes"},
		{"protocol http/1.0+", "yes"},
		{"protocol http/1.0 http/2", "no"},
		{"protocol http/2+", "no"},
	} {
		got, _, _ := strings.Cut(ask(build(t, c.option), head), " ")
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.option, got, c.want)
		}
	}
	space := node("query x")
	space.Block[0].Args[0].Text = "tag=a b&c"
	m, err := http.New(space)
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(m, head); !strings.HasPrefix(got, "yes") {
		t.Errorf("an encoded value: %s", got)
	}
}

func TestAllOptionsMustHoldAndWhatCannotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ options, head, want string }{
		{"host a.test;path /x", "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "yes"},
		{"host a.test;path /x", "GET /y HTTP/1.1\r\nHost: a.test\r\n\r\n", "no"},
		{"host a.test;host b.test", "GET /y HTTP/1.1\r\nHost: b.test\r\n\r\n", "yes"},
		{"header A 1;header B 2", "GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n", "yes"},
		{"header A 1;header B 2", "GET / HTTP/1.1\r\nA: 1\r\nB: 3\r\n\r\n", "no"},
		{"header A 1;header A 2", "GET / HTTP/1.1\r\nA: 2\r\n\r\n", "yes"},
		{"method GET;host a.test", "POST ", "no"},
		{"method GET;host a.test", "GET / HTTP/1.1\r\n", "need 17"},
		{"path /x", "GET /%zz HTTP/1.1\r\n", "unknown"},
		{"path /x", "GET /x%00 HTTP/1.1\r\n", "unknown"},
		{"path /x", "GET /x#y HTTP/1.1\r\n", "unknown"},
		{"path_regexp x", "GET /%z HTTP/1.1\r\n", "unknown"},
		{"query a=b", "GET /x?a=b;c=d HTTP/1.1\r\n", "unknown"},
		{"query a=b", "GET /x?a=%f HTTP/1.1\r\n", "unknown"},
		{"query a=b", "GET /x#?a=b HTTP/1.1\r\n", "unknown"},
		{"path /x;host a.test", "GET /y HTTP/1.1\r\nbad\r\n", "no"},
		{"path /x;host a.test", "GET /x HTTP/1.1\r\nbad\r\n", "unknown"},
		{"path /x;header !B", "GET /x HTTP/1.1\r\nA : 1\r\n", "unknown"},
		{"path /x", "CONNECT a.test:1 HTTP/1.1\r\n", "no"},
		{"protocol http/1.1;host a.test", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "no"},
		{"protocol http/2;host a.test", "GET / HTTP/1.1\r\n", "no"},
		{"method GET", "PRI ", "need 5"}, // it may become HTTP/2, where the method comes later
	} {
		got := ask(build(t, strings.Split(c.options, ";")...), c.head)
		if got, _, _ := strings.Cut(got, " method"); strings.Split(got, " host")[0] != c.want {
			t.Errorf("%s on %q: %s, want %s", c.options, c.head, got, c.want)
		}
	}
}

func TestTLSTerminatedHereMakesAProtocolHTTPS(t *testing.T) {
	t.Parallel()
	f := matchtest.TCP()
	f.TLSVersion = 0x304
	f.Head = []byte("GET / HTTP/1.1\r\n")
	for word, want := range map[string]sdk.Verdict{"http": sdk.No, "https": sdk.Yes, "http/1.1": sdk.Yes} {
		if r := matchtest.Ask(build(t, "protocol "+word), &f); r.Answer.Verdict != want {
			t.Errorf("protocol %s: %v", word, r)
		}
	}
}

func TestGroupsOfPatternsBecomeFacts(t *testing.T) {
	t.Parallel()
	m := build(t, "path_regexp v ^/v(?P<major>\\d+)(\\.\\d+)?/", "header_regexp User-Agent ^(\\w+)")
	got := ask(m, "GET /v2/x HTTP/1.1\r\nHost: a.test\r\nUser-Agent: curl/7.88.1\r\n\r\n")
	want := `yes host="a.test" method="GET" path="/v2/x" regexp.0="curl" regexp.1="curl"` +
		` regexp.v.0="/v2/" regexp.v.1="2" regexp.v.2="" regexp.v.major="2"`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	sets := []string{"http.host", "http.regexp.v.0", "http.regexp.v.1", "http.regexp.v.major", "http.regexp.v.2", "http.regexp.0", "http.regexp.1"}
	if diff := cmp.Diff(sets, m.Sets()); diff != "" {
		t.Errorf("Sets (-want +got):\n%s", diff)
	}
}

func TestOnlyPlainHostListsHaveAKey(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string][]string{
		"host A.test. *.b.test":  {"a.test", "*.b.test"},
		"host *":                 nil,
		"host a.test;method GET": nil,
		"method GET":             nil,
	} {
		_, names := build(t, strings.Split(lines, ";")...).Keys()
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lines, diff)
		}
	}
}

func TestEveryOptionOfTheSpecIsKnown(t *testing.T) {
	t.Parallel()
	for _, o := range http.Spec().Block.Options {
		if o.Hoist || o.Negates {
			continue // the graph's
		}
		m, err := http.New(node(o.Name + " a b c"))
		if err == nil && reflect.DeepEqual(m, build(t)) {
			t.Errorf("%s changes nothing", o.Name)
		}
	}
}

func TestWrongOptionsSayWhatToWrite(t *testing.T) {
	t.Parallel()
	groups := strings.Repeat("(a)", 9)
	for line, want := range map[string]string{
		"host {vars.x}":                 `1:2: host {vars.x}: a placeholder cannot stand here: write the names themselves`,
		"host a..b":                     `1:2: host a..b: no request names such a host: write labels with one dot between them`,
		"method get":                    `1:2: method get: methods are upper case: write GET`,
		"method G/T":                    `1:2: method "G/T": write a method like GET, of at most 32 letters`,
		"path x":                        `1:2: path "x": a path begins with a slash: write /x, or *x for a suffix`,
		"path_regexp A-B x":             `1:2: "A-B" cannot name captures: write letters a to z, digits and _`,
		"path_regexp (?P<Key>x)":        `1:2: "Key" cannot name a fact: write at most 25 letters a to z, digits and _`,
		"path_regexp " + groups + "(b)": `1:2: "` + groups + `(b)" captures 10 groups, more than 9: write (?:…) for a group that nobody reads`,
		"header Host x":                 `1:2: the header field Host is one of several places a request names its host in: write host`,
		"header A:B x":                  `1:2: "A:B" is no name of a header field: write one like User-Agent`,
		"header !A x":                   `1:3: header !A: a field that is not there has no value: write "not header A x" for another value`,
		"query x":                       `1:2: query "x": write KEY=VALUE, or KEY=* for any value`,
		"header A x;header !A":          `2:1: header !A: another line says something else of this field: write one line, or several with values`,
		"path_regexp " + groups + ";header_regexp A " + groups: `http would make 23 facts known, more than 16: write (?:…) for groups that nobody reads`,
	} {
		_, err := http.New(node(strings.Split(line, ";")...))
		if err == nil {
			t.Errorf("%s: no error", line)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

func TestMatchingAllocatesNothing(t *testing.T) {
	all := flights(t)
	odd := "GET /a%20b/../c?x=%41 HTTP/1.1\r\nHost: a.test\r\n\r\n"
	for _, lines := range []string{
		"", "host app.example.com", "host *.example.com", "method GET;path /v1/* *.css",
		"header Accept */*", "query sort=asc x=A", "protocol http/1.1 grpc",
	} {
		m := build(t, strings.FieldsFunc(lines, func(c rune) bool { return c == ';' })...)
		matchtest.Allocs(t, m, matchtest.TCP(), all["curl-http1"], all["curl-post"], all["node-http"], []byte(odd), []byte("\x16\x03"))
	}
}

func BenchmarkHostOfARequest(b *testing.B) {
	benchmark(b, build(b, "host app.example.com"), flights(b)["curl-http1"])
}

func BenchmarkHostOfARequestOfHTTP2(b *testing.B) {
	benchmark(b, build(b, "host app.example.com"), flights(b)["curl-http2"])
}

func BenchmarkAnotherProtocol(b *testing.B) {
	benchmark(b, build(b, "host app.example.com"), []byte("\x16\x03\x01"))
}

func benchmark(b *testing.B, m sdk.Matcher, head []byte) {
	f := matchtest.TCP()
	b.ReportAllocs()
	for b.Loop() {
		f.Rehead(head)
		if _, err := m.Match(&f); err != nil {
			b.Fatal(err)
		}
	}
}
