package loop

import (
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// allow makes a pool with a budget of so many units.
func allow(units int32) (*pipes, *budget) {
	b := &budget{most: units}
	b.left.Store(units)
	return &pipes{budget: b}, b
}

func TestPipesAreBoundedAndUsedAgain(t *testing.T) {
	t.Parallel()
	p, b := allow(2)
	first, ok1 := p.lend(0)
	second, ok2 := p.lend(0)
	if !ok1 || !ok2 {
		t.Fatal("two pipes were allowed and not made")
	}
	if _, ok := p.lend(0); ok {
		t.Error("a third pipe was made")
	}
	p.giveBack(first, 1)
	if got, ok := p.lend(1); !ok || got != first {
		t.Errorf("borrowed %v (%t), want the one given back, %v", got, ok, first)
	}
	if _, err := unix.Write(int(second.w), []byte("left over")); err != nil {
		t.Fatal(err)
	}
	b.drop(second)
	if _, ok := p.lend(2); ok {
		t.Error("no pipe may be asked for so soon after there was none")
	}
	third, ok := p.lend(pipeRetry)
	if !ok {
		t.Fatal("a pipe that was closed still counts")
	}
	if n, err := unix.IoctlGetInt(int(third.r), unix.TIOCINQ); n != 0 || err != nil {
		t.Errorf("a new pipe holds %d bytes (%v)", n, err)
	}
	b.drop(first)
	b.drop(third)
	if b.left.Load() != 2 || b.open.Load() != 0 {
		t.Errorf("%d units left and %d pipes open after all are closed, want 2 and none", b.left.Load(), b.open.Load())
	}
}

func TestPipesAreLargeWhileThereAreFew(t *testing.T) {
	t.Parallel()
	p, b := allow(2*largeUnits + 1)
	var sizes []int32
	for q, ok := p.lend(0); ok; q, ok = p.lend(0) {
		sizes = append(sizes, q.units)
		n, err := unix.FcntlInt(uintptr(q.w), unix.F_GETPIPE_SZ, 0)
		if err != nil || n < leastPipe || q.units > 1 && n < q.size() {
			t.Errorf("a pipe of %d units has %d bytes (%v)", q.units, n, err)
		}
		defer b.drop(q)
	}
	if want := []int32{4, 4, 1}; !slices.Equal(sizes, want) && os.Getuid() == 0 {
		t.Errorf("pipes of %v units, want %v", sizes, want)
	}
}

func TestIdlePipesAreClosedInTime(t *testing.T) {
	t.Parallel()
	p, b := allow(3)
	var lent [3]pipe
	for i := range lent {
		lent[i], _ = p.lend(0)
	}
	for _, q := range lent {
		p.giveBack(q, 0)
	}
	p.trim(trimEvery) // all were in use since the last look
	busy, _ := p.lend(trimEvery)
	p.giveBack(busy, trimEvery)
	if n := len(p.idle); n != 3 {
		t.Fatalf("%d pipes idle, want all three", n)
	}
	p.trim(2 * trimEvery) // two were not wanted
	if n := len(p.idle); n != 1 {
		t.Errorf("%d pipes idle, want the one that was used", n)
	}
	p.trim(3 * trimEvery)
	if len(p.idle) != 0 || b.left.Load() != 3 || p.trimAt != 0 {
		t.Errorf("%d idle, %d units left, next look at %d: want none, 3, never", len(p.idle), b.left.Load(), p.trimAt)
	}
}

func TestTheBudgetIsBounded(t *testing.T) {
	t.Parallel()
	if b := newBudget(); b.most < 0 || b.most > mostUnits || b.left.Load() != b.most {
		t.Errorf("a budget of %d units, %d of them left", b.most, b.left.Load())
	}
}

func TestKeptBuffersAreBoundedAndUsedAgain(t *testing.T) {
	t.Parallel()
	var left atomic.Int32
	left.Store(2)
	k := keeps{left: &left}
	var held []int32
	for _, text := range []string{"first", "second"} {
		if !k.reserve() {
			t.Fatal("two buffers were allowed")
		}
		held = append(held, k.keep([]byte(text)))
	}
	if k.reserve() {
		t.Error("a third buffer was allowed")
	}
	if got := string(k.bufs[held[0]][:5]); got != "first" {
		t.Errorf("kept %q", got)
	}
	k.drop(held[0])
	if !k.reserve() {
		t.Fatal("a buffer that was dropped still counts")
	}
	if i := k.keep([]byte("third")); i != held[0] || len(k.bufs) != 2 {
		t.Errorf("kept at %d of %d, want the index that was free, %d", i, len(k.bufs), held[0])
	}
	if left.Load() != 0 {
		t.Errorf("%d left", left.Load())
	}
}
