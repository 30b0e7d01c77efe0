package realtest_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/realtest"
)

// fakeTB records how a test would end. Everything else is the real test's.
type fakeTB struct {
	testing.TB
	failed, skipped string
}

func (f *fakeTB) Fatalf(format string, a ...any) { f.failed = format; runtime.Goexit() }
func (f *fakeTB) Skipf(format string, a ...any)  { f.skipped = format; runtime.Goexit() }

// try runs fn as a test of its own, to its end.
func try(t *testing.T, fn func(testing.TB)) *fakeTB {
	t.Helper()
	f := &fakeTB{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(f)
	}()
	<-done
	return f
}

func TestMissingProgramSkipsAndInCIFails(t *testing.T) {
	look := func(tb testing.TB) { realtest.Look(tb, "no-such-program-anywhere") }
	t.Setenv("CI", "")
	f := try(t, look)
	if f.failed != "" || !strings.Contains(f.skipped, "run make test") {
		t.Errorf("without CI: failed %q, skipped %q", f.failed, f.skipped)
	}
	t.Setenv("CI", "true")
	f = try(t, look)
	if f.skipped != "" || !strings.Contains(f.failed, "run make test") {
		t.Errorf("in CI: failed %q, skipped %q", f.failed, f.skipped)
	}
}

func TestDaemonsOutsideThePathAreFound(t *testing.T) {
	for _, name := range []string{"sshd", "initdb", "postgres"} {
		if path := realtest.Look(t, name); !filepath.IsAbs(path) {
			t.Errorf("%s is %s", name, path)
		}
	}
}

func TestWaitForReadsOn(t *testing.T) {
	t.Parallel()
	cat := exec.Command(realtest.Look(t, "cat"))
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := realtest.Start(t, cat)
	for range 3 {
		if _, err := in.Write([]byte("ready\n")); err != nil {
			t.Fatal(err)
		}
		p.WaitFor(t, "ready")
	}
	if _, err := in.Write([]byte("one\ntwo\nthree\n")); err != nil {
		t.Fatal(err)
	}
	p.WaitFor(t, "two", "one")
	p.WaitFor(t, "three")
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff("ready\nready\nready\none\ntwo\nthree\n", p.Output()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	f := try(t, func(tb testing.TB) { p.WaitFor(tb, "ready") })
	if !strings.Contains(f.failed, "without printing") {
		t.Errorf("waiting for a fourth one after the end: failed %q", f.failed)
	}
}

func TestRunReturnsBothStreamsAndTheError(t *testing.T) {
	t.Parallel()
	out, err := realtest.Run(t, exec.Command("sh", "-c", "echo out; echo err >&2; exit 3"))
	if diff := cmp.Diff("out\nerr\n", out); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if err == nil || err.Error() != "exit status 3" {
		t.Errorf("the end was %v", err)
	}
}

func TestTheEndOfTheTestEndsTheProgram(t *testing.T) {
	t.Parallel()
	var p *realtest.Process
	t.Run("inner", func(t *testing.T) {
		p = realtest.Start(t, exec.Command("sh", "-c", "echo up; exec sleep 600"))
		p.WaitFor(t, "up")
	})
	select {
	case <-p.Done():
	default:
		t.Error("it is still running")
	}
	if err := syscall.Kill(p.Pid(), 0); err != syscall.ESRCH {
		t.Errorf("asking for process %d: %v", p.Pid(), err)
	}
}

func TestAProgramThatIgnoresTheSignalIsKilled(t *testing.T) {
	t.Parallel()
	p := realtest.Start(t, exec.Command("sh", "-c", "trap '' TERM; echo up; while :; do sleep 600; done"))
	p.WaitFor(t, "up")
	p.Stop()
	if err := p.Wait(t); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the end was %v", err)
	}
}

func TestGrandchildrenEndWithTheirParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("process groups are ended on Linux only")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	cmd := exec.Command("sh", "-c", "sleep 600 & echo $!")
	cmd.ExtraFiles = []*os.File{w} // the grandchild holds it until it ends
	_, err = realtest.Run(t, cmd)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetReadDeadline(realtest.Deadline(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("waiting for the end of the grandchild: %v", err)
	}
}

func TestFreeAddrIsFreeAndNobodyElseGetsIt(t *testing.T) {
	t.Parallel()
	addr := realtest.FreeAddr(t)
	for range 200 {
		if other := realtest.FreeAddr(t); other == addr {
			t.Fatalf("%s was given twice", addr)
		}
	}
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func TestOrdinaryUserOwnsHisDirectory(t *testing.T) {
	t.Parallel()
	const nobody = "nobody"
	dir := realtest.DirFor(t, nobody)
	cmd := exec.Command("sh", "-c", "touch file && id -u")
	cmd.Dir = dir
	realtest.As(t, nobody, cmd)
	out, err := realtest.Run(t, cmd)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if strings.TrimSpace(out) == "0" {
		t.Error("it ran as root")
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Error(err)
	}
}

func TestAWaitEndsBeforeTheTestBinary(t *testing.T) {
	t.Parallel()
	if own, limited := t.Deadline(); limited && !realtest.Deadline(t).Before(own) {
		t.Errorf("the test's is %v, the binary's %v", realtest.Deadline(t), own)
	}
	if at := realtest.Deadline(&testing.B{}); time.Until(at) > 10*time.Minute {
		t.Errorf("one without a limit waits until %v", at)
	}
}
