package wasm

import (
	"cmp"
	"encoding/json"
	"fmt"

	"dwaar.dev/dwaar/host/wasm/rewrite"
)

// Survey is what stands in a module's file.
type Survey struct {
	SHA256    string          `json:"sha256"`              // of its bytes, in hexadecimal
	Size      int             `json:"size"`                // bytes
	Rewritten int             `json:"rewritten,omitempty"` // bytes of what is compiled: with fuel, marks and the frozen shape in it
	Name      string          `json:"name,omitempty"`      // of the module, as its compiler named it
	Functions int             `json:"functions,omitempty"` // with code
	Globals   int             `json:"globals,omitempty"`   // that an evaluation can change
	Pages     uint32          `json:"pages,omitempty"`     // of 64 KiB that its memory begins with
	MaxPages  uint32          `json:"max_pages,omitempty"` // to which it may grow until it is configured
	Imports   []string        `json:"imports"`             // with their types
	Exports   []string        `json:"exports"`             // with their types, or kinds
	Manifest  json.RawMessage `json:"manifest,omitempty"`  // what it says of itself, if that is JSON
}

// Look reads a module's file as a load does before it compiles anything, and runs
// nothing. Of one that is refused there are hash and size, and the error says why; of a
// file that cannot be read there is nil.
func Look(path string) (*Survey, error) {
	src, err := readModule(path)
	if err != nil {
		return nil, err
	}
	s := &Survey{SHA256: (&Module{sum: sumOf(src)}).Hash(), Size: len(src), Imports: []string{}, Exports: []string{}}
	res, err := rewrite.Module(src, rewriting(defaultPages))
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	s.Rewritten, s.Name, s.Functions, s.Globals = len(res.Wasm), res.Name, res.Functions, len(res.Globals)
	s.Pages, s.MaxPages = res.Pages, res.MaxPages
	for _, i := range res.Imports {
		s.Imports = append(s.Imports, fmt.Sprintf("%s.%s %s", printable([]byte(i.Module)), printable([]byte(i.Name)), i.Type))
	}
	for _, e := range res.Exports {
		kind := e.Kind.String()
		if e.Kind == rewrite.Function {
			kind = e.Type.String()
		}
		s.Exports = append(s.Exports, cmp.Or(printable([]byte(e.Name)), `""`)+" "+kind)
	}
	if json.Valid(res.Manifest) {
		s.Manifest = res.Manifest
	}
	return s, nil
}
