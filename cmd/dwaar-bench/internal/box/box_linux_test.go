package box_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/box"
	"dwaar.dev/dwaar/host/realtest"
)

func TestChildrenStayOnTheirCore(t *testing.T) {
	t.Parallel()
	cat := realtest.Look(t, "cat")
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	cores, err := box.Cores()
	if err != nil || len(cores) != before.Count() {
		t.Fatalf("cores %v of %v, error %v", cores, before, err)
	}
	place := box.Place{CPU: cores[0]}
	if os.Getuid() == 0 { // nobody else may come back
		place.Nice = 5
	}
	cmd := exec.Command(cat, "/proc/self/status")
	var out strings.Builder
	cmd.Stdout = &out
	if err := place.Run(cmd.Run); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(out.String(), "Cpus_allowed_list:\t")
	if got, _, _ := strings.Cut(rest, "\n"); strings.ContainsAny(got, ",-") || got == "" {
		t.Errorf("the child was allowed on %q", got)
	}
	var after unix.CPUSet
	if err := unix.SchedGetaffinity(0, &after); err != nil || after != before {
		t.Errorf("this process may now use %v, error %v", after, err)
	}
	broken := errors.New("broken")
	if err := (box.Place{CPU: -1}).Run(func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("starting gave %v", err)
	}
	if err := (box.Place{CPU: 1000}).Run(func() error { return nil }); err == nil {
		t.Error("there are a thousand cores")
	}
}

func TestLimitOfDescriptorsIsTheHighestThereMayBe(t *testing.T) {
	t.Parallel()
	n, err := box.Descriptors()
	if err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if uint64(n) != limit.Max || limit.Cur != limit.Max {
		t.Errorf("it is %d, of %+v", n, limit)
	}
}
