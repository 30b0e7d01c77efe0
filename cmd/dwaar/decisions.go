package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host/control"
)

// shownDecisions is how many of the last decisions are shown unless asked for more.
const shownDecisions = 20

const decisionsHelp = `Lists the last routing decisions of the running dwaar, of 256 that it remembers. A
connection that no route took, or only one without conditions, has what was read of it:
above all the server name.

With --verbose each one has the matchers that were asked, also of routes that did not
take the connection, with what they said; and why they said it, where the configuration
keeps first bytes (decision_bytes) and serves still. dwaar explain --id N shows one.`

func decisionsCommand(a *app) *cobra.Command {
	var asJSON, verbose bool
	var last int
	cmd := &cobra.Command{Use: "decisions", Short: "List the last routing decisions", Long: decisionsHelp, Args: cobra.NoArgs}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().IntVarP(&last, "last", "n", shownDecisions, "how many, at most")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "what every matcher said, and why")
	return ask(a, cmd, func(ctx context.Context, c *control.Client, _ []string) error {
		if last < 0 {
			return usageError{"--last wants a number, 0 or more"}
		}
		all, err := c.Decisions(ctx, last, verbose)
		switch {
		case err != nil:
			return err
		case asJSON:
			return a.printJSON(all)
		case verbose:
			for i := range all {
				a.printDecision(&all[i])
			}
			return nil
		}
		return a.table("ID\tAGE\tLISTENER\tCLIENT\tROUTE\tBYTES\tTOOK\tWAITED UNTIL\tENDED\tSEEN", len(all), func(i int) string {
			d := &all[i]
			return fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s", d.ID, age(d.Time), d.Listener, dash(d.Remote),
				dash(d.Route), d.Bytes, took(d), dash(d.Final), dash(d.Code), dash(seenIn(d.Facts)))
		})
	})
}

func took(d *control.Decision) time.Duration {
	return time.Duration(d.Seconds * float64(time.Second)).Round(time.Microsecond)
}

// seenIn returns the fact that tells most about whom a client wanted, for a column.
func seenIn(facts map[string]string) string {
	for _, name := range []string{"tls.server_name", "quic.tls.server_name", "http.host", "dns.name", "postgres.user"} {
		if value := facts[name]; value != "" {
			return fmt.Sprintf("%s %+q", name, value)
		}
	}
	return ""
}

// printDecision prints a decision with all that is known of it.
func (a *app) printDecision(d *control.Decision) {
	t := tree{app: a, painter: a.painter(a.out)}
	from := ""
	if d.Remote != "" {
		from = " from " + d.Remote
	}
	t.line("%s", t.paint(bold, fmt.Sprintf("connection %d, %s ago, %s, %d bytes%s", d.ID, age(d.Time), d.Listener, d.Bytes, from)))
	if d.Route == "" {
		t.line("no route took it, after %v", took(d))
	} else {
		t.line("route %s took it, after %v", d.Route, took(d))
	}
	if d.Final != "" {
		t.line("it was waited for until: %s", d.Final)
	}
	t.asked(d)
	t.facts(d.Facts, "is")
	if d.Upstream != "" {
		t.line("sent to %s", d.Upstream)
	}
	if d.Code != "" {
		t.line("ended: %s", d.Code)
	}
	t.line("")
}

// asked prints all routes with what their matchers say, or, where only that is known, the
// matchers that were asked.
func (t *tree) asked(d *control.Decision) {
	if d.Why != nil {
		for i := range d.Why.Routes {
			t.route(&d.Why.Routes[i])
		}
		return
	}
	for _, m := range d.Matchers {
		t.line("     %s: %s", m.Matcher, t.answer(m.Answer))
	}
	if d.More > 0 {
		t.line("     and %d more", d.More)
	}
	if d.NoWhy != "" {
		t.line("why they said that cannot be told: %s", d.NoWhy)
	}
}
