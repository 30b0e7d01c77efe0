package peer

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"text/template"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/meter"
)

//go:embed templates
var templates embed.FS

// Bounds of starting and ending a proxy.
const (
	readyTimeout = 10 * time.Second
	readyPoll    = 10 * time.Millisecond
	stopTimeout  = 3 * time.Second
)

// ErrEnded is the error of a proxy that ended by itself.
var ErrEnded = errors.New("it ended by itself")

// Process is a proxy that runs.
type Process struct {
	Program
	Listen  netip.AddrPort // where it listens
	Secure  netip.AddrPort // of the kind Secure: where TLS is terminated
	Control string         // of a dwaar: its control socket
	Dir     string         // a directory of its own
	PIDs    []int          // it and its children, as of when it was ready

	setup Setup
	cmd   *exec.Cmd
	done  chan struct{} // closed when it has ended
	log   string        // the file with what it printed
}

func uid() int { return os.Getuid() }

// Start writes the configuration of a program and runs it until Stop, at the latest
// until this process ends. Several of the same name may run. It returns when the
// program has relayed Setup.Probe.
func (p Program) Start(ctx context.Context, s Setup) (*Process, error) {
	r := &Process{Program: p, setup: s, done: make(chan struct{})}
	if err := r.prepare(); err != nil {
		return nil, fmt.Errorf("preparing %s: %w", p.Name, err)
	}
	if err := r.run(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.Name, err)
	}
	if err := r.ready(ctx); err != nil {
		r.Stop()
		said, _ := os.ReadFile(r.log) // what it printed is a courtesy
		return nil, fmt.Errorf("waiting for %s: %w\n%s", p.Name, err, bytes.TrimSpace(said))
	}
	r.PIDs = meter.Tree(r.cmd.Process.Pid)
	return r, nil
}

// prepare finds addresses and writes the configuration into a directory of its own.
func (r *Process) prepare() (err error) {
	set := &r.setup
	if r.Dir, err = os.MkdirTemp(set.Dir, r.Name+"-"); err != nil {
		return err
	}
	if set.User != 0 {
		err = os.Chown(r.Dir, set.User, set.User)
	}
	for _, addr := range []*netip.AddrPort{&r.Listen, &r.Secure} {
		if err == nil {
			*addr, err = freeAddr()
		}
	}
	r.log, r.Control = filepath.Join(r.Dir, "log"), filepath.Join(r.Dir, "control")
	set.Dir, set.Control, set.Splice = r.Dir, r.Control, r.Splice
	set.Listen, set.Secure, set.Config = r.Listen, r.Secure, filepath.Join(r.Dir, r.Config)
	if err != nil || r.Config == "" {
		return err
	}
	text, err := templates.ReadFile("templates/" + r.Config)
	if err != nil {
		return err
	}
	config, err := r.render(string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(set.Config, []byte(config), 0o644)
}

// render fills a template with the setup.
func (r *Process) render(text string) (string, error) {
	t, err := template.New(r.Name).Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, &r.setup)
	return b.String(), err
}

// freeAddr returns an address that nobody listens on now. Its port is below those that
// Linux gives to whoever asks for any, so that no connection has it when the proxy starts.
func freeAddr() (netip.AddrPort, error) {
	var last error
	for range 100 {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(12_000+rand.N(20_000)))
		l, err := net.Listen("tcp", addr.String())
		if err == nil {
			return addr, l.Close()
		}
		last = err
	}
	return netip.AddrPort{}, last
}

// run starts the program on its core, as its user, in a process group of its own.
func (r *Process) run() error {
	binary := r.Binary
	if binary == "" {
		binary = "/proc/self/exe"
	}
	args := make([]string, len(r.Args))
	for i, a := range r.Args {
		var err error
		if args[i], err = r.render(a); err != nil {
			return err
		}
	}
	log, err := os.Create(r.log)
	if err != nil {
		return err
	}
	defer log.Close()
	r.cmd = exec.Command(binary, args...)
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = r.Dir, log, log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if r.setup.User != 0 {
		id := uint32(r.setup.User)
		r.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id}
	}
	if err := r.setup.Place.Run(r.cmd.Start); err != nil {
		return err
	}
	go func() {
		defer close(r.done)
		_ = r.cmd.Wait() // how it ended is in its log
	}()
	return nil
}

// ready waits until the program relays a probe, so that all its processes are there.
func (r *Process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	again := time.NewTicker(readyPoll)
	defer again.Stop()
	for {
		err := r.probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-r.done:
			return ErrEnded
		case <-again.C:
		}
	}
}

// probe is one connection to the program; TLS has to be accepted only.
func (r *Process) probe(ctx context.Context) error {
	var d net.Dialer
	if r.setup.Kind == Secure {
		c, err := d.DialContext(ctx, "tcp", r.Secure.String())
		if err != nil {
			return err
		}
		c.Close()
	}
	c, err := d.DialContext(ctx, "tcp", r.Listen.String())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(readyTimeout)); err != nil {
		return err
	}
	if _, err := c.Write(r.setup.Probe); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

// Stop ends the program: politely, and if that does not help at once.
func (r *Process) Stop() {
	pid := r.cmd.Process.Pid
	_ = r.cmd.Process.Signal(unix.SIGTERM) // it may have ended
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	select {
	case <-r.done:
	case <-limit.C:
	}
	_ = unix.Kill(-pid, unix.SIGKILL) // its group: children that it left behind
	<-r.done
}

// Version returns the first line that the program prints of itself.
func (p *Program) Version(ctx context.Context) string {
	flag, binary := "-v", p.Binary
	switch {
	case binary == "":
		return "Go " + strings.TrimPrefix(runtime.Version(), "go")
	case p.Dwaar:
		flag = "--version"
	case strings.Contains(binary, "sslh"):
		flag = "-V"
	}
	out, _ := exec.CommandContext(ctx, binary, flag).CombinedOutput() // some exit with 1 after it
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	line, _, _ = strings.Cut(line, " - ") // an address, of HAProxy
	return line
}
