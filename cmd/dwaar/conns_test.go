package main

import (
	"io"
	"net"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// clients are the connections that one script has open.
type clients struct{ open map[string]net.Conn }

// dial connects to an address as NAME, sends a text and a line's end, and waits
// until it comes back: dial NAME ADDR TEXT.
func (c *clients) dial(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp", args[1])
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	c.open[args[0]] = conn
	c.say(ts, false, []string{args[0], args[2]})
}

// say sends a text on an open connection and waits until it comes back.
func (c *clients) say(ts *testscript.TestScript, _ bool, args []string) {
	conn, text := c.open[args[0]], args[1]+"\n"
	_, err := io.WriteString(conn, text)
	ts.Check(err)
	back := make([]byte, len(text))
	_, err = io.ReadFull(conn, back)
	ts.Check(err)
	if string(back) != text {
		ts.Fatalf("%q came back as %q", text, back)
	}
}

// closed waits until the server has closed a connection.
func (c *clients) closed(ts *testscript.TestScript, _ bool, args []string) {
	rest, err := io.ReadAll(c.open[args[0]])
	if len(rest) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		ts.Fatalf("it sent %q and then: %v", rest, err)
	}
}

// hangup closes a connection.
func (c *clients) hangup(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(c.open[args[0]].Close())
}

// refused tries to connect, which has to fail: refused ADDR.
func (c *clients) refused(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp", args[0])
	if err == nil {
		conn.Close()
		ts.Fatalf("%s accepts connections", args[0])
	}
}
