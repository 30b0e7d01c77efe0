package rewrite

import "fmt"

// Version changes whenever the same module would be rewritten differently: what
// caches compiled modules keys them by it.
const Version = "2"

// Names of the exports that the rewriter adds. All are mutable globals.
const (
	FuelGlobal   = reserved + ".fuel"   // i64: what is left; set before every call
	StackGlobal  = reserved + ".stack"  // i64: slots left; set before every call
	FrozenGlobal = reserved + ".frozen" // i32: see Frozen
	LowGlobal    = reserved + ".low"    // i64: Marks.Low
	HighGlobal   = reserved + ".high"   // i64: Marks.High, with two masks
	ownGlobal    = reserved + ".g"      // and a number: those of the guest
)

// Values of the global FrozenGlobal.
const (
	Open     = 0 // the module may still grow its memory and change its tables
	Frozen   = 1 // it may not: set by the host when init is over
	Violated = 2 // it tried, which was the trap: the host sets Frozen again
)

// What the global of fuel and that of the stack begin with: the start function runs
// while the instance is made, before the host could set them.
const (
	DefaultFuel  = 100_000_000
	DefaultStack = 32_768
)

// Parts are what can be left out of a module, to see what it costs or changes.
type Parts uint8

// The parts.
const (
	Metering Parts = 1 << iota // fuel and stack slots
	Freezing                   // the frozen shape
	Marking                    // card marks
)

// Options say how a module is judged and rewritten. The zero value allows no
// imports and leaves nothing out.
type Options struct {
	Limits   Limits             // zero fields are the defaults
	Imports  []Import           // the functions that the host has
	Fuel     int64              // for the start function; 0 is DefaultFuel
	Stack    int64              // slots for it; 0 is DefaultStack
	Without  Parts              // what is not inserted
	Validate func([]byte) error // an engine's judgement of the original bytes, asked when they are within the limits; nil if the caller has it already
}

// Result is a module that is ready to be compiled, and what was found in it.
type Result struct {
	Wasm      []byte   // the new module
	Imports   []Import // functions it wants, in order
	Exports   []Export // as in the original, without ours
	Functions int      // with code
	Pages     uint32   // of 64 KiB, at the start
	MaxPages  uint32   // to which it can grow before it is frozen
	Manifest  []byte   // custom section dwaar.manifest, as it is: untrusted; nil if there is none
	Name      string   // of the module, printable, from its name section
	Globals   []string // export names of the guest's own mutable globals, all numbers: what is restored beside memory
	Masks     int      // of card marks: 0, 1 (LowGlobal) or 2 (and HighGlobal)
	names     map[uint32]string
}

// FunctionName is the name of a function in the module's name section, printable
// and cut; "" if it has none. Imports count.
func (r *Result) FunctionName(index uint32) string { return r.names[index] }

// Module checks a module and writes it anew. src is not kept and not changed. The
// error is an [*Error] where the module is at fault, or that of Options.Validate.
func Module(src []byte, o Options) (*Result, error) {
	l := o.Limits.filled()
	if err := l.file(src); err != nil {
		return nil, err
	}
	m, err := parse(src, l)
	if err != nil {
		return nil, err
	}
	if err := l.module(m); err != nil {
		return nil, err
	}
	if err := policy(m, o.Imports); err != nil {
		return nil, err
	}
	grows, err := survey(m, l)
	if err != nil {
		return nil, err
	}
	if o.Validate != nil {
		if err := o.Validate(src); err != nil {
			return nil, fmt.Errorf("validating the module: %w", err)
		}
	}
	return transform(m, l, o, grows)
}

// survey reads the code of all functions, before anything is written, and reports
// whether the memory ever grows.
func survey(m *module, l Limits) (grows bool, err error) {
	w := newWalker(m)
	squares := 0
	for i := range m.bodies {
		w.function(i, l)
		if w.err == nil {
			squares += l.function(w.reader, w.locals, w.branches)
		}
		if w.err != nil {
			w.err.Name = m.names[uint32(w.err.Function)]
			return false, w.err
		}
		if squares > l.Squares {
			return false, aboutModule("its functions have too many blocks and branch targets: the sum of their squares is above %d", l.Squares)
		}
		for _, e := range w.edits {
			grows = grows || e.act == actGrow
		}
	}
	return grows, nil
}
