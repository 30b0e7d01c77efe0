package wasm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
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

	pos    sdk.Pos
	path   sdk.Pos
	pin    *sdk.Word
	unsafe bool
	watch  bool
	record *recording // nil: nothing is recorded
	shadow *Plugin    // that is asked after it; nil: none
	key    string

	opened []*configured // of matchers that a tool configured
	counts *Counts
	taps   []tapped
}

// Register makes the directive known, so that a configuration can be parsed and its
// help printed: [Host.Load] gives it its meaning.
func Register(r *host.Registry) { r.Global(spec(), nil) }

func spec() sdk.Spec {
	return sdk.Spec{
		Name: directive, Many: true,
		Doc:  "Makes the matchers of a WebAssembly module known: as NAME, or as NAME.MATCHER where it has several",
		Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.One("PATH", sdk.Free)},
		Block: &sdk.Block{Options: []sdk.Spec{
			{
				Name: "sha256", Doc: "Loads the file only if this is its hash",
				Args: []sdk.Arg{sdk.One("HEX", sdk.Free)},
			},
			{
				Name: "fuel", Doc: "How much an evaluation may take; each byte looked at gives 100 more, and a connection has eight times that of a full head",
				Args: []sdk.Arg{sdk.One("N", sdk.Int)}, Default: strconv.Itoa(defaultFuel),
			},
			{
				Name: "memory", Doc: "How many pages of 64 KiB the memory may have",
				Args: []sdk.Arg{sdk.One("PAGES", sdk.Int)}, Default: strconv.Itoa(defaultPages),
			},
			{
				Name: "reads", Doc: "Which facts of earlier phases the plugin may ask for beside what it sees of every connection; tls.* is all of tls",
				Args: []sdk.Arg{sdk.Some("NAME", sdk.Free)}, Default: "conn.* tls.*",
			},
			{
				Name: "watch", Doc: "Loads the file again when it changes; while it cannot be loaded, or is not what sha256 says, what was loaded serves on",
			},
			{
				Name: "shadow", Doc: "A candidate that is asked after every evaluation, beside the connections: where it says something else that is counted and logged",
				Args: []sdk.Arg{sdk.One("PATH", sdk.Free)},
			},
			{
				Name: "record", Doc: "Writes every evaluation to a file, for dwaar plugin replay, until it has SIZE bytes. It holds what clients sent",
				Args: []sdk.Arg{sdk.One("FILE", sdk.Free), sdk.Maybe("SIZE", sdk.Size)}, Default: "16MiB",
			},
			{
				Name: "on_error", Doc: "What stands for the answer of a matcher that fails: the connection is closed, or it matches or not. Where that lets clients in whom the matcher was to keep out, it needs unsafe",
				Args:    []sdk.Arg{sdk.Choice("ANSWER", string(OnErrorClose), string(OnErrorNoMatch), string(OnErrorMatch)), {Name: "unsafe", Shape: sdk.Enum, Words: []string{"unsafe"}, Max: 1}},
				Default: string(OnErrorClose),
			},
		}},
	}
}

// newPlugin reads a directive. What its spec refuses is refused when the graph is
// built: nil is then returned if nothing can be done with it before.
func newPlugin(n *sdk.Node, errs *sdk.Errors) *Plugin {
	if len(n.Args) < 2 {
		return nil
	}
	p := &Plugin{
		Name: n.Args[0].Text, Path: n.Args[1].Text, pos: n.Pos, path: n.Args[1].Pos,
		Fuel: defaultFuel, Pages: defaultPages, Reads: []string{"conn.*", "tls.*"}, OnError: OnErrorClose,
		counts: new(Counts),
	}
	if !abi.ValidName(p.Name) || p.Name == "not" {
		*errs = append(*errs, sdk.Errorf(n.Args[0].Pos, "%q cannot be the name of a plugin: write a lower-case letter and then letters, digits and _, at most %d", p.Name, abi.MaxName))
		return nil
	}
	for i := range n.Block {
		switch o := &n.Block[i]; {
		case o.Name == "watch":
			p.watch = true
		case len(o.Args) > 0:
			p.option(o, errs)
		}
	}
	p.limits()
	return p
}

// option reads an option that has an argument.
func (p *Plugin) option(o *sdk.Node, errs *sdk.Errors) {
	switch w := o.Args[0]; o.Name {
	case "sha256":
		p.pins(w, errs)
	case "fuel":
		p.Fuel = number(w, "fuel", 1000, maxFuel, errs)
	case "memory":
		p.Pages = uint32(number(w, "memory", 1, maxPages, errs))
	case "reads":
		p.Reads = nil
		for _, w := range o.Args {
			p.read(w, errs)
		}
	case "shadow":
		p.shadow = p.candidate(w)
	case "record":
		p.records(o, errs)
	case "on_error":
		p.OnError = OnError(strings.ToLower(w.Text))
		p.unsafe = len(o.Args) > 1
	}
}

// pins reads the option sha256.
func (p *Plugin) pins(w sdk.Word, errs *sdk.Errors) {
	if b, err := hex.DecodeString(w.Text); err != nil || len(b) != sha256.Size {
		*errs = append(*errs, sdk.Errorf(w.Pos, "sha256 %q is no hash: write 64 hexadecimal digits, as sha256sum prints them", w.Text))
		return
	}
	p.pin = &w
}

// number reads an option within bounds. What is no number at all is refused by its
// spec.
func number(w sdk.Word, name string, least, most int64, errs *sdk.Errors) int64 {
	n, err := sdk.ParseInt(w.Text)
	if err == nil && (int64(n) < least || int64(n) > most) {
		*errs = append(*errs, sdk.Errorf(w.Pos, "%s %s is out of bounds: write %d to %d", name, w.Text, least, most))
	}
	return min(max(int64(n), least), most)
}

// read adds a pattern to what the plugin may ask for.
func (p *Plugin) read(w sdk.Word, errs *sdk.Errors) {
	of, key, ok := strings.Cut(w.Text, ".")
	switch {
	case !ok || of == "" || key == "" || strings.Contains(strings.TrimSuffix(w.Text, ".*"), "*"):
		*errs = append(*errs, sdk.Errorf(w.Pos, "reads %q is no fact: write a full name, tls.server_name, or tls.* for all of tls", w.Text))
	case of == "env":
		*errs = append(*errs, sdk.Errorf(w.Pos, "reads %s: no plugin sees the environment; give it what it needs as an argument", w.Text))
	default:
		p.Reads = append(p.Reads, w.Text)
	}
}

// reads says whether the plugin may ask for a fact.
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

// records reads the option record. What is no size is refused by its spec.
func (p *Plugin) records(o *sdk.Node, errs *sdk.Errors) {
	p.record = &recording{o.Args[0].Text, defaultRecords}
	if len(o.Args) < 2 {
		return
	}
	size, err := sdk.ParseSize(o.Args[1].Text)
	if err == nil && (size < leastRecords || size > mostRecords) {
		*errs = append(*errs, sdk.Errorf(o.Args[1].Pos, "record %s is out of bounds: write 64KiB to 16GiB", o.Args[1].Text))
	}
	p.record.limit = size
}

// load reads and compiles the module, or finds it in the store, where it is held
// then. What serves is taken as it is where the plugin does not watch its file.
func (p *Plugin) load(h *Host, store *host.Store, window int, serving Modules) error {
	if sum, ok := serving[p.Name]; ok && !p.watch {
		return p.keep(store, &Module{sum: sum, pages: p.Pages, window: window})
	}
	src, err := h.read(p.Path)
	if err != nil {
		return err
	}
	m := &Module{sum: sha256.Sum256(src), size: len(src), pages: p.Pages, window: window}
	if p.pin != nil && !strings.EqualFold(p.pin.Text, m.Hash()) {
		return sdk.Errorf(p.pin.Pos, "%s has the hash %s, and the configuration pins another one: see what changed, then write that", p.Path, m.Hash())
	}
	key := m.key()
	v, err := store.Hold(key, func() (any, error) { return m, nil }) // compiled outside of the store's lock
	if err != nil {
		return err
	}
	p.key, p.Module = key, v.(*Module)
	if err := p.Module.load(h, src); err != nil {
		p.release(store)
		return fmt.Errorf("%s: %w", p.Path, err)
	}
	return nil
}

// keep holds the module that serves, whatever its file holds now.
func (p *Plugin) keep(store *host.Store, m *Module) error {
	v, err := store.Hold(m.key(), func() (any, error) { return nil, errReleased })
	if err != nil {
		return err
	}
	p.key, p.Module = m.key(), v.(*Module)
	return nil
}

// release lets the module go.
func (p *Plugin) release(store *host.Store) {
	if p.key != "" {
		store.Drop(p.key)
		p.key, p.Module = "", nil
	}
}

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

// owns says whether a matcher of that name would be one of the plugin's.
func (p *Plugin) owns(name string) bool {
	return name == p.Name || strings.HasPrefix(name, p.Name+".")
}
