package engine_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/engine"
)

// onUnix is a configuration with one Unix listener.
func onUnix(path string, lines ...string) string {
	return "layer4 {\nunix/" + path + " {\n" + strings.Join(lines, "\n") + "\nroute {\necho\n}\n}\n}\n"
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestASocketFileThatWasRemovedIsMadeAgainByAReload(t *testing.T) {
	f := start(t, nil)
	path := filepath.Join(t.TempDir(), "s")
	f.load(onUnix(path))
	before := f.dialTo("unix", path)
	before.says("hello", "hello")
	if err := os.Remove(path); err != nil { // a cleaner of old files
		t.Fatal(err)
	}
	f.load(onUnix(path))
	f.dialTo("unix", path).says("again", "again")
	before.says("still here", "still here")
	f.load(onUnix(path)) // nothing is to be done
	f.dialTo("unix", path).says("and again", "and again")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := f.Load(t.Context(), f.build(onUnix(path))); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("another program has the path: %v", err)
	}
	before.says("even now", "even now")
}

func TestAUnixListenerGivesItsFileToWhomTheConfigurationSays(t *testing.T) {
	f := start(t, nil)
	path := filepath.Join(t.TempDir(), "s")
	usual := filepath.Join(t.TempDir(), "usual")
	f.load(onUnix(usual))
	want := modeOf(t, usual)
	group := "socket_group " + strconv.Itoa(os.Getegid())
	for _, step := range []struct {
		mode string
		want fs.FileMode
	}{{"|0660", 0o660}, {"|0666", 0o666}, {"", want}, {"|0600", 0o600}} {
		f.load(onUnix(path+step.mode, group))
		if got := modeOf(t, path); got != step.want {
			t.Errorf("%q: the mode is %o, want %o", step.mode, got, step.want)
		}
		f.dialTo("unix", path).says("hello", "hello")
	}
}

// A second path fails: what was changed already is as before.
func TestALoadThatFailsLeavesSocketFilesAsTheyWere(t *testing.T) {
	f := start(t, nil)
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	both := func(mode string) string {
		return "layer4 {\nunix/" + one + mode + " unix/" + two + mode + " {\nroute {\necho\n}\n}\n}\n"
	}
	f.load(both("|0660"))
	other, err := net.Listen("unix", filepath.Join(dir, "3"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	bad := strings.Replace(both("|0666"), " {\nroute", " unix/"+filepath.Join(dir, "3")+" {\nroute", 1)
	if err := f.Load(t.Context(), f.build(bad)); err == nil {
		t.Fatal("a path of another program was taken")
	}
	for _, path := range []string{one, two} {
		if got := modeOf(t, path); got != 0o660 {
			t.Errorf("after a failed load the mode is %o", got)
		}
	}
}

// isRefused waits until a client of an address is reset.
func isRefused(t *testing.T, addr string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, limit)
	if err == nil {
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a client of an idle inherited socket: %v, want a reset", err)
	}
}

func TestClientsOfInheritedSocketsThatNobodyServesAreRefused(t *testing.T) {
	noLeak(t)
	ln, fd := inherit(t)
	f := start(t, func(o *engine.Options) { o.Inherited = []engine.Descriptor{{FD: fd, Name: "web"}} })
	addr := ln.Addr().String()
	const warning = "clients of an inherited socket are refused: no listener uses it"
	byName := "layer4 {\nfd/web {\nroute {\nsay name\n}\n}\n}\n"
	elsewhere := serve("route {", "echo", "}")

	f.load(elsewhere)
	isRefused(t, addr)
	f.load(byName)
	f.dialTo("tcp", addr).hears("name")
	f.load(elsewhere) // it is dropped
	isRefused(t, addr)
	f.load(elsewhere)
	f.load(byName)
	f.dialTo("tcp", addr).hears("name")
	if err := f.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	isRefused(t, addr)
	f.load(byName)
	f.dialTo("tcp", addr).hears("name")

	lines := f.lines(warning)
	if len(lines) != 3 {
		t.Fatalf("the log tells %d times of it, want once for each: %v", len(lines), lines)
	}
	if want := fmt.Sprintf("fd/%d (web) on %s", fd, addr); lines[0]["listener"] != want {
		t.Errorf("the log names %v, want %s", lines[0]["listener"], want)
	}
}

// Whoever connects while the program stops waits for the next one, as the service
// manager has its socket open.
func TestAProgramThatStopsLeavesInheritedClientsToTheNext(t *testing.T) {
	ln, fd := inherit(t)
	f := start(t, func(o *engine.Options) { o.Inherited = []engine.Descriptor{{FD: fd}} })
	f.load(serve("route {", "echo", "}"))
	isRefused(t, ln.Addr().String())
	if err := f.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp", ln.Addr().String(), limit)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	next, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	next.Close()
}

func TestEveryWayToALoopbackListenerIsOurOwn(t *testing.T) {
	f := start(t, nil)
	f.load(serve("route {", "echo", "}"))
	at, _ := f.Addr(anyPort)
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "::ffff:127.0.0.1": true,
		"0.0.0.0": true, "::": true, // the kernel connects these to loopback
		"127.0.0.2": false, "192.0.2.1": false,
	} {
		if got := engine.Owns(f.Engine, netip.AddrPortFrom(netip.MustParseAddr(addr), at.Port())); got != want {
			t.Errorf("%s is our own: %v", addr, got)
		}
		if engine.Owns(f.Engine, netip.AddrPortFrom(netip.MustParseAddr(addr), at.Port()-1)) {
			t.Errorf("another port of %s is our own", addr)
		}
	}
}

func TestEveryAddressOfTheMachineIsOurOwnBehindAWildcard(t *testing.T) {
	f := start(t, nil)
	f.load("layer4 {\ntcp4/:0 {\nroute {\necho\n}\n}\n}\n")
	at, _ := f.Addr("tcp4/:0")
	ways := map[string]bool{"0.0.0.0": true, "127.0.0.1": true, "127.8.9.1": true, "192.0.2.1": false}
	known, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range known {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
			ways[ip.IP.String()] = true
		}
	}
	for addr, want := range ways {
		if got := engine.Owns(f.Engine, netip.AddrPortFrom(netip.MustParseAddr(addr), at.Port())); got != want {
			t.Errorf("%s is our own: %v", addr, got)
		}
	}
}
