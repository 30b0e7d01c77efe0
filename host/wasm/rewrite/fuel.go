package rewrite

// Schedule names the costs below and the rules by which they are charged. Another
// schedule gives other counts for the same input, so it is part of what a recorded
// evaluation or a cached module is good for.
//
// An instruction costs 1 and what stands here. A region is a function without its
// loops, or a loop without the loops in it. A basic block begins at the start of a
// function and behind every loop, if, else, end, br, br_if, br_table, return and
// unreachable; what follows br, br_table, return or unreachable in the same block
// can never run and is free. If all blocks of a region cost regionFuel or less
// together, they are charged at its head, whether they run or not; otherwise each
// one that costs blockFuel or more is charged where it begins, and only the others
// at the head. For this decision loads and stores count 1. The global is compared with
// zero at heads and before what costs by its length (memory.fill, copy and init,
// memory.grow, table operations); a module may return with less than nothing, which the
// host treats like the trap.
//
// The schedule belongs to version 1 of the ABI and does not change any more: what
// stands here stands in sdk/abi/ABI.md, which a test compares.
const Schedule = "f1"

const (
	regionFuel = 48
	blockFuel  = 4
	checkFuel  = 256 // what can run unpaid between two heads is bounded by this and the length of a function

	fuelEntry        = 16 // a function, and 1 for each parameter and result
	fuelLoop         = 8  // its head
	fuelDivide       = 12 // integer division and remainder
	fuelFloat        = 5
	fuelFloatDivide  = 10
	fuelConvert      = 10 // rounding, and to float
	fuelTruncate     = 24 // float to integer
	fuelRoot         = 16
	fuelVector       = 4
	fuelVectorAccess = 1
	fuelVectorHeavy  = 12
	fuelVectorRoot   = 24 // and division
	fuelIndirect     = 24
	fuelBranchTable  = 16
	fuelTable        = 10
	fuelRefFunc      = 300
	fuelBulk         = 120
	bulkShift        = 3 // and the length / 8
	tableShift       = 0 // and the number of elements
	fuelGrow         = 500
	growShift        = 14 // and the number of pages << 14
)

// FuelImport is what the host charges for each call of one of its functions,
// before it works, beside a quarter of the bytes that are passed. The rewriter
// cannot: functions are also called through tables.
const FuelImport = 400

// region is what is charged at one head.
type region struct {
	total int64 // of all blocks
	head  int64 // what is charged there
}

// block is a basic block.
type block struct {
	pos    int    // where it begins
	depth  uint32 // labels around it
	region int
	fuel   int64
	loads  int64 // how many there are: what they cost beyond 1 is not in fuel yet
	stores int64 // the same
	opens  bool  // it begins at the head of its region
	dead   bool  // it can never run
}

// access is what it costs beyond 1 to load from memory and to store to it. What counts
// is how far the module itself says its memory may grow, not what the host allows it.
type access struct {
	pages       uint32 // up to which this holds
	load, store int64
}

// accesses are the prices of memory. A load may wait for a more distant cache the
// further it reaches; what a store brings along to mark its card is long, and dear
// where it runs once: there is one mask for one page, and two above.
func accesses() [3]access {
	return [3]access{{1, 2, 4}, {16, 8, 12}, {1 << 16, 16, 12}}
}

// accessFuel is what the instructions of a module cost that use its memory.
func accessFuel(m *module, grows bool) access {
	if len(m.memories) == 0 {
		return access{}
	}
	size := m.memories[0]
	most := uint32(1 << 16)
	switch {
	case !grows:
		most = size.min
	case size.bounded:
		most = size.max
	}
	all := accesses()
	for _, a := range all {
		if most <= a.pages {
			return a
		}
	}
	return all[len(all)-1]
}

// share decides what is charged where: it moves the fuel of blocks to the heads of
// their regions, as Schedule says.
func share(regions []region, blocks []block, memory access) {
	for _, b := range blocks {
		if !b.dead {
			regions[b.region].total += b.fuel
		}
	}
	for i := range blocks {
		b := &blocks[i]
		r := &regions[b.region]
		atHead := b.opens || r.total <= regionFuel || b.fuel < blockFuel
		b.fuel += b.loads*memory.load + b.stores*memory.store
		switch {
		case b.dead:
			b.fuel = 0
		case atHead:
			r.head += b.fuel
			b.fuel = 0
		}
	}
}
