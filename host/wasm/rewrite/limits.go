package rewrite

import "cmp"

// Limits bound what a module may ask of the compiler and of each instance. A zero
// field stands for its default.
type Limits struct {
	File         int    // bytes of the module [8 MiB]
	MemoryPages  uint32 // of 64 KiB: the least a module may ask for, and the most it gets [256]
	TableSize    uint32 // elements of all tables at the start, of each later on, and of all segments [65,536]
	Tables       int    // [16]
	Body         int    // bytes of one function [64 KiB]
	Blocks       int    // of one function: blocks, loops, arms of ifs, conditional branches, each target of a br_table, bulk operations [5,000]
	Locals       int    // of one function, parameters counted [4,096]
	LocalsBlocks int    // their product [250,000]
	Squares      int    // sum over all functions of Blocks² [100 million]
	Functions    int    // with code [20,000]
	Types        int    // [4,096]
	Items        int    // imports, exports, globals and segments together [65,536]: the Go linker makes a segment of every stretch between zeros
	Params       int    // of a function or block type [64]
	Results      int    // of a function or block type [16]
	Manifest     int    // bytes of the section dwaar.manifest [64 KiB]
}

// DefaultLimits are the limits of ABI version 1.
func DefaultLimits() Limits { return Limits{}.filled() }

func (l Limits) filled() Limits {
	return Limits{
		File:         cmp.Or(l.File, 8<<20),
		MemoryPages:  cmp.Or(l.MemoryPages, 256),
		TableSize:    cmp.Or(l.TableSize, 64<<10),
		Tables:       cmp.Or(l.Tables, 16),
		Body:         cmp.Or(l.Body, 64<<10),
		Blocks:       cmp.Or(l.Blocks, 5_000),
		Locals:       cmp.Or(l.Locals, 4_096),
		LocalsBlocks: cmp.Or(l.LocalsBlocks, 250_000),
		Squares:      cmp.Or(l.Squares, 100_000_000),
		Functions:    cmp.Or(l.Functions, 20_000),
		Types:        cmp.Or(l.Types, 4_096),
		Items:        cmp.Or(l.Items, 64<<10),
		Params:       cmp.Or(l.Params, 64),
		Results:      cmp.Or(l.Results, 16),
		Manifest:     cmp.Or(l.Manifest, 64<<10),
	}
}

// file checks the length of the file, before it is read.
func (l Limits) file(src []byte) error {
	if len(src) > l.File {
		return aboutModule("has %d bytes, at most %d are allowed", len(src), l.File)
	}
	return nil
}

// list is how many items a section may have, and what they are: most are checked
// before they are read.
func (l Limits) list(id byte) (most int, what string) {
	switch id {
	case typeSection:
		return l.Types, "types"
	case functionSection, codeSection:
		return l.Functions, "functions"
	case tableSection:
		return l.Tables, "tables"
	default:
		return l.Items, "items in its " + sectionName(id) + " section"
	}
}

// module checks everything but the code.
func (l Limits) module(m *module) error {
	items := 0
	for _, id := range []byte{importSection, exportSection, globalSection, elementSection, dataSection} {
		items += int(m.count[id])
	}
	for _, c := range []struct {
		is, most int
		what     string
	}{
		{items, l.Items, "imports, exports, globals and segments together"},
		{int(m.elements), int(l.TableSize), "elements in all element segments together"},
		{len(m.manifest), l.Manifest, "bytes of manifest"},
	} {
		if c.is > c.most {
			return aboutModule("has %d %s, at most %d are allowed", c.is, c.what, c.most)
		}
	}
	for i, t := range m.types {
		if len(t.Params) > l.Params || len(t.Results) > l.Results {
			return aboutModule("type %d has %d parameters and %d results, at most %d and %d are allowed",
				i, len(t.Params), len(t.Results), l.Params, l.Results)
		}
	}
	return l.sizes(m)
}

// sizes checks memories and tables.
func (l Limits) sizes(m *module) error {
	for _, mem := range m.memories {
		if mem.min > l.MemoryPages {
			return aboutModule("wants %d pages of memory (64 KiB each), at most %d are allowed: "+
				"raise the plugin's memory in the configuration, or link with less", mem.min, l.MemoryPages)
		}
	}
	sum := uint64(0)
	for _, t := range m.tables {
		sum += uint64(t.size.min)
	}
	if sum > uint64(l.TableSize) {
		return aboutModule("has tables of %d elements in all, at most %d are allowed", sum, l.TableSize)
	}
	return nil
}

// bound is the size up to which a table or memory may grow.
func (s limits) bound(most uint32) limits {
	if !s.bounded || s.max > most {
		s.max, s.bounded = max(most, s.min), true
	}
	return s
}

// body checks the length of a function, before it is read.
func (l Limits) body(r *reader) {
	if n := r.end - r.pos; n > l.Body {
		r.fail("the function has %d bytes, at most %d are allowed: split it, or build with less inlining", n, l.Body)
	}
}

// function checks what was found in one, and returns the square of its blocks.
func (l Limits) function(r *reader, locals uint64, blocks int) int {
	switch {
	case locals > uint64(l.Locals):
		r.fail("the function has %d locals, at most %d are allowed", locals, l.Locals)
	case blocks > l.Blocks:
		r.fail("the function has %d blocks and branch targets, at most %d are allowed", blocks, l.Blocks)
	case int(locals)*blocks > l.LocalsBlocks:
		r.fail("the function has %d locals and %d blocks and branch targets: their product is above %d, split it",
			locals, blocks, l.LocalsBlocks)
	}
	return blocks * blocks
}
