package wasm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// Manifest is what a module says of itself in its section dwaar.manifest. It is a
// stranger's text: printable, and true only where the host checks it.
type Manifest struct {
	Name     string            `json:"name"`     // what its author calls it
	Version  string            `json:"version"`  // in the author's own way of counting
	Licence  string            `json:"licence"`  // of its source
	Matchers []ManifestMatcher `json:"matchers"` // as many as it exports
	Tests    []ManifestTest    `json:"tests"`    // which it passed, or it is not loaded
}

// ManifestMatcher describes one matcher of a module. The name is empty for the
// default one. Facts that is there lists all that it may set.
type ManifestMatcher struct {
	Name  string         `json:"name"`
	Doc   string         `json:"doc"`
	Facts []ManifestFact `json:"facts"`
}

// ManifestFact describes a fact. In JSON it is an object, or only its key.
type ManifestFact struct {
	Key string `json:"key"`
	Doc string `json:"doc"`
	// Late says which clients send it only after the server has answered; "": none.
	Late string `json:"late"`
}

// text is what help prints.
func (f *ManifestFact) text() string {
	if f.Late == "" {
		return f.Doc
	}
	return f.Doc + "; " + f.Late
}

// UnmarshalJSON reads either form.
func (f *ManifestFact) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte{'"'}) {
		return json.Unmarshal(text, &f.Key)
	}
	type plain ManifestFact
	return json.Unmarshal(text, (*plain)(f))
}

// readManifest reads the section and holds it against what the module exports. nil:
// there is none. Fields that a later version adds are not looked at.
func readManifest(text []byte, matchers []exported) (*Manifest, error) {
	if text == nil {
		return nil, nil
	}
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&m); err != nil {
		return nil, fmt.Errorf("reading its manifest: %w", err)
	}
	m.Name, m.Version, m.Licence = printable([]byte(m.Name)), printable([]byte(m.Version)), printable([]byte(m.Licence))
	var said, has []string
	for i := range m.Matchers {
		said = append(said, m.Matchers[i].Name)
		if err := m.Matchers[i].check(); err != nil {
			return nil, err
		}
	}
	for _, e := range matchers {
		has = append(has, e.name)
	}
	slices.Sort(said)
	slices.Sort(has)
	if !slices.Equal(said, has) {
		return nil, fmt.Errorf("its manifest names the matchers %q, and it exports %q", said, has)
	}
	return &m, m.checkTests(matchers)
}

func (m *Manifest) checkTests(matchers []exported) error {
	if n := len(m.Tests); n > abi.MaxTests {
		return fmt.Errorf("its manifest has %d tests, and at most %d are run", n, abi.MaxTests)
	}
	for i := range m.Tests {
		if err := m.Tests[i].check(matchers); err != nil {
			return fmt.Errorf("its manifest has the test %q: %w", m.Tests[i].Name, err)
		}
	}
	return nil
}

func (m *ManifestMatcher) check() error {
	m.Doc = printable([]byte(m.Doc))
	seen := map[string]bool{}
	for i := range m.Facts {
		f := &m.Facts[i]
		f.Doc, f.Late = printable([]byte(f.Doc)), printable([]byte(f.Late))
		if !abi.ValidKey(f.Key) || seen[f.Key] {
			return fmt.Errorf("its manifest names a fact %q: a key is a lower-case letter and then letters, digits and _, each once, and not code", f.Key)
		}
		seen[f.Key] = true
	}
	return nil
}

// matcher returns what the manifest says of a matcher, or nil.
func (m *Manifest) matcher(name string) *ManifestMatcher {
	if m == nil {
		return nil
	}
	for i := range m.Matchers {
		if m.Matchers[i].Name == name {
			return &m.Matchers[i]
		}
	}
	return nil
}

// specFacts returns what every matcher of a module makes known, and what its manifest
// lists.
func (m *ManifestMatcher) specFacts() []sdk.Fact {
	list := []sdk.Fact{{Key: "code", Doc: "The number with which the plugin said yes"}}
	if m != nil {
		for _, f := range m.Facts {
			list = append(list, sdk.Fact{Key: f.Key, Doc: f.text()})
		}
	}
	return list
}
