package realtest

import (
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// stopGrace is for a clean end after SIGTERM, before SIGKILL.
	stopGrace = 5 * time.Second

	// pipeGrace is for output that a grandchild still holds open when the
	// program itself has ended.
	pipeGrace = 10 * time.Second

	// lastWords is what a test that hangs has left to say what hangs, before its
	// binary is ended.
	lastWords = 10 * time.Second

	// patience is for one wait, of a program that compiles on a busy machine too: who
	// waits in vain says so while the other tests still have their time.
	patience = 5 * time.Minute
)

// deadliner is what *testing.T is and *testing.B is not.
type deadliner interface{ Deadline() (time.Time, bool) }

// Deadline is when a test that begins to wait should give up: after some minutes, and
// shortly before its binary's own limit (go test -timeout). It is for what hangs, never
// for what is slow: a machine that is busy, or compiles, may take minutes.
func Deadline(t testing.TB) time.Time {
	limit := time.Now().Add(patience)
	d, ok := t.(deadliner)
	if !ok {
		return limit
	}
	if at, ok := d.Deadline(); ok && at.Add(-lastWords).Before(limit) {
		return at.Add(-lastWords)
	}
	return limit
}

// Overdue sends at [Deadline].
func Overdue(t testing.TB) <-chan time.Time { return time.After(time.Until(Deadline(t))) }

// Process is a program that runs at most as long as its test. Its methods may
// be called from any goroutine.
type Process struct {
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when the process was reaped and its output read
	err  error         // of cmd.Wait, after done
}

// Start runs cmd and captures its standard output and error where the caller
// has not set them. The process gets a group of its own. When the test ends it
// is told to terminate (SIGTERM), and killed if it does not; on Linux it also
// ends when the test binary dies, and what it leaves behind in its group ends
// with it. If the test failed, what it printed is logged.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{cmd: cmd, done: make(chan struct{})}
	p.out.changed = make(chan struct{})
	if cmd.Stdout == nil {
		cmd.Stdout = &p.out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.out
	}
	cmd.WaitDelay = pipeGrace
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	bindToParent(cmd.SysProcAttr)

	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		t.Fatalf("starting %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", cmd, p.Output())
		}
	})
	return p
}

// run starts the program and stays on that thread until the program ends: the
// kernel takes the end of the thread that forked for the end of the parent.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	endGroup(p.cmd.Process.Pid)
	p.err = p.cmd.Wait()
	close(p.done)
}

// Run runs cmd to its end and returns what it printed on both streams and how
// it ended, as exec.Cmd.Wait says it. A program that does not end
// before [Deadline] fails the test.
func Run(t testing.TB, cmd *exec.Cmd) (string, error) {
	t.Helper()
	p := Start(t, cmd)
	err := p.Wait(t)
	return p.Output(), err
}

// Wait waits for the end of the program and returns how it ended, as
// exec.Cmd.Wait says it; it fails the test at [Deadline].
func (p *Process) Wait(t testing.TB) error {
	t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-Overdue(t):
		t.Fatalf("%s does not end, it printed:\n%s", p.cmd, p.Output())
		return nil
	}
}

// WaitFor waits until the program has printed all the texts, in any order, behind
// those of the previous WaitFor. It fails the test if the program ends first, or at
// [Deadline].
func (p *Process) WaitFor(t testing.TB, texts ...string) {
	t.Helper()
	limit := Overdue(t)
	for {
		ended := p.ended() // before the look: what it printed until then is there
		missing, changed := p.out.find(texts)
		if missing == "" {
			return
		}
		if ended {
			t.Fatalf("%s ended (%v) without printing %q, it printed:\n%s", p.cmd, p.err, missing, p.Output())
			return
		}
		select {
		case <-changed:
		case <-p.done:
		case <-limit:
			t.Fatalf("%s does not print %q, it printed:\n%s", p.cmd, missing, p.Output())
			return
		}
	}
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Output is what the program has printed so far.
func (p *Process) Output() string { return p.out.String() }

// Pid is the id of the process, which may have ended.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the program; an error says that it has ended.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Stop ends the program now and returns when it is gone. A program that has
// ended already is left in peace.
func (p *Process) Stop() {
	if p.Signal(syscall.SIGTERM) == nil {
		select {
		case <-p.done:
		case <-time.After(stopGrace):
			_ = p.cmd.Process.Kill() // an error says that it has ended just now
		}
	}
	<-p.done
}

// output collects what a program prints and tells when there is more.
type output struct {
	mu      sync.Mutex
	text    strings.Builder
	seen    int           // find looks behind this
	changed chan struct{} // closed at the next write
}

// Write is called by the goroutines of exec.Cmd.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

// find looks for texts behind what was found before, and moves on behind the last of
// them. If one is missing, changed is closed when there is more to look at.
func (o *output) find(texts []string) (missing string, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fresh, end := o.text.String()[o.seen:], 0
	for _, text := range texts {
		i := strings.Index(fresh, text)
		if i < 0 {
			return text, o.changed
		}
		end = max(end, i+len(text))
	}
	o.seen += end
	return "", nil
}

// String is all of it.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
