package rewrite

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The table of the specification has the numbers that are charged.
func TestScheduleIsThatOfTheSpecification(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../sdk/abi/ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "<!-- fuel: begin -->\n| | |\n|---|---|\n")
	got, _, ok := strings.Cut(rest, "<!-- fuel: end -->")
	if !ok {
		t.Fatal("ABI.md has no table of fuel")
	}
	a := accesses()
	if a[0].pages != 1 || a[1].pages != 16 || a[1].store != a[2].store {
		t.Error("the specification tells of other steps of memory")
	}
	var want strings.Builder
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&want, "| "+what+" | "+format+" |\n", args...)
	}
	row("entry of a function", "%d, and 1 for each parameter and result", fuelEntry)
	row("head of a loop, each time", "%d", fuelLoop)
	row("load, also of v128", "%d if the memory never exceeds 1 page of 64 KiB, %d up to 16 pages, %d beyond. What counts is what the module says: its maximum if it has a `memory.grow` anywhere, its minimum if not", a[0].load, a[1].load, a[2].load)
	row("store, also of v128", "%d if the memory never exceeds 1 page, %d beyond", a[0].store, a[1].store)
	row("integer division and remainder", "%d", fuelDivide)
	row("arithmetic and comparison of f32 and f64", "%d; division %d; square root %d; rounding, `demote`, `promote` and conversion from integers %d; conversion to integers %d; `const` and `reinterpret` nothing", fuelFloat, fuelFloatDivide, fuelRoot, fuelConvert, fuelTruncate)
	row("operations of v128", "%d, a constant and a load or store of a lane among them; other loads and stores %d; `i8x16.popcnt`, rounding, conversion from and to integers, `i64x2.mul` and `i64x2.shr_s` %d; division and square root %d", fuelVector, fuelVectorAccess, fuelVectorHeavy, fuelVectorRoot)
	row("`br_table`", "%d", fuelBranchTable)
	row("`call_indirect`", "%d", fuelIndirect)
	row("`table.get`, `table.set`, `table.size`, drop of a segment", "%d", fuelTable)
	row("`ref.func`", "%d", fuelRefFunc)
	row("`memory.fill`, `copy`, `init`", "%d, and an eighth of the bytes", fuelBulk)
	row("`table.fill`, `copy`, `init`", "%d, and the number of elements", fuelBulk)
	row("`memory.grow`, `table.grow`", "%d, and 16,384 for each page, or the number of elements", fuelGrow)
	row("call of an import", "%d, and of each stretch of bytes that it is given a quarter of the length, rounded down; of `random_get` also the length", FuelImport)
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
	if bulkShift != 3 || tableShift != 0 || 1<<growShift != 16_384 {
		t.Error("lengths cost something else than the specification says")
	}
}

var update = flag.Bool("update", false, "write testdata/f1.golden")

// Schedule f1 belongs to version 1 of the ABI: what an instruction costs does not
// change any more, and this list of them all says so.
func TestPricesAreFrozen(t *testing.T) {
	t.Parallel()
	const golden = "testdata/f1.golden"
	var got strings.Builder
	table := newInstructions()
	for _, part := range []struct {
		name string
		list *[256]instruction
	}{{"", &table.plain}, {"fc ", &table.misc}, {"fd ", &table.vector}} {
		for op, in := range part.list {
			if !in.known {
				continue
			}
			fmt.Fprintf(&got, "%s%02x %d", part.name, op, 1+in.extra)
			if in.load {
				got.WriteString(" and a load")
			}
			if in.act == actStore {
				got.WriteString(" and a store")
			}
			got.WriteByte('\n')
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("prices (-want +got):\n%s", diff)
	}
}

// The limits of the specification are those that are checked.
func TestLimitsAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../sdk/abi/ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "\n## Limits\n")
	l := DefaultLimits()
	for _, want := range []string{
		fmt.Sprintf("| file | %d MiB |", l.File>>20),
		fmt.Sprintf("| memory | %d pages of 64 KiB;", l.MemoryPages),
		fmt.Sprintf("| functions | %s; types %s; imports, exports, globals and segments together %s |", thousands(l.Functions), thousands(l.Types), thousands(l.Items)),
		fmt.Sprintf("| function | %d KiB of code, %s locals, %s blocks and branch targets", l.Body>>10, thousands(l.Locals), thousands(l.Blocks)),
		fmt.Sprintf("%s as the product of locals and blocks; %d parameters and %d results, also of blocks |", thousands(l.LocalsBlocks), l.Params, l.Results),
		fmt.Sprintf("| all functions | %d million as the sum of the squares", l.Squares/1_000_000),
		fmt.Sprintf("| tables | %d with %s elements in all; as many in segments |", l.Tables, thousands(int(l.TableSize))),
		fmt.Sprintf("JSON object of at most %d KiB", l.Manifest>>10),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the specification does not say: %s", want)
		}
	}
}

// thousands writes a number below a million as the specification does.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
