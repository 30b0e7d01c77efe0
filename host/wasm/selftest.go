package wasm

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"dwaar.dev/dwaar/host/wasm/record"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// ManifestTest is a question with its answer that a module brings along. The module is
// refused if it says something else.
type ManifestTest struct {
	Name    string            `json:"name"`    // for messages
	Matcher string            `json:"matcher"` // "" is the default one
	Config  TestConfig        `json:"config"`  // its arguments
	Head    TestHead          `json:"head"`    // the first bytes
	Want    string            `json:"want"`    // no, need, need N, unknown, error, yes, yes N
	Facts   map[string]string `json:"facts"`   // all that a yes sets; nil: they do not matter
}

// TestConfig is the arguments of a test. In JSON it is a list of words, behind which a
// list of lines may stand, each a list like it: ["a", [["b", "c"], ["d"]]] is what a
// configuration writes as a { b c; d }.
type TestConfig struct{ node sdk.Node }

// UnmarshalJSON reads a list.
func (c *TestConfig) UnmarshalJSON(text []byte) error {
	return readLine(text, &c.node, abi.MaxDepth)
}

// readLine reads words and a block into a node.
func readLine(text []byte, n *sdk.Node, depth int) error {
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for i, item := range list {
		var word string
		switch err := json.Unmarshal(item, &word); {
		case err == nil:
			n.Args = append(n.Args, sdk.Word{Text: word})
		case i < len(list)-1 || depth == 0:
			return errors.New("a configuration is a list of words, and behind them one of lines")
		default:
			return readBlock(item, n, depth-1)
		}
	}
	return nil
}

func readBlock(text []byte, n *sdk.Node, depth int) error {
	var lines []json.RawMessage
	if err := json.Unmarshal(text, &lines); err != nil {
		return err
	}
	n.Block = []sdk.Node{}
	for _, line := range lines {
		var inner sdk.Node
		if err := readLine(line, &inner, depth); err != nil {
			return err
		}
		if len(inner.Args) == 0 {
			return errors.New("a line of a block begins with a word")
		}
		inner.Name, inner.Args = inner.Args[0].Text, inner.Args[1:]
		n.Block = append(n.Block, inner)
	}
	return nil
}

// fits reports whether every configuration has room for the arguments.
func (c *TestConfig) fits() bool {
	block, _, err := tokens(&c.node)
	return err == nil && len(block) <= abi.MaxTestHead
}

// TestHead is the first bytes of a test. In JSON it is hexadecimal digits, between which
// spaces may stand, or for datagrams a list of such.
type TestHead struct {
	bytes  []byte
	bounds []int // nil: a stream
}

// UnmarshalJSON reads either form.
func (h *TestHead) UnmarshalJSON(text []byte) error {
	var parts []string
	if bytes.HasPrefix(text, []byte{'['}) {
		if err := json.Unmarshal(text, &parts); err != nil {
			return err
		}
		h.bounds = []int{}
	} else {
		var one string
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		parts = []string{one}
	}
	for _, digits := range parts {
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			return err
		}
		h.bytes = append(h.bytes, b...)
		if h.bounds != nil {
			h.bounds = append(h.bounds, len(h.bytes))
		}
	}
	return nil
}

// check says what is wrong with a test, before it is run.
func (t *ManifestTest) check(matchers []exported) error {
	t.Name = printable([]byte(t.Name))
	switch {
	case !slices.ContainsFunc(matchers, func(e exported) bool { return e.name == t.Matcher }):
		return fmt.Errorf("there is no matcher %q", printable([]byte(t.Matcher)))
	case !t.Config.fits():
		return fmt.Errorf("its arguments have more than %d bytes as a token block", abi.MaxTestHead)
	case len(t.Head.bytes) > abi.MaxTestHead || len(t.Head.bounds) > abi.MaxBounds:
		return fmt.Errorf("its head has more than %d bytes, or more than %d datagrams", abi.MaxTestHead, abi.MaxBounds)
	}
	return checkVerdict(t.Want)
}

// checkVerdict refuses what is no verdict.
func checkVerdict(want string) error {
	verdict, number, numbered := strings.Cut(want, " ")
	switch {
	case numbered && verdict != "yes" && verdict != "need", !slices.Contains([]string{"no", "need", "unknown", "error", "yes"}, verdict):
		return fmt.Errorf("%q is no verdict: write no, need, need N, unknown, error, yes or yes N", printable([]byte(want)))
	case numbered:
		if n, err := strconv.ParseInt(number, 10, 32); err != nil || n < 1 {
			return fmt.Errorf("%q is no number of a verdict", printable([]byte(number)))
		}
	}
	return nil
}

// passes asks the tests of the manifest. The error names the first one that fails, what
// was wanted and what came.
func (m *Module) passes() error {
	if m.manifest == nil {
		return nil
	}
	for i := range m.manifest.Tests {
		t := &m.manifest.Tests[i]
		if err := m.pass(t); err != nil {
			return fmt.Errorf("its own test %q %w", t.Name, err)
		}
	}
	return nil
}

func (m *Module) pass(t *ManifestTest) error {
	p := &Plugin{Name: nameOf(m.manifest.Name), Fuel: defaultFuel, Module: m, counts: new(Counts)}
	defer func() {
		for _, c := range p.opened {
			_ = c.Close() // only frees memory
		}
	}()
	who, err := p.Matcher(t.Matcher, &t.Config.node)
	if err != nil {
		return fmt.Errorf("has arguments that it refuses: %w", err)
	}
	f := t.flow()
	o, _ := who.try(&f, p.budget(len(f.Head)), muted)
	if !t.wants(&o) {
		return fmt.Errorf("wants %s, and gets %s", t.wish(), inWords(&o))
	}
	return nil
}

// flow is the connection of the specification's example, with the test's head.
func (t *ManifestTest) flow() sdk.Flow {
	f := sdk.Flow{
		Head: t.Head.bytes, Bounds: t.Head.bounds, Network: "tcp",
		Remote: netip.MustParseAddrPort("192.0.2.1:51820"), Local: netip.MustParseAddrPort("198.51.100.1:443"),
		Accepted: time.Date(2025, time.June, 5, 12, 30, 0, 0, time.UTC), Listener: ":443", MaxHead: abi.MaxTestHead,
	}
	if f.Bounds != nil {
		f.Network, f.Listener = "udp", "udp/:443"
	}
	return f
}

// wants reports whether an outcome is what the test wants.
func (t *ManifestTest) wants(o *record.Outcome) bool {
	verdict, _, numbered := strings.Cut(t.Want, " ")
	got := "error"
	if o.Error == "" {
		got = sdk.Verdict(o.Answer).String()
		if numbered && o.Answer > 0 {
			got = fmt.Sprintf("yes %d", o.Answer)
		}
		if verdict == "need" && !numbered && strings.HasPrefix(got, "need ") {
			got = verdict
		}
	}
	if got != t.Want {
		return false
	}
	return t.Facts == nil || maps.Equal(t.Facts, factsOf(o))
}

func factsOf(o *record.Outcome) map[string]string {
	facts := map[string]string{}
	for _, f := range o.Facts {
		facts[f.Name] = string(f.Value)
	}
	return facts
}

// wish is what the test wants, in words.
func (t *ManifestTest) wish() string {
	text := t.Want
	for _, key := range slices.Sorted(maps.Keys(t.Facts)) {
		text += fmt.Sprintf(" %s=%q", printable([]byte(key)), t.Facts[key])
	}
	if t.Facts != nil && len(t.Facts) == 0 {
		text += " without facts"
	}
	return text
}
