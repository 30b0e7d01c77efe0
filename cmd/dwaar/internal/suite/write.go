package suite

import (
	"cmp"
	"encoding/hex"
	"io"
	"strconv"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar/internal/flight"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
)

// Write prints tests so that [Parse] reads them again. notes stand above the tests of the
// same index, as comments.
func Write(w io.Writer, tests []Test, notes []string) error {
	tree := make([]sdk.Node, len(tests))
	for i := range tests {
		tree[i] = tests[i].node()
		if i < len(notes) && notes[i] != "" {
			tree[i].Above = []string{" " + notes[i]}
		}
	}
	return dwaarfile.Print(w, tree, Grammar())
}

func line(name string, args ...string) sdk.Node {
	n := sdk.Node{Name: name}
	for _, text := range args {
		n.Args = append(n.Args, sdk.Word{Text: text})
	}
	return n
}

func (t *Test) node() sdk.Node {
	n := line("test", t.Name)
	if t.Listener != "" {
		n.Block = append(n.Block, line("listener", t.Listener))
	}
	if t.From.IsValid() {
		n.Block = append(n.Block, line("from", t.From.String()))
	}
	if !t.At.IsZero() {
		n.Block = append(n.Block, line("at", t.At.Format(time.RFC3339Nano)))
	}
	n.Block = append(n.Block, t.Sent.nodes()...)
	if t.Inside.Kind != Silence {
		n.Block = append(n.Block, sdk.Node{Name: "inside", Block: t.Inside.nodes()})
	}
	n.Block = append(n.Block, sdk.Node{Name: "expect", Block: t.expected()})
	return n
}

func (t *Test) expected() []sdk.Node {
	var all []sdk.Node
	if len(t.Route) > 0 {
		all = append(all, line("route", t.Route...))
	}
	for _, f := range t.Facts {
		all = append(all, line("fact", f.Name, f.Value))
	}
	for _, name := range t.NoFacts {
		all = append(all, line("no_fact", name))
	}
	if len(t.Upstreams) > 0 {
		all = append(all, line("upstream", t.Upstreams...))
	}
	if t.Closed && t.Why != "" {
		all = append(all, line("closed", t.Why))
	} else if t.Closed {
		all = append(all, line("closed"))
	}
	return all
}

// hexLine is how many bytes stand on a line of hex.
const hexLine = 32

func (b *Bytes) nodes() []sdk.Node {
	switch b.Kind {
	case TLS:
		args := []string{b.Name}
		if len(b.ALPN) > 0 {
			args = append(append(args, "alpn"), b.ALPN...)
		}
		return []sdk.Node{line("tls", args...)}
	case HTTP:
		return []sdk.Node{line("http", b.Method, b.Name)}
	case File:
		return []sdk.Node{line("file", b.Name)}
	case Capture:
		return []sdk.Node{line("capture", b.Name, strconv.Itoa(cmp.Or(b.Stream, 1)))}
	case Literal:
		return literal(b.Head)
	}
	return nil
}

// literal prints bytes: a line of text for each line, where most of them are text, else hex.
func literal(head []byte) []sdk.Node {
	if len(head) == 0 {
		return []sdk.Node{line("text", "")}
	}
	var all []sdk.Node
	if !readable(head) {
		for at := 0; at < len(head); at += hexLine {
			all = append(all, line("hex", hex.EncodeToString(head[at:min(at+hexLine, len(head))])))
		}
		return all
	}
	for begin := 0; begin < len(head); {
		end := begin + 1
		for end < len(head) && head[end-1] != '\n' {
			end++
		}
		all = append(all, line("text", flight.Escape(head[begin:end])))
		begin = end
	}
	return all
}

// readable reports whether at most every tenth byte is none of text.
func readable(head []byte) bool {
	odd := 0
	for _, b := range head {
		if b > '~' || b < ' ' && b != '\r' && b != '\n' && b != '\t' {
			odd++
		}
	}
	return 10*odd <= len(head)
}
