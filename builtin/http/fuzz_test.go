package http_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	nethttp "net/http"
	"path"
	"strings"
	"testing"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
	"golang.org/x/net/http2/hpack"
)

func FuzzHTTP1(f *testing.F) {
	var seeds [][]byte
	for _, head := range flights(f) {
		if !bytes.HasPrefix(head, []byte("PRI")) {
			seeds = append(seeds, head)
		}
	}
	for _, text := range oddities() {
		seeds = append(seeds, []byte(text))
	}
	matchtest.Fuzz(f, seeds, forms(f)...)
}

func FuzzHTTP2(f *testing.F) {
	var seeds [][]byte
	for name, head := range flights(f) {
		if bytes.HasPrefix(head, []byte("PRI")) && name != "nghttp-continuation" {
			seeds = append(seeds, head)
		}
	}
	matchtest.Fuzz(f, seeds, forms(f)...)
}

// forms are the matchers in an order that a fuzzer can rely on.
func forms(f testing.TB) []sdk.Matcher {
	return []sdk.Matcher{
		build(f), build(f, "host app.example.com *.test"), build(f, "host *"),
		build(f, "method GET", "path /v1/* *.css", "host *"),
		build(f, "path_regexp v ^/v(\\d+)", "query sort=asc"),
		build(f, "header Accept */*", "header !Cookie"), build(f, "protocol http/2"), build(f, "protocol grpc http/1.0"),
	}
}

// FuzzAgainstServer compares with the server of the standard library: of a request
// that it takes, and of which the matcher knows the host, both say the same.
func FuzzAgainstServer(f *testing.F) {
	for _, head := range flights(f) {
		f.Add(head)
	}
	for _, text := range oddities() {
		f.Add([]byte(text))
	}
	m := build(f, "host *")
	f.Fuzz(func(t *testing.T, head []byte) {
		r, err := nethttp.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil || r.ProtoMajor != 1 {
			return
		}
		flow := matchtest.TCP()
		flow.Head = head
		got := matchtest.Ask(m, &flow)
		if got.Answer.Verdict != sdk.Yes {
			return
		}
		compare(t, head, r, got.Facts)
	})
}

// FuzzAgainstServerHTTP2 does the same with fields that are encoded by the standard
// library's encoder.
func FuzzAgainstServerHTTP2(f *testing.F) {
	f.Add("GET", "https", "/v1/items?x=y", "app.example.com", "accept", "*/*", uint16(0))
	f.Add("POST", "http", "/%41/../b", "A.test.:80", "host", "a.test", uint16(9))
	m := build(f, "host *")
	f.Fuzz(func(t *testing.T, method, scheme, path, authority, name, value string, cut uint16) {
		var block bytes.Buffer
		e := hpack.NewEncoder(&block)
		for _, field := range [][2]string{
			{":method", method}, {":scheme", scheme}, {":path", path}, {":authority", authority}, {name, value},
		} {
			if err := e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
				t.Fatal(err)
			}
		}
		flow := matchtest.TCP()
		flow.Head = frames(block.Bytes(), int(cut))
		got := matchtest.Ask(m, &flow)
		if got.Answer.Verdict != sdk.Yes {
			return
		}
		r, err := nethttp.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + path + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n")))
		if err != nil {
			return
		}
		compare(t, flow.Head, r, got.Facts)
	})
}

// frames writes the start of a connection whose header block is cut in two: the
// first part in a padded HEADERS, the rest in CONTINUATION.
func frames(block []byte, cut int) []byte {
	cut = min(cut, len(block))
	pad := cut % 256
	padded := append(append([]byte{byte(pad)}, block[:cut]...), make([]byte, pad)...)
	b := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	b = appendFrame(b, 4, 0, 0, nil)
	b = appendFrame(b, 1, 0x8, 1, padded)
	return appendFrame(b, 9, 0x4, 1, block[cut:])
}

func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

func compare(t *testing.T, head []byte, r *nethttp.Request, facts map[string]string) {
	t.Helper()
	if facts["method"] != r.Method {
		t.Errorf("%q: method %q, the server has %q", head, facts["method"], r.Method)
	}
	if host := normalHost(r.Host); facts["host"] != host {
		t.Errorf("%q: host %q, the server has %q", head, facts["host"], host)
	}
	if p, ok := facts["path"]; ok && p != normalPath(r) {
		t.Errorf("%q: path %q, the server has %q", head, p, normalPath(r))
	}
}

func normalHost(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host, _, _ = strings.Cut(inner, "]")
		return strings.ToLower(host)
	}
	host, _, _ = strings.Cut(host, ":")
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

func normalPath(r *nethttp.Request) string {
	p := r.URL.Path
	if p == "" && r.Method != nethttp.MethodConnect {
		return "/"
	}
	clean := path.Clean(p)
	last := p[strings.LastIndexByte(p, '/')+1:]
	if clean != "/" && p != "*" && (last == "" || last == "." || last == "..") {
		clean += "/"
	}
	return clean
}

func TestFramesOutOfPlaceMakeTheRequestUnknown(t *testing.T) {
	t.Parallel()
	head := flights(t)["node-http2"] // preface, SETTINGS, HEADERS with END_HEADERS
	const settings, headers = 24, 24 + 9
	change := func(edit func(b []byte) []byte) string {
		return ask(build(t, "host *"), string(edit(bytes.Clone(head))))
	}
	for what, edit := range map[string]func(b []byte) []byte{
		"no SETTINGS":                    func(b []byte) []byte { return append(b[:settings], b[headers:]...) },
		"SETTINGS that acknowledge":      func(b []byte) []byte { b[settings+4] = 1; return b },
		"SETTINGS of a stream":           func(b []byte) []byte { b[settings+8] = 1; return b },
		"HEADERS of an even stream":      func(b []byte) []byte { b[headers+8] = 2; return b },
		"HEADERS of no stream":           func(b []byte) []byte { b[headers+8] = 0; return b },
		"DATA first":                     func(b []byte) []byte { b[headers+3] = 0; return b },
		"a frame of 16 KiB and one byte": func(b []byte) []byte { b[headers+1], b[headers+2] = 0x40, 1; return b },
		"padding beyond the frame":       func(b []byte) []byte { b[headers+4] |= 0x8; b[headers+9] = 0xff; return b },
		"a broken block":                 func(b []byte) []byte { b[headers+9] = 0x80; return b },
		"PING between the halves": func(b []byte) []byte {
			b[headers+4] &^= 0x4
			return append(b, 0, 0, 8, 6, 0, 0, 0, 0, 0)
		},
	} {
		if got := change(edit); got != "unknown" {
			t.Errorf("%s: %s", what, got)
		}
	}
	if got := change(func(b []byte) []byte { b[headers+3] = 0x42; return b }); got != "need 72" {
		t.Errorf("a frame of a type nobody knows is skipped: %s", got)
	}
}

func TestFieldsThatBreakTheRulesMakeTheRequestUnknown(t *testing.T) {
	t.Parallel()
	good := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a.test"}}
	with := func(fields ...[2]string) [][2]string { return append(append([][2]string{}, good...), fields...) }
	for what, c := range map[string]struct {
		fields [][2]string
		want   string
	}{
		"good":                       {good, `yes host="a.test" method="GET" path="/"`},
		"Host as well":               {with([2]string{"host", "A.test"}), `yes host="a.test" method="GET" path="/"`},
		"Host alone":                 {append(append([][2]string{}, good[:3]...), [2]string{"host", "b.test"}), `yes host="b.test" method="GET" path="/"`},
		"another Host":               {with([2]string{"host", "b.test"}), "unknown"},
		"no method":                  {good[1:], "unknown"},
		"no scheme":                  {[][2]string{good[0], good[2], good[3]}, "unknown"},
		"no path":                    {[][2]string{good[0], good[1], good[3]}, "unknown"},
		"a relative path":            {[][2]string{good[0], good[1], {":path", "x"}, good[3]}, "unknown"},
		"two paths":                  {with([2]string{":path", "/x"}), "unknown"},
		"an unknown pseudo-header":   {with([2]string{":x", "y"}), "unknown"},
		"a pseudo-header at the end": {append([][2]string{{"a", "b"}}, good...), "unknown"},
		"a capital letter":           {with([2]string{"A", "b"}), "unknown"},
		"a line feed":                {with([2]string{"a", "b\nhost: c.test"}), "unknown"},
		"a colon":                    {with([2]string{"host:x", "b"}), "unknown"},
		"CONNECT":                    {[][2]string{{":method", "CONNECT"}, good[3]}, `yes host="a.test" method="CONNECT"`},
		"CONNECT with a path":        {[][2]string{{":method", "CONNECT"}, good[2], good[3]}, "unknown"},
		"websocket":                  {append([][2]string{{":method", "CONNECT"}, {":protocol", "websocket"}}, good[1:]...), `yes host="a.test" method="CONNECT" path="/"`},
	} {
		var block bytes.Buffer
		e := hpack.NewEncoder(&block)
		for _, f := range c.fields {
			if err := e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
				t.Fatal(err)
			}
		}
		if got := ask(build(t, "host *"), string(frames(block.Bytes(), 3))); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

// A few bytes can stand for many: each of these is a reference to a field of 4 kB.
func TestAHeaderThatGrowsWhenItIsDecodedIsCutOff(t *testing.T) { // alone: it counts allocations
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"a", strings.Repeat("b", 4000)}} {
		if err := e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	bomb := append(block.Bytes(), bytes.Repeat([]byte{0x80 | 62}, 10_000)...)
	m := build(t, "header !B")
	head := frames(bomb, 0)
	if got := ask(m, string(head)); got != "unknown" {
		t.Errorf("a block of %d bytes that stands for 40 MB: %s", len(bomb), got)
	}
	if n := testing.AllocsPerRun(1, func() { ask(m, string(head)) }); n > 200 {
		t.Errorf("it took %v allocations", n)
	}
}
