package rewrite

// action is what an instruction means to the walker, beside its arity.
type action byte

const (
	actNone action = iota
	actUnreachable
	actBlock
	actLoop
	actIf
	actElse
	actEnd
	actBr
	actBrIf
	actBrTable
	actReturn
	actCall
	actCallIndirect
	actStore     // writes memory: marked
	actRange     // writes a range of memory: charged by length, and marked
	actGrow      // memory.grow: charged by length, answers -1 once frozen
	actTableBulk // charged by length, traps once frozen
	actShape     // traps once frozen
	actions      // how many there are
)

// acts is what each action does, when the operands are read and taken.
var acts = [actions]func(*walker, *instruction){
	actNone:         func(*walker, *instruction) {},
	actUnreachable:  func(w *walker, _ *instruction) { w.leave() },
	actBlock:        func(w *walker, _ *instruction) { w.enter(frame{region: w.top().region}) },
	actLoop:         (*walker).loop,
	actIf:           (*walker).branchIn,
	actElse:         (*walker).otherwise,
	actEnd:          (*walker).close,
	actBr:           func(w *walker, _ *instruction) { w.branch(); w.leave() },
	actBrIf:         (*walker).branchMaybe,
	actBrTable:      func(w *walker, _ *instruction) { w.leave() },
	actReturn:       (*walker).giveBack,
	actCall:         func(w *walker, _ *instruction) { w.call(w.m.functions[w.arg[0]]) },
	actCallIndirect: func(w *walker, _ *instruction) { w.call(w.arg[0]) },
	actStore:        (*walker).change,
	actRange:        (*walker).change,
	actGrow:         (*walker).change,
	actTableBulk:    (*walker).change,
	actShape:        (*walker).change,
}

// enter opens a block whose type has been read.
func (w *walker) enter(f frame) {
	w.branches++
	w.pop(len(w.sig.Params))
	f.base, f.sig = w.height, w.sig
	w.frames = append(w.frames, f)
	w.push(len(f.sig.Params))
}

func (w *walker) branchIn(*instruction) {
	w.branches++
	w.enter(frame{region: w.top().region, then: true})
	w.newBlock(w.top().region, false, false)
}

// loop opens a region of its own.
func (w *walker) loop(*instruction) {
	w.enter(frame{region: len(w.regions), loop: true})
	w.regions = append(w.regions, region{})
	w.newBlock(w.top().region, true, false)
}

// settle checks that a block leaves what its type says.
func (w *walker) settle(f *frame) {
	over := w.height - f.base - len(f.sig.Results)
	if over > 0 || (over < 0 && !f.dead) {
		w.failAt(w.at, "a block ends with %d operands, and its type says %d", w.height-f.base, len(f.sig.Results))
	}
}

func (w *walker) otherwise(*instruction) {
	f := w.top()
	if !f.then {
		w.failAt(w.at, "an else without an if")
		return
	}
	w.settle(f)
	f.then, f.dead = false, false
	w.height = f.base
	w.push(len(f.sig.Params))
	w.newBlock(f.region, false, false)
}

func (w *walker) close(*instruction) {
	f := w.top()
	w.settle(f)
	w.height = f.base
	w.push(len(f.sig.Results))
	w.frames = w.frames[:len(w.frames)-1]
	if len(w.frames) > 0 {
		w.newBlock(w.top().region, false, false)
	}
}

// arity is how many operands a branch to a label takes along.
func (w *walker) arity(label uint32) int {
	f := w.frames[len(w.frames)-1-int(label)]
	if f.loop {
		return len(f.sig.Params)
	}
	return len(f.sig.Results)
}

func (w *walker) branch() {
	w.branches++
	w.pop(w.arity(w.arg[0]))
}

func (w *walker) branchMaybe(*instruction) {
	w.branch()
	w.push(w.arity(w.arg[0]))
	w.newBlock(w.top().region, false, false)
}

// leave marks what follows as never run.
func (w *walker) leave() {
	f := w.top()
	f.dead = true
	w.height = f.base
	w.newBlock(f.region, false, true)
}

func (w *walker) giveBack(*instruction) {
	w.arg[0] = uint32(len(w.frames) - 1)
	w.branch()
	w.edit(w.at, edit{act: actReturn})
	w.leave()
}

func (w *walker) call(t uint32) {
	w.calls = true
	sig := w.m.types[t]
	w.pop(len(sig.Params))
	w.push(len(sig.Results))
}

// change notes an instruction that writes memory or changes the shape.
func (w *walker) change(in *instruction) {
	e := edit{act: in.act, value: in.value}
	switch in.act {
	case actRange:
		w.branches++
		e.shift = bulkShift
	case actTableBulk:
		w.branches += 2
		e.shift = tableShift
	case actGrow, actShape:
		w.branches += 2
	}
	if len(w.m.memories) == 0 && (in.act == actStore || in.act == actRange || in.act == actGrow) {
		w.failAt(w.at, "uses memory, and there is none")
	}
	w.edit(w.at, e)
}
