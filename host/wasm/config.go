package wasm

import (
	"bytes"
	"fmt"
	"slices"

	"dwaar.dev/dwaar/host/wasm/rewrite"
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// configured is a matcher of a module with its arguments: how its memory and its
// globals differ from those of the module before init.
type configured struct {
	patches []patch
	values  []uint64 // of the globals
	random  stream   // as init left it
	block   []byte   // the arguments
	own     *pool    // where init changed what patches cannot change; nil: the module's pool serves
}

// patch is a stretch of memory that differs.
type patch struct {
	at    int
	bytes []byte
}

// Close ends the instances that only this configuration has.
func (c *configured) Close() error {
	if c.own != nil {
		c.own.close()
	}
	return nil
}

// configure runs init and keeps what it changed. The error is an [*Error], or
// [refused] with what the guest says of its arguments.
func (m *Module) configure(who *Matcher, block []byte) (*configured, error) {
	if !m.matchers[who.export].init {
		return m.plain, nil
	}
	in, err := m.open()
	if err != nil {
		return nil, err
	}
	if err := in.configure(who, block); err != nil {
		in.close()
		return nil, err
	}
	shared, err := m.shares(in, who, block)
	if err != nil {
		in.close()
		return nil, err
	}
	if !shared {
		return m.alone(in, who, block), nil
	}
	c := &configured{patches: differences(m.base, in.view), random: in.random, block: block}
	for _, g := range in.globals {
		c.values = append(c.values, g.Get())
	}
	m.reopen(in)
	return c, nil
}

// open returns an instance whose shape is not frozen, as it is behind window.
func (m *Module) open() (*instance, error) {
	if in := m.spare.Swap(nil); in != nil {
		return in, nil
	}
	return m.start()
}

// reopen keeps an instance for the next configuration: init has changed nothing of
// it that cannot be put back.
func (m *Module) reopen(in *instance) {
	in.image, in.values = m.base, m.plain.values
	in.restore()
	if old := m.spare.Swap(in); old != nil {
		old.close()
	}
}

// shares reports whether an instance of the module becomes that of the configuration by
// patches alone: its memory is as long, and init does the same where the shape of
// the module is frozen.
func (m *Module) shares(configured *instance, who *Matcher, block []byte) (bool, error) {
	if len(configured.view) != len(m.base) {
		return false, nil
	}
	in, err := m.pool.get()
	if err != nil {
		return false, err
	}
	defer m.pool.put(in)
	in.use(m.plain)
	in.mute = muted // it said all there is to say the first time
	err = in.configure(who, block)
	in.mute = aloud
	same := err == nil && bytes.Equal(in.view, configured.view)
	in.restore()
	return same, nil
}

// alone makes a configuration that has instances of its own, each of which runs init.
func (m *Module) alone(first *instance, who *Matcher, block []byte) *configured {
	c := &configured{random: first.random, block: block}
	own := func(in *instance) {
		in.keep()
		in.config = c
	}
	m.users.Add(1)
	c.own = newPool(func() (*instance, error) {
		in, err := m.start()
		if err != nil {
			return nil, err
		}
		if err := in.configure(who, block); err != nil {
			in.close()
			return nil, err
		}
		own(in)
		return in, nil
	}, m.release)
	own(first)
	c.own.adopt(first)
	return c
}

// configure calls init.
func (in *instance) configure(who *Matcher, block []byte) error {
	in.begin(configuring, who)
	in.random = in.module.plain.random
	in.args[0], in.args[1] = uint64(in.window.Config(block)), uint64(len(block))
	in.fuel.Set(initFuel)
	in.slots.Set(rewrite.DefaultStack)
	err := in.init[who.export].CallWithStack(in, in.args[:])
	if err != nil || int64(in.fuel.Get()) < 0 {
		err = in.failed(err)
	}
	in.flush()
	in.see()
	clear(in.window.Bytes)
	switch {
	case err != nil:
		return err
	case len(in.rejects) > 0:
		return refused(slices.Clone(in.rejects))
	case uint32(in.args[0]) != 0:
		return refused{{-1, fmt.Sprintf("the plugin refuses it, with the number %d and without a reason", int32(uint32(in.args[0])))}}
	}
	return nil
}

// differences returns where memory differs from base. Both are as long, and whole
// pages.
func differences(base, memory []byte) []patch {
	const coarse, grain = 4 << 10, 64 // bytes
	var patches []patch
	for from := 0; from < len(base); from += coarse {
		if bytes.Equal(base[from:][:coarse], memory[from:][:coarse]) {
			continue
		}
		for at := from; at < from+coarse; at += grain {
			if !bytes.Equal(base[at:][:grain], memory[at:][:grain]) {
				patches = appendPatch(patches, at, memory[at:][:grain])
			}
		}
	}
	return patches
}

// appendPatch adds a stretch to the patch before it, if it follows it.
func appendPatch(patches []patch, at int, b []byte) []patch {
	if n := len(patches); n > 0 && patches[n-1].at+len(patches[n-1].bytes) == at {
		patches[n-1].bytes = append(patches[n-1].bytes, b...)
		return patches
	}
	return append(patches, patch{at, bytes.Clone(b)})
}

// refused is what init says of its arguments.
type refused []rejection

// Error is the first reason.
func (r refused) Error() string { return r[0].text }

// tokens returns what stands behind a matcher's name as a guest reads it, and the
// place of each token.
func tokens(n *sdk.Node) (block []byte, at []sdk.Pos, err error) {
	w := &tokenWriter{tokens: abi.NewTokens()}
	w.rest(n)
	block, err = w.tokens.Block()
	return block, w.at, err
}

type tokenWriter struct {
	tokens *abi.Tokens
	at     []sdk.Pos
}

func (w *tokenWriter) word(text string, at sdk.Pos) {
	w.tokens.Word(text)
	w.at = append(w.at, at)
}

// rest writes the arguments of a directive and its block.
func (w *tokenWriter) rest(n *sdk.Node) {
	for _, a := range n.Args {
		w.word(a.Text, a.Pos)
	}
	if n.Block == nil {
		return
	}
	w.tokens.Open()
	w.at = append(w.at, n.Pos)
	for i := range n.Block {
		line := &n.Block[i]
		w.word(line.Name, line.Pos)
		w.rest(line)
		w.tokens.Line()
		w.at = append(w.at, line.Pos)
	}
	w.tokens.Close()
	w.at = append(w.at, n.Pos)
}
