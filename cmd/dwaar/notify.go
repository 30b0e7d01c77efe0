package main

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// notifier tells the service manager what the program is doing (sd_notify(3)), until it is
// told that the program ends: nothing is said after that. Its zero value tells nobody.
type notifier struct {
	address string

	mu   sync.Mutex // one message at a time, in the order of what happens
	over bool       // STOPPING=1 was sent
}

// newNotifier reads where the service manager listens. An "@" in front is a name
// in the abstract namespace; net knows that.
func newNotifier(getenv func(string) string) *notifier {
	return &notifier{address: getenv("NOTIFY_SOCKET")}
}

// notifyLimit is how long the service manager may leave its socket full.
const notifyLimit = time.Second

// send tells the service manager some lines like READY=1, in one message. last says that
// it is the last one.
func (n *notifier) send(last bool, lines ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.address == "" || n.over {
		return nil
	}
	n.over = last
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(notifyLimit)) // fails only on what is closed
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}

// ready tells the service manager that the program serves, and what.
func (n *notifier) ready(status string) error {
	return n.send(false, "READY=1", "STATUS="+oneLine(status))
}

// status says what the program is doing.
func (n *notifier) status(text string) error { return n.send(false, "STATUS="+oneLine(text)) }

// reloading tells the service manager that a reload begins, and when: a service of Type=notify-reload
// needs the time of the monotonic clock.
func (n *notifier) reloading() error {
	return n.send(false, "RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()))
}

// stopping tells the service manager that the program ends.
func (n *notifier) stopping(status string) error {
	return n.send(true, "STOPPING=1", "STATUS="+oneLine(status))
}

// oneLine keeps text from being read as further assignments.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }
