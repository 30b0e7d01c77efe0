package rewrite

// vectorRows are the instructions behind the vector prefix. Ranges are of one
// arity; what is dearer or does more is in vectorExceptions.
func vectorRows() []row {
	unary := func(from, to byte) row { return row{from: from, to: to, pop: 1, push: 1, extra: fuelVector} }
	binary := func(from, to byte) row { return row{from: from, to: to, pop: 2, push: 1, extra: fuelVector} }
	return []row{
		binary(14, 14), // swizzle
		unary(15, 20),  // splat
		binary(35, 76), // comparisons
		unary(77, 77),  // not
		binary(78, 81), // and, andnot, or, xor
		{from: 82, to: 82, pop: 3, push: 1, extra: fuelVector}, // bitselect
		unary(83, 83),    // any_true
		unary(94, 95),    // f32x4.demote, f64x2.promote
		unary(96, 100),   // i8x16: abs, neg, popcnt, all_true, bitmask
		binary(101, 102), // narrow
		unary(103, 106),  // f32x4: ceil, floor, trunc, nearest
		binary(107, 115), // i8x16: shifts, add, sub
		unary(116, 117),  // f64x2: ceil, floor
		binary(118, 121), // i8x16: min, max
		unary(122, 122),  // f64x2.trunc
		binary(123, 123), // avgr
		unary(124, 129),  // extadd_pairwise; i16x8: abs, neg
		binary(130, 130), // q15mulr_sat
		unary(131, 132),  // all_true, bitmask
		binary(133, 134), // narrow
		unary(135, 138),  // extend
		binary(139, 147), // i16x8: shifts, add, sub
		unary(148, 148),  // f64x2.nearest
		binary(149, 153), // mul, min, max
		binary(155, 159), // avgr, extmul
		unary(160, 161),  // i32x4: abs, neg
		unary(163, 164),  // all_true, bitmask
		unary(167, 170),  // extend
		binary(171, 174), // shifts, add
		binary(177, 177), // sub
		binary(181, 186), // mul, min, max, dot
		binary(188, 191), // extmul
		unary(192, 193),  // i64x2: abs, neg
		unary(195, 196),  // all_true, bitmask
		unary(199, 202),  // extend
		binary(203, 206), // shifts, add
		binary(209, 209), // sub
		binary(213, 223), // mul, comparisons, extmul
		unary(224, 225),  // f32x4: abs, neg
		binary(228, 235), // add … pmax
		unary(236, 237),  // f64x2: abs, neg
		binary(240, 247), // add … pmax
		unary(248, 255),  // trunc_sat, convert
	}
}

// vectorExceptions stand after vectorRows and replace some of them.
func vectorExceptions() []row {
	access := [3]operand{alignment, offset32}
	rows := []row{
		{from: 0, to: 10, operands: access, pop: 1, push: 1, extra: fuelVectorAccess, load: true},
		{from: 11, to: 11, operands: access, pop: 2, extra: fuelVectorAccess, act: actStore, value: V128},
		{from: 12, to: 12, operands: [3]operand{bytes16}, push: 1, extra: fuelVector},
		{from: 13, to: 13, operands: [3]operand{bytes16}, pop: 2, push: 1, extra: fuelVector}, // shuffle
		{from: 84, to: 87, operands: [3]operand{alignment, offset32, lane}, pop: 2, push: 1, extra: fuelVector, load: true},
		{
			from: 88, to: 91, operands: [3]operand{alignment, offset32, lane}, pop: 2,
			extra: fuelVector, act: actStore, value: V128,
		},
		{from: 92, to: 93, operands: access, pop: 1, push: 1, extra: fuelVectorAccess, load: true},
	}
	for _, l := range []struct{ op, pop byte }{ // extract_lane takes one, replace_lane two
		{21, 1}, {22, 1}, {23, 2}, {24, 1}, {25, 1}, {26, 2}, {27, 1}, {28, 2}, {29, 1}, {30, 2}, {31, 1}, {32, 2}, {33, 1}, {34, 2},
	} {
		rows = append(rows, row{from: l.op, to: l.op, operands: [3]operand{lane}, pop: int8(l.pop), push: 1, extra: fuelVector})
	}
	for _, op := range []byte{98, 103, 104, 105, 106, 116, 117, 122, 148, 248, 249, 250, 251, 252, 253, 254, 255} {
		rows = append(rows, row{from: op, to: op, pop: 1, push: 1, extra: fuelVectorHeavy}) // popcnt, rounding, conversion
	}
	for _, op := range []byte{204, 213} {
		rows = append(rows, row{from: op, to: op, pop: 2, push: 1, extra: fuelVectorHeavy}) // i64x2: shr_s, mul
	}
	for _, op := range []byte{227, 239} {
		rows = append(rows, row{from: op, to: op, pop: 1, push: 1, extra: fuelVectorRoot})
	}
	for _, op := range []byte{231, 243} {
		rows = append(rows, row{from: op, to: op, pop: 2, push: 1, extra: fuelVectorRoot}) // div
	}
	return rows
}
