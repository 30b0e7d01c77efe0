package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/bench"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/box"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/report"
)

const runHelp = `Measures the named scenarios, or all of them, and prints tables.

Every ratio comes from paired rounds: a proxy and the reference one after the other, in
the other order in the next round. It is the median of the rounds' ratios, with the
interval that holds 95 % of the medians of resampled rounds. The row of the reference
has the same of a second process of itself: what lies within that interval cannot be
told from 1. Machines drift by a quarter within minutes: compare ratios, and only
within one run.

CPU is the processor time of the proxy, user and system. "machine" is that of all
processors less what load and upstream take without a proxy: it shows work that was
moved elsewhere, in steps of 10 ms, and everything else that runs meanwhile.

It needs two cores. As root it runs in a network namespace of its own, with TCP reno;
otherwise in the machine's network. strace counts system calls. Proxies that are not
installed are left out. dwaar is built from the module that the current directory is
in, or found beside this program.`

// runFlags are the flags of run.
type runFlags struct {
	quick, pin, namespace bool
	rounds, nice          int
	window                time.Duration
	reference             string
	peers, binaries       []string
	user                  string
	json, markdown        string
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use: "run [SCENARIO]…", Short: "Measure and print tables", Long: runHelp,
		ValidArgsFunction: cobra.FixedCompletions(scenarioNames(), cobra.ShellCompDirectiveNoFileComp),
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.quick, "quick", false, "few and short rounds: wide intervals, but honest ones")
	flags.BoolVar(&f.pin, "pin", true, "load and upstream on one core, the proxies on another with one worker; false: the kernel places them")
	flags.BoolVar(&f.namespace, "namespace", os.Getuid() == 0, "run in a network namespace of its own, as root only")
	flags.IntVar(&f.rounds, "rounds", 0, "`N` rounds of every comparison [60, quick 8]")
	flags.DurationVar(&f.window, "window", 0, "length of a sample [250ms, quick 80ms]")
	flags.IntVar(&f.nice, "nice", 0, "priority of all that takes part, from -20 to 19, as root only: on a busy machine -10 helps, at the cost of everybody else")
	flags.StringVar(&f.reference, "reference", "", "the `PEER` that ratios are to [nginx; haproxy-splice for bulk, haproxy for latency beside load]")
	flags.StringSliceVar(&f.peers, "peers", nil, "the `PEER,…` to compare [all that are installed]")
	flags.StringArrayVar(&f.binaries, "peer", nil, "`NAME=PATH` of a dwaar to use as dwaar, or as one more peer of that name; again for several")
	flags.StringVar(&f.user, "user", "", "run the proxies as this `USER`, as root only [who runs this]")
	flags.StringVar(&f.json, "json", "", "write everything, every round too, to this `FILE`")
	flags.StringVar(&f.markdown, "markdown", "", "write the tables to this `FILE`, or between its lines BEGIN and END dwaar-bench [standard output]")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, args []string) error {
	o, err := f.options(args)
	if err != nil {
		return err
	}
	if f.namespace {
		entered, code, err := box.Enter(cmd.Context())
		switch {
		case err != nil:
			return failed{fmt.Errorf("entering a network namespace, --namespace=false does without: %w", err)}
		case !entered && code != 0:
			return exit(code)
		case !entered:
			return nil
		}
	}
	dir, err := os.MkdirTemp("", "dwaar-bench-build-")
	if err != nil {
		return failed{fmt.Errorf("making a directory: %w", err)}
	}
	defer os.RemoveAll(dir)
	if o.Programs, err = f.programs(cmd.Context(), dir); err != nil {
		return err
	}
	o.Log = cmd.ErrOrStderr()
	o.Terminal = terminal(o.Log)
	result, err := bench.Run(cmd.Context(), o)
	if result == nil {
		return failed{err}
	}
	return f.write(cmd, result, err)
}

// write writes what there is, of a run that was interrupted too.
func (f *runFlags) write(cmd *cobra.Command, result *report.Result, err error) error {
	if f.json != "" {
		err = errors.Join(err, result.Write(f.json))
	}
	if f.markdown != "" {
		old, _ := os.ReadFile(f.markdown) // there may be none
		err = errors.Join(err, os.WriteFile(f.markdown, []byte(result.Into(string(old))), 0o644))
	} else {
		fmt.Fprint(cmd.OutOrStdout(), result.Markdown())
	}
	if err != nil {
		return failed{err}
	}
	return nil
}

// Bounds of a run: below a window of 20 ms its edges weigh too much.
const (
	maxRounds = 1000
	minWindow = 20 * time.Millisecond
	maxWindow = 10 * time.Second
)

// options makes the options of the flags, but for the programs.
func (f *runFlags) options(args []string) (bench.Options, error) {
	o := bench.Options{Reference: f.reference, Rounds: 60, Window: 250 * time.Millisecond, Pinned: f.pin, Quick: f.quick, Nice: f.nice, Namespace: f.namespace}
	if f.quick {
		o.Rounds, o.Window = 8, 80*time.Millisecond
	}
	if f.rounds != 0 {
		o.Rounds = f.rounds
	}
	if f.window != 0 {
		o.Window = f.window
	}
	if o.Rounds < 1 || o.Rounds > maxRounds || o.Window < minWindow || o.Window > maxWindow {
		return o, fmt.Errorf("--rounds is between 1 and %d, --window between %v and %v", maxRounds, minWindow, maxWindow)
	}
	if err := f.asUser(&o); err != nil {
		return o, err
	}
	var err error
	o.Scenarios, err = scenarios(args)
	return o, err
}

// scenarios returns those that are named, or all.
func scenarios(args []string) ([]bench.Scenario, error) {
	for _, name := range args {
		if !slices.Contains(scenarioNames(), name) {
			return nil, fmt.Errorf("there is no scenario %s: `dwaar-bench list` names them", name)
		}
	}
	return slices.DeleteFunc(bench.Scenarios(), func(s bench.Scenario) bool {
		return len(args) > 0 && !slices.Contains(args, s.Name)
	}), nil
}

// asUser finds the user of --user, and refuses what is for root.
func (f *runFlags) asUser(o *bench.Options) error {
	if os.Getuid() != 0 && (f.nice != 0 || f.user != "" || f.namespace) {
		return errors.New("--nice, --user and --namespace are for root")
	}
	if f.user == "" {
		return nil
	}
	u, err := user.Lookup(f.user)
	if err != nil {
		return fmt.Errorf("looking for the user of --user: %w", err)
	}
	o.User, err = strconv.Atoi(u.Uid)
	return err
}

// terminal reports whether somebody watches what is written to w.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func scenarioNames() []string {
	var all []string
	for _, s := range bench.Scenarios() {
		all = append(all, s.Name)
	}
	return all
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Print the scenarios and the proxies", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			var b strings.Builder
			b.WriteString("Scenarios\n")
			for _, s := range bench.Scenarios() {
				fmt.Fprintf(&b, "  %-20s %s\n", s.Name, s.Title)
			}
			b.WriteString("\nProxies\n")
			for _, p := range peer.Programs() {
				where := p.Note
				if !p.Dwaar && !p.Installed() {
					where = "not installed: " + p.Binary
				}
				fmt.Fprintf(&b, "  %-20s %s\n", p.Name, where)
			}
			fmt.Fprint(cmd.OutOrStdout(), b.String())
		},
	}
}

func tableCommand() *cobra.Command {
	return &cobra.Command{
		Use: "table FILE", Short: "Print the tables of a result that was written as JSON", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := report.Read(args[0])
			if err != nil {
				return failed{err}
			}
			fmt.Fprint(cmd.OutOrStdout(), r.Markdown())
			return nil
		},
	}
}
