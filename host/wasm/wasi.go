package wasm

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero/api"

	"dwaar.dev/dwaar/sdk/abi"
)

// wasiFunction returns what a function of WASI preview 1 does: enough for the
// runtimes of languages to start, and nothing that tells one evaluation from another.
func wasiFunction(name string) function {
	f, ok := map[string]function{
		"sched_yield":       func(_ *instance, _ api.Module, stack []uint64) { result(stack, abi.WASISuccess) },
		"args_get":          func(_ *instance, _ api.Module, stack []uint64) { result(stack, abi.WASISuccess) },
		"environ_get":       func(_ *instance, _ api.Module, stack []uint64) { result(stack, abi.WASISuccess) },
		"args_sizes_get":    noStrings,
		"environ_sizes_get": noStrings,
		"clock_time_get":    clockTime,
		"random_get":        randomBytes,
		"fd_write":          write,
		"fd_prestat_get":    func(_ *instance, _ api.Module, stack []uint64) { result(stack, abi.WASIBadf) },
		"poll_oneoff":       poll,
		"proc_exit":         func(*instance, api.Module, []uint64) { panic(&stop{Exit, "it called proc_exit"}) },
	}[name]
	if ok {
		return f
	}
	return func(_ *instance, _ api.Module, stack []uint64) {
		if len(stack) > 0 {
			result(stack, abi.WASINosys)
		}
	}
}

// noStrings says that there are 0 of them, 0 bytes long.
func noStrings(in *instance, m api.Module, stack []uint64) {
	clear(in.room(m, stack[0], 4))
	clear(in.room(m, stack[1], 4))
	result(stack, abi.WASISuccess)
}

// clockTime tells the moment at which the connection was accepted; every other clock
// stands still, and none of them at 0, which some runtimes take for broken.
func clockTime(in *instance, m api.Module, stack []uint64) {
	const realtime = 0
	now := int64(time.Second)
	if uint32(stack[0]) == realtime && in.phase == matching {
		now = in.conn.Accepted
	}
	binary.LittleEndian.PutUint64(in.room(m, stack[2], 8), uint64(now))
	result(stack, abi.WASISuccess)
}

// randomBytes gives what follows of a stream that every instance begins with. Each
// evaluation begins where init ended: what a guest does with it can be repeated.
func randomBytes(in *instance, m api.Module, stack []uint64) {
	if uint32(stack[1]) > abi.MaxRandom {
		result(stack, abi.WASINosys)
		return
	}
	out := in.room(m, stack[0], stack[1])
	in.charge(int64(len(out)))
	if in.phase == matching && !in.drawn {
		in.random = in.config.random
		in.drawn = true
	}
	_, _ = in.random.Read(out) // never fails
	result(stack, abi.WASISuccess)
}

// stream is the generator of randomBytes.
type stream = rand.ChaCha8

// write logs what is written to standard output and error, line by line.
func write(in *instance, m api.Module, stack []uint64) {
	level := int32(abi.LogInfo)
	switch uint32(stack[0]) {
	case 1:
	case 2:
		level = abi.LogWarn
	default:
		result(stack, abi.WASIBadf)
		return
	}
	const most = 64 // vectors
	vectors := in.read(m, stack[1], uint64(min(uint32(stack[2]), most))*8)
	written := uint32(0)
	for ; len(vectors) >= 8; vectors = vectors[8:] {
		n := binary.LittleEndian.Uint32(vectors[4:])
		in.print(level, in.read(m, uint64(binary.LittleEndian.Uint32(vectors)), uint64(n)))
		written += n
	}
	binary.LittleEndian.PutUint32(in.room(m, stack[3], 4), written)
	result(stack, abi.WASISuccess)
}

// poll says of every subscription that it is ready.
func poll(in *instance, m api.Module, stack []uint64) {
	const (
		subscription, event = 48, 32 // bytes
		most                = 64
	)
	n := uint64(min(uint32(stack[2]), most))
	in.read(m, stack[0], n*subscription)
	events := in.room(m, stack[1], n*event)
	clear(events)
	for i := range n {
		// Read again: both ranges may overlap, and the guest gets what it asked for.
		s, ok := m.Memory().Read(uint32(stack[0]+i*subscription), subscription)
		if !ok {
			panic(badPointer())
		}
		copy(events[i*event:], s[:8]) // its own mark
		events[i*event+10] = s[8]     // the kind of event
	}
	binary.LittleEndian.PutUint32(in.room(m, stack[3], 4), uint32(n))
	result(stack, abi.WASISuccess)
}
