package guesttest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"dwaar.dev/dwaar/host/wasm/rewrite"
	"dwaar.dev/dwaar/sdk/abi"
)

// offer gives a runtime every function that the interface has.
func offer(ctx context.Context, r wazero.Runtime, g *guest) error {
	builders := map[string]wazero.HostModuleBuilder{}
	for _, i := range abi.Imports() {
		if builders[i.Module] == nil {
			builders[i.Module] = r.NewHostModuleBuilder(i.Module)
		}
		serve := g.functions()[i.Module+"."+i.Name]
		if serve == nil {
			serve = func(_ api.Module, stack []uint64) { stack[0] = abi.WASINosys }
		}
		call := api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
			charge(m, rewrite.FuelImport)
			serve(m, stack)
		})
		builders[i.Module].NewFunctionBuilder().WithGoModuleFunction(call, types(i.Params), types(i.Results)).Export(i.Name)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

func types(letters string) []api.ValueType {
	var list []api.ValueType
	for _, l := range letters {
		list = append(list, map[rune]api.ValueType{'i': api.ValueTypeI32, 'I': api.ValueTypeI64}[l])
	}
	return list
}

// functions are those that do more than fail.
func (g *guest) functions() map[string]func(m api.Module, stack []uint64) {
	random := rand.NewChaCha8([32]byte{})
	return map[string]func(m api.Module, stack []uint64){
		"dwaar_v1.get":    g.get,
		"dwaar_v1.set":    g.set,
		"dwaar_v1.reject": g.reject,
		"dwaar_v1.log":    func(m api.Module, s []uint64) { g.logged = append(g.logged, string(bytesAt(m, s[1], s[2]))) },
		"dwaar_v1.fail":   func(m api.Module, s []uint64) { g.end(string(bytesAt(m, s[0], s[1]))) },
		"env.abort":       func(m api.Module, s []uint64) { g.end(utf16At(m.Memory(), uint32(s[0]))) },

		"wasi_snapshot_preview1.sched_yield":       func(_ api.Module, s []uint64) { s[0] = abi.WASISuccess },
		"wasi_snapshot_preview1.args_sizes_get":    zeros,
		"wasi_snapshot_preview1.environ_sizes_get": zeros,
		"wasi_snapshot_preview1.args_get":          func(_ api.Module, s []uint64) { s[0] = abi.WASISuccess },
		"wasi_snapshot_preview1.environ_get":       func(_ api.Module, s []uint64) { s[0] = abi.WASISuccess },
		"wasi_snapshot_preview1.clock_time_get":    g.clock,
		"wasi_snapshot_preview1.fd_prestat_get":    func(_ api.Module, s []uint64) { s[0] = abi.WASIBadf },
		"wasi_snapshot_preview1.fd_write":          g.write,
		"wasi_snapshot_preview1.poll_oneoff":       poll,
		"wasi_snapshot_preview1.proc_exit":         func(api.Module, []uint64) { g.end("") },
		"wasi_snapshot_preview1.random_get": func(m api.Module, s []uint64) {
			b := bytesAt(m, s[0], s[1])
			if len(b) > abi.MaxRandom {
				panic(errors.New("more than 4096 random bytes"))
			}
			charge(m, uint32(len(b)))
			_, _ = random.Read(b)
			s[0] = abi.WASISuccess
		},
	}
}

// charge takes fuel for what the host does.
func charge(m api.Module, units uint32) {
	fuel := m.ExportedGlobal(rewrite.FuelGlobal).(api.MutableGlobal)
	left := int64(fuel.Get()) - int64(units)
	fuel.Set(uint64(left))
	if left < 0 {
		panic(errors.New("out of fuel"))
	}
}

// bytesAt returns a part of the guest's memory; a bad pointer traps.
func bytesAt(m api.Module, ptr, size uint64) []byte {
	if uint32(size) == 0 {
		return nil
	}
	charge(m, uint32(size)/4)
	b, ok := m.Memory().Read(uint32(ptr), uint32(size))
	if !ok {
		panic(errors.New("pointer outside of the guest's memory"))
	}
	return b
}

func (g *guest) end(msg string) {
	g.failed = msg
	panic(errors.New("the guest ended itself: " + msg))
}

func (g *guest) get(m api.Module, s []uint64) {
	key, out := bytesAt(m, s[0], s[1]), bytesAt(m, s[2], s[3])
	result := abi.GetAbsent
	if g.flow != nil {
		if value, ok := g.flow.Get(string(key)); ok {
			copy(out, value)
			result = int32(len(value))
		}
	}
	s[0] = uint64(uint32(result))
}

func (g *guest) set(m api.Module, s []uint64) {
	key, value := bytesAt(m, s[0], s[1]), bytesAt(m, s[2], s[3])
	result := abi.SetDone
	switch {
	case g.flow == nil || len(value) > abi.MaxValue:
		result = abi.SetFull
	case !abi.ValidKey(string(key)):
		result = abi.SetRefused
	case !slices.Contains(g.facts, string(key)) && len(g.facts) == abi.MaxFacts:
		result = abi.SetFull
	default:
		if !slices.Contains(g.facts, string(key)) {
			g.facts = append(g.facts, string(key))
		}
		g.flow.Set(string(key), value)
	}
	s[0] = uint64(uint32(result))
}

func (g *guest) reject(m api.Module, s []uint64) {
	g.rejected = append(g.rejected, rejection{int32(uint32(s[0])), string(bytesAt(m, s[1], s[2]))})
}

func zeros(m api.Module, s []uint64) {
	m.Memory().WriteUint32Le(uint32(s[0]), 0)
	m.Memory().WriteUint32Le(uint32(s[1]), 0)
	s[0] = abi.WASISuccess
}

// second is what every clock but the one of the wall shows.
const second = 1_000_000_000

func (g *guest) clock(m api.Module, s []uint64) {
	now := uint64(second)
	if uint32(s[0]) == 0 && g.flow != nil {
		now = uint64(g.flow.Accepted.UnixNano())
	}
	m.Memory().WriteUint64Le(uint32(s[2]), now)
	s[0] = abi.WASISuccess
}

// write logs what is written to descriptors 1 and 2.
func (g *guest) write(m api.Module, s []uint64) {
	if fd := uint32(s[0]); fd != 1 && fd != 2 {
		s[0] = abi.WASIBadf
		return
	}
	n := uint32(0)
	for i := range uint32(s[2]) {
		ptr, _ := m.Memory().ReadUint32Le(uint32(s[1]) + 8*i)
		size, _ := m.Memory().ReadUint32Le(uint32(s[1]) + 8*i + 4)
		g.logged = append(g.logged, string(bytesAt(m, uint64(ptr), uint64(size))))
		n += size
	}
	m.Memory().WriteUint32Le(uint32(s[3]), n)
	s[0] = abi.WASISuccess
}

// poll reports whether everything waited for has happened: an event of 32 bytes holds the
// user's data of its subscription of 48 bytes.
func poll(m api.Module, s []uint64) {
	for i := range uint32(s[2]) {
		subscription := bytesAt(m, uint64(uint32(s[0])+48*i), 48)
		event := bytesAt(m, uint64(uint32(s[1])+32*i), 32)
		clear(event)
		copy(event, subscription[:8])
		event[10] = subscription[8]
	}
	m.Memory().WriteUint32Le(uint32(s[3]), uint32(s[2]))
	s[0] = abi.WASISuccess
}
