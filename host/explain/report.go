// Package explain says what would become of a connection: which route takes its first
// bytes and why, what the handlers make of it, and where it would be sent. It runs the
// routes and handlers of a graph on a connection in memory; nothing is resolved, nobody is
// connected to, and no actor of the graph is started.
//
//	r := explain.Connection(ctx, server, listener, explain.Input{Head: []byte("SSH-2.0-x\r\n")})
//	fmt.Println(r.Upstreams, r.End)
package explain

import (
	"errors"
	"fmt"
	"strings"

	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// Report is what becomes of one connection. Its names in JSON are a promise.
type Report struct {
	Listener  string   `json:"listener"`            // as configured
	Network   string   `json:"network"`             // tcp, udp, unix
	Client    string   `json:"client,omitempty"`    // its address; none on Unix sockets
	Bytes     int      `json:"bytes"`               // that it sends first
	Phases    []Phase  `json:"phases"`              // the matching phases, in their order
	Upstreams []string `json:"upstreams,omitempty"` // where it may be sent, the first choices at the front
	End       string   `json:"end"`                 // what becomes of it in the end, in words
	Code      string   `json:"code,omitempty"`      // why it ends without an upstream: no_route, protocol; as in the log

	Facts map[string]string `json:"facts"` // what is known of it in the end, variables included

	routed bool // an upstream would be connected to
}

// Fact returns a fact by its full name: one that is known in the end, or was seen where no
// condition took the connection.
func (r *Report) Fact(name string) (string, bool) {
	if v, ok := r.Facts[name]; ok {
		return v, true
	}
	for i := range r.Phases {
		if v, ok := r.Phases[i].Seen[name]; ok {
			return v, true
		}
	}
	return "", false
}

// Phase is one matching phase.
type Phase struct {
	On     string            `json:"on"`                  // which bytes: "the first bytes", "the same bytes", "the bytes behind a header", "the bytes inside tls"
	Bytes  int               `json:"bytes"`               // how many there are
	Denied bool              `json:"denied,omitempty"`    // the route is a deny
	Doubt  string            `json:"undecided,omitempty"` // what the deny could not tell, which counts as a match
	Need   int               `json:"need,omitempty"`      // undecided until there are so many; what follows is how it ends without them
	Route  int               `json:"route"`               // which takes the connection, its number in its block; 0: none
	Name   string            `json:"name,omitempty"`      // of that route, "@app"
	At     string            `json:"at,omitempty"`        // where it stands
	Path   string            `json:"path,omitempty"`      // where its connections live: in an event loop, or a goroutine and why
	Chain  []string          `json:"chain,omitempty"`     // its handlers
	Error  string            `json:"error,omitempty"`     // of a matcher that is broken
	Facts  map[string]string `json:"facts"`               // what the matchers of that route made known
	Seen   map[string]string `json:"seen,omitempty"`      // what was read where no condition took the connection
	Routes []Route           `json:"routes"`              // all of the block
	Logs   []Log             `json:"logs,omitempty"`      // of plugins that were asked
	Cut    string            `json:"cut,omitempty"`       // with Input.Cuts: how the bytes can be cut so that something else comes of them
}

// Route is one route of a block and its condition.
type Route struct {
	Number    int      `json:"number"`         // its place in its block, from 1
	Name      string   `json:"name,omitempty"` // "@app", or ""
	At        string   `json:"at"`             // where it stands
	Condition string   `json:"condition"`      // as validate prints it
	Answer    string   `json:"answer"`         // yes, no, need N, unknown, or error: and which
	Members   []Member `json:"matchers"`       // its matchers, in order
}

// Member is one matcher of a condition.
type Member struct {
	Matcher string `json:"matcher"`
	Answer  string `json:"answer"`
	Why     string `json:"why,omitempty"`  // what the answer rests on
	Byte    int    `json:"byte,omitempty"` // the byte, from 1, with which it came to its no
}

// Log is what a plugin logged.
type Log struct {
	Matcher string `json:"matcher"`
	Level   string `json:"level"` // debug, info, warn, error
	Message string `json:"message"`
}

// Logs collects what plugins log while they are asked. The zero value is ready; Add is for
// whoever runs the plugins. It is not safe for use by several goroutines.
type Logs struct {
	list  []Log
	muted bool
}

// Add notes a message.
func (l *Logs) Add(matcher, level, message string) {
	if !l.muted {
		l.list = append(l.list, Log{matcher, level, message})
	}
}

// take returns what was logged since the last time, and takes no more until muted is false.
func (l *Logs) take() []Log {
	if l == nil {
		return nil
	}
	list := l.list
	l.list, l.muted = nil, true
	return list
}

// listen takes messages again.
func (l *Logs) listen() {
	if l != nil {
		l.muted = false
	}
}

// describe fills in what two explanations of a phase say: of the head as it is, and of the
// end of waiting.
func (p *Phase) describe(head []byte, now, later *route.Explanation) {
	p.Need = now.Need
	p.Facts, p.Seen = values(later.Facts), values(later.Seen)
	if later.Err != nil {
		p.Error = later.Err.Error()
	}
	if later.Picked >= 0 {
		r := &later.Routes[later.Picked]
		p.Route, p.Name, p.At, p.Path, p.Denied = r.Number, r.Name, r.Pos.String(), r.Path, r.Deny
		if cause := errors.Unwrap(later.Denied); cause != nil {
			p.Doubt = cause.Error()
		}
		p.Chain = strings.Split(r.Chain, "\n")
	}
	for i := range now.Routes {
		p.Routes = append(p.Routes, routeOf(&now.Routes[i], head))
	}
}

func routeOf(r *route.RouteView, head []byte) Route {
	one := Route{Number: r.Number, Name: r.Name, At: r.Pos.String(), Condition: r.Text, Answer: r.Answer.String(), Members: []Member{}}
	for i := range r.Members {
		v := &r.Members[i]
		m := Member{Matcher: v.Text, Answer: v.Answer.String(), Why: v.Why, Byte: v.DecidedAt()}
		if m.Byte > 0 {
			m.Why = fmt.Sprintf("byte %d is 0x%02x (%+q)", m.Byte, head[m.Byte-1], rune(head[m.Byte-1]))
		}
		one.Members = append(one.Members, m)
	}
	return one
}

func values(facts []route.FactView) map[string]string {
	all := map[string]string{}
	for _, f := range facts {
		all[f.Name] = f.Value
	}
	return all
}

// Outer describes the explanation of a head that was received elsewhere: the report's only
// phase.
func Outer(f *sdk.Flow, x *route.Explanation) Phase {
	p := Phase{On: firstBytes, Bytes: len(f.Head)}
	p.describe(f.Head, x, x)
	return p
}
