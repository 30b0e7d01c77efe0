package rewrite

// emitter writes the new code of one function after the other.
//
// A metered function looks like this, so that it has one place to trap and one to
// give its stack slots back:
//
//	block                 ;; charges branch here when nothing is left
//	  block (results)     ;; what returned or branched out of the function comes here
//	    take stack slots, charge the entry
//	    the code
//	  end
//	  give the slots back
//	  return
//	end
//	unreachable
type emitter struct {
	w    *walker
	in   *injection
	out  code
	temp [temps]uint32 // index of each in the function, plus one; 0 if it is not there
	decl code          // their declarations
	made uint32        // how many
}

// Locals that are added when they are needed.
const (
	tempAddress = iota
	tempSource
	tempLength
	tempCard
	tempSpan
	tempFuel
	tempI32
	tempI64
	tempF32
	tempF64
	tempV128
	temps // how many there are
)

// local is the index of a local for our own use.
func (e *emitter) local(temp int) uint32 {
	if e.temp[temp] == 0 {
		t := [temps]ValueType{I32, I32, I32, I32, I64, I64, I32, I64, F32, F64, V128}[temp]
		e.decl = append(e.decl, 1, byte(t))
		e.made++
		e.temp[temp] = uint32(e.w.locals) + e.made
	}
	return e.temp[temp] - 1
}

// value is the local that holds a value to be stored.
func (e *emitter) value(t ValueType) uint32 {
	return e.local(map[ValueType]int{I32: tempI32, I64: tempI64, F32: tempF32, F64: tempF64, V128: tempV128}[t])
}

// function writes the function that the walker has read. The result is good until
// the next call.
func (e *emitter) function() []byte {
	w := e.w
	e.out, e.decl, e.made = e.out[:0], nil, 0
	clear(e.temp[:])
	share(w.regions, w.blocks, e.in.memory)
	if e.in.on&Metering != 0 {
		e.metered()
	} else {
		e.body()
	}
	head := code{}.u32(w.declared + e.made)
	head = append(head, w.src[w.groups.from:w.groups.to]...)
	head = append(head, e.decl...)
	if e.in.on&Metering != 0 {
		head = append(head, opBlock, emptyBlock, opBlock)
		head = e.in.blockType(head, e.signature().Results)
	}
	return append(head, e.out...)
}

func (e *emitter) signature() FuncType { return e.w.m.types[e.w.m.functions[e.w.reader.function]] }

// metered writes the code in its blocks.
func (e *emitter) metered() {
	slots := e.slots()
	if slots > 0 {
		e.out = e.out.load(e.in.stack).i64(slots).op(opI64Sub)
		e.keep(e.in.stack, 1)
	}
	e.body()
	if slots > 0 {
		e.out = e.out.load(e.in.stack).i64(slots).op(opI64Add).store(e.in.stack)
	}
	e.out = e.out.op(opReturn, opEnd, opUnreachable, opEnd)
}

// slots is what the function takes from the stack while it runs: nothing if it
// calls nobody.
func (e *emitter) slots() int64 {
	if !e.w.calls {
		return 0
	}
	return int64(e.w.locals) + int64(len(e.signature().Results)) + int64(e.w.high) + 4
}

// body copies the code with its charges and edits.
func (e *emitter) body() {
	w := e.w
	from, next := w.groups.to, 0
	edits := func(until int) {
		for ; next < len(w.edits) && w.edits[next].from < until; next++ {
			d := &w.edits[next]
			e.out = append(e.out, w.src[from:d.from]...)
			from = d.to
			e.edit(d, w.src[d.from:d.to])
		}
	}
	for i := range w.blocks {
		b := &w.blocks[i]
		if e.in.on&Metering == 0 || (!b.opens && b.fuel == 0) {
			continue
		}
		edits(b.pos)
		e.out = append(e.out, w.src[from:b.pos]...)
		from = b.pos
		e.charge(b, i == 0)
	}
	edits(w.end)
	e.out = append(e.out, w.src[from:w.end]...)
}

// charge takes what a block costs; heads and dear blocks look at what is left.
func (e *emitter) charge(b *block, entry bool) {
	cost := b.fuel
	switch head := e.w.regions[b.region].head; {
	case entry:
		sig := e.signature()
		cost = head + fuelEntry + int64(len(sig.Params)+len(sig.Results))
	case b.opens:
		cost = head + fuelLoop
	}
	e.out = e.out.load(e.in.fuel).i64(cost).op(opI64Sub)
	if b.opens || cost >= checkFuel {
		e.keep(e.in.fuel, b.depth+1)
		return
	}
	e.out = e.out.store(e.in.fuel)
}

// keep stores the number on the stack and branches out if it is negative.
func (e *emitter) keep(global, trap uint32) {
	left := e.local(tempFuel)
	e.out = e.out.tee(left).store(global).get(left).i64(0).op(opI64LtS).brIf(trap)
}

// edit writes what stands in place of an instruction.
func (e *emitter) edit(d *edit, original []byte) {
	switch d.act {
	case actReturn:
		if e.in.on&Metering != 0 && e.w.calls {
			e.out = e.out.br(d.depth)
			return
		}
		e.out = append(e.out, original...)
	case actStore:
		e.markedStore(d, original)
	case actRange:
		e.markedRange(d, original)
	case actGrow:
		e.grow(d, original)
	case actTableBulk:
		e.refuseFrozen()
		e.out = e.out.tee(e.local(tempLength))
		e.chargeLength(d, d.depth)
		e.out = append(e.out, original...)
	default:
		e.refuseFrozen()
		e.out = append(e.out, original...)
	}
}

// chargeLength takes what the length in its local costs.
func (e *emitter) chargeLength(d *edit, depth uint32) {
	if e.in.on&Metering == 0 {
		return
	}
	e.out = e.out.load(e.in.fuel).get(e.local(tempLength)).op(opI64ExtendU)
	if d.act == actGrow {
		e.out = e.out.i64(growShift).op(opI64Shl)
	} else {
		e.out = e.out.i64(int64(d.shift)).op(opI64ShrU)
	}
	e.out = e.out.op(opI64Sub)
	e.keep(e.in.fuel, depth+1)
}

// refuseFrozen traps, and leaves a sign why, once the shape is frozen.
func (e *emitter) refuseFrozen() {
	if e.in.on&Freezing == 0 {
		return
	}
	e.out = e.out.load(e.in.frozen).op(opIf, emptyBlock).
		i32(Violated).store(e.in.frozen).op(opUnreachable, opEnd)
}

// grow answers -1, at no further cost, once the shape is frozen.
func (e *emitter) grow(d *edit, original []byte) {
	n := e.local(tempLength)
	e.out = e.out.set(n)
	depth := d.depth
	if e.in.on&Freezing != 0 {
		e.out = e.out.load(e.in.frozen).op(opIf, byte(I32)).i32(-1).op(opElse)
		depth++
	}
	e.chargeLength(d, depth)
	e.out = append(e.out.get(n), original...)
	if e.in.on&Freezing != 0 {
		e.out = e.out.op(opEnd)
	}
}
