package rewrite

// generator turns any bytes into a valid module whose functions end soon. Floats
// reach memory and results only where no NaN can: their payload is the engine's.
type generator struct {
	in      []byte
	g       *guest
	shape   bool // grows memories and changes tables, too
	code    code
	depth   int   // of statements
	labels  []int // open labels that may be branched to: depth of each; loops are not
	open    int   // all open labels
	budget  int   // statements left in this function
	calls   int   // calls left in this function
	loops   int
	results string
}

// Locals of every function: two parameters and these.
const (
	genParams = "il"
	genLocals = "ilvii" // and two counters at the end
	genI      = 2
	genL      = 3
	genV      = 4
	genCount  = 5
)

// generate makes a module with the functions "f0"… that each take (i32, i64).
func generate(in []byte) (g *guest, shape bool) {
	p := &generator{in: in, g: newGuest()}
	p.shape = p.n(2) == 1
	p.g.memories[0].min = uint32(1 + p.n(3))
	p.g.table(4)
	for i, t := range []ValueType{I32, I64} {
		init := code{}.i32(int32(p.n(256)))
		if t == I64 {
			init = code{}.i64(int64(p.n(256)))
		}
		p.g.export([]string{"g0", "g1"}[i], Global, p.g.global(t, true, init))
	}
	p.g.passiveData("some bytes of a passive segment, long enough to be of use")
	for i := range 1 + p.n(3) {
		p.function(i)
	}
	p.g.elem(0, uint32(len(p.g.funcs)-1))
	p.g.passiveElem(0)
	return p.g, p.shape
}

// n is a choice below limit; 0 when the input is used up.
func (p *generator) n(limit int) int {
	if len(p.in) == 0 {
		return 0
	}
	b := int(p.in[0])
	p.in = p.in[1:]
	return b % limit
}

func (p *generator) function(i int) {
	p.code, p.labels, p.open, p.budget, p.calls, p.loops = nil, nil, 0, 40, 2, 0
	p.results = []string{"i", "", "il", "liv"}[p.n(4)]
	p.statements(1 + p.n(12))
	p.values(p.results)
	p.g.fn([]string{"f0", "f1", "f2"}[i], genParams+":"+p.results, genLocals, p.code)
}

func (p *generator) values(types string) {
	for _, t := range types {
		p.value(byte(t))
	}
}

func (p *generator) value(t byte) {
	switch t {
	case 'i':
		p.i32(3)
	case 'l':
		p.i64(3)
	case 'v':
		p.vector(2)
	}
}

func (p *generator) i32(depth int) {
	choice := p.n(12)
	if depth == 0 {
		choice %= 4
	}
	switch choice {
	case 0:
		p.code = p.code.i32(int32(p.n(256)) << p.n(24))
	case 1:
		p.code = p.code.get(0)
	case 2:
		p.code = p.code.get(genI)
	case 3:
		p.code = p.code.load(0)
	case 4, 5:
		p.i32(depth - 1)
		p.i32(depth - 1)
		p.code = p.code.op(byte(0x46 + p.n(10)))
	case 6, 7:
		p.i32(depth - 1)
		p.i32(depth - 1)
		p.code = p.code.op(byte(opI32Add + p.n(15)))
	case 8:
		p.address(depth - 1)
		p.code = p.code.op(byte(0x2c+p.n(4)), 0).u32(p.offset())
	case 9: // floats, compared
		p.i32(depth - 1)
		p.code = p.code.op(0xb7, 0x9f) // convert, square root
		p.i32(depth - 1)
		p.code = p.code.op(0xb8, byte(0x61+p.n(6)))
	case 10:
		p.i64(depth - 1)
		p.code = p.code.op(opI32Wrap)
	case 11:
		p.vector(depth - 1)
		p.code = p.code.op(vectorPrefix, byte(27), byte(p.n(4)))
	}
}

func (p *generator) i64(depth int) {
	choice := p.n(7)
	if depth == 0 {
		choice %= 3
	}
	switch choice {
	case 0:
		p.code = p.code.i64(int64(p.n(256)) << p.n(56))
	case 1:
		p.code = p.code.get(1)
	case 2:
		p.code = p.code.load(1)
	case 3, 4:
		p.i64(depth - 1)
		p.i64(depth - 1)
		p.code = p.code.op(byte(opI64Add + p.n(15)))
	case 5:
		p.i32(depth - 1)
		p.code = p.code.op(opI64ExtendU)
	case 6: // through a float and back, saturating
		p.i64(depth - 1)
		p.code = p.code.op(0xb9, 0x9f, miscPrefix, 6)
	}
}

func (p *generator) vector(depth int) {
	choice := p.n(5)
	if depth <= 0 {
		choice %= 2
	}
	switch choice {
	case 0:
		p.code = p.code.get(genV)
	case 1:
		p.code = append(p.code.op(vectorPrefix, 12), "0123456789abcdef"...)
	case 2:
		p.i32(depth - 1)
		p.code = p.code.op(vectorPrefix, 15)
	case 3:
		p.vector(depth - 1)
		p.vector(depth - 1)
		p.code = p.code.op(vectorPrefix).u32([]uint32{81, 110, 149, 213}[p.n(4)]) // xor, add, mul
	case 4:
		p.address(depth - 1)
		p.code = p.code.op(vectorPrefix, byte(p.n(11)), 0).u32(p.offset())
	}
}

// address is mostly inside of the memory.
func (p *generator) address(depth int) {
	p.i32(max(depth, 0))
	if p.n(8) != 7 {
		p.code = p.code.i32(0xffff >> p.n(4)).op(0x71)
	}
}

func (p *generator) offset() uint32 {
	return []uint32{0, 1, 16, 1_008, 1_017, 1_023, 1_024, 65_535, 70_000, 1 << 31}[p.n(10)]
}

func (p *generator) statements(n int) {
	for ; n > 0 && p.budget > 0; n-- {
		p.budget--
		p.statement()
	}
}

func (p *generator) statement() {
	all := []func(){
		p.store, p.store, p.store, p.set, p.set, p.bulk, p.bulk, p.choose, p.block, p.loop, p.call, p.leave, p.change, p.switchOut,
	}
	all[p.n(len(all))]()
}

func (p *generator) set() {
	switch p.n(5) {
	case 0:
		p.i32(3)
		p.code = p.code.set(genI)
	case 1:
		p.i64(3)
		p.code = p.code.set(1)
	case 2:
		p.vector(3)
		p.code = p.code.set(genV)
	case 3:
		p.i32(2)
		p.code = p.code.store(0)
	case 4:
		p.i64(2)
		p.code = p.code.store(1)
	}
}

func (p *generator) store() {
	p.address(2)
	switch p.n(6) {
	case 0, 1:
		p.i32(2)
		p.code = p.code.op([]byte{0x36, 0x3a, 0x3b}[p.n(3)], 0)
	case 2:
		p.i64(2)
		p.code = p.code.op([]byte{0x37, 0x3c, 0x3d, 0x3e}[p.n(4)], 0)
	case 3:
		p.i32(2)
		p.code = p.code.op(0xb7, 0x39, 0)
	case 4:
		p.vector(2)
		p.code = p.code.op(vectorPrefix, 11, 0)
	case 5:
		p.vector(2)
		lane := p.n(2)
		p.code = p.code.op(vectorPrefix).u32(uint32(88 + p.n(4))).op(0).u32(p.offset()).op(byte(lane))
		return
	}
	p.code = p.code.u32(p.offset())
}

func (p *generator) bulk() {
	p.address(1)
	switch p.n(3) {
	case 0:
		p.i32(1)
		p.length()
		p.code = p.code.op(miscPrefix, 11, 0)
	case 1:
		p.address(1)
		p.length()
		p.code = p.code.op(miscPrefix, 10, 0, 0)
	case 2:
		p.code = p.code.i32(int32(p.n(50))).i32(int32(p.n(50))).op(miscPrefix, 8, 0, 0)
	}
}

func (p *generator) length() {
	p.code = p.code.i32([]int32{0, 1, 15, 1_000, 1_024, 5_000, 65_536, 140_000, -1}[p.n(9)])
}

// within writes statements in a block that is open already.
func (p *generator) within(target bool, n int) {
	p.open++
	if target {
		p.labels = append(p.labels, p.open)
	}
	p.depth++
	if p.depth < 5 {
		p.statements(n)
	}
	p.depth--
	if target {
		p.labels = p.labels[:len(p.labels)-1]
	}
	p.open--
}

func (p *generator) choose() {
	p.i32(2)
	p.code = p.code.op(opIf, emptyBlock)
	p.within(true, 1+p.n(4))
	if p.n(2) == 0 {
		p.code = p.code.op(opElse)
		p.within(true, 1+p.n(4))
	}
	p.code = p.code.op(opEnd)
}

func (p *generator) block() {
	p.code = p.code.op(opBlock, emptyBlock)
	p.within(true, 1+p.n(5))
	p.code = p.code.op(opEnd)
}

func (p *generator) loop() {
	if p.loops == 2 {
		return
	}
	counter := uint32(genCount + p.loops)
	p.loops++
	p.code = p.code.i32(int32(1+p.n(3))).set(counter).op(0x03, emptyBlock)
	p.within(false, 1+p.n(4))
	p.code = p.code.get(counter).i32(1).op(0x6b).tee(counter).brIf(0).op(opEnd)
	p.loops--
}

func (p *generator) call() {
	if p.calls == 0 || len(p.g.funcs) == 0 {
		return
	}
	p.calls--
	callee := p.n(len(p.g.funcs))
	p.values(genParams)
	if p.n(2) == 0 {
		p.code = p.code.op(0x10).u32(uint32(callee))
	} else { // the table holds the first function
		callee = 0
		p.code = p.code.i32(int32(p.n(2)) * 2).op(0x11).u32(p.g.funcs[0].sig).op(0)
	}
	for range p.g.types[p.g.funcs[callee].sig].Results {
		p.code = p.code.op(0x1a)
	}
}

// leave branches or returns, sometimes always: then what follows is dead.
func (p *generator) leave() {
	switch {
	case p.n(4) == 0:
		p.i32(1)
		p.code = p.code.op(opIf, emptyBlock)
		p.values(p.results)
		p.code = p.code.op(opReturn, opEnd)
	case len(p.labels) == 0:
	case p.n(3) == 0:
		p.code = p.code.br(p.target())
	default:
		p.i32(2)
		p.code = p.code.brIf(p.target())
	}
}

func (p *generator) target() uint32 { return uint32(p.open - p.labels[p.n(len(p.labels))]) }

func (p *generator) switchOut() {
	if len(p.labels) == 0 {
		return
	}
	p.code = p.code.op(opBlock, emptyBlock)
	p.open++
	p.i32(2)
	p.code = p.code.op(0x0e, 2).u32(p.target()).u32(0).u32(p.target())
	p.open--
	p.code = p.code.op(opEnd)
}

// change changes the shape.
func (p *generator) change() {
	if !p.shape {
		return
	}
	zeros := code{}.i32(0).i32(0).i32(1)
	p.code = append(p.code, []code{
		code{}.i32(1).op(opMemoryGrow, 0).set(genI),
		code{}.i32(3).op(0xd0, byte(FuncRef), 0x26, 0),
		code{0xd0, byte(FuncRef)}.i32(1).op(miscPrefix, 15, 0).set(genI),
		zeros.op(miscPrefix, 12, 1, 0),
		zeros.op(miscPrefix, 14, 0, 0),
		{miscPrefix, 9, 0},
		{miscPrefix, 13, 1},
	}[p.n(7)]...)
}
