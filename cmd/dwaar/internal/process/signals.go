package process

import (
	"os"
	"os/signal"
	"syscall"
)

// Calls are the signals that a process hears, by what they ask for.
type Calls struct {
	Reload <-chan os.Signal // SIGHUP: any number that wait are one
	Stop   <-chan os.Signal // SIGTERM, SIGINT, SIGQUIT: the second one means something else
	Other  <-chan os.Signal // what other servers do something for: SIGUSR1, SIGUSR2

	all []chan os.Signal
}

// Hear begins to hear signals. Each kind has a channel of its own: a signal that finds its
// channel full is dropped, and so none takes the place of another kind.
func Hear() *Calls {
	c := new(Calls)
	c.Reload = c.hear(1, syscall.SIGHUP)
	c.Stop = c.hear(2, syscall.SIGTERM, os.Interrupt, syscall.SIGQUIT)
	c.Other = c.hear(1, others()...)
	c.hear(0, syscall.SIGPIPE)
	return c
}

// hear returns a channel for some signals with room for so many. Nobody receives SIGPIPE: that
// it is heard keeps the runtime from ending the process when standard error is a pipe that
// nobody reads. To ignore it instead would make children ignore it too.
func (c *Calls) hear(room int, signals ...os.Signal) <-chan os.Signal {
	to := make(chan os.Signal, room)
	if len(signals) > 0 { // of none, Notify takes all
		signal.Notify(to, signals...)
	}
	c.all = append(c.all, to)
	return to
}

// Close leaves signals to the runtime again.
func (c *Calls) Close() {
	for _, to := range c.all {
		signal.Stop(to)
	}
}

// Deafen makes a process ignore what is meant for the one that started it: `pkill dwaar` and
// a terminal reach both. It has another way to learn of its parent's end.
func Deafen() {
	signal.Ignore(append(others(), syscall.SIGHUP, syscall.SIGTERM, os.Interrupt, syscall.SIGQUIT)...)
}
