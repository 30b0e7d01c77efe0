package wasm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// Limits are those of a module that is opened without a configuration.
type Limits struct {
	Pages  uint32 // of 64 KiB that its memory may have; 0: what a configuration gives by default
	Window int    // bytes that the guest is asked for, [abi.WindowSize]; 0: for heads and arguments of 16 KiB, and 64 KiB of datagrams
}

// Open loads a module without a configuration, for tools: the result is a plugin called
// like the file that may take what is usual and reads every fact there is.
//
//	p, err := h.Open("minecraft.wasm", wasm.Limits{})
//	defer p.Close()
//	m, err := p.Matcher("", &sdk.Node{Args: words})    // sdk.Errors where it refuses them
//	e := m.Evaluate(&flow)                             // verdict, facts, fuel
//
// The caller closes it when its matchers are not used any more. [Plugin.Describe] says
// what it is; what its guests log goes to [Options.Listen].
func (h *Host) Open(path string, l Limits) (*Plugin, error) {
	src, err := readModule(path)
	if err != nil {
		return nil, err
	}
	if l.Pages == 0 {
		l.Pages = defaultPages
	}
	if l.Window == 0 {
		l.Window = abi.WindowSize(datagrams, minHead)
	}
	return h.open(path, src, l)
}

func (h *Host) open(path string, src []byte, l Limits) (*Plugin, error) {
	p := &Plugin{
		Name: nameOf(path), Path: path, Fuel: defaultFuel, Pages: l.Pages, Reads: []string{"*"}, OnError: OnErrorClose,
		Module: &Module{sum: sumOf(src), size: len(src), pages: l.Pages, window: l.Window}, counts: new(Counts),
	}
	if err := p.Module.load(h, src); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// nameOf is what a plugin is called where nobody has named it.
func nameOf(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".wasm")
	if !abi.ValidName(name) {
		return directive
	}
	return name
}

func sumOf(src []byte) [sha256.Size]byte { return sha256.Sum256(src) }

// Close ends a plugin that was opened, with its matchers.
func (p *Plugin) Close() error {
	var errs []error
	for _, c := range p.opened {
		errs = append(errs, c.Close())
	}
	return errors.Join(append(errs, p.Module.Close())...)
}

// Matchers returns the names of the module's matchers; "" is the default one, and
// first.
func (p *Plugin) Matchers() []string {
	var names []string
	for _, e := range p.Module.matchers {
		names = append(names, e.name)
	}
	return names
}

// Matcher configures a matcher of a plugin that was opened, by its name in the module,
// with the arguments and the block of a node. The error is [sdk.Errors] with the places
// of what the guest refuses, and sdk.Error otherwise where it has a place. The matcher
// is of no use after [Plugin.Close].
func (p *Plugin) Matcher(name string, n *sdk.Node) (*Matcher, error) {
	m, err := p.find(name)
	if err != nil {
		return nil, err
	}
	block, at, err := tokens(n)
	if err != nil {
		return nil, err
	}
	err = m.configure(block)
	if r, ok := errors.AsType[refused](err); ok {
		return nil, rejections(m.name, r, n.Pos, at)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// find returns a matcher of the module that is not configured.
func (p *Plugin) find(name string) (*Matcher, error) {
	for i, e := range p.Module.matchers {
		if e.name != name {
			continue
		}
		facts := p.Module.manifest.matcher(name)
		if facts != nil && facts.Facts == nil {
			facts = nil
		}
		return &Matcher{name: p.matcherName(name), export: i, plugin: p, module: p.Module, facts: facts}, nil
	}
	return nil, fmt.Errorf("it has no matcher %q: it has %s", name, strings.Join(p.names(), " "))
}

// configure gives a matcher of a plugin that was opened its arguments.
func (m *Matcher) configure(block []byte) error {
	switch e := m.module.matchers[m.export]; {
	case len(block)+abi.WindowTail > m.module.window:
		return fmt.Errorf("%s: its arguments have %d bytes, and the plugin has room for %d", m.name, len(block), m.module.window-abi.WindowTail)
	case !e.init && !bare(block):
		return fmt.Errorf("%s takes no arguments", m.name)
	}
	c, err := m.module.configure(m, block)
	if err != nil {
		return err
	}
	if m.config = c; c.own != nil {
		m.plugin.opened = append(m.plugin.opened, c)
	}
	return nil
}

// bareBlock is the token block of no arguments.
func bareBlock() []byte {
	block, _ := abi.NewTokens().Block() // nothing of it can be too long
	return block
}

// bare reports whether a token block has no arguments.
func bare(block []byte) bool {
	c := abi.DecodeConfig(block)
	t, err := c.Next()
	return err == nil && t.Kind == abi.TokenEnd
}
