package control

import (
	"time"

	"dwaar.dev/dwaar/host/explain"
	"dwaar.dev/dwaar/sdk"
)

// Status is what the program as a whole is like.
type Status struct {
	Version       string       `json:"version"`              // of the program
	PID           int          `json:"pid"`                  // of its process
	Config        string       `json:"config"`               // the file it serves
	State         string       `json:"state"`                // serving, draining, stopping
	Started       time.Time    `json:"started"`              // when the program began
	Generation    uint64       `json:"generation"`           // the configuration that takes new connections; counts from 1
	Generations   []Generation `json:"generations"`          // those with connections, and the current one; oldest first
	Reloads       uint64       `json:"reloads"`              // that succeeded
	FailedReloads uint64       `json:"failed_reloads"`       // that did not
	LastError     string       `json:"last_error,omitempty"` // why the last reload failed; empty: it did not
	Connections   int          `json:"connections"`          // open ones, of all generations
	Matching      int          `json:"matching"`             // of these, those no route has taken yet
	Limit         int          `json:"connection_limit"`     // how many the descriptor limit allows
	Listeners     []Listener   `json:"listeners"`            // what it accepts on
	Warnings      []Fault      `json:"warnings,omitempty"`   // of the current configuration
	Plugins       []Plugin     `json:"plugins,omitempty"`    // of the current configuration, in its order
}

// Generation is a configuration that was loaded.
type Generation struct {
	Number      uint64    `json:"number"`      // from 1
	Loaded      time.Time `json:"loaded"`      // when
	Connections int64     `json:"connections"` // that it accepted and that are open
}

// Listener is a socket that accepts connections.
type Listener struct {
	Name     string `json:"name"`     // as configured, ":443"
	Address  string `json:"address"`  // as bound, "[::]:443" or a path
	Accepted int64  `json:"accepted"` // connections in all
	Refused  int64  `json:"refused"`  // of these, those closed because of a cap
	Open     int64  `json:"open"`     // now
}

// Fault is an error or a warning about a configuration. Line and Col count from 1;
// a Line of 0 is the configuration as a whole.
type Fault struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Message string `json:"message"`
}

// Faults is how errors of a configuration go over the socket.
func Faults(es sdk.Errors) []Fault {
	faults := make([]Fault, len(es))
	for i, e := range es {
		faults[i] = Fault{e.Pos.File, e.Pos.Line, e.Pos.Col, e.Msg}
	}
	return faults
}

// Errors is the inverse of [Faults].
func Errors(faults []Fault) sdk.Errors {
	es := make(sdk.Errors, len(faults))
	for i, f := range faults {
		es[i] = &sdk.Error{Pos: sdk.Pos{File: f.File, Line: f.Line, Col: f.Col}, Msg: f.Message}
	}
	return es
}

// Reloaded is what a successful reload says.
type Reloaded struct {
	Generation uint64  `json:"generation"`         // the new one
	Warnings   []Fault `json:"warnings,omitempty"` // of the new configuration
}

// Connection is one that is open.
type Connection struct {
	ID         uint64    `json:"id"`                 // for kill; counts from 1
	Listener   string    `json:"listener"`           // as configured
	Remote     string    `json:"remote,omitempty"`   // the client; empty on Unix sockets
	Phase      string    `json:"phase"`              // matching, handling, connect, relay
	Route      string    `json:"route,omitempty"`    // once one was chosen
	Upstream   string    `json:"upstream,omitempty"` // once it stands
	Accepted   time.Time `json:"accepted"`           // when
	BytesUp    int64     `json:"bytes_up"`           // relayed from the client so far
	BytesDown  int64     `json:"bytes_down"`         // and to it
	Generation uint64    `json:"generation"`         // of the configuration that took it
}

// Plugin is a WebAssembly module of the configuration that serves. What is counted
// goes on over reloads, as long as there is a plugin of that name.
type Plugin struct {
	Name        string            `json:"name"`               // in the configuration
	Path        string            `json:"path"`               // of its file
	SHA256      string            `json:"sha256"`             // of what was loaded, in hexadecimal
	Evaluations uint64            `json:"evaluations"`        // times that its matchers were asked
	Fuel        uint64            `json:"fuel"`               // units that they took
	Failures    map[string]uint64 `json:"failures,omitempty"` // evaluations without an answer, by kind
	Shadow      map[string]uint64 `json:"shadow,omitempty"`   // those copied for its shadow: agreed, disagreed, unanswered, dropped
	Records     map[string]uint64 `json:"records,omitempty"`  // those to be recorded: written, dropped
}

// Plugins is what a program says of its plugins.
type Plugins struct {
	Plugins      []Plugin          // of the current configuration, in its order
	Compilations map[string]uint64 // modules whose machine code was needed: compiled, cached, damaged, failed
}

// Upstream is a place connections are sent to.
type Upstream struct {
	Name        string    `json:"name"`                 // as configured
	Health      string    `json:"health"`               // up, out, trial, unchecked, unhealthy
	Since       time.Time `json:"since"`                // when Health began
	Connections int64     `json:"connections"`          // open, and attempts under way
	Fails       int64     `json:"consecutive_failures"` // failed attempts in a row
	Connects    uint64    `json:"connects"`             // attempts that stood, in all
	Failures    uint64    `json:"failures"`             // those that did not
	BytesUp     uint64    `json:"bytes_up"`             // to it, by connections that have ended
	BytesDown   uint64    `json:"bytes_down"`           // and from it
}

// Map is a map of the configuration that serves.
type Map struct {
	Name     string `json:"name"`            // in the configuration
	File     string `json:"file"`            // as it is named there
	Kind     string `json:"kind"`            // of its keys: names, exact, prefixes, addresses
	Keys     int    `json:"keys"`            // that lead to a value now
	Changes  int    `json:"changes"`         // keys that were set or deleted here since the file was read
	Versions uint64 `json:"versions"`        // new versions of the file that were taken since it was first read
	Failures uint64 `json:"failures"`        // versions that were not
	Error    string `json:"error,omitempty"` // why the file as it is now is not used; empty: it is
}

// MapValue is what a map has for a key.
type MapValue struct {
	Key   string `json:"key"`   // that was looked up
	Value string `json:"value"` // that it leads to
}

// Decision is how one connection was routed. What stands behind Code is there where details
// are asked for.
type Decision struct {
	Time     time.Time `json:"time"`             // when
	ID       uint64    `json:"id"`               // the connection's
	Listener string    `json:"listener"`         // as configured
	Remote   string    `json:"remote,omitempty"` // the client; empty on Unix sockets
	Route    string    `json:"route,omitempty"`  // empty: no route took it
	Bytes    int       `json:"bytes"`            // that had come until then
	Seconds  float64   `json:"seconds"`          // since it was accepted
	Final    string    `json:"final,omitempty"`  // why no more bytes were waited for: matching_timeout, end of stream, max_head; empty: the bytes decided
	Code     string    `json:"code,omitempty"`   // how it ended; empty: it is open

	Generation uint64            `json:"generation"`         // of the configuration that decided
	Upstream   string            `json:"upstream,omitempty"` // that stood; empty: none did, or the connection is open
	Facts      map[string]string `json:"facts,omitempty"`    // what was read, of the route's matchers, or on the way to no route

	Matchers []Asked        `json:"matchers,omitempty"` // that were asked, in that order
	More     int            `json:"more,omitempty"`     // how many were asked beside these
	Head     string         `json:"head,omitempty"`     // the first bytes in hexadecimal, as many as were kept
	Why      *explain.Phase `json:"why,omitempty"`      // what every matcher says of these bytes, and why
	NoWhy    string         `json:"no_why,omitempty"`   // why that cannot be told
}

// Asked is a matcher and what it answered.
type Asked struct {
	Matcher string `json:"matcher"`
	Answer  string `json:"answer"`
}
