package kit

import (
	"fmt"
	"strings"

	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
	"dwaar.dev/dwaar/sdk/matchtest"
)

// Inspection is what a module is.
type Inspection struct {
	File     string            `json:"file"`     // as it was named
	Valid    bool              `json:"valid"`    // it loads
	Problems []string          `json:"problems"` // why it does not, and what to do
	Advice   []string          `json:"advice"`   // what could be better
	Survey   *wasm.Survey      `json:"module,omitempty"`
	Plugin   *wasm.Description `json:"plugin,omitempty"` // of a module that loads

	Datagrams bool `json:"datagrams"` // it has room for those of a listener udp/
}

// Inspect looks at a module's file. That it does not load is no error, but a problem in
// the result.
func Inspect(h *wasm.Host, file string) (*Inspection, error) {
	in := &Inspection{File: file, Problems: []string{}, Advice: []string{}}
	survey, err := wasm.Look(file)
	if survey == nil {
		return nil, err
	}
	in.Survey = survey
	if err != nil {
		in.Problems = append(in.Problems, err.Error())
		return in, nil
	}
	p, err := h.Open(file, wasm.Limits{Window: new(Subject).window()})
	if err != nil {
		in.Problems = append(in.Problems, err.Error())
		return in, nil
	}
	defer p.Close()
	d := p.Describe()
	d.Reads = []string{"conn.*", "tls.*"} // what a declaration allows that does not say
	in.Valid, in.Plugin = true, &d
	in.advise(p)
	in.datagrams(h)
	return in, nil
}

// datagrams finds out whether the module could serve listeners of datagrams. That is no
// advice: most protocols have no use for it.
func (in *Inspection) datagrams(h *wasm.Host) {
	p, err := h.Open(in.File, wasm.Limits{Window: abi.WindowSize(datagrams, arguments)})
	if err == nil {
		in.Datagrams = true
		_ = p.Close() // only frees memory
	}
}

// large is what only modules have that bring a runtime along, bytes: its author has no
// say in their memory.
const large = 1 << 20

// advise looks for what authors do by mistake.
func (in *Inspection) advise(p *wasm.Plugin) {
	s := in.Survey
	say := func(format string, a ...any) { in.Advice = append(in.Advice, fmt.Sprintf(format, a...)) }
	if len(s.Manifest) == 0 {
		say("it has no section dwaar.manifest: a configuration cannot be told which of its facts nobody sets; put NAME.json beside the source, and build.sh adds it")
	}
	if s.Pages > 1 && s.Size < large {
		say("its memory begins with %d pages of 64 KiB: loads take the least fuel where one is enough", s.Pages)
	}
	for _, name := range p.Matchers() {
		m, err := p.Matcher(name, &sdk.Node{})
		if err != nil {
			continue // it wants arguments
		}
		f := matchtest.TCP()
		switch e := m.Evaluate(&f); {
		case e.Err != nil:
			say("%s has no answer to an empty head: %v", title(p, name), e.Err)
		case e.Verdict == sdk.No:
			say("%s says no before the first byte is there, and is not asked again: say that bytes are lacking, with what the cursor gives", title(p, name))
		}
	}
}

func title(p *wasm.Plugin, name string) string { return strings.TrimSuffix(p.Name+"."+name, ".") }
