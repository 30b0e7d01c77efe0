package sdk_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

// lines counts lines as they arrive and remembers how it was used.
type lines struct {
	lines, at     int
	fills, resets int
}

func (l *lines) Reset() { *l = lines{resets: l.resets + 1} }

func countLines(f *sdk.Flow, l *lines) {
	l.lines += bytes.Count(f.Head[l.at:], []byte("\n"))
	l.at = len(f.Head)
	l.fills++
}

// total is a value without Reset.
type total struct{ bytes, datagrams int }

func sum(f *sdk.Flow, s *total) { s.bytes, s.datagrams = s.bytes+len(f.Head), len(f.Bounds) }

func TestParseFillsOnceForEachLengthOfTheHead(t *testing.T) {
	t.Parallel()
	f := sdk.Flow{Head: []byte("a\nb")}
	first := sdk.Parse(&f, countLines)
	for range 10 {
		if again := sdk.Parse(&f, countLines); again != first {
			t.Fatal("the second asker gets another value")
		}
	}
	if diff := cmp.Diff(lines{lines: 1, at: 3, fills: 1}, *first, cmp.AllowUnexported(lines{})); diff != "" {
		t.Errorf("after 11 calls (-want +got):\n%s", diff)
	}
	f.Head = []byte("a\nb\nc\n") // moved, and longer
	if diff := cmp.Diff(lines{lines: 3, at: 6, fills: 2}, *sdk.Parse(&f, countLines), cmp.AllowUnexported(lines{})); diff != "" {
		t.Errorf("after growth (-want +got):\n%s", diff)
	}
}

func TestParseSeesAnEmptyDatagram(t *testing.T) {
	t.Parallel()
	f := sdk.Flow{Head: []byte("abc"), Bounds: []int{3}}
	sdk.Parse(&f, sum)
	f.Bounds = []int{3, 3}
	if got := sdk.Parse(&f, sum).datagrams; got != 2 {
		t.Errorf("datagrams = %d, want 2", got)
	}
}

func TestParseKeepsTypesApart(t *testing.T) {
	t.Parallel()
	f := sdk.Flow{Head: []byte("a\nb")}
	l, s := sdk.Parse(&f, countLines), sdk.Parse(&f, sum)
	if l.lines != 1 || s.bytes != 3 {
		t.Errorf("lines = %d, bytes = %d, want 1 and 3", l.lines, s.bytes)
	}
	if sdk.Parse(&f, countLines) != l || sdk.Parse(&f, sum) != s {
		t.Error("a value moved when another type was parsed")
	}
}

func TestParseMayAskForAnotherTypeInside(t *testing.T) {
	t.Parallel()
	f := sdk.Flow{Head: []byte("a\nb")}
	type outer struct{ lines int }
	fill := func(f *sdk.Flow, o *outer) { o.lines = sdk.Parse(f, countLines).lines }
	sdk.Parse(&f, fill)
	f.Head = []byte("a\nb\n")
	if got := sdk.Parse(&f, fill).lines; got != 2 {
		t.Errorf("lines = %d, want 2", got)
	}
}

func TestOtherBytesBeginAnew(t *testing.T) {
	t.Parallel()
	for name, renew := range map[string]func(*sdk.Flow){
		"reset":  func(f *sdk.Flow) { f.Reset(); f.Head = []byte("x\ny") },
		"rehead": func(f *sdk.Flow) { f.Rehead([]byte("x\ny")) },
		"become": func(f *sdk.Flow) { f.Become(sdk.Flow{Head: []byte("x\ny")}) },
		"reset, then rehead, and nobody asked between": func(f *sdk.Flow) { f.Reset(); f.Rehead([]byte("x\ny")) },
	} {
		f := sdk.Flow{Head: []byte("a\nb"), Bounds: []int{3}}
		l, s := sdk.Parse(&f, countLines), sdk.Parse(&f, sum)
		renew(&f)
		// The same length as before: it must not be taken for the same bytes.
		if sdk.Parse(&f, countLines) != l || sdk.Parse(&f, sum) != s {
			t.Errorf("%s: the memory is not kept", name)
		}
		if diff := cmp.Diff(lines{lines: 1, at: 3, fills: 1, resets: 1}, *l, cmp.AllowUnexported(lines{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(total{bytes: 3}, *s, cmp.AllowUnexported(total{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseAllocatesOnlyForTheFirstConnection(t *testing.T) {
	var f sdk.Flow
	head := []byte("a\nb\nc")
	n := testing.AllocsPerRun(100, func() {
		f.Reset()
		for i := range head {
			f.Head = head[:i+1]
			sdk.Parse(&f, countLines)
			sdk.Parse(&f, sum)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestResetForgetsTheConnection(t *testing.T) {
	t.Parallel()
	f := sdk.Flow{
		Head: []byte("x"), Bounds: []int{1}, Network: "udp", Local: netip.MustParseAddrPort("127.0.0.1:1"),
		Accepted: time.Unix(1, 0), ServerName: "a.example", Proxied: true,
	}
	f.Bind(notes{"tls.sni": "a.example"})
	f.Reset()
	if v, ok := f.Get("tls.sni"); ok {
		t.Errorf("a fact of the connection before: %q", v)
	}
	if diff := cmp.Diff(sdk.Flow{}, f, cmp.AllowUnexported(sdk.Flow{}), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("after Reset (-want +got):\n%s", diff)
	}
}

type notes map[string]string

func (n notes) Get(name string) (string, bool) { v, ok := n[name]; return v, ok }
func (n notes) Set(key string, value []byte)   { n[key] = string(value) }

func TestFactsGoToWhoeverIsBound(t *testing.T) {
	t.Parallel()
	var f sdk.Flow
	f.Set("key", []byte("nobody listens"))
	if v, ok := f.Get("key"); ok {
		t.Errorf("Get without facts = %q", v)
	}
	outer, inner := notes{}, notes{}
	if before := f.Bind(outer); before != nil {
		t.Errorf("Bind returns %v, want nil", before)
	}
	f.Set("outer", []byte("1"))
	before := f.Bind(inner)
	f.Set("inner", []byte("2"))
	f.Bind(before)
	if v, ok := f.Get("outer"); v != "1" || !ok {
		t.Errorf("Get = %q, %v after the first facts were bound again", v, ok)
	}
	if diff := cmp.Diff([]notes{{"outer": "1"}, {"inner": "2"}}, []notes{outer, inner}); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestWhatPluginsTookIsCountedUntilTheConnectionEnds(t *testing.T) {
	t.Parallel()
	var f sdk.Flow
	f.Spend(40)
	f.Rehead([]byte("other bytes"))
	f.Spend(2)
	inner := f.Fresh()
	inner.Spend(8)
	if f.Spent() != 42 || inner.Spent() != 50 {
		t.Errorf("it took %d outside and %d inside", f.Spent(), inner.Spent())
	}
	if f.Reset(); f.Spent() != 0 {
		t.Errorf("the next connection begins with %d", f.Spent())
	}
}
