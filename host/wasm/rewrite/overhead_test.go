package rewrite

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
)

// BenchmarkParts runs the same loops as they are and with one part after the other
// inserted: what safety costs.
func BenchmarkParts(b *testing.B) {
	loop := func(body code) code { // counts local 0 down
		return append(append(code{0x03, emptyBlock}, body...).get(0).i32(1).op(0x6b).tee(0), opBrIf, 0, opEnd)
	}
	guests := []struct {
		name string
		body code
		arg  uint64
	}{
		{"scan 1,024 bytes", loop(code{}.get(0).op(0x2d, 0, 0).get(1).op(opI32Add).set(1)), 1_024},
		{"copy 1,024 bytes", loop(code{}.get(0).get(0).op(0x2d, 0, 0).op(0x3a, 0, 0x80, 0x40)), 1_024},
		{"call 1,000 times", loop(code{0x10, 0}), 1_000},
		{"fibonacci of 16", code{}.get(0).op(0x10, 1, 0x1a), 16},
	}
	parts := []struct {
		name    string
		without Parts
	}{
		{"plain", Metering | Freezing | Marking},
		{"metered", Freezing | Marking},
		{"marked", Metering},
		{"all", 0},
	}
	for _, row := range guests {
		for _, p := range parts {
			b.Run(row.name+"/"+p.name, func(b *testing.B) {
				g := newGuest()
				g.memories[0].min = 2
				g.fn("", ":", "", nil)
				g.fn("", "i:i", "", code{}.get(0).i32(2).op(0x49, opIf, byte(I32)).get(0).op(opElse).
					get(0).i32(1).op(0x6b, 0x10, 1).get(0).i32(2).op(0x6b, 0x10, 1, opI32Add, opEnd))
				g.fn("f", "i:", "i", row.body)
				in := instantiate(b, newRuntime(b, wazero.NewRuntimeConfigCompiler()), g, Options{Without: p.without})
				f := in.ExportedFunction("f")
				stack := []uint64{0}
				for b.Loop() {
					in.setGlobal(FuelGlobal, plenty)
					stack[0] = row.arg
					if err := f.CallWithStack(context.Background(), stack); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
