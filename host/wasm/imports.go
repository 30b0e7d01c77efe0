package wasm

import (
	"context"
	"encoding/binary"
	"fmt"
	"unicode/utf16"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"dwaar.dev/dwaar/host/wasm/rewrite"
	"dwaar.dev/dwaar/sdk/abi"
)

// function is what a guest calls: stack holds the arguments, and its first element
// takes the result. It ends the call with a panic of *stop.
type function func(in *instance, m api.Module, stack []uint64)

// define makes the modules that guests import from.
func define(ctx context.Context, r wazero.Runtime) error {
	builders := map[string]wazero.HostModuleBuilder{}
	for _, f := range abi.Imports() {
		b, ok := builders[f.Module]
		if !ok {
			b = r.NewHostModuleBuilder(f.Module)
			builders[f.Module] = b
		}
		do := functionOf(f.Module, f.Name)
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			in := ctx.(*instance)
			in.charge(rewrite.FuelImport)
			do(in, m, stack)
		}), engineTypes(f.Params), engineTypes(f.Results)).Export(f.Name)
	}
	for name, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("defining %s: %w", name, err)
		}
	}
	return nil
}

func engineTypes(letters string) []api.ValueType {
	types := make([]api.ValueType, 0, len(letters))
	for _, c := range letters {
		t := api.ValueTypeI32
		if c == 'I' {
			t = api.ValueTypeI64
		}
		types = append(types, t)
	}
	return types
}

// functionOf returns what a function does.
func functionOf(module, name string) function {
	switch module {
	case abi.Module:
		return map[string]function{"get": get, "set": set, "reject": reject, "log": logMessage, "fail": fail}[name]
	case abi.ModuleEnv:
		return abort
	}
	return wasiFunction(name)
}

// charge takes fuel for work that the host does.
func (in *instance) charge(units int64) {
	if in.fuel == nil { // the start section: its calls are few, as its fuel is bounded
		return
	}
	left := int64(in.fuel.Get()) - units
	in.fuel.Set(uint64(left))
	if left < 0 {
		panic(&stop{Fuel, "it took more fuel than it may"})
	}
}

// read returns bytes of the guest, valid during the call, and charges for them. With
// n = 0 the address is not looked at.
func (in *instance) read(m api.Module, address, n uint64) []byte {
	if uint32(n) == 0 {
		return nil
	}
	b, ok := m.Memory().Read(uint32(address), uint32(n))
	if !ok {
		panic(badPointer())
	}
	in.charge(int64(uint32(n)) / 4)
	return b
}

// room is read for bytes that the host writes.
func (in *instance) room(m api.Module, address, n uint64) []byte {
	b := in.read(m, address, n)
	if len(b) > 0 {
		in.wrote.Add(uint32(address), uint32(n))
	}
	return b
}

func badPointer() *stop { return &stop{Pointer, "it gave an address outside of its memory"} }

// result returns a number to the guest.
func result(stack []uint64, v int32) { stack[0] = uint64(uint32(v)) }

// longestName is more than any fact's full name has.
const longestName = 256 // bytes

// get copies a fact into the guest.
func get(in *instance, m api.Module, stack []uint64) {
	key := in.read(m, stack[0], stack[1])
	out := in.room(m, stack[2], stack[3])
	if in.phase != matching || len(key) > longestName || !in.matcher.plugin.reads(key) {
		result(stack, abi.GetAbsent)
		return
	}
	name := in.intern(key)
	value, ok := in.flow.Get(name)
	if in.matcher.plugin.listened() && !in.asked.has(name) {
		in.asked.note(name, value, ok)
	}
	if !ok {
		result(stack, abi.GetAbsent)
		return
	}
	copy(out, value)
	result(stack, int32(len(value)))
}

// set keeps a fact until the call says yes.
func set(in *instance, m api.Module, stack []uint64) {
	key := in.read(m, stack[0], stack[1])
	value := in.read(m, stack[2], stack[3])
	if in.phase != matching {
		result(stack, abi.SetFull)
		return
	}
	if len(key) > abi.MaxName {
		result(stack, abi.SetRefused)
		return
	}
	switch name := in.intern(key); {
	case !abi.ValidKey(name) || !in.matcher.mayset(name):
		result(stack, abi.SetRefused)
	case !in.facts.put(name, value):
		result(stack, abi.SetFull)
	default:
		result(stack, abi.SetDone)
	}
}

// reject notes what is wrong with a configuration.
func reject(in *instance, m api.Module, stack []uint64) {
	msg := in.read(m, stack[1], stack[2])
	if in.phase == configuring && len(in.rejects) < abi.MaxRejects {
		in.rejects = append(in.rejects, rejection{int32(stack[0]), printable(msg)})
	}
}

func logMessage(in *instance, m api.Module, stack []uint64) {
	in.logs(int32(stack[0]), in.read(m, stack[1], stack[2]))
}

func fail(in *instance, m api.Module, stack []uint64) {
	panic(&stop{Fail, "it failed: " + printable(in.read(m, stack[0], stack[1]))})
}

// abort is what asc calls. Its message is UTF-16 behind its length in bytes.
func abort(in *instance, m api.Module, stack []uint64) {
	text := "without a message"
	if at := uint32(stack[0]); at >= 4 {
		size := binary.LittleEndian.Uint32(in.read(m, uint64(at-4), 4))
		units := in.read(m, uint64(at), uint64(min(size, 2*abi.MaxMessage)))
		text = printable([]byte(utf16Text(units)))
	}
	panic(&stop{Fail, fmt.Sprintf("it aborted at line %d, column %d: %s", uint32(stack[2]), uint32(stack[3]), text)})
}

func utf16Text(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
