package rewrite

// Opcodes that constant expressions may hold.
const (
	opGlobalGet byte = 0x23
	opI32Const  byte = 0x41
	opI64Const  byte = 0x42
	opF32Const  byte = 0x43
	opF64Const  byte = 0x44
	opRefNull   byte = 0xd0
	opRefFunc   byte = 0xd2
	opVector    byte = 0xfd
	opEnd       byte = 0x0b
	opV128Const      = 12 // behind opVector
)

// constant reads a constant expression: one instruction and the end.
func (p *parser) constant() {
	pos := p.pos
	switch op := p.byte(); op {
	case opI32Const:
		p.signed(32)
	case opI64Const:
		p.signed(64)
	case opF32Const:
		p.bytes(4)
	case opF64Const:
		p.bytes(8)
	case opVector:
		if p.u32() != opV128Const {
			p.failAt(pos, "a constant expression computes on vectors")
		}
		p.bytes(16)
	default:
		p.constantIndex(pos, op)
	}
	if p.err == nil && p.byte() != opEnd {
		p.failAt(pos, "a constant expression has more than one instruction")
	}
}

// constantIndex reads a constant that stands elsewhere in the module. Of globals,
// these are the imported ones that never change.
func (p *parser) constantIndex(pos int, op byte) {
	switch op {
	case opGlobalGet:
		i := p.index(uint32(p.m.imported[Global]), "imported global")
		if p.err == nil && p.m.globals[i].mutable {
			p.failAt(pos, "a constant expression uses the mutable global %d", i)
		}
	case opRefNull:
		p.referenceType()
	case opRefFunc:
		p.index(uint32(len(p.m.functions)), "function")
	default:
		p.failAt(pos, "instruction %#x in a constant expression", op)
	}
}

// Flags of an element segment.
const (
	elemNotActive = 1 << iota // passive or, with elemExplicit, declarative
	elemExplicit              // of an active one: names its table
	elemExpressions
	elemFlags
)

func (p *parser) element() {
	pos := p.pos
	flags := p.u32()
	if flags >= elemFlags {
		p.failAt(pos, "element segment flags %#x", flags)
		return
	}
	if flags&elemNotActive == 0 {
		table := uint32(0)
		if flags&elemExplicit != 0 {
			table = p.u32()
		}
		if int(table) >= len(p.m.tables) {
			p.failAt(pos, "uses table %d, and there are %d", table, len(p.m.tables))
		}
		p.constant()
	}
	item := func() { p.index(uint32(len(p.m.functions)), "function") }
	if flags&elemExpressions != 0 {
		item = func() { p.constant() }
	}
	if flags&(elemNotActive|elemExplicit) != 0 {
		p.elementKind(flags&elemExpressions != 0)
	}
	p.m.elements += uint64(p.vec(item))
}

// elementKind reads what the elements are: a type, or a kind that can only be 0.
func (p *parser) elementKind(typed bool) {
	if typed {
		p.referenceType()
		return
	}
	if kind := p.byte(); kind != 0 {
		p.fail("element kind %#x", kind)
	}
}

// Kinds of data segments.
const (
	dataActive = iota
	dataPassive
	dataExplicit // active, and names its memory
)

func (p *parser) data() {
	pos := p.pos
	kind := p.u32()
	if kind > dataExplicit {
		p.failAt(pos, "data segment of kind %d", kind)
		return
	}
	if kind == dataExplicit {
		p.index(uint32(len(p.m.memories)), "memory")
	}
	if kind != dataPassive {
		if len(p.m.memories) == 0 {
			p.failAt(pos, "a data segment fills a memory, and there is none")
		}
		p.constant()
	}
	p.bytes(p.u32())
}
