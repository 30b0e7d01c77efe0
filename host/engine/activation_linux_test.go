package engine_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"dwaar.dev/dwaar/host/engine"
)

// asActivatedChild makes the test binary a proxy that gets its socket from a
// service manager; the value is the address to serve.
const asActivatedChild = "DWAAR_TEST_ACTIVATED_CHILD"

// TestActivatedChild is the program of the next test: it serves until its input
// ends.
func TestActivatedChild(t *testing.T) {
	addr := os.Getenv(asActivatedChild)
	if addr == "" {
		return // nothing to be shown in this process
	}
	inherited, err := engine.Inherited(func(name string) string {
		if name == "LISTEN_PID" { // the parent cannot know it before the child exists
			return strconv.Itoa(os.Getpid())
		}
		return os.Getenv(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, func(o *engine.Options) { o.Inherited = inherited })
	for _, listener := range []string{addr, "fd/3"} {
		f.load("layer4 {\n" + listener + " {\nroute {\nsay " + listener + "\n}\n}\n}\n")
		fmt.Println("serves")
		bufio.NewReader(os.Stdin).ReadByte()
	}
}

func TestASocketOfTheServiceManagerIsServed(t *testing.T) {
	manager, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	file, err := manager.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	addr := manager.Addr().String()
	cmd := exec.Command(os.Args[0], "-test.run=^TestActivatedChild$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), asActivatedChild+"="+addr, "LISTEN_FDS=1")
	cmd.ExtraFiles = []*os.File{file} // it becomes descriptor 3
	c := startChild(t, cmd)
	for _, listener := range []string{addr, "fd/3"} {
		c.line("serves")
		conn, err := net.DialTimeout("tcp", addr, limit)
		if err != nil {
			t.Fatal(err)
		}
		(&client{conn, t}).hears(listener)
		conn.Close()
		fmt.Fprint(c.in, "\n")
	}
}
