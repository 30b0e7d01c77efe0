package exhaust

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
)

// config is what is attacked: a port with routes, one of them to an upstream that answers
// no SYN, and one that terminates TLS.
const config = `{
	grace_period 1s
	certificate %[1]s %[2]s %[3]s
}

layer4 {
	%[4]s {
		@hello tls sni %[1]s
		@dead  regexp ^DEAD 4
		@good  regexp ^GOOD 4
		route @hello {
			proxy %[6]s
		}
		route @dead {
			proxy %[7]s
		}
		route @good {
			proxy %[6]s
		}
	}
	%[5]s {
		route {
			tls
			proxy %[6]s
		}
	}
}
`

// target is a dwaar with its upstreams, and what is sent to it.
type target struct {
	plain, secure string // addresses
	fragment      []byte
	large, huge   []byte // hellos that lack their last byte

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	log  string
	up   net.Listener
	dead *deadEnd
	held sync.Map // connections of the upstream
}

// start runs a dwaar with so many descriptors until it serves.
func start(ctx context.Context, dir string, o *Options, descriptors int) (*target, error) {
	t := &target{log: filepath.Join(dir, "log")}
	if err := t.flights(); err != nil {
		return nil, err
	}
	var err error
	if t.up, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	go t.serve()
	if t.dead, err = newDeadEnd(); err != nil {
		t.up.Close()
		return nil, err
	}
	const tries = 5 // somebody may connect from a port that was free
	for range tries {
		t.done = make(chan struct{})
		if err = t.run(dir, o, descriptors); err != nil {
			break
		}
		if err = t.ready(ctx, o.Patience); err == nil {
			return t, nil
		}
		_ = t.cmd.Process.Kill() // it may have ended
		<-t.done
		said, _ := os.ReadFile(t.log) // what it printed is a courtesy
		err = fmt.Errorf("%w\n%s", err, said)
	}
	t.closeUpstreams()
	return nil, err
}

// flights makes what attackers send.
func (t *target) flights() error {
	hello, err := wire.Flight("tls", Name)
	if err != nil {
		return err
	}
	t.fragment = append([]byte(nil), hello[:47]...)
	binary.BigEndian.PutUint16(t.fragment[3:], 15_900)
	t.fragment[6], t.fragment[7], t.fragment[8] = 0, (15_900-4)>>8, (15_900-4)&0xff
	t.large, t.huge = unfinished(30_000), unfinished(60_000)
	return nil
}

// unfinished returns a hello of so many bytes, in records of 16 KiB (RFC 8446 section 5.1),
// without the last one.
func unfinished(size int) (sent []byte) {
	body := make([]byte, size)
	copy(body, []byte{1, 0, byte((size - 4) >> 8), byte(size - 4), 3, 3})
	for len(body) > 0 {
		n := min(len(body), 16<<10)
		sent = append(sent, 22, 3, 1, byte(n>>8), byte(n))
		sent = append(sent, body[:n]...)
		body = body[n:]
	}
	return sent[:len(sent)-1]
}

// run starts the process. A shell sets the limit, which dwaar cannot raise then.
func (t *target) run(dir string, o *Options, descriptors int) error {
	var err error
	for _, at := range []*string{&t.plain, &t.secure} {
		if *at, err = freeAddr(); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, "Dwaarfile")
	text := fmt.Sprintf(config, Name, o.Cert.Cert, o.Cert.Key, t.plain, t.secure, t.up.Addr(), t.dead.addr)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	log, err := os.Create(t.log)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{
		"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, descriptors), o.Binary,
		"serve", "--config", path, "--control", "off", "--log-level", "error",
	}, o.Args...)
	t.cmd = exec.Command("/bin/sh", args...)
	t.cmd.Stdout, t.cmd.Stderr = log, log
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := t.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(t.done)
		_ = t.cmd.Wait() // how it ended is in its log
	}()
	return nil
}

// freeAddr returns an address that nobody listens on now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// ready waits until both ports serve.
func (t *target) ready(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := errors.Join(greet(ctx, t, "127.0.0.2"), secureGreet(ctx, t, "127.0.0.2"))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-t.done:
			return errors.New("it ended by itself")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the process and its upstreams.
func (t *target) stop() {
	_ = t.cmd.Process.Kill()
	<-t.done
	t.closeUpstreams()
}

func (t *target) closeUpstreams() {
	t.up.Close()
	t.dead.close()
	t.held.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
}

// serve is the upstream: it echoes.
func (t *target) serve() {
	for {
		c, err := t.up.Accept()
		if err != nil {
			return // closed
		}
		t.held.Store(c, nil)
		go func() {
			defer t.held.Delete(c)
			defer c.Close()
			_, _ = io.Copy(c, c) // until the client ends, or stop does
		}()
	}
}

// resident returns how much memory the process has, in bytes.
func (t *target) resident() int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", t.cmd.Process.Pid)) // 0 where it has ended
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// greet is a client that wants its word back.
func greet(ctx context.Context, t *target, from string) error {
	c, err := dial(ctx, from, t.plain)
	if err != nil {
		return err
	}
	defer c.Close()
	return answered(c)
}

// secureGreet is one that does the handshake first.
func secureGreet(ctx context.Context, t *target, from string) error {
	c, err := dial(ctx, from, t.secure)
	if err != nil {
		return err
	}
	defer c.Close()
	// The certificate is of this program's making, and whose it is is not the question.
	return answered(tls.Client(c, &tls.Config{ServerName: Name, InsecureSkipVerify: true}))
}

// dial connects from an address. What the client does afterwards has the rest of the
// context's time.
func dial(ctx context.Context, from, to string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, err
	}
	if at, ok := ctx.Deadline(); ok {
		err = c.SetDeadline(at)
	}
	return c, err
}

func answered(c net.Conn) error {
	if _, err := c.Write([]byte("GOOD")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 4))
	return err
}

// deadEnd is a socket that listens and accepts nobody, with a full queue: further
// connects have no answer.
type deadEnd struct {
	fd     int
	addr   string
	filler []net.Conn
}

func newDeadEnd() (*deadEnd, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	d := &deadEnd{fd: fd}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		d.close()
		return nil, err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		d.close()
		return nil, os.NewSyscallError("getsockname", err)
	}
	d.addr = fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
	for { // until the queue is full
		c, err := net.DialTimeout("tcp", d.addr, 300*time.Millisecond)
		if err != nil {
			return d, nil
		}
		d.filler = append(d.filler, c)
	}
}

func (d *deadEnd) close() {
	_ = unix.Close(d.fd)
	for _, c := range d.filler {
		_ = c.Close()
	}
}
