package wasm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"dwaar.dev/dwaar/host/wasm/rewrite"
	"dwaar.dev/dwaar/sdk/abi"
)

// Module is a compiled module with its instances. It is shared by everything that
// uses the same bytes with the same limits, and closed when its last graph is gone.
type Module struct {
	sum    [sha256.Size]byte
	size   int    // bytes of the file
	pages  uint32 // that its memory may have
	window int    // bytes the guest is asked for

	runtime    wazero.Runtime
	compiled   wazero.CompiledModule
	found      *rewrite.Result
	manifest   *Manifest
	matchers   []exported // the default one first, then by name
	initialize bool
	base       []byte      // its memory behind window
	plain      *configured // of matchers without init: nothing differs from base

	spare atomic.Pointer[instance] // for the next configuration

	pool    *pool
	users   atomic.Int32 // pools with instances of it
	limiter limiter
	lanes   atomic.Uint32 // instances made so far
	host    *Host
}

// exported is a matcher of a module.
type exported struct {
	name string // "" is the default one
	init bool
}

// Hash is the SHA-256 of the module's file, in hexadecimal.
func (m *Module) Hash() string { return hex.EncodeToString(m.sum[:]) }

// key is what a module is shared by: everything that it depends on.
func (m *Module) key() string {
	return fmt.Sprintf("wasm module %x, %d pages, window %d", m.sum, m.pages, m.window)
}

// load compiles the module and starts its first instance.
func (m *Module) load(h *Host, src []byte) error {
	err := m.build(h, src)
	if err != nil && m.compiled != nil {
		m.free()
	}
	return err
}

func (m *Module) build(h *Host, src []byte) (err error) {
	m.host = h
	if m.runtime, m.found, m.compiled, err = h.compile(src, m.pages); err != nil {
		return err
	}
	m.found.Wasm = nil
	if err = m.readExports(); err != nil {
		return err
	}
	if m.manifest, err = readManifest(m.found.Manifest, m.matchers); err != nil {
		return err
	}
	first, err := m.start()
	if err != nil {
		return err
	}
	m.base = bytes.Clone(first.view)
	m.pool = newPool(m.another, m.release)
	m.users.Store(1)
	first.keep()
	m.plain = &configured{values: slices.Clone(first.values), random: first.random, block: bareBlock()}
	m.pool.adopt(first)
	if err := m.passes(); err != nil {
		_ = m.Close() // only frees memory
		m.compiled = nil
		return err
	}
	return nil
}

// another makes one more instance.
func (m *Module) another() (*instance, error) {
	in, err := m.start()
	if err != nil {
		return nil, err
	}
	if len(in.view) != len(m.base) { // nothing that a start can see differs
		in.close()
		return nil, fmt.Errorf("starting the module: its memory has %d bytes, and had %d the first time", len(in.view), len(m.base))
	}
	in.keep()
	return in, nil
}

// Close ends the module when the evaluations under way have ended. Nobody configures
// it any more.
func (m *Module) Close() error {
	if in := m.spare.Swap(nil); in != nil {
		in.close()
	}
	if m.pool != nil {
		m.pool.close()
	}
	return nil
}

// release counts a pool out. The last one frees the code.
func (m *Module) release() {
	if m.users.Add(-1) == 0 {
		m.free()
	}
}

func (m *Module) free() {
	_ = m.compiled.Close(context.Background()) // only frees memory
	m.host.live.Add(-1)
}

// close ends an instance, with what the engine keeps of it.
func (in *instance) close() {
	_ = in.mod.Close(context.Background()) // nothing is open in it
}

// maxHead is how many bytes of a head fit into the window.
func (m *Module) maxHead() int { return m.window - abi.WindowSize(0, 0) }

// readExports finds the matchers and refuses what a typing error or another kind of
// module would export.
func (m *Module) readExports() error {
	window := false
	inits := map[string]bool{}
	for _, e := range m.found.Exports {
		base, name, ok := roleOf(e.Name)
		if !ok {
			if err := foreign(e.Name); err != nil {
				return err
			}
			continue
		}
		if err := checkType(e, base); err != nil {
			return err
		}
		switch base {
		case abi.ExportWindow:
			window = true
		case abi.ExportInitialize:
			m.initialize = true
		case abi.ExportInit:
			inits[name] = true
		case abi.ExportMatch:
			m.matchers = append(m.matchers, exported{name: name})
		}
	}
	if !window {
		return fmt.Errorf("does not export %s: it is no dwaar plugin", abi.ExportWindow)
	}
	return m.pair(inits)
}

// roleOf says what an export is to the host, and of which matcher.
func roleOf(export string) (base, matcher string, ok bool) {
	if export == abi.ExportWindow || export == abi.ExportInitialize {
		return export, "", true
	}
	return abi.MatcherOf(export)
}

// foreign says why an export that has no role is refused, if it is.
func foreign(export string) error {
	switch {
	case export == abi.ExportStart:
		return fmt.Errorf("exports %s, as programs do: build a reactor (Go: -buildmode=c-shared; wasm-ld: --no-entry)", export)
	case strings.HasPrefix(export, abi.ExportPrefix):
		return fmt.Errorf("exports %q, which version 1 does not know: is it a typing error?", printable([]byte(export)))
	}
	return nil
}

// pair gives the matchers their inits.
func (m *Module) pair(inits map[string]bool) error {
	if len(m.matchers) == 0 {
		return fmt.Errorf("exports no matcher: %s or %s_NAME", abi.ExportMatch, abi.ExportMatch)
	}
	slices.SortFunc(m.matchers, func(a, b exported) int { return cmp.Compare(a.name, b.name) })
	for i := range m.matchers {
		e := &m.matchers[i]
		e.init = inits[e.name]
		delete(inits, e.name)
	}
	for name := range inits {
		return fmt.Errorf("exports %s without %s", exportOf(abi.ExportInit, name), exportOf(abi.ExportMatch, name))
	}
	return nil
}

// exportOf is the export of a matcher.
func exportOf(base, name string) string {
	if name == "" {
		return base
	}
	return base + "_" + name
}

// checkType checks that an export is a function of the module with the type that the
// host will call it with.
func checkType(e rewrite.Export, base string) error {
	params, results := "iii", "i"
	switch base {
	case abi.ExportInitialize:
		params, results = "", ""
	case abi.ExportWindow:
		params = "i"
	case abi.ExportInit:
		params = "ii"
	}
	want := rewrite.FuncType{Params: valueTypes(params), Results: valueTypes(results)}
	switch {
	case e.Kind != rewrite.Function:
		return fmt.Errorf("exports a %s as %s: that must be a function", e.Kind, e.Name)
	case e.Imported:
		return fmt.Errorf("exports an import as %s: that must be a function of its own", e.Name)
	case !e.Type.Equal(want):
		return fmt.Errorf("exports %s as %s: it must be %s", e.Name, e.Type, want)
	}
	return nil
}
