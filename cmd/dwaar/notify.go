package main

import (
	"fmt"
	"net"
	"strings"
)

// notifier tells the service manager what the program is doing (sd_notify(3)).
// Its zero value tells nobody.
type notifier struct{ address string }

// newNotifier reads where the service manager listens. An "@" in front is a name
// in the abstract namespace; net knows that.
func newNotifier(getenv func(string) string) notifier { return notifier{getenv("NOTIFY_SOCKET")} }

// send tells the service manager some lines like READY=1, in one message.
func (n notifier) send(lines ...string) error {
	if n.address == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}

// ready says that the program serves, and what.
func (n notifier) ready(status string) error { return n.send("READY=1", "STATUS="+oneLine(status)) }

// status says what the program is doing.
func (n notifier) status(text string) error { return n.send("STATUS=" + oneLine(text)) }

// reloading says that a reload begins, and when: a service of Type=notify-reload
// needs the time of the monotonic clock.
func (n notifier) reloading() error {
	return n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()))
}

// stopping says that the program ends.
func (n notifier) stopping(status string) error {
	return n.send("STOPPING=1", "STATUS="+oneLine(status))
}

// oneLine keeps text from being read as further assignments.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }
