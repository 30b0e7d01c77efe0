package wasm

import (
	"fmt"
	"strings"
)

// Description is a plugin as tools show it: what was loaded, what it may take, and
// what it may learn.
type Description struct {
	Name     string               `json:"name"`              // in the configuration
	Path     string               `json:"path"`              // of the file
	SHA256   string               `json:"sha256"`            // of its bytes, in hexadecimal
	Title    string               `json:"title,omitempty"`   // what its manifest calls it, with its version
	Licence  string               `json:"licence,omitempty"` // as its manifest says
	Size     int                  `json:"size"`              // bytes of the file
	Pages    int                  `json:"memory"`            // of 64 KiB that an instance has
	MaxPages uint32               `json:"memory_limit"`      // of 64 KiB that it may have
	Fuel     int64                `json:"fuel"`              // units for an evaluation, beside 100 for each byte
	Reads    []string             `json:"reads"`             // facts that it may ask for
	OnError  string               `json:"on_error"`          // close, no_match or match
	Watch    bool                 `json:"watch,omitempty"`   // its file is loaded again when it changes
	Record   string               `json:"record,omitempty"`  // the file that its evaluations are written to
	Shadow   *Shadow              `json:"shadow,omitempty"`  // the candidate that is asked after it
	Tests    int                  `json:"tests,omitempty"`   // of its manifest, all of which it passed
	Matchers []MatcherDescription `json:"matchers"`          // the default one first
}

// Shadow is the candidate of a plugin.
type Shadow struct {
	Path   string `json:"path"`   // of the file
	SHA256 string `json:"sha256"` // of its bytes, in hexadecimal
}

// MatcherDescription is a matcher of a plugin.
type MatcherDescription struct {
	Name  string   `json:"name"`          // in the configuration
	Doc   string   `json:"doc,omitempty"` // as its manifest says
	Facts []string `json:"facts"`         // full names; "x.*" is any
}

// Describe says what a plugin that was loaded is.
func (p *Plugin) Describe() Description {
	m := p.Module
	d := Description{
		Name: p.Name, Path: p.Path, SHA256: m.Hash(), Size: m.size, Pages: len(m.base) >> 16, MaxPages: p.Pages,
		Fuel: p.Fuel, Reads: append([]string{}, p.Reads...), OnError: string(p.OnError), Watch: p.watch,
	}
	if p.record != nil {
		d.Record = p.record.path
	}
	if s := p.shadow; s != nil {
		d.Shadow = &Shadow{s.Path, s.Module.Hash()}
	}
	if m.manifest != nil {
		d.Tests = len(m.manifest.Tests)
		d.Title, d.Licence = strings.TrimSpace(m.manifest.Name+" "+m.manifest.Version), m.manifest.Licence
	}
	for _, e := range m.matchers {
		name := p.matcherName(e.name)
		one := MatcherDescription{Name: name, Facts: []string{name + ".*"}}
		if known := m.manifest.matcher(e.name); known != nil {
			one.Doc = known.Doc
			if known.Facts != nil {
				one.Facts = nil
				for _, f := range known.specFacts() {
					one.Facts = append(one.Facts, name+"."+f.Key)
				}
			}
		}
		d.Matchers = append(d.Matchers, one)
	}
	return d
}

// String is what validate prints.
func (d Description) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plugin %s %s\n  sha256 %s\n", d.Name, d.Path, d.SHA256)
	if d.Title != "" {
		fmt.Fprintf(&b, "  says it is %s\n", d.Title)
	}
	fmt.Fprintf(&b, "  %d bytes, memory %d of at most %d pages, fuel %d for an evaluation\n", d.Size, d.Pages, d.MaxPages, d.Fuel)
	fmt.Fprintf(&b, "  reads %s\n  on_error %s\n", strings.Join(append(d.Reads, "nothing")[:max(len(d.Reads), 1)], " "), d.OnError)
	if d.Watch {
		fmt.Fprintf(&b, "  watched: loaded again when its file changes\n")
	}
	if d.Shadow != nil {
		fmt.Fprintf(&b, "  shadow %s\n    sha256 %s\n", d.Shadow.Path, d.Shadow.SHA256)
	}
	if d.Record != "" {
		fmt.Fprintf(&b, "  record %s\n", d.Record)
	}
	if d.Tests > 0 {
		fmt.Fprintf(&b, "  passed the %d tests of its manifest\n", d.Tests)
	}
	for _, m := range d.Matchers {
		fmt.Fprintf(&b, "  matcher %s: sets %s\n", m.Name, strings.Join(m.Facts, " "))
	}
	return b.String()
}
