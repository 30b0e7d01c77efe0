package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host/control"
)

// askTimeout bounds what a running dwaar may take to answer.
const askTimeout = time.Minute

// controlFlag gives a command --control.
func controlFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "control", "",
		"control socket `PATH` [$DWAAR_CONTROL, $RUNTIME_DIRECTORY/dwaar.sock, /run/dwaar.sock, $XDG_RUNTIME_DIR/dwaar.sock]")
}

// client returns a client of the running dwaar that path names, or of the first
// one that is found.
func (a *app) client(path string) *control.Client {
	if path == "" {
		path = a.getenv("DWAAR_CONTROL")
	}
	if path == "" {
		path = control.Find(control.Paths(a.getenv))
	}
	return control.NewClient(path)
}

// ask makes a command that asks a running dwaar.
func ask(a *app, cmd *cobra.Command, run func(ctx context.Context, c *control.Client, args []string) error) *cobra.Command {
	var path string
	controlFlag(cmd, &path)
	cmd.RunE = do(func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), askTimeout)
		defer cancel()
		return run(ctx, a.client(path), args)
	})
	return cmd
}

const reloadHelp = `Has the running dwaar read its configuration again. If anything is wrong with it,
all of it is printed, the exit code is 1, and the old configuration serves on.
Connections are never ended by a reload, unless reload_drain says so.`

func reloadCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "reload", Short: "Have the running dwaar read its configuration again", Long: reloadHelp, Args: cobra.NoArgs}
	jsonFlag(cmd, &asJSON)
	return ask(a, cmd, func(ctx context.Context, c *control.Client, _ []string) error {
		done, err := c.Reload(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(done)
		}
		a.faults(control.Errors(done.Warnings), "warning: ")
		fmt.Fprintf(a.out, "generation %d serves\n", done.Generation)
		return nil
	})
}

const drainHelp = `Has the running dwaar close its listeners. Open connections go on; a reload opens
the listeners again. To end the program, send it SIGTERM.`

func drainCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "drain", Short: "Have the running dwaar accept no more connections", Long: drainHelp, Args: cobra.NoArgs}
	return ask(a, cmd, func(ctx context.Context, c *control.Client, _ []string) error {
		if err := c.Drain(ctx); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "no more connections are accepted; `dwaar reload` begins again")
		return nil
	})
}

func statusCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "status", Short: "Say what the running dwaar serves", Args: cobra.NoArgs}
	jsonFlag(cmd, &asJSON)
	return ask(a, cmd, func(ctx context.Context, c *control.Client, _ []string) error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(s)
		}
		return a.printStatus(&s)
	})
}

func (a *app) printStatus(s *control.Status) error {
	fmt.Fprintf(a.out, "dwaar %s, process %d, %s, running for %s\n", s.Version, s.PID, s.State, age(s.Started))
	fmt.Fprintf(a.out, "configuration: %s, generation %d\n", s.Config, s.Generation)
	fmt.Fprintf(a.out, "reloads: %d, failed: %d\n", s.Reloads, s.FailedReloads)
	fmt.Fprintf(a.out, "connections: %d open, %d matching, at most %d\n\n", s.Connections, s.Matching, s.Limit)
	err := a.table("LISTENER\tADDRESS\tOPEN\tACCEPTED\tREFUSED", len(s.Listeners), func(i int) string {
		l := s.Listeners[i]
		return fmt.Sprintf("%s\t%s\t%d\t%d\t%d", l.Name, l.Address, l.Open, l.Accepted, l.Refused)
	})
	if len(s.Plugins) > 0 && err == nil {
		fmt.Fprintln(a.out)
		err = a.table("PLUGIN\tSHA256\tEVALUATIONS\tFUEL\tFAILED\tSHADOW", len(s.Plugins), func(i int) string { return pluginRow(&s.Plugins[i]) })
	}
	for _, g := range s.Generations {
		if g.Number != s.Generation {
			fmt.Fprintf(a.out, "\ngeneration %d, replaced, still has %d connections\n", g.Number, g.Connections)
		}
	}
	if s.LastError != "" {
		fmt.Fprintf(a.out, "\nthe last reload failed, and what was there before serves on:\n%s\n", s.LastError)
	}
	for _, w := range control.Errors(s.Warnings) {
		fmt.Fprintf(a.out, "\nwarning: %s", w)
	}
	if len(s.Warnings) > 0 {
		fmt.Fprintln(a.out)
	}
	return err
}

// pluginRow is a plugin's line of status: enough of the hash to recognise it, and words
// only where there is something to say.
func pluginRow(p *control.Plugin) string {
	shown := func(counts map[string]uint64) string {
		var words []string
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			words = append(words, fmt.Sprintf("%d %s", counts[name], name))
		}
		return dash(strings.Join(words, ", "))
	}
	return fmt.Sprintf("%s\t%.12s\t%d\t%d\t%s\t%s", p.Name, p.SHA256, p.Evaluations, p.Fuel, shown(p.Failures), shown(p.Shadow))
}

func connectionsCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "connections", Short: "List the open connections, or end one", Args: noCommand}
	jsonFlag(cmd, &asJSON)
	cmd.AddCommand(killCommand(a))
	return ask(a, cmd, func(ctx context.Context, c *control.Client, _ []string) error {
		all, err := c.Connections(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(all)
		}
		return a.table("ID\tLISTENER\tCLIENT\tPHASE\tROUTE\tUPSTREAM\tUP\tDOWN\tAGE", len(all), func(i int) string {
			c := all[i]
			return strings.Join([]string{
				strconv.FormatUint(c.ID, 10), c.Listener, dash(c.Remote), c.Phase, dash(c.Route), dash(c.Upstream),
				bytes(c.BytesUp), bytes(c.BytesDown), age(c.Accepted),
			}, "\t")
		})
	})
}

func killCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "kill ID", Short: "End a connection, by the ID that `dwaar connections` shows", Args: cobra.ExactArgs(1)}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.completeIDs(cmd, begun), cobra.ShellCompDirectiveNoFileComp
	}
	return ask(a, cmd, func(ctx context.Context, c *control.Client, args []string) error {
		id, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil {
			return usageError{fmt.Sprintf("%q is no ID of a connection: `dwaar connections` lists them", args[0])}
		}
		return c.Kill(ctx, id)
	})
}

// completeTimeout is what a running dwaar may take to answer a shell that completes.
const completeTimeout = 2 * time.Second

// completeIDs returns the open connections whose ID begins so, with whose they are; none
// where no dwaar answers.
func (a *app) completeIDs(cmd *cobra.Command, begun string) []string {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	path, _ := cmd.Flags().GetString("control") // every command that asks has it
	all, err := a.client(path).Connections(ctx)
	if err != nil {
		return nil
	}
	var ids []string
	for i := range all {
		if id := strconv.FormatUint(all[i].ID, 10); strings.HasPrefix(id, begun) {
			ids = append(ids, cobra.CompletionWithDesc(id, strings.Join([]string{all[i].Phase, dash(all[i].Remote), dash(all[i].Route)}, ", ")))
		}
	}
	return ids
}

func upstreamsCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "upstreams", Short: "List the upstreams and how they are", Args: cobra.NoArgs}
	jsonFlag(cmd, &asJSON)
	return ask(a, cmd, func(ctx context.Context, c *control.Client, _ []string) error {
		all, err := c.Upstreams(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(all)
		}
		return a.table("UPSTREAM\tHEALTH\tFOR\tOPEN\tCONNECTS\tFAILURES\tUP\tDOWN", len(all), func(i int) string {
			u := all[i]
			return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s", u.Name, u.Health, age(u.Since), u.Connections,
				u.Connects, u.Failures, bytes(u.BytesUp), bytes(u.BytesDown))
		})
	})
}

func statsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "stats", Short: "Print the metrics of the running dwaar in Prometheus' text format", Args: cobra.NoArgs}
	return ask(a, cmd, func(ctx context.Context, c *control.Client, _ []string) error {
		text, err := c.Stats(ctx)
		if err == nil {
			fmt.Fprint(a.out, text)
		}
		return err
	})
}
