// Package report is what a run of measurements found, as JSON for programs and as
// Markdown for people.
//
//	r, err := report.Read("result.json")
//	fmt.Print(r.Markdown())
package report

import (
	"encoding/json"
	"fmt"
	"os"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/figures"
)

// Result is everything that a run found.
type Result struct {
	// Command is the command line that made it.
	Command []string `json:"command"`
	Machine Machine  `json:"machine"`
	// Peers are the proxies that took part, in the order of tables.
	Peers []Peer `json:"peers"`
	// Measured is one entry for each scenario, in the order they were measured.
	Measured []Measured `json:"measured"`
	// Seconds is how long all of it took.
	Seconds float64 `json:"seconds"`
}

// Machine is where and how it was found.
type Machine struct {
	When       string `json:"when"`           // RFC 3339, UTC
	Processor  string `json:"processor"`      // its model
	Cores      int    `json:"cores"`          // that this process may use
	Kernel     string `json:"kernel"`         // its release
	Namespace  bool   `json:"namespace"`      // in a network namespace of its own
	Congestion string `json:"congestion"`     // TCP's congestion control
	Pinned     bool   `json:"pinned"`         // load and upstream on one core, the proxy on another
	User       int    `json:"user"`           // that the proxies ran as; 0: who ran this
	Nice       int    `json:"nice,omitempty"` // priority of everything that took part
	Rounds     int    `json:"rounds"`         // of each comparison
	WindowMS   int    `json:"window_ms"`      // length of a sample
	// Others is how many cores were busy with something else in a sample, interrupts
	// included.
	Others figures.Estimate `json:"others"`
}

// Peer is a proxy that took part.
type Peer struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Note    string `json:"note"` // how it is set
}

// Measured is what was found in one scenario.
type Measured struct {
	Name  string `json:"name"`  // one word
	Title string `json:"title"` // a line
	// Reference is the proxy that ratios are to; empty where there are none.
	Reference string `json:"reference,omitempty"`
	// Figures are the columns of its table.
	Figures []Figure `json:"figures"`
	// Counted is, by proxy, what every sample counted: connections or requests that were
	// Done, and those that failed, by how.
	Counted map[string]map[string]int `json:"counted,omitempty"`
	// Missing is, by proxy, why it gave no figures, or not all.
	Missing map[string]string `json:"missing,omitempty"`
	// Calls is, by proxy, how many system calls a connection took, by name.
	Calls map[string]map[string]float64 `json:"calls,omitempty"`
	// Seconds is how long it took.
	Seconds float64 `json:"seconds"`
}

// Done is the word in Measured.Counted for what did not fail.
const Done = "done"

// Direct is the name in Figure.Of of the load without a proxy.
const Direct = "direct"

// Figure is one metric of all proxies.
type Figure struct {
	Name string `json:"name"` // a word or two
	Unit string `json:"unit"` // of Value, not of ratios
	// Of is the figure by proxy, and by Direct.
	Of map[string]Value `json:"of"`
	// Itself is the ratio of a second process of the reference to the reference: what
	// lies within cannot be told from 1. It is nil if there were no rounds.
	Itself *figures.Estimate `json:"itself,omitempty"`
	// Bare figures stand in tables without their ratios: they say what the load met,
	// not what the proxy costs.
	Bare bool `json:"bare,omitempty"`
}

// Value is one figure of one proxy.
type Value struct {
	// Value is the median of the rounds.
	Value figures.Estimate `json:"value"`
	// Ratio is that to the reference in the same rounds; nil for the reference itself.
	Ratio *figures.Estimate `json:"ratio,omitempty"`
	// Rounds are all values, in order; one that could not be taken is missing.
	Rounds []float64 `json:"rounds,omitempty"`
}

// Count adds n of something to what a proxy's samples counted.
func (m *Measured) Count(peer, what string, n int) {
	if n == 0 {
		return
	}
	if m.Counted == nil {
		m.Counted = map[string]map[string]int{}
	}
	if m.Counted[peer] == nil {
		m.Counted[peer] = map[string]int{}
	}
	m.Counted[peer][what] += n
}

// Read reads a result that was written by Write.
func Read(path string) (*Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a result: %w", err)
	}
	r := new(Result)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return r, nil
}

// Write writes the result as JSON.
func (r *Result) Write(path string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}
