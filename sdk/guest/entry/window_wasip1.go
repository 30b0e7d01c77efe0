package entry

import (
	"runtime"
	"runtime/debug"
	"unsafe"

	"dwaar.dev/dwaar/sdk/abi"
)

const (
	// room is how many bytes an evaluation finds free beside what is left in the
	// spans of small objects. No memory can be had after init.
	room = 512 << 10

	// small is the greatest size of which a span is made ready.
	small = 2 << 10
)

// window is the memory that belongs to the host. The collector must not find it
// unused.
var window []byte

// exportWindow gives the host its memory, and readies the heap: it is called once,
// before the first configuration, and what it leaves is part of every instance.
//
//go:wasmexport dwaar_v1_window
func exportWindow(size uint32) unsafe.Pointer {
	window = make([]byte, size+abi.WindowAlign)
	base := unsafe.Pointer(unsafe.SliceData(window))
	makeRoom()
	return unsafe.Add(base, -uintptr(base)&(abi.WindowAlign-1))
}

// makeRoom lets evaluations allocate: it makes the heap grow by what they may use,
// frees that, ends garbage collection for good (the host forgets all garbage after
// each evaluation, and an instance cannot grow any more), and takes a span for each
// size of small objects.
func makeRoom() {
	keep := make([][]byte, 0, room/small)
	for range room / small {
		keep = append(keep, make([]byte, small))
	}
	spans := takeSpans()
	runtime.KeepAlive(keep)
	runtime.KeepAlive(spans)
	runtime.GC()
	debug.SetGCPercent(-1)
	takeSpans()
}

// takeSpans allocates an object of each small size, without and with pointers, and
// returns something that holds them.
func takeSpans() []any {
	spans := make([]any, 0, small/4)
	for n := 8; n <= small; n += 8 {
		spans = append(spans, make([]byte, n), make([]*byte, n/8))
	}
	return spans
}
