//go:build unix

package process

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
)

// The test binary is also a process that hears signals, or does not.
func TestMain(m *testing.M) {
	switch os.Getenv("PROCESS_TEST") {
	case "hears":
		hear()
	case "deaf":
		Deafen()
		os.Stdout.WriteString("deaf\n")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the test closes it
	default:
		os.Exit(m.Run())
	}
}

// hear prints each signal by what it asks for, until the second one to stop.
func hear() {
	c := Hear()
	defer c.Close()
	os.Stdout.WriteString("hears\n")
	for stops := 0; stops < 2; {
		select {
		case sig := <-c.Reload:
			os.Stdout.WriteString("reload " + sig.String() + "\n")
		case sig := <-c.Stop:
			stops++
			os.Stdout.WriteString("stop " + sig.String() + "\n")
		case sig := <-c.Other:
			os.Stdout.WriteString("other " + sig.String() + ": " + Elsewhere(sig) + "\n")
		}
	}
}

// as starts this binary in a role.
func as(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROCESS_TEST="+role)
	return cmd
}

func TestEachSignalHasItsMeaning(t *testing.T) {
	t.Parallel()
	p := realtest.Start(t, as("hears"))
	p.WaitFor(t, "hears")
	for _, c := range []struct {
		sig  syscall.Signal
		says string
	}{
		{syscall.SIGUSR1, "other user defined signal 1: nothing is done: where it has other servers open their log again"},
		{syscall.SIGUSR2, "other user defined signal 2: nothing is done: where it has other servers start a new binary"},
		{syscall.SIGHUP, "reload hangup"},
		{syscall.SIGPIPE, ""},
		{syscall.SIGQUIT, "stop quit"},
		{syscall.SIGINT, "stop interrupt"},
	} {
		if err := p.Signal(c.sig); err != nil {
			t.Fatal(err)
		}
		if c.says != "" {
			p.WaitFor(t, c.says)
		}
	}
	if err := p.Wait(t); err != nil {
		t.Error(err)
	}
}

func TestADeafProcessIsEndedByItsParentOnly(t *testing.T) {
	t.Parallel()
	cmd := as("deaf")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := realtest.Start(t, cmd)
	p.WaitFor(t, "deaf")
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
		if err := p.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	stdin.Close()
	if err := p.Wait(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
