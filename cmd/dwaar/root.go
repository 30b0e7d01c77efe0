package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/cmd/dwaar/internal/demo"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/wasm"
)

// app is what every command has of the world around it.
type app struct {
	in       io.Reader
	out, err io.Writer
	lookup   func(name string) (string, bool) // the environment
	etc      string                           // the configuration of the machine, where there is no nearer one
}

// getenv returns a variable of the environment, empty if it is not set.
func (a *app) getenv(name string) string {
	v, _ := a.lookup(name)
	return v
}

// registry returns everything a configuration of this program can name.
func registry() *host.Registry {
	r := new(host.Registry)
	builtin.Register(r)
	demo.Register(r)
	wasm.Register(r)
	return r
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// failed marks an error of a command that was used as it should be. Every other
// error is one of usage.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// errSilent is the error of a command that has said all there is to say.
var errSilent = errors.New("")

// execute runs one command line and returns the exit code.
func execute(args []string, a *app) int {
	root := newRoot(a)
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	if f, ok := errors.AsType[failed](err); ok {
		a.fail(f.error)
		return exitFailed
	}
	fmt.Fprintf(a.err, "dwaar: %v\nRun `%s --help` to see how it is used.\n", err, cmd.CommandPath())
	return exitUsage
}

const rootHelp = `dwaar accepts connections, looks at their first bytes without consuming them,
and gives each one to the first route that matches: several protocols on one port.

  dwaar serve                 serve ./Dwaarfile, or a demonstration if there is none
  dwaar validate              say what a configuration does, or all that is wrong with it
  dwaar help directives       list what can be written in a Dwaarfile
  dwaar help proxy            explain one of them`

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "dwaar",
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Short:         "A Layer-4 proxy: several protocols on one port",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("dwaar {{.Version}}\n")
	root.AddCommand(
		serveCommand(a), validateCommand(a), fmtCommand(a), adaptCommand(a), explainCommand(a), testCommand(a),
		reloadCommand(a), drainCommand(a), statusCommand(a), connectionsCommand(a), upstreamsCommand(a),
		decisionsCommand(a), mapCommand(a), statsCommand(a), versionCommand(a), pluginCommand(a), compileCommand(a),
	)
	root.SetHelpCommand(helpCommand(a))
	return root
}

// noCommand is the Args of a command that has others below it: a word behind it is one that is
// not there.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() || c.Name() == "help" {
			names = append(names, c.Name())
		}
	}
	return fmt.Errorf("unknown command %q for %q: %s", args[0], cmd.CommandPath(),
		didYouMean(args[0], names, "there are "+strings.Join(names, ", ")))
}

// do makes the RunE of a command: whatever do returns is a failure, not a matter
// of usage, unless it says so itself.
func do(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := f(cmd, args)
		if _, ok := errors.AsType[usageError](err); err == nil || ok {
			return err
		}
		return failed{err}
	}
}

// usageError is an error of a value on the command line that cobra cannot check.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// terminal reports whether somebody reads what is written to w, as far as one can
// tell: a character device.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
