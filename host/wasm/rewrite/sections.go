package rewrite

import "strings"

// reserved is how the names of what is injected begin; no guest may export one.
const reserved = "\x00dwaar"

func (p *parser) functionType() {
	if form := p.byte(); form != 0x60 {
		p.fail("type %d is no function type (%#x)", len(p.m.types), form)
		return
	}
	var t FuncType
	p.vec(func() { t.Params = append(t.Params, p.valueType()) })
	p.vec(func() { t.Results = append(t.Results, p.valueType()) })
	p.m.types = append(p.m.types, t)
}

func (p *parser) imports() {
	m := p.m
	from, name := p.name(), p.name()
	pos := p.pos
	kind := Kind(p.byte())
	switch kind {
	case Function:
		t := p.index(uint32(len(m.types)), "type")
		if p.err != nil {
			return
		}
		m.functions = append(m.functions, t)
		m.imports = append(m.imports, Import{Module: from, Name: name, Type: m.types[t]})
	case Table:
		p.table()
	case Memory:
		p.memory()
	case Global:
		p.globalType()
	default:
		p.failAt(pos, "imports %q.%q of a kind (%d) that this host does not know", from, name, kind)
		return
	}
	m.imported[kind]++
}

func (p *parser) function() {
	p.m.functions = append(p.m.functions, p.index(uint32(len(p.m.types)), "type"))
}

func (p *parser) table() {
	elem := p.referenceType()
	p.m.tables = append(p.m.tables, table{elem: elem, size: p.bounds()})
}

func (p *parser) memory() { p.m.memories = append(p.m.memories, p.bounds()) }

// bounds reads the flags and sizes of a table or memory. Shared memories, memories
// of 64 bits and other page sizes have flags of their own.
func (p *parser) bounds() limits {
	pos := p.pos
	flags := p.byte()
	if flags > 1 {
		p.failAt(pos, "a table or memory is shared or of 64 bits (flags %#x): build for plain wasm32", flags)
		return limits{}
	}
	l := limits{min: p.u32(), bounded: flags == 1}
	if l.bounded {
		l.max = p.u32()
	}
	return l
}

func (p *parser) globalType() {
	g := global{typ: p.valueType()}
	pos := p.pos
	mutable := p.byte()
	if mutable > 1 {
		p.failAt(pos, "global %d is neither mutable nor constant (%#x)", len(p.m.globals), mutable)
	}
	g.mutable = mutable == 1
	p.m.globals = append(p.m.globals, g)
}

func (p *parser) global() {
	p.globalType()
	p.constant()
}

func (p *parser) export() {
	m := p.m
	pos := p.pos
	e := Export{Name: p.name(), Kind: Kind(p.byte())}
	if p.exported[e.Name] {
		p.failAt(pos, "exports %q twice", clip(e.Name))
	}
	p.exported[e.Name] = true
	if p.err == nil && strings.HasPrefix(e.Name, reserved) {
		p.failAt(pos, "exports %q: names that begin with \\0dwaar belong to the host", clip(e.Name))
	}
	if p.err == nil && e.Kind > Global {
		p.failAt(pos, "exports %q of a kind (%d) that this host does not know", clip(e.Name), e.Kind)
	}
	if p.err != nil {
		return
	}
	count := [...]int{len(m.functions), len(m.tables), len(m.memories), len(m.globals)}[e.Kind]
	e.Index = p.index(uint32(count), e.Kind.String())
	if p.err != nil {
		return
	}
	e.Imported = int(e.Index) < m.imported[e.Kind]
	if e.Kind == Function {
		e.Type = m.types[m.functions[e.Index]]
	}
	m.exports = append(m.exports, e)
}

// startFunction reads which function runs when an instance is made.
func (p *parser) startFunction() {
	pos := p.pos
	i := p.index(uint32(len(p.m.functions)), "function")
	if p.err != nil {
		return
	}
	if t := p.m.types[p.m.functions[i]]; !t.Equal(FuncType{}) {
		p.failAt(pos, "the start function %d is %s, and must take and return nothing", i, t)
	}
	p.m.start = int64(i)
}

func (p *parser) body() {
	size := p.u32()
	from := p.pos
	p.bytes(size)
	p.m.bodies = append(p.m.bodies, span{from, from + int(size)})
}

// clip shortens what a module may have made long, for an error.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
