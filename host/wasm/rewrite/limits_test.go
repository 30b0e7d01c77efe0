package rewrite

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// Every limit is tried at its default: what just keeps it is accepted, and valid
// when it is written anew; what is just above is refused, and the error names it.
func TestEachLimitHoldsAtItsBorder(t *testing.T) {
	t.Parallel()
	d := DefaultLimits()
	tests := []struct {
		name string
		most int
		make func(n int) []byte // a module that has n of it
		want string             // in the error
		over int                // how far above the first refused one is; 0 for 1
	}{
		{"bytes of the file", d.File, fileOf, "bytes, at most 8388608", 0},
		{"pages of memory", int(d.MemoryPages), withGuest(func(g *guest, n int) { g.memories[0].min = uint32(n) }), "257 pages", 0},
		{"elements of one table", int(d.TableSize), withGuest(func(g *guest, n int) { g.table(uint32(n)) }), "tables of 65537 elements", 0},
		{"elements of two tables", int(d.TableSize), withGuest(func(g *guest, n int) { g.table(9); g.table(uint32(n - 9)) }), "tables of 65537 elements", 0},
		{"elements of segments", int(d.TableSize), withGuest(segmentsOf), "65537 elements in all element segments", 0},
		{"tables", d.Tables, withGuest(func(g *guest, n int) {
			for range n {
				g.table(1)
			}
		}), "17 tables", 0},
		{"bytes of a function", d.Body, withGuest(func(g *guest, n int) { g.fn("", ":", "", nops(n-2)) }), "65537 bytes", 0},
		{"blocks of a function", d.Blocks, withGuest(func(g *guest, n int) { g.fn("", ":", "", blocks(n)) }), "5001 blocks", 0},
		{"targets of a br_table", d.Blocks, withGuest(func(g *guest, n int) { g.fn("", ":", "", targets(n)) }), "5001 blocks", 0},
		{"conditional branches", d.Blocks, withGuest(func(g *guest, n int) {
			g.fn("", ":", "", repeat(n, code{}.i32(0).brIf(0)))
		}), "5001 blocks", 0},
		{"bulk operations", d.Blocks, withGuest(func(g *guest, n int) {
			g.fn("", ":", "", repeat(n, code{}.i32(0).i32(0).i32(0).op(miscPrefix, 11, 0)))
		}), "5001 blocks", 0},
		{"locals of a function", d.Locals, withGuest(func(g *guest, n int) { g.fn("", "ii:", strings.Repeat("i", n-2), nil) }), "4097 locals", 0},
		{"locals times blocks", d.LocalsBlocks, withGuest(func(g *guest, n int) {
			g.fn("", ":", strings.Repeat("i", 100), blocks(n/100))
		}), "100 locals and 2501 blocks", 100},
		{"sum of squares", d.Squares, withGuest(func(g *guest, n int) {
			for ; n > 0; n -= d.Blocks * d.Blocks {
				g.fn("", ":", "", blocks(int(math.Sqrt(float64(min(n, d.Blocks*d.Blocks))))))
			}
		}), "sum of their squares is above 100000000", 0},
		{"functions", d.Functions, withGuest(func(g *guest, n int) {
			for range n {
				g.fn("", ":", "", nil)
			}
		}), "20001 functions", 0},
		{"types", d.Types, withGuest(func(g *guest, n int) { g.types = make([]FuncType, n) }), "4097 types", 0},
		{"exports", d.Items, withGuest(func(g *guest, n int) {
			for i := range n - 1 {
				g.export(fmt.Sprint(i), Memory, 0)
			}
		}), "65537 items in its export section", 0},
		{"items together", d.Items, withGuest(func(g *guest, n int) {
			for range n - 3 { // and the memory's export
				g.global(I32, false, code{}.i32(0))
			}
			g.passiveElem()
			g.passiveData("")
		}), "65537 imports, exports, globals and segments together", 0},
		{"parameters", d.Params, withGuest(func(g *guest, n int) { g.typ(strings.Repeat("i", n) + ":") }), "65 parameters", 0},
		{"results", d.Results, withGuest(func(g *guest, n int) { g.typ(":" + strings.Repeat("i", n)) }), "17 results", 0},
		{"bytes of manifest", d.Manifest, withGuest(func(g *guest, n int) { g.custom(manifestTitle, make([]byte, n)) }), "65537 bytes of manifest", 0},
	}
	valid := validator(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res, err := Module(tt.make(tt.most), Options{Validate: valid})
			if err != nil {
				t.Fatalf("%d: %v", tt.most, err)
			}
			if err := valid(res.Wasm); err != nil {
				t.Errorf("%d: what was written is not valid: %v", tt.most, err)
			}
			_, err = Module(tt.make(tt.most+max(tt.over, 1)), Options{Validate: valid})
			var at *Error
			if !errors.As(err, &at) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("one more: %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// withGuest makes modules by what is added to the least one.
func withGuest(add func(g *guest, n int)) func(int) []byte {
	return func(n int) []byte {
		g := newGuest()
		add(g, n)
		return g.bytes()
	}
}

// fileOf is a module of n bytes.
func fileOf(n int) []byte {
	g := newGuest()
	rest := n - len(g.bytes()) - 1 - 4 // less the section's number and size
	g.custom("rest", make([]byte, rest-len("rest")-1))
	return g.bytes()
}

func segmentsOf(g *guest, n int) {
	f := g.fn("", ":", "", nil)
	g.passiveElem(make([]uint32, n/2)...)
	g.passiveElem(make([]uint32, n-n/2)...)
	_ = f
}

func repeat(n int, c code) code { return code(strings.Repeat(string(c), n)) }
func nops(n int) code           { return repeat(n, code{0x01}) }
func blocks(n int) code         { return repeat(n, code{opBlock, emptyBlock, opEnd}) }

// targets is a br_table with n targets, the default not counted.
func targets(n int) code {
	c := code{}.i32(0).op(0x0e).u32(uint32(n))
	return append(c, make([]byte, n+1)...)
}

func TestTablesAndMemoriesAreBounded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		memory       limits
		pages, grown uint32
	}{
		{"without a maximum", limits{min: 3}, 3, 256},
		{"with a greater one", limits{min: 3, max: 9_999, bounded: true}, 3, 256},
		{"with a lower one", limits{min: 3, max: 4, bounded: true}, 3, 4},
	}
	for _, tt := range tests {
		g := newGuest()
		g.memories[0] = tt.memory
		g.table(5)
		res, err := Module(g.bytes(), Options{Validate: validator(t)})
		if err != nil {
			t.Fatal(err)
		}
		if res.Pages != tt.pages || res.MaxPages != tt.grown {
			t.Errorf("%s: %d to %d pages, want %d to %d", tt.name, res.Pages, res.MaxPages, tt.pages, tt.grown)
		}
		m, err := parseOurs(res.Wasm)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.memories[0]; got.max != tt.grown || !got.bounded {
			t.Errorf("%s: written as %+v", tt.name, got)
		}
		if got := m.tables[0].size; got != (limits{min: 5, max: 64 << 10, bounded: true}) {
			t.Errorf("%s: table written as %+v", tt.name, got)
		}
	}
}

// parseOurs reads a module that we wrote, whose exports we reserve.
func parseOurs(wasm []byte) (*module, error) {
	return parse([]byte(strings.ReplaceAll(string(wasm), reserved, "\x00other")), spacious())
}
