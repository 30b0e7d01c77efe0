package wasm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// directive is the name of the global directive that declares a plugin.
const directive = "plugin"

// OnError says what stands for the answer of an evaluation that has none.
type OnError string

// The answers.
const (
	OnErrorClose   OnError = "close" // the error ends the connection
	OnErrorNoMatch OnError = "no_match"
	OnErrorMatch   OnError = "match"
)

// Plugin is a module under the name that a configuration gives it, with its limits.
type Plugin struct {
	Name    string   // in the configuration
	Path    string   // of the file, as it is written there
	Fuel    int64    // units for an evaluation, and 100 for each byte of the head
	Pages   uint32   // of 64 KiB that its memory may have
	Reads   []string // facts that it may ask for; "tls.*" is every one of tls
	OnError OnError  // what stands for an answer that was not given
	Module  *Module  // nil: it could not be loaded

	pos    sdk.Pos // of the directive
	path   sdk.Pos // of Path
	pin    *sdk.Word
	unsafe bool
	watch  bool
	record *recording // nil: nothing is recorded
	shadow *Plugin    // that is asked after it; nil: none

	opened []*configured // of matchers that a tool configured
	counts *Counts
	taps   []tapped
}

func spec() sdk.Spec {
	return sdk.Spec{
		Name: directive, Many: true, Declares: true,
		Doc:   "Makes the matchers of a WebAssembly module known: as NAME, or as NAME.MATCHER where it has several",
		Args:  []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.One("PATH", sdk.Free)},
		Block: &sdk.Block{Options: sdk.Specs(options())},
	}
}

// newPlugin reads a directive that its spec accepts.
func newPlugin(n *sdk.Node) (*Plugin, error) {
	p := &Plugin{
		Name: n.Args[0].Text, Path: n.Args[1].Text, pos: n.Pos, path: n.Args[1].Pos,
		Fuel: defaultFuel, Pages: defaultPages, Reads: defaultReads(), OnError: OnErrorClose,
		counts: new(Counts),
	}
	if !abi.ValidName(p.Name) || p.Name == "not" {
		return nil, sdk.Errorf(n.Args[0].Pos, "%q cannot be the name of a plugin: write a lower-case letter and then letters, digits and _, at most %d", p.Name, abi.MaxName)
	}
	err := sdk.Apply(p, n.Block, options())
	p.limits()
	return p, err
}

// reads reports whether the plugin may ask for a fact.
func (p *Plugin) reads(name []byte) bool {
	if strings.HasPrefix(string(name), "env.") {
		return false
	}
	for _, r := range p.Reads {
		all, wild := strings.CutSuffix(r, "*")
		if string(name) == r || wild && len(name) > len(all) && string(name[:len(all)]) == all {
			return true
		}
	}
	return false
}

// budget is the fuel of an evaluation of so many bytes.
func (p *Plugin) budget(head int) int64 {
	return p.Fuel + min(fuelPerByte*int64(head), math.MaxInt32)
}

// load reads and compiles the module, or finds it in the store. What serves is taken
// as it is where the plugin does not watch its file.
func (p *Plugin) load(l *Loaded, b host.Builder, window int) (err error) {
	m := &Module{pages: p.Pages, window: window}
	compile := func() (*Module, error) { return nil, errGone }
	if sum, ok := l.serving[p.Name]; ok && !p.watch {
		m.sum = sum
	} else {
		src, err := l.host.read(p.Path)
		if err != nil {
			return err
		}
		m.sum, m.size = sha256.Sum256(src), len(src)
		if p.pin != nil && !strings.EqualFold(p.pin.Text, m.Hash()) {
			return sdk.Errorf(p.pin.Pos, "%s has the hash %s, and the configuration pins another one: see what changed, then write that", p.Path, m.Hash())
		}
		compile = func() (*Module, error) { return m, m.load(l.host, src) }
	}
	p.Module, err = host.Share(b, m.key(), compile)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Path, err)
	}
	return nil
}

// errGone is why a module that serves cannot be had again: it does not serve.
var errGone = errors.New("the module that serves is gone: reload the configuration")

// names are what a configuration calls the plugin's matchers.
func (p *Plugin) names() []string {
	var names []string
	for _, e := range p.Module.matchers {
		names = append(names, p.matcherName(e.name))
	}
	return names
}

func (p *Plugin) matcherName(of string) string {
	if of == "" {
		return p.Name
	}
	return p.Name + "." + of
}
