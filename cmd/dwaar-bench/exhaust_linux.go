package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/cert"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/exhaust"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
)

const exhaustHelp = `Attacks dwaar from 127.0.0.1, in one phase of a connection after the other, and prints
how many clients of other addresses are served meanwhile:

  fragments    47 bytes of a hello that announces 15,900
  silent       connections that say nothing
  handshakes   a hello of 30 kB to a terminated port, but for its last byte
  hellos       the same with 60 kB
  connects     a route to an upstream that answers no SYN
  relays       one message and its answer, and then nothing

The attacker keeps a tenth more connections open than dwaar's descriptors allow, and
opens a new one for each that ends. It needs 20,000 descriptors (ulimit -n), or --scale.`

// exhaustFlags are the flags of exhaust.
type exhaustFlags struct {
	runFlags
	scale, others int
	patience      time.Duration
	loops         string
}

func exhaustCommand() *cobra.Command {
	var f exhaustFlags
	cmd := &cobra.Command{
		Use: "exhaust [PHASE]…", Short: "Attack dwaar and say who else is served", Long: exhaustHelp,
		ValidArgsFunction: cobra.FixedCompletions(phaseNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), cmd.OutOrStdout(), args) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.binaries, "peer", nil, "`NAME=PATH` of a dwaar to attack; again for several [the one of the current directory]")
	flags.IntVar(&f.scale, "scale", 1, "attack an `N`th of the descriptors")
	flags.IntVar(&f.others, "others", 200, "`N` clients of other addresses")
	flags.DurationVar(&f.patience, "patience", 10*time.Second, "how long one of them waits for its answer")
	flags.StringVar(&f.loops, "event-loops", "", "`N` event loops of dwaar [one per processor]")
	return cmd
}

func phaseNames() []string {
	var names []string
	for _, p := range exhaust.Phases() {
		names = append(names, p.Name)
	}
	return names
}

// run attacks every dwaar in every phase that is named.
func (f *exhaustFlags) run(ctx context.Context, out io.Writer, names []string) error {
	if err := f.check(names); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dwaar-bench-build-")
	if err != nil {
		return failed{err}
	}
	defer os.RemoveAll(dir)
	all, err := f.dwaars(ctx, dir)
	if err != nil {
		return err
	}
	pair, err := cert.New(dir, exhaust.Name)
	if err != nil {
		return failed{err}
	}
	o := exhaust.Options{Cert: pair, Scale: f.scale, Others: f.others, Patience: f.patience}
	if f.loops != "" {
		o.Args = []string{"--event-loops", f.loops}
	}
	fmt.Fprintln(out, "| attack | | connections at once | in all | sent | others served | memory |\n|---|---|---|---|---|---|---|")
	for _, p := range exhaust.Phases() {
		if len(names) > 0 && !slices.Contains(names, p.Name) {
			continue
		}
		if err := attackAll(ctx, out, o, p, all); err != nil {
			return failed{err}
		}
	}
	return nil
}

// check refuses what was written wrongly.
func (f *exhaustFlags) check(names []string) error {
	for _, name := range names {
		if !slices.Contains(phaseNames(), name) {
			return fmt.Errorf("there is no phase %s: write one of %s", name, strings.Join(phaseNames(), ", "))
		}
	}
	if f.scale < 1 || f.others < 1 {
		return fmt.Errorf("--scale and --others: write a positive number")
	}
	return nil
}

// attackAll prints a row for each dwaar that is attacked.
func attackAll(ctx context.Context, out io.Writer, o exhaust.Options, p exhaust.Phase, all []peer.Program) error {
	for _, d := range all {
		o.Binary = d.Binary
		row, err := exhaust.Run(ctx, o, p)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", p.Name, d.Name, err)
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", p.Name, d.Name, row)
	}
	return nil
}

// dwaars returns those that --peer names, or the one of the current directory.
func (f *exhaustFlags) dwaars(ctx context.Context, dir string) ([]peer.Program, error) {
	if len(f.binaries) == 0 {
		f.peers = []string{"dwaar"}
	}
	for _, word := range f.binaries {
		name, _, _ := strings.Cut(word, "=")
		f.peers = append(f.peers, name)
	}
	return f.programs(ctx, dir)
}
