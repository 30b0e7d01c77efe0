package rewrite

// Section numbers of the binary format, §5.5.2 of the core specification.
const (
	customSection byte = iota
	typeSection
	importSection
	functionSection
	tableSection
	memorySection
	globalSection
	exportSection
	startSection
	elementSection
	codeSection
	dataSection
	dataCountSection
	sections // how many there are
)

func sectionName(id byte) string {
	return [...]string{
		"custom", "type", "import", "function", "table", "memory", "global", "export",
		"start", "element", "code", "data", "data count",
	}[id]
}

// span is a part of the file.
type span struct{ from, to int }

// limits are the size of a table or memory, now and at most.
type limits struct {
	min, max uint32
	bounded  bool // max was given
}

type table struct {
	elem ValueType
	size limits
}

type global struct {
	typ     ValueType
	mutable bool
}

// module is what was read. Of what is written again as it was, only the place in
// the file is kept.
type module struct {
	src   []byte
	items [sections]span // of a section that is a list, its items without their count; of others, all
	count [sections]uint32

	types     []FuncType
	functions []uint32 // the type of each, imported ones first
	tables    []table
	memories  []limits
	globals   []global
	imports   []Import // of functions
	imported  [4]int   // how many imports of each kind
	exports   []Export
	start     int64 // the function, or -1
	bodies    []span
	datas     uint32 // as the data count section says
	counted   bool   // there is such a section
	elements  uint64 // in all segments together

	manifest []byte
	nameList span // the name section
	name     string
	names    map[uint32]string // of functions, printable
}

// parse reads everything but the code, and refuses indices that point nowhere and
// sections with more items than allowed.
func parse(src []byte, l Limits) (*module, error) {
	m := &module{src: src, start: -1}
	r := newReader(src)
	if string(r.bytes(4)) != "\x00asm" {
		return nil, aboutModule("is no WebAssembly module: it does not begin with \\0asm")
	}
	if string(r.bytes(4)) != "\x01\x00\x00\x00" {
		return nil, aboutModule("is no core module of version 1: components are not supported")
	}
	p := parser{reader: r, m: m, limits: l, exported: map[string]bool{}}
	for r.more() {
		p.section()
	}
	if r.err == nil {
		p.agree()
	}
	if r.err != nil {
		return nil, r.err
	}
	m.readNames()
	return m, nil
}

// parser fills a module.
type parser struct {
	*reader
	m        *module
	limits   Limits
	last     int             // place in the order of sections of the one before
	exported map[string]bool // names seen
}

// section reads one section.
func (p *parser) section() {
	p.reader.section = ""
	pos := p.pos
	id := p.byte()
	if id >= sections {
		p.failAt(pos, "there is no section %d", id)
		return
	}
	if id != customSection {
		p.ordered(pos, id)
	}
	p.reader.section = sectionName(id)
	p.within(p.u32(), func() { p.content(id) })
}

// ordered checks that known sections come in their order, each once.
func (p *parser) ordered(pos int, id byte) {
	place := int(id) * 2
	if id == dataCountSection {
		place = int(elementSection)*2 + 1
	}
	if place <= p.last {
		p.failAt(pos, "the %s section is out of order, or there twice", sectionName(id))
	}
	p.last = place
}

// content reads what is inside of a section.
func (p *parser) content(id byte) {
	m := p.m
	m.items[id] = span{p.pos, p.end}
	switch id {
	case customSection:
		p.custom()
	case startSection:
		p.startFunction()
	case dataCountSection:
		m.counted = true
		m.datas = p.u32()
	default:
		p.list(id)
	}
}

// list reads a section that is a list of items.
func (p *parser) list(id byte) {
	item := [sections]func(){
		typeSection: p.functionType, importSection: p.imports, functionSection: p.function,
		tableSection: p.table, memorySection: p.memory, globalSection: p.global, exportSection: p.export,
		elementSection: p.element, codeSection: p.body, dataSection: p.data,
	}[id]
	most, what := p.limits.list(id)
	begin := p.pos
	n := p.u32()
	if int64(n) > int64(most) {
		p.failAt(begin, "the module has %d %s, at most %d are allowed", n, what, most)
	}
	p.m.count[id] = n
	p.m.items[id].from = p.pos
	p.each(n, item)
}

// agree checks what one section says of another.
func (p *parser) agree() {
	m := p.m
	declared := len(m.functions) - m.imported[Function]
	if len(m.bodies) != declared {
		p.reader.section = sectionName(codeSection)
		p.failAt(m.items[codeSection].from, "%d functions are declared and %d have code", declared, len(m.bodies))
	}
	if m.counted && m.datas != m.count[dataSection] {
		p.reader.section = sectionName(dataCountSection)
		p.failAt(m.items[dataCountSection].from, "%d data segments are announced and %d are there", m.datas, m.count[dataSection])
	}
}
