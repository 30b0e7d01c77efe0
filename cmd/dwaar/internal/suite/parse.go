package suite

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar/internal/flight"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/sdk"
)

// Test is one connection and what is to come of it.
type Test struct {
	Name      string         // for people
	Pos       sdk.Pos        // where the test stands
	Listener  string         // as configured; "": the first one
	From      netip.AddrPort // the client's address; invalid: that of the capture, or one of this machine
	At        time.Time      // when it connects; the zero time: now
	Sent      Bytes          // first
	Inside    Bytes          // inside TLS
	Route     []string       // names, from the outer one: "@app", Everything, None; nil: any
	Facts     []Fact         // that are known
	NoFacts   []string       // names of facts that nobody knows
	Upstreams []string       // each may be the one
	Closed    bool           // it is sent to no upstream
	Why       string         // the last word of the code with which it is closed; "": any
}

// Fact is the full name of a fact, and its value.
type Fact struct{ Name, Value string }

// The names of routes without a name, and of no route.
const (
	Everything = "everything"
	None       = "none"
)

// Bytes are what a client sends, as the file has it. The zero value is silence.
type Bytes struct {
	Kind   Kind
	Head   []byte   // Literal: the bytes
	Name   string   // TLS: server name; HTTP: URL; File and Capture: where
	Method string   // HTTP
	ALPN   []string // TLS: the protocols that the client offers
	Stream int      // Capture: which, from 1
}

// Kind is how bytes are given.
type Kind uint8

// The kinds.
const (
	Silence Kind = iota
	Literal
	TLS
	HTTP
	File
	Capture
)

// Parse reads a file of tests. The error is [sdk.Errors] with all that is wrong with it.
func Parse(name string, text []byte) ([]Test, error) {
	g := Grammar()
	tree, err := dwaarfile.Parse(name, text, g, dwaarfile.Options{})
	var errs sdk.Errors
	errs.Add(sdk.Pos{File: name}, err)
	faults := schema.Check(tree, g, nil)
	errs = append(errs, faults.Errors...)
	var tests []Test
	for i := range tree {
		if n := &tree[i]; n.Name == "test" && !faults.In(n) && len(n.Args) == 1 {
			t, err := read(n)
			errs.Add(n.Pos, err)
			tests = append(tests, t)
		}
	}
	if len(tests) == 0 && len(errs) == 0 {
		errs = append(errs, sdk.Errorf(sdk.Pos{File: name}, "there is no test: write test NAME { tls app.example.com; expect { route @app } }, a line for each"))
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	return tests, nil
}

// read reads one test that the grammar accepts.
func read(n *sdk.Node) (Test, error) {
	t := Test{Name: n.Args[0].Text, Pos: n.Pos}
	var errs sdk.Errors
	errs.Add(n.Pos, sdk.Apply(&t, n.Block, givenOptions()))
	if in := n.Find("inside"); in != nil {
		errs.Add(in.Pos, sdk.Apply(&t, in.Block, insideOptions()))
	}
	expect := n.Find("expect")
	if expect == nil || len(expect.Block) == 0 {
		errs = append(errs, sdk.Errorf(n.Pos, "test %s expects nothing: write expect { route @app } on lines of its block", sdk.Shown(t.Name)))
		return t, errs.Err()
	}
	errs.Add(expect.Pos, sdk.Apply(&t, expect.Block, expectOptions()))
	if t.Closed && len(t.Upstreams) > 0 {
		errs = append(errs, sdk.Errorf(expect.Pos, "closed and upstream never hold together: leave one of them out"))
	}
	return t, errs.Err()
}

func (t *Test) setFrom(n *sdk.Node) (err error) {
	if t.From, err = flight.Address(n.Args[0].Text); err != nil {
		err = sdk.Errorf(n.Args[0].Pos, "from %v", err)
	}
	return err
}

func (t *Test) setAt(n *sdk.Node) (err error) {
	if t.At, err = time.Parse(time.RFC3339Nano, n.Args[0].Text); err != nil {
		return sdk.Errorf(n.Args[0].Pos, "at %s is no time: write one as 2026-01-31T15:04:05Z", sdk.Shown(n.Args[0].Text))
	}
	t.At = t.At.UTC()
	return nil
}

func (t *Test) setRoute(n *sdk.Node) error {
	for _, w := range n.Args {
		if w.Text != Everything && w.Text != None && (len(w.Text) < 2 || w.Text[0] != '@') {
			return sdk.Errorf(w.Pos, "route %s: write @NAME, everything for a route without a name, or none", sdk.Shown(w.Text))
		}
		t.Route = append(t.Route, w.Text)
	}
	return nil
}

func (t *Test) addFact(n *sdk.Node) error {
	name, err := factName(n.Args[0])
	t.Facts = append(t.Facts, Fact{name, n.Args[1].Text})
	return err
}

func (t *Test) addNoFact(n *sdk.Node) error {
	name, err := factName(n.Args[0])
	t.NoFacts = append(t.NoFacts, name)
	return err
}

// factName reads the name of a fact, which may stand in braces.
func factName(w sdk.Word) (string, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(w.Text, "{"), "}")
	if !strings.Contains(name, ".") {
		return name, sdk.Errorf(w.Pos, "%s names no fact: write its full name, tls.server_name", sdk.Shown(w.Text))
	}
	return name, nil
}

func (t *Test) setClosed(n *sdk.Node) error {
	t.Closed = true
	if len(n.Args) > 0 {
		t.Why = n.Args[0].Text
	}
	return nil
}

// begin notes of which kind the bytes are. Lines of literal bytes follow each other, all
// others stand alone.
func (b *Bytes) begin(k Kind, at sdk.Pos) error {
	if b.Kind != Silence && (b.Kind != k || k != Literal) {
		return sdk.Errorf(at, "the bytes are given twice: only hex and text lines follow each other")
	}
	b.Kind = k
	return nil
}

func (b *Bytes) setTLS(n *sdk.Node) error {
	b.Name, b.ALPN = n.Args[0].Text, n.Texts()[1:]
	if len(b.ALPN) > 0 && b.ALPN[0] == "alpn" {
		b.ALPN = b.ALPN[1:]
	}
	if slices.Contains(b.ALPN, "") {
		return sdk.Errorf(n.Pos, "tls: an empty word is no protocol: take it out")
	}
	return b.begin(TLS, n.Pos)
}

func (b *Bytes) setHTTP(n *sdk.Node) error {
	b.Method, b.Name = n.Args[0].Text, n.Args[1].Text
	return b.begin(HTTP, n.Pos)
}

func (b *Bytes) addHex(n *sdk.Node) error {
	f, err := flight.Hex(strings.Join(n.Texts(), ""))
	if err != nil {
		return sdk.Errorf(n.Args[0].Pos, "hex: %v", err)
	}
	b.Head = append(b.Head, f.Head...)
	return b.begin(Literal, n.Pos)
}

func (b *Bytes) addText(n *sdk.Node) error {
	f, err := flight.Text(n.Args[0].Text)
	if err != nil {
		return sdk.Errorf(n.Args[0].Pos, "text: %v", err)
	}
	b.Head = append(b.Head, f.Head...)
	return b.begin(Literal, n.Pos)
}

func (b *Bytes) setFile(n *sdk.Node) error {
	b.Name = n.Args[0].Text
	return b.begin(File, n.Pos)
}

func (b *Bytes) setCapture(n *sdk.Node) error {
	b.Name, b.Stream = n.Args[0].Text, 1
	if len(n.Args) > 1 {
		v, err := sdk.ParseInt(n.Args[1].Text)
		if err != nil || v < 1 {
			return sdk.Errorf(n.Args[1].Pos, "capture %s: streams are counted from 1", n.Args[1].Text)
		}
		b.Stream = v
	}
	return b.begin(Capture, n.Pos)
}
