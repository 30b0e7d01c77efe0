package wasm

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"dwaar.dev/dwaar/host/wasm/rewrite"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// phase is what an instance is doing: what its host functions answer depends on it.
type phase uint8

const (
	starting phase = iota
	configuring
	matching
)

// instance is one running copy of a module. One goroutine has it at a time. It is
// the context of its own calls, through which host functions find it.
type instance struct {
	context.Context
	module *Module
	mod    api.Module
	window abi.Window

	fuel, slots, frozen api.MutableGlobal
	low, high           api.MutableGlobal // card marks; high is nil with one mask
	globals             []api.MutableGlobal
	match, init         []api.Function // of each matcher; init may hold nil

	view   []byte        // its memory
	image  []byte        // what its memory is between calls
	values []uint64      // what its globals are between calls
	config *configured   // whose image that is; nil: the module's base
	wrote  rewrite.Marks // where the host wrote during the call, outside of the window
	args   [3]uint64     // of the call, and its result
	names  map[string]string
	random stream
	lane   int  // where its evaluations are counted
	mute   bool // what it logs is not passed on

	call
}

// call is what belongs to one call.
type call struct {
	phase   phase
	matcher *Matcher // of init and match
	flow    *sdk.Flow
	conn    abi.Conn
	facts   facts
	logged  int
	line    []byte // of standard output or error, so far
	rejects []rejection
	drawn   bool     // random is that of the call
	asked   recalled // facts that it asked for, where somebody listens
}

// rejection is what init says of one token.
type rejection struct {
	token int32
	text  string
}

// begin forgets the call before.
func (c *call) begin(p phase, m *Matcher) {
	c.phase, c.matcher = p, m
	c.facts.reset()
	c.logged, c.drawn = 0, false
	c.asked.list, c.asked.over = c.asked.list[:0], false
	c.line, c.rejects = c.line[:0], c.rejects[:0]
}

// start makes an instance and runs what comes before init: the start section,
// _initialize and window.
func (m *Module) start() (*instance, error) {
	in := &instance{Context: context.Background(), module: m, names: map[string]string{}, lane: int(m.lanes.Add(1) % lanes)}
	in.random.Seed(m.sum)
	mod, err := m.runtime.InstantiateModule(in, m.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("starting the module: %w", in.failure(err))
	}
	in.mod = mod
	in.resolve()
	if err := in.begins(); err != nil {
		_ = mod.Close(in) // the error is told already
		return nil, fmt.Errorf("starting the module: %w", err)
	}
	return in, nil
}

// resolve looks everything up by name, once.
func (in *instance) resolve() {
	global := func(name string) api.MutableGlobal {
		g, _ := in.mod.ExportedGlobal(name).(api.MutableGlobal)
		return g
	}
	in.fuel, in.slots, in.frozen = global(rewrite.FuelGlobal), global(rewrite.StackGlobal), global(rewrite.FrozenGlobal)
	in.low, in.high = global(rewrite.LowGlobal), global(rewrite.HighGlobal)
	for _, name := range in.module.found.Globals {
		in.globals = append(in.globals, global(name))
	}
	for _, m := range in.module.matchers {
		in.match = append(in.match, in.mod.ExportedFunction(exportOf(abi.ExportMatch, m.name)))
		var init api.Function
		if m.init {
			init = in.mod.ExportedFunction(exportOf(abi.ExportInit, m.name))
		}
		in.init = append(in.init, init)
	}
}

// begins calls _initialize and window.
func (in *instance) begins() error {
	if in.module.initialize {
		if err := in.run(in.mod.ExportedFunction(abi.ExportInitialize)); err != nil {
			return err
		}
	}
	in.args[0] = uint64(in.module.window)
	if err := in.run(in.mod.ExportedFunction(abi.ExportWindow)); err != nil {
		return err
	}
	base, size := uint32(in.args[0]), uint32(in.module.window)
	in.see()
	switch {
	case base == 0:
		return fmt.Errorf("%s has no room for %d bytes", abi.ExportWindow, size)
	case base%abi.WindowAlign != 0:
		return fmt.Errorf("%s returned %#x, which is not a multiple of %d", abi.ExportWindow, base, abi.WindowAlign)
	case uint64(base)+uint64(size) > uint64(len(in.view)):
		return fmt.Errorf("%s returned %#x, and %d bytes from there are not in the memory", abi.ExportWindow, base, size)
	}
	in.window.Base = base
	in.see()
	clear(in.window.Bytes)
	return nil
}

// run calls a function of the start; its fuel is what instantiation has left.
func (in *instance) run(f api.Function) error {
	in.slots.Set(rewrite.DefaultStack)
	err := f.CallWithStack(in, in.args[:])
	if err == nil && int64(in.fuel.Get()) < 0 {
		err = &stop{Fuel, "it took more fuel than it may"}
	}
	in.flush()
	if err != nil {
		return in.failure(err)
	}
	return nil
}

// see looks at the memory, which may have grown: never after it is frozen.
func (in *instance) see() {
	in.view, _ = in.mod.Memory().Read(0, in.mod.Memory().Size())
	if in.window.Base != 0 {
		in.window.Bytes = in.view[in.window.Base:][:in.module.window:in.module.window]
	}
}

// keep makes the present state what the instance is put back to.
func (in *instance) keep() {
	in.image = bytes.Clone(in.view)
	in.values = nil // what it had may be another's
	for _, g := range in.globals {
		in.values = append(in.values, g.Get())
	}
	in.unmark()
	in.frozen.Set(rewrite.Frozen)
}

func (in *instance) unmark() {
	in.wrote = rewrite.Marks{}
	in.low.Set(0)
	if in.high != nil {
		in.high.Set(0)
	}
}

// restore puts memory and globals back to where they were before the call.
func (in *instance) restore() {
	for i, g := range in.globals {
		g.Set(in.values[i])
	}
	marks := rewrite.Marks{Low: in.low.Get() | in.wrote.Low, High: ^uint64(0)}
	if in.high != nil {
		marks.High = in.high.Get() | in.wrote.High
	}
	if marks.Low == 0 {
		return
	}
	marks.Restore(in.view, in.image)
	in.unmark()
}

// violated reports whether the guest tried to change its shape, and forgets it.
func (in *instance) violated() bool {
	if in.frozen == nil || in.frozen.Get() != rewrite.Violated {
		return false
	}
	in.frozen.Set(rewrite.Frozen)
	return true
}

// use makes the instance that of a configuration.
func (in *instance) use(c *configured) {
	if in.config == c {
		return
	}
	if in.config != nil {
		for _, p := range in.config.patches {
			from := in.module.base[p.at:][:len(p.bytes)]
			copy(in.image[p.at:], from)
			copy(in.view[p.at:], from)
		}
	}
	for _, p := range c.patches {
		copy(in.image[p.at:], p.bytes)
		copy(in.view[p.at:], p.bytes)
	}
	in.config, in.values = c, c.values
	for i, g := range in.globals {
		g.Set(in.values[i])
	}
}

// evaluate asks a matcher. What the instance then keeps of the call is its facts.
func (in *instance) evaluate(m *Matcher, f *sdk.Flow, fuel int64) (answer int32, used int64, err error) {
	in.use(m.config)
	in.begin(matching, m)
	in.flow = f
	in.describe(f)
	head := f.Head[:min(len(f.Head), in.module.maxHead())]
	data, info := in.window.Evaluation(&in.conn, head, f.Bounds)
	in.args = [3]uint64{uint64(data), uint64(len(head)), uint64(info)}
	in.fuel.Set(uint64(fuel))
	in.slots.Set(rewrite.DefaultStack)
	err = in.match[m.export].CallWithStack(in, in.args[:])
	left := int64(in.fuel.Get())
	if err != nil || left < 0 {
		err = in.failed(err)
	}
	if len(in.line) > 0 {
		in.flush()
	}
	in.restore()
	in.flow = nil
	return int32(uint32(in.args[0])), fuel - left, err
}

// failed is failure, also for a call that returned with less than no fuel.
func (in *instance) failed(err error) error {
	if err == nil {
		err = &stop{Fuel, "it took more fuel than it may"}
	}
	return in.failure(err)
}

// describe fills in what is known of a connection beside its head.
func (in *instance) describe(f *sdk.Flow) {
	c := &in.conn
	c.Flags, c.Transport = 0, abi.TransportTCP
	switch f.Network {
	case "udp":
		c.Transport = abi.TransportUDP
	case "unix", "unixgram":
		c.Transport = abi.TransportUnix
	}
	if c.Transport == abi.TransportUDP || f.Bounds != nil {
		c.Flags |= abi.FlagDatagrams
	}
	if f.TLSVersion != 0 {
		c.Flags |= abi.FlagTLS
	}
	if f.Proxied {
		c.Flags |= abi.FlagProxied
	}
	c.MaxHead = uint32(f.MaxHead)
	c.Remote, c.Local = f.Remote, f.Local
	c.Listener, c.ServerName, c.ALPN = f.Listener, f.ServerName, f.ALPN
	c.TLSVersion, c.Cipher = f.TLSVersion, f.CipherSuite
	c.Accepted = f.Accepted.UnixNano()
}

// intern returns a short string of the guest's bytes without making it again.
func (in *instance) intern(b []byte) string {
	if s, ok := in.names[string(b)]; ok {
		return s
	}
	const most = 256
	s := string(b)
	if len(in.names) == most {
		clear(in.names)
	}
	in.names[s] = s
	return s
}
