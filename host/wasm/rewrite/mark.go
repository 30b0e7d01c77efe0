package rewrite

// cardShift is the size of a card: 1 KiB. 64 of them are one page.
const cardShift = 10

// markedStore writes a store and marks where it went. The mark comes after: a store
// that trapped has written nothing.
func (e *emitter) markedStore(d *edit, original []byte) {
	if e.in.masks == 0 {
		e.out = append(e.out, original...)
		return
	}
	address, value := e.local(tempAddress), e.value(d.value)
	e.out = e.out.set(value).tee(address).get(value)
	e.out = append(e.out, original...)
	e.out = e.out.load(e.in.low).i64(1).get(address)
	if offset := d.arg[1]; offset != 0 {
		e.out = e.out.i32(int32(offset)).op(opI32Add) // a sum that wraps has trapped
	}
	e.out = e.out.i32(cardShift).op(opI32ShrU)
	card := uint32(0)
	if e.in.masks == 2 {
		card = e.local(tempCard)
		e.out = e.out.tee(card)
	}
	e.out = e.out.op(opI64ExtendU, opI64Shl, opI64Or).store(e.in.low) // the shift counts modulo 64
	if e.in.masks == 2 {
		e.out = e.out.load(e.in.high).i64(1).get(card).i32(6).
			op(opI32ShrU, opI64ExtendU, opI64Shl, opI64Or).store(e.in.high)
	}
}

// markedRange charges and writes memory.fill, copy or init, and marks the range.
func (e *emitter) markedRange(d *edit, original []byte) {
	if e.in.masks == 0 {
		e.out = e.out.tee(e.local(tempLength))
		e.chargeLength(d, d.depth)
		e.out = append(e.out, original...)
		return
	}
	to, source, n := e.local(tempAddress), e.local(tempSource), e.local(tempLength)
	e.out = e.out.set(n).set(source).set(to)
	e.chargeLength(d, d.depth)
	e.out = append(e.out.get(to).get(source).get(n), original...)
	e.markRange(e.in.low, cardShift)
	if e.in.masks == 2 {
		e.markRange(e.in.high, cardShift+6)
	}
}

// markRange does what [rangeMask] does, in the guest.
func (e *emitter) markRange(mask uint32, shift int64) {
	to, n, over := e.local(tempAddress), e.local(tempLength), e.local(tempSpan)
	e.out = e.out.load(mask).i64(-1).i64(63).
		get(to).op(opI64ExtendU).i64(1<<shift-1).op(opI64And).
		get(n).op(opI64ExtendU, opI64Add).i64(shift).op(opI64ShrU).
		tee(over).i64(63).get(over).i64(63).op(opI64LtU, opSelect).
		op(opI64Sub, opI64ShrU).
		get(to).op(opI64ExtendU).i64(shift).op(opI64ShrU).
		op(opI64Rotl, opI64Or).store(mask)
}
