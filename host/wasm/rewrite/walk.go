package rewrite

// walker reads the code of one function: it checks indices, follows the height of
// the operand stack, and notes where something is to be inserted.
type walker struct {
	*reader
	m     *module
	table *instructions
	bound [indexOperands]uint32

	at       int // where the current instruction begins
	arg      [3]uint32
	sig      FuncType // of the current block type
	frames   []frame
	height   int // operands on the stack
	high     int // the most there were
	locals   uint64
	declared uint32 // groups of locals
	groups   span   // these groups in the file
	calls    bool
	branches int // blocks and branch targets, for the limits

	edits   []edit
	regions []region
	blocks  []block
}

// frame is a block that is not closed yet.
type frame struct {
	sig    FuncType
	base   int // height below it
	region int
	loop   bool
	then   bool // an if whose else has not come
	dead   bool // what follows can never run: the stack is as it has to be
}

// edit is a place where the code changes.
type edit struct {
	span         // what is replaced; to insert, both ends are the same
	act   action // why
	depth uint32 // labels around it
	arg   [3]uint32
	value ValueType
	shift int // of the charge by length
}

func newWalker(m *module) *walker {
	w := &walker{reader: newReader(m.src), m: m, table: newInstructions()}
	w.bound = [indexOperands]uint32{
		typeIndex: uint32(len(m.types)), funcIndex: uint32(len(m.functions)), tableIndex: uint32(len(m.tables)),
		memoryIndex: uint32(len(m.memories)), globalIndex: uint32(len(m.globals)), elemIndex: m.count[elementSection],
		dataIndex: m.datas, alignment: 5, lane: 16, zeroByte: 1,
	}
	w.section = sectionName(codeSection)
	return w
}

// function reads function i, counted without imports.
func (w *walker) function(i int, l Limits) {
	m := w.m
	w.reader.function = i + m.imported[Function]
	w.pos, w.end = m.bodies[i].from, m.bodies[i].to
	w.edits, w.regions, w.blocks, w.frames = w.edits[:0], w.regions[:0], w.blocks[:0], w.frames[:0]
	w.height, w.high, w.calls, w.branches = 0, 0, false, 0
	l.body(w.reader)
	sig := m.types[m.functions[w.reader.function]]
	w.readLocals(sig)
	if w.err != nil {
		return
	}
	w.regions = append(w.regions, region{})
	w.newBlock(0, true, false)
	w.frames = append(w.frames, frame{sig: sig})
	for len(w.frames) > 0 && w.err == nil {
		w.step()
	}
	if w.err == nil && w.pos != w.end {
		w.fail("%d bytes follow the end of the function", w.end-w.pos)
	}
}

// readLocals reads the groups of locals in front of the code.
func (w *walker) readLocals(sig FuncType) {
	w.locals = uint64(len(sig.Params))
	w.declared = w.u32()
	w.groups.from = w.pos
	w.each(w.declared, func() {
		w.locals += uint64(w.u32())
		w.valueType()
	})
	w.groups.to = w.pos
	const representable = 1<<32 - 64 // with ours
	if w.locals > representable {
		w.fail("the function has %d locals", w.locals)
	}
	w.bound[localIndex] = uint32(w.locals)
}

// step reads one instruction.
func (w *walker) step() {
	w.at = w.pos
	in := w.instruction()
	w.bound[labelIndex] = uint32(len(w.frames))
	for i, o := range in.operands {
		if o == noOperand {
			break
		}
		w.arg[i] = w.operand(o)
	}
	if w.err != nil {
		return
	}
	b := &w.blocks[len(w.blocks)-1]
	b.fuel += 1 + int64(in.extra)
	if in.load {
		b.loads++
	}
	if in.act == actStore {
		b.stores++
	}
	w.pop(int(in.pop))
	acts[in.act](w, in)
	w.push(int(in.push))
}

// instruction reads an opcode.
func (w *walker) instruction() *instruction {
	op := w.byte()
	in, number := &w.table.plain[op], uint32(op)
	if op == miscPrefix || op == vectorPrefix {
		number = w.u32()
		of := &w.table.misc
		if op == vectorPrefix {
			of = &w.table.vector
		}
		in = &of[number&0xff]
	}
	if w.err == nil && (!in.known || number > 0xff) {
		w.unknown(op, number)
	}
	return in
}

func (w *walker) unknown(op byte, number uint32) {
	what := [256]string{
		0x06: "exceptions", 0x07: "exceptions", 0x08: "exceptions", 0x09: "exceptions", 0x0a: "exceptions", 0x18: "exceptions",
		0x19: "exceptions", 0x1f: "exceptions", 0x12: "tail calls", 0x13: "tail calls", 0x14: "typed function references",
		0x15: "typed function references", 0xfb: "garbage collection", 0xfe: "threads", 0xfd: "relaxed vectors",
	}[op]
	if what != "" {
		what = ": " + what + " are not supported"
	}
	if uint32(op) == number {
		w.failAt(w.at, "instruction %#x is not known%s", op, what)
		return
	}
	w.failAt(w.at, "instruction %#x %d is not known%s", op, number, what)
}

// operand reads what follows an opcode, and returns what is an index or offset.
func (w *walker) operand(o operand) uint32 {
	switch {
	case o == lane || o == zeroByte:
		if v := w.byte(); uint32(v) >= w.bound[o] {
			w.failAt(w.at, "a %s of %d", o, v)
		}
		return 0
	case o < indexOperands:
		return w.index(w.bound[o], o.String())
	case o >= bytes4:
		w.bytes(4 << (o - bytes4))
		return 0
	default:
		return w.longOperand(o)
	}
}

func (w *walker) longOperand(o operand) uint32 {
	switch o {
	case offset32:
		return w.u32()
	case blockType:
		w.blockType()
	case labels:
		w.branches += int(w.vec(func() { w.index(w.bound[labelIndex], labelIndex.String()) }))
		w.index(w.bound[labelIndex], labelIndex.String())
	case typeList:
		w.vec(func() { w.valueType() })
	case refType:
		w.referenceType()
	case const32:
		w.signed(32)
	case const64:
		w.signed(64)
	}
	return 0
}

// blockType reads what a block takes and returns: nothing, one value, or a type of
// the module.
func (w *walker) blockType() {
	pos := w.pos
	v := w.signed(33)
	switch one := ValueType(v & 0x7f); {
	case v >= int64(len(w.m.types)):
		w.failAt(pos, "uses type %d, and there are %d", v, len(w.m.types))
	case w.err != nil:
	case v >= 0:
		w.sig = w.m.types[v]
	case w.pos != pos+1:
		w.failAt(pos, "a value type is longer than a byte")
	case one == emptyBlock:
		w.sig = FuncType{}
	case one.isValue():
		w.sig = FuncType{Results: []ValueType{one}}
	default:
		w.failAt(pos, "%#x is no block type", byte(one))
	}
}

func (w *walker) top() *frame { return &w.frames[len(w.frames)-1] }

// pop takes n operands. Behind a branch the stack holds whatever is taken.
func (w *walker) pop(n int) {
	f := w.top()
	switch {
	case w.height-n >= f.base:
		w.height -= n
	case f.dead:
		w.height = f.base
	default:
		w.failAt(w.at, "takes %d operands, and there are %d", n, w.height-f.base)
	}
}

func (w *walker) push(n int) {
	w.height += n
	w.high = max(w.high, w.height)
}

// newBlock begins a basic block behind the current instruction.
func (w *walker) newBlock(region int, opens, dead bool) {
	depth := uint32(max(len(w.frames)-1, 0))
	w.blocks = append(w.blocks, block{pos: w.pos, depth: depth, region: region, opens: opens, dead: dead})
}

// edit notes that the code changes from the given position to the current one.
func (w *walker) edit(from int, e edit) {
	e.span = span{from, w.pos}
	e.depth = uint32(len(w.frames) - 1)
	e.arg = w.arg
	w.edits = append(w.edits, e)
}
