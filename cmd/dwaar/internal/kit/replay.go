package kit

import (
	"errors"
	"fmt"
	"io"
	"os"

	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/host/wasm/record"
)

// Replayed is what came of making recorded evaluations again.
type Replayed struct {
	Module    string   `json:"sha256"`    // of the module that was asked
	Records   int      `json:"records"`   // that were read
	Same      int      `json:"same"`      // of them with the same outcome
	Other     int      `json:"other"`     // of another module: verdicts and facts are compared, and not the fuel
	Different []Differ `json:"different"` // the others, at most [MaxDifferent] of them
	Differing int      `json:"differing"` // how many there were
}

// Differ is a record whose evaluation gives something else now.
type Differ struct {
	Record  int    `json:"record"`  // its number in the file, from 1
	Plugin  string `json:"plugin"`  // its name in the configuration
	Matcher string `json:"matcher"` // in the module
	Head    []byte `json:"head"`    // the first bytes of the connection
	Diff    string `json:"diff"`    // a line for each difference
}

// MaxDifferent is how many differences are kept.
const MaxDifferent = 100

// Replay makes the evaluations in a file again with a module. Of the module that they
// were recorded with the outcome has to be the same, to the last unit of fuel; of
// another one what it means to a connection. A record that is damaged is an error, and
// what was found before it is returned as well.
func Replay(h *wasm.Host, file, module string) (*Replayed, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading records: %w", err)
	}
	defer f.Close()
	r, err := h.Replayer(module)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	all := &Replayed{Module: r.Hash(), Different: []Differ{}}
	for records := record.NewReader(f); ; {
		rec, err := records.Next()
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return all, fmt.Errorf("%s: %w", file, err)
		}
		all.add(r, rec)
	}
}

// add makes one evaluation again.
func (all *Replayed) add(r *wasm.Replayer, rec *record.Record) {
	all.Records++
	own := rec.Module == r.Hash()
	if !own {
		all.Other++
	}
	got, err := r.Replay(rec)
	diff := rec.Outcome.Diff(&got)
	switch {
	case err != nil:
		diff = err.Error() + "\n"
	case diff == "", !own && rec.Outcome.Same(&got):
		all.Same++
		return
	}
	all.Differing++
	if len(all.Different) < MaxDifferent {
		all.Different = append(all.Different, Differ{all.Records, rec.Plugin, rec.Matcher, rec.Head, diff})
	}
}
