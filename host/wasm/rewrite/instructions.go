package rewrite

// operand is what follows an opcode.
type operand byte

// The operands that are indices come first: the walker knows a bound for each.
const (
	noOperand operand = iota
	typeIndex
	funcIndex
	tableIndex
	memoryIndex
	globalIndex
	localIndex
	labelIndex
	elemIndex
	dataIndex
	alignment // of an access, as a power of two
	lane
	zeroByte
	indexOperands // how many there are

	offset32
	blockType
	labels
	typeList
	refType
	const32
	const64
	bytes4
	bytes8
	bytes16
)

func (o operand) String() string {
	return [indexOperands]string{
		"operand", "type", "function", "table", "memory", "global", "local", "label",
		"element segment", "data segment", "alignment", "lane", "reserved byte",
	}[o]
}

// instruction is what the walker must know of one. The zero value is none.
type instruction struct {
	known     bool
	operands  [3]operand
	pop, push int8  // of the operand stack, beside what act does
	extra     int16 // fuel above 1: schedule f1
	act       action
	value     ValueType // that a store writes
	load      bool      // it reads memory
}

// instructions are found by opcode, or by the number behind a prefix.
type instructions struct{ plain, misc, vector [256]instruction }

// Prefixes of longer opcodes.
const (
	miscPrefix   = 0xfc
	vectorPrefix = 0xfd
)

// row describes the instructions of a range of opcodes.
type row struct {
	from, to  byte
	operands  [3]operand
	pop, push int8
	extra     int16
	act       action
	value     ValueType
	load      bool
}

// newInstructions spreads the rows below over the opcodes.
func newInstructions() *instructions {
	t := new(instructions)
	for _, s := range []struct {
		to   *[256]instruction
		rows []row
	}{
		{&t.plain, controlRows()},
		{&t.plain, plainRows()},
		{&t.plain, numericRows()},
		{&t.misc, miscRows()},
		{&t.vector, vectorRows()},
		{&t.vector, vectorExceptions()},
	} {
		for _, r := range s.rows {
			for op := int(r.from); op <= int(r.to); op++ {
				s.to[op] = instruction{
					known: true, operands: r.operands, pop: r.pop, push: r.push,
					extra: r.extra, act: r.act, value: r.value, load: r.load,
				}
			}
		}
	}
	return t
}

func controlRows() []row {
	return []row{
		{from: 0x00, to: 0x00, act: actUnreachable},
		{from: 0x01, to: 0x01}, // nop
		{from: 0x02, to: 0x02, operands: [3]operand{blockType}, act: actBlock},
		{from: 0x03, to: 0x03, operands: [3]operand{blockType}, act: actLoop},
		{from: 0x04, to: 0x04, operands: [3]operand{blockType}, pop: 1, act: actIf},
		{from: 0x05, to: 0x05, act: actElse},
		{from: 0x0b, to: 0x0b, act: actEnd},
		{from: 0x0c, to: 0x0c, operands: [3]operand{labelIndex}, act: actBr},
		{from: 0x0d, to: 0x0d, operands: [3]operand{labelIndex}, pop: 1, act: actBrIf},
		{from: 0x0e, to: 0x0e, operands: [3]operand{labels}, pop: 1, extra: fuelBranchTable, act: actBrTable},
		{from: 0x0f, to: 0x0f, act: actReturn},
		{from: 0x10, to: 0x10, operands: [3]operand{funcIndex}, act: actCall},
		{from: 0x11, to: 0x11, operands: [3]operand{typeIndex, tableIndex}, pop: 1, extra: fuelIndirect, act: actCallIndirect},
	}
}

// plainRows are parametric, variable, table, reference and memory instructions, and
// constants.
func plainRows() []row {
	access := [3]operand{alignment, offset32}
	store := func(from, to byte, v ValueType) row {
		return row{from: from, to: to, operands: access, pop: 2, act: actStore, value: v}
	}
	return []row{
		{from: 0x1a, to: 0x1a, pop: 1},                                          // drop
		{from: 0x1b, to: 0x1b, pop: 3, push: 1},                                 // select
		{from: 0x1c, to: 0x1c, operands: [3]operand{typeList}, pop: 3, push: 1}, // select of a type
		{from: 0x20, to: 0x20, operands: [3]operand{localIndex}, push: 1},
		{from: 0x21, to: 0x21, operands: [3]operand{localIndex}, pop: 1},
		{from: 0x22, to: 0x22, operands: [3]operand{localIndex}, pop: 1, push: 1},
		{from: 0x23, to: 0x23, operands: [3]operand{globalIndex}, push: 1},
		{from: 0x24, to: 0x24, operands: [3]operand{globalIndex}, pop: 1},
		{from: 0x25, to: 0x25, operands: [3]operand{tableIndex}, pop: 1, push: 1, extra: fuelTable},
		{from: 0x26, to: 0x26, operands: [3]operand{tableIndex}, pop: 2, extra: fuelTable, act: actShape},
		{from: 0x28, to: 0x35, operands: access, pop: 1, push: 1, load: true},
		store(0x36, 0x36, I32), store(0x37, 0x37, I64), store(0x38, 0x38, F32), store(0x39, 0x39, F64),
		store(0x3a, 0x3b, I32), store(0x3c, 0x3e, I64),
		{from: 0x3f, to: 0x3f, operands: [3]operand{zeroByte}, push: 1}, // memory.size
		{from: 0x40, to: 0x40, operands: [3]operand{zeroByte}, pop: 1, push: 1, extra: fuelGrow, act: actGrow},
		{from: 0x41, to: 0x41, operands: [3]operand{const32}, push: 1},
		{from: 0x42, to: 0x42, operands: [3]operand{const64}, push: 1},
		{from: 0x43, to: 0x43, operands: [3]operand{bytes4}, push: 1},
		{from: 0x44, to: 0x44, operands: [3]operand{bytes8}, push: 1},
		{from: 0xd0, to: 0xd0, operands: [3]operand{refType}, push: 1},
		{from: 0xd1, to: 0xd1, pop: 1, push: 1}, // ref.is_null
		{from: 0xd2, to: 0xd2, operands: [3]operand{funcIndex}, push: 1, extra: fuelRefFunc},
	}
}

// numericRows are tests, comparisons, arithmetic and conversions of numbers.
func numericRows() []row {
	unary := func(from, to byte, extra int16) row { return row{from: from, to: to, pop: 1, push: 1, extra: extra} }
	binary := func(from, to byte, extra int16) row { return row{from: from, to: to, pop: 2, push: 1, extra: extra} }
	return []row{
		unary(0x45, 0x45, 0), binary(0x46, 0x4f, 0), // i32
		unary(0x50, 0x50, 0), binary(0x51, 0x5a, 0), // i64
		binary(0x5b, 0x66, fuelFloat), // f32 and f64 comparisons
		unary(0x67, 0x69, 0), binary(0x6a, 0x6c, 0), binary(0x6d, 0x70, fuelDivide), binary(0x71, 0x78, 0),
		unary(0x79, 0x7b, 0), binary(0x7c, 0x7e, 0), binary(0x7f, 0x82, fuelDivide), binary(0x83, 0x8a, 0),
		unary(0x8b, 0x8c, fuelFloat), unary(0x8d, 0x90, fuelConvert), unary(0x91, 0x91, fuelRoot),
		binary(0x92, 0x94, fuelFloat), binary(0x95, 0x95, fuelFloatDivide), binary(0x96, 0x98, fuelFloat),
		unary(0x99, 0x9a, fuelFloat), unary(0x9b, 0x9e, fuelConvert), unary(0x9f, 0x9f, fuelRoot),
		binary(0xa0, 0xa2, fuelFloat), binary(0xa3, 0xa3, fuelFloatDivide), binary(0xa4, 0xa6, fuelFloat),
		unary(0xa7, 0xa7, 0),            // i32.wrap_i64
		unary(0xa8, 0xab, fuelTruncate), // i32.trunc_f…
		unary(0xac, 0xad, 0),            // i64.extend_i32_…
		unary(0xae, 0xb1, fuelTruncate), // i64.trunc_f…
		unary(0xb2, 0xbb, fuelConvert),  // convert, demote, promote
		unary(0xbc, 0xbf, 0),            // reinterpret
		unary(0xc0, 0xc4, 0),            // extend8_s …
	}
}

func miscRows() []row {
	bulk := func(op byte, act action, operands ...operand) row {
		r := row{from: op, to: op, pop: 3, extra: fuelBulk, act: act}
		copy(r.operands[:], operands)
		return r
	}
	return []row{
		{from: 0, to: 7, pop: 1, push: 1, extra: fuelTruncate}, // trunc_sat
		bulk(8, actRange, dataIndex, zeroByte),                 // memory.init
		{from: 9, to: 9, operands: [3]operand{dataIndex}, extra: fuelTable, act: actShape},
		bulk(10, actRange, zeroByte, zeroByte),        // memory.copy
		bulk(11, actRange, zeroByte),                  // memory.fill
		bulk(12, actTableBulk, elemIndex, tableIndex), // table.init
		{from: 13, to: 13, operands: [3]operand{elemIndex}, extra: fuelTable, act: actShape},
		bulk(14, actTableBulk, tableIndex, tableIndex), // table.copy
		{from: 15, to: 15, operands: [3]operand{tableIndex}, pop: 2, push: 1, extra: fuelGrow, act: actTableBulk},
		{from: 16, to: 16, operands: [3]operand{tableIndex}, push: 1, extra: fuelTable}, // table.size
		bulk(17, actTableBulk, tableIndex),                                              // table.fill
	}
}
