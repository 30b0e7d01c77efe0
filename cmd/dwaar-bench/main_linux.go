// Command dwaar-bench compares dwaar with other proxies on this machine.
//
//	go run ./cmd/dwaar-bench list
//	sudo go run ./cmd/dwaar-bench run --quick
//
// README.md says what it measures, and how far its figures can be trusted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

const rootHelp = `Starts dwaar, nginx, HAProxy, sslh and a plain proxy in Go, plays their clients
and upstreams on loopback, and says what each of them costs.

  dwaar-bench list                          what there is to measure, and with whom
  dwaar-bench run --quick                   all of it, roughly, in some minutes
  dwaar-bench run short-plain --peers dwaar,nginx
  dwaar-bench run --peer old=/tmp/dwaar --reference old --peers dwaar,old
  dwaar-bench exhaust                       one address attacks dwaar: who else is served`

// An exit is an exit code without words.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// execute runs one command line and returns the exit code: 0 fine, 1 failed, 2 wrong
// usage.
func execute(ctx context.Context, args []string, in io.Reader, out, err io.Writer) int {
	root := &cobra.Command{
		Use: "dwaar-bench", Short: "Compare dwaar with other proxies", Long: rootHelp,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(err)
	root.AddCommand(runCommand(), listCommand(), tableCommand(), exhaustCommand(), helperCommand())
	cmd, failure := root.ExecuteContextC(ctx)
	var code exit
	switch {
	case failure == nil:
		return 0
	case errors.As(failure, &code):
		return int(code)
	case errors.As(failure, new(failed)):
		fmt.Fprintf(err, "dwaar-bench: %v\n", failure)
		return 1
	}
	fmt.Fprintf(err, "dwaar-bench: %v\nRun `%s --help` to see how it is used.\n", failure, cmd.CommandPath())
	return 2
}

// failed marks an error of a command that was used as it should be.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }
