package meter

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The sample is of strace 6.1: strace -c -f -o FILE sh -c 'ls /nonexistent; ls /proc/self'.
func TestSummaryOfStraceIsRead(t *testing.T) {
	t.Parallel()
	got, err := summary("testdata/strace-6.1.txt")
	if err != nil {
		t.Fatal(err)
	}
	some := map[string]int{}
	for _, name := range []string{"wait4", "newfstatat", "read", "getpid", "total"} {
		some[name] = got[name]
	}
	want := map[string]int{"wait4": 4, "newfstatat": 57, "read": 15, "getpid": 1, "total": 0}
	if diff := cmp.Diff(want, some); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if _, err := summary("testdata/none.txt"); err == nil {
		t.Error("a file that does not exist was read")
	}
}
