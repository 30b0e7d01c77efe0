package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"dwaar.dev/dwaar/cmd/dwaar/internal/process"
	"dwaar.dev/dwaar/host/realtest"
)

var update = flag.Bool("update", false, "write golden files and generated documents instead of comparing")

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"dwaar": heldMain}) }

// heldMain is main, with a compiler of plugins that a test can hold: where there are two named
// pipes beside its directory it writes its process number into "arrived", and goes on when
// somebody has opened "hold".
func heldMain() {
	if len(os.Args) == 3 && os.Args[1] == compileName {
		beside := filepath.Dir(os.Args[2])
		if arrived, err := os.OpenFile(filepath.Join(beside, "arrived"), os.O_WRONLY, 0); err == nil {
			process.Deafen()
			fmt.Fprintln(arrived, os.Getpid())
			arrived.Close()
			if hold, err := os.OpenFile(filepath.Join(beside, "hold"), os.O_RDONLY, 0); err == nil {
				hold.Close()
			}
		}
	}
	a := newApp()
	if a.etc != "/etc/dwaar/Dwaarfile" {
		panic("the machine's configuration is " + a.etc)
	}
	a.etc = filepath.Join(os.Getenv("HOME"), "etc", "Dwaarfile") // no test depends on what this machine serves
	os.Exit(execute(os.Args[1:], a))
}

// TestScripts runs testdata/script. Beside testscript's own commands there are
//
//	starts NAME ARG…     starts dwaar serve
//	serve NAME ARG…      starts it and waits until it says that it is ready
//	logs NAME REGEXP     waits until it has logged that, behind what was found before; with !
//	                     it has not logged that, anywhere
//	notified NAME TEXT   waits until it has told the service manager that; with ! as above
//	signal NAME SIGNAL   sends it HUP, TERM, INT, …
//	opens FILE           opens a named pipe to write, which waits for whoever reads it, and
//	                     writes nothing
//	container BYTES QUOTA  has later ones run in a container with so much memory, and so
//	                     many microseconds of processor time in a tenth of a second
//	eventually REGEXP COMMAND…  runs a command until it prints that
//	ended NAME CODE      waits until it has ended with that code
//	exits CODE COMMAND…  runs a command that has to end with that code
//	dial NAME ADDR TEXT  connects to an echo, sends a line and waits for it
//	say NAME TEXT        the same on an open connection
//	closed NAME          waits until the server has closed it
//	hangup NAME          closes it
//	refused ADDR         has to find nobody there
//
// $A to $F are free addresses on 127.0.0.1, $CAPTURES and $FLIGHTS the directories of packet
// captures and of first bytes of real clients. What is started logs to $LOG if that is set: a
// file, or "nobody", a pipe whose reader is gone.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			runScript(t, file)
		})
	}
}

func runScript(t *testing.T, file string) {
	t.Helper()
	needs(t, file)
	d := &daemons{running: map[string]*daemon{}}
	c := &clients{open: map[string]net.Conn{}}
	captures, err := filepath.Abs("internal/capture/testdata")
	if err != nil {
		t.Fatal(err)
	}
	flights, err := filepath.Abs("../../testdata/flights")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:               []string{file},
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           condition,
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"A", "B", "C", "D", "E", "F"} {
				env.Setenv(name, realtest.FreeAddr(t).String())
			}
			env.Setenv("GORACE", "atexit_sleep_ms=0") // every command would end a second later
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("XDG_RUNTIME_DIR", env.WorkDir)
			env.Setenv("RUNTIME_DIRECTORY", env.WorkDir)
			env.Setenv("CAPTURES", captures)
			env.Setenv("FLIGHTS", flights)
			env.Setenv("TMPDIR", filepath.Join(env.WorkDir, ".tmp"))
			return os.MkdirAll(filepath.Join(env.WorkDir, ".tmp"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"starts": d.starts, "opens": opens, "container": d.container, "eventually": eventually,
			"serve": d.serve, "logs": d.logs, "notified": d.notified, "signal": d.signal, "ended": d.ended,
			"exits": exits, "dial": c.dial, "say": c.say, "closed": c.closed, "hangup": c.hangup, "refused": c.refused,
		},
	})
}

// needs looks for the programs that a script runs.
func needs(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"curl", "nc", "openssl", "psql", "ssh", "wat2wasm"} {
		if strings.Contains(string(text), "exec "+name+" ") {
			realtest.Look(t, name)
		}
	}
}

// exits runs a command and compares its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("it ended with code %d", code)
	}
}

// daemons are the programs that one script serves with.
type daemons struct {
	running map[string]*daemon
	in      containers
}

// daemon is a dwaar serve that runs at most as long as its script.
type daemon struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  watched // standard error
	told watched // to the service manager
}

// serve starts a daemon and waits for it.
func (d *daemons) serve(ts *testscript.TestScript, neg bool, args []string) {
	d.starts(ts, neg, args)
	p := d.running[args[0]]
	p.wait(ts, &p.told, regexp.MustCompile(`READY=1`))
}

// starts starts a daemon.
func (d *daemons) starts(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	path := filepath.Join(ts.Getenv("WORK"), name+".notify")
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
	ts.Check(err)
	p := &daemon{done: make(chan struct{})}
	p.log.changed, p.told.changed = make(chan struct{}), make(chan struct{})
	p.cmd = exec.Command(os.Args[0], append([]string{"serve"}, args[1:]...)...)
	p.cmd.Args[0] = "dwaar" // as which testscript's binary runs main
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = append(environ(ts), "NOTIFY_SOCKET="+path)
	p.cmd.Stderr = &p.log
	if to := ts.Getenv("LOG"); to != "" {
		f := sink(ts, to)
		defer f.Close()
		p.cmd.Stderr = f
	}
	p.cmd.Path = lookIn(ts.Getenv("PATH"), "dwaar")
	if len(d.in.dirs) > 0 {
		p.cmd.Args = append([]string{"sh", "-c", d.in.enters(), p.cmd.Path, "serve"}, args[1:]...)
		p.cmd.Path = lookIn(ts.Getenv("PATH"), "sh")
	}
	ts.Check(p.cmd.Start())
	d.running[name] = p
	go p.listen(notify)
	go func() {
		_ = p.cmd.Wait() // the code is asked for by ended
		close(p.done)
	}()
	ts.Defer(func() {
		_ = p.cmd.Process.Kill() // an error says that it has ended
		<-p.done
		notify.Close()
		ts.Logf("%s logged:\n%s", name, p.log.all())
	})
}

// sink opens what a daemon is to log to.
func sink(ts *testscript.TestScript, name string) *os.File {
	if name != "nobody" {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		ts.Check(err)
		return f
	}
	r, w, err := os.Pipe()
	ts.Check(err)
	ts.Check(r.Close())
	return w
}

// opens opens a named pipe and keeps it open: opens FILE.
func opens(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY, 0)
	ts.Check(err)
	ts.Defer(func() { f.Close() })
}

// eventually runs a command until it prints something: eventually REGEXP COMMAND….
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	for {
		cmd := exec.Command(lookIn(ts.Getenv("PATH"), args[1]), args[2:]...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), environ(ts)
		cmd.Args[0] = args[1]
		if out, err := cmd.Output(); err == nil && want.Match(out) {
			return
		}
	}
}

func lookIn(path, name string) string {
	for _, dir := range filepath.SplitList(path) {
		if full, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return full
		}
	}
	return name
}

// environ is the environment of the script.
func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{
		"PATH", "HOME", "WORK", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "RUNTIME_DIRECTORY", "STATE_DIRECTORY",
		"DWAAR_CONFIG", "TMPDIR", "GOMEMLIMIT", "GOMAXPROCS", "A", "B", "C", "D", "E", "F", "GOCOVERDIR", "GORACE",
	} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// listen keeps what the daemon tells the service manager.
func (p *daemon) listen(notify *net.UnixConn) {
	buf := make([]byte, 4096)
	for {
		n, err := notify.Read(buf)
		if err != nil {
			return
		}
		fmt.Fprintf(&p.told, "%s\n", buf[:n])
	}
}

func (d *daemons) find(ts *testscript.TestScript, name string) *daemon {
	p := d.running[name]
	if p == nil {
		ts.Fatalf("there is no %s: serve %s starts it", name, name)
	}
	return p
}

func (d *daemons) logs(ts *testscript.TestScript, neg bool, args []string) {
	p := d.find(ts, args[0])
	p.says(ts, neg, &p.log, regexp.MustCompile(args[1]))
}

func (d *daemons) notified(ts *testscript.TestScript, neg bool, args []string) {
	p := d.find(ts, args[0])
	p.says(ts, neg, &p.told, regexp.MustCompile(regexp.QuoteMeta(args[1])))
}

// says waits for a text, or looks whether it was never there.
func (p *daemon) says(ts *testscript.TestScript, neg bool, in *watched, text *regexp.Regexp) {
	if !neg {
		p.wait(ts, in, text)
	} else if text.MatchString(in.all()) {
		ts.Fatalf("there is %q in:\n%s", text, in.all())
	}
}

func (d *daemons) signal(ts *testscript.TestScript, _ bool, args []string) {
	sig := map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "ABRT": syscall.SIGABRT,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "PIPE": syscall.SIGPIPE, "KILL": syscall.SIGKILL,
	}[args[1]]
	if sig == 0 {
		ts.Fatalf("there is no signal %s here", args[1])
	}
	ts.Check(d.find(ts, args[0]).cmd.Process.Signal(sig))
}

func (d *daemons) ended(ts *testscript.TestScript, _ bool, args []string) {
	p := d.find(ts, args[0])
	<-p.done
	if code := strconv.Itoa(p.cmd.ProcessState.ExitCode()); code != args[1] {
		ts.Fatalf("%s ended with code %s", args[0], code)
	}
}

// wait waits until a text appears, or the daemon ends without it.
func (p *daemon) wait(ts *testscript.TestScript, in *watched, text *regexp.Regexp) {
	for {
		ended := false
		select {
		case <-p.done:
			ended = true
		default:
		}
		found, changed := in.find(text)
		switch {
		case found:
			return
		case ended:
			ts.Fatalf("it ended without %q: %v", text, p.cmd.ProcessState)
		}
		select {
		case <-changed:
		case <-p.done:
		}
	}
}

// watched is a text that grows.
type watched struct {
	mu      sync.Mutex
	text    strings.Builder
	seen    int
	changed chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	close(w.changed)
	w.changed = make(chan struct{})
	return len(b), nil
}

// find looks behind what was found before. If it finds nothing, changed is closed
// when there is more.
func (w *watched) find(text *regexp.Regexp) (found bool, changed chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := text.FindStringIndex(w.text.String()[w.seen:])
	if at == nil {
		return false, w.changed
	}
	w.seen += at[1]
	return true, nil
}

func (w *watched) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func TestTheEmbeddedConfigurationIsTheOneAtTheRoot(t *testing.T) {
	t.Parallel()
	root, err := os.ReadFile("../../Dwaarfile")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("Dwaarfile", root, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(root) != defaultText {
		t.Error("cmd/dwaar/Dwaarfile differs from ./Dwaarfile: run go test ./cmd/dwaar -update")
	}
}
