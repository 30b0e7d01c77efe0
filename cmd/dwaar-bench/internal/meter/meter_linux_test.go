package meter_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/meter"
	"dwaar.dev/dwaar/host/realtest"
)

// beyond is more than any process has: PID_MAX_LIMIT is 1 << 22.
const beyond = 1<<22 + 1

func TestProcessorTimeIsWhatAProcessUsed(t *testing.T) {
	t.Parallel()
	self := []int{os.Getpid()}
	before := meter.CPU(self)
	busy, err := meter.Busy()
	if err != nil {
		t.Fatal(err)
	}
	for meter.CPU(self)-before < 50*time.Millisecond { // this is what it is spent on
	}
	after, err := meter.Busy()
	if err != nil {
		t.Fatal(err)
	}
	if after-busy < 20*time.Millisecond {
		t.Errorf("this process used 50 ms, and the machine %v", after-busy)
	}
	if got := meter.CPU([]int{beyond}); got != 0 {
		t.Errorf("a process that does not exist used %v", got)
	}
}

func TestTreeHasThoseThatDescend(t *testing.T) {
	t.Parallel()
	// A shell that waits for a child, which becomes cat and waits for its input.
	cmd := exec.Command(realtest.Look(t, "sh"), "-c", "(echo started; exec cat); true")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := realtest.Start(t, cmd)
	p.WaitFor(t, "started")
	tree := meter.Tree(p.Pid())
	if len(tree) != 2 || tree[0] != p.Pid() {
		t.Errorf("the tree of %d is %v", p.Pid(), tree)
	}
	if own := meter.Tree(os.Getpid()); !slices.Contains(own, p.Pid()) {
		t.Errorf("the tree of this process %v is without %d", own, p.Pid())
	}
	in.Close()
	if err := p.Wait(t); err != nil {
		t.Error(err)
	}
}

func TestFootprintHasMemoryDescriptorsAndThreads(t *testing.T) {
	t.Parallel()
	self := []int{os.Getpid()}
	f, err := meter.FootprintOf(self)
	if err != nil {
		t.Fatal(err)
	}
	if f.PSS < 1<<20 || f.Private < 1<<19 || f.Descriptors < 3 || f.Threads < 2 {
		t.Errorf("a test takes more than %+v", f)
	}
	if _, err := meter.FootprintOf([]int{beyond}); err == nil {
		t.Error("a process that does not exist has a footprint")
	}
}

func TestSystemCallsAreCountedByName(t *testing.T) {
	t.Parallel()
	realtest.Look(t, "strace")
	cmd := exec.Command(realtest.Look(t, "cat"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := realtest.Start(t, cmd)
	copied := func(text string) error {
		_, err := in.Write([]byte(text))
		p.WaitFor(t, text)
		return err
	}
	if err := copied("before"); err != nil {
		t.Fatal(err)
	}
	calls, err := meter.Calls(t.Context(), []int{p.Pid()}, filepath.Join(t.TempDir(), "calls"), func() error {
		return errors.Join(copied("one"), copied("two"), copied("three"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if calls["write"] != 3 || calls["read"] < 3 {
		t.Errorf("copying three times took %v", calls)
	}
	in.Close()
	if err := p.Wait(t); err != nil {
		t.Error(err)
	}
}

func TestWhatFailsWhileCallsAreCountedIsReturned(t *testing.T) {
	t.Parallel()
	realtest.Look(t, "strace")
	cmd := exec.Command(realtest.Look(t, "cat"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := realtest.Start(t, cmd)
	broken := errors.New("broken")
	_, err = meter.Calls(t.Context(), []int{p.Pid()}, filepath.Join(t.TempDir(), "calls"), func() error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("counting gave %v", err)
	}
	in.Close()
	if err := p.Wait(t); err != nil {
		t.Error(err)
	}
}
