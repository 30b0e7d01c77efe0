package rewrite

import (
	"cmp"
	"fmt"
	"slices"
)

// injection is what is added to a module, and where.
type injection struct {
	on                             Parts
	masks                          int
	memory                         access // what loads and stores cost
	fuel, stack, frozen, low, high uint32 // global indices

	types     code // added to the type section
	typeCount uint32
	tuples    map[string]uint32 // types () → several results

	globals     code
	globalCount uint32
	exports     code
	exportCount uint32
	own         []string // names of the guest's globals
}

// transform writes a module that was read and surveyed.
func transform(m *module, l Limits, o Options, grows bool) (*Result, error) {
	in := newInjection(m, o, grows)
	codes, err := functions(m, in)
	if err != nil {
		return nil, err
	}
	res := &Result{
		Imports: m.imports, Exports: m.exports, Functions: len(m.bodies),
		Manifest: m.manifest, Name: m.name, Globals: in.own, Masks: in.masks, names: m.names,
	}
	if len(m.memories) > 0 {
		size := m.memories[0].bound(l.MemoryPages)
		res.Pages, res.MaxPages = size.min, size.max
	}
	res.Wasm = encode(m, l, in, codes)
	return res, nil
}

// functions writes the code section, without its count.
func functions(m *module, in *injection) (code, error) {
	var codes code
	w := newWalker(m)
	e := emitter{w: w, in: in}
	for i := range m.bodies {
		w.function(i, Limits{Body: len(m.src)})
		if w.err != nil { // it was read before
			return nil, w.err
		}
		codes = codes.sized(e.function())
	}
	return codes, nil
}

// newInjection decides what is added.
func newInjection(m *module, o Options, grows bool) *injection {
	in := &injection{on: ^o.Without, memory: accessFuel(m, grows), tuples: map[string]uint32{}}
	own := uint32(len(m.globals))
	if in.on&Metering != 0 {
		in.fuel = in.global(own, FuelGlobal, I64, cmp.Or(o.Fuel, DefaultFuel))
		in.stack = in.global(own, StackGlobal, I64, cmp.Or(o.Stack, DefaultStack))
		in.results(m)
	}
	if in.on&Freezing != 0 {
		in.frozen = in.global(own, FrozenGlobal, I32, Open)
	}
	if in.on&Marking != 0 && len(m.memories) > 0 {
		in.masks = masks(m.memories[0], grows)
		in.low = in.global(own, LowGlobal, I64, 0)
		if in.masks == 2 {
			in.high = in.global(own, HighGlobal, I64, 0)
		}
	}
	for i, g := range m.globals {
		if g.mutable && i >= m.imported[Global] {
			name := fmt.Sprintf("%s%d", ownGlobal, i)
			in.own = append(in.own, name)
			in.export(name, uint32(i))
		}
	}
	return in
}

// masks is how many masks of cards mark a memory: one is exact for one page.
func masks(size limits, grows bool) int {
	if size.min <= 1 && (!grows || (size.bounded && size.max <= 1)) {
		return 1
	}
	return 2
}

// global adds a mutable global behind those of the module.
func (in *injection) global(own uint32, name string, t ValueType, value int64) uint32 {
	in.globals = append(in.globals, byte(t), 1)
	if t == I32 {
		in.globals = in.globals.i32(int32(value))
	} else {
		in.globals = in.globals.i64(value)
	}
	in.globals = in.globals.op(opEnd)
	index := own + in.globalCount
	in.globalCount++
	in.export(name, index)
	return index
}

func (in *injection) export(name string, index uint32) {
	in.exports = append(in.exports.text(name), byte(Global)).u32(index)
	in.exportCount++
}

// results finds or adds a type for each list of several results: the code of such a
// function becomes a block.
func (in *injection) results(m *module) {
	for _, t := range m.functions[m.imported[Function]:] {
		want := FuncType{Results: m.types[t].Results}
		if len(want.Results) < 2 {
			continue
		}
		key := string(code{}.types(want.Results))
		if _, ok := in.tuples[key]; ok {
			continue
		}
		i := slices.IndexFunc(m.types, want.Equal)
		if i < 0 {
			i = len(m.types) + int(in.typeCount)
			in.types = append(in.types, 0x60, 0).types(want.Results)
			in.typeCount++
		}
		in.tuples[key] = uint32(i)
	}
}

// blockType is how a block with these results is written.
func (in *injection) blockType(c code, results []ValueType) code {
	switch len(results) {
	case 0:
		return append(c, emptyBlock)
	case 1:
		return append(c, byte(results[0]))
	default:
		return c.signed(int64(in.tuples[string(code{}.types(results))]))
	}
}
