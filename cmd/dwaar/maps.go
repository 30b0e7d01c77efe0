package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host/control"
)

const mapHelp = `Lists the maps of the running dwaar, shows what is in one, and changes it. A map is
declared in the configuration (` + "`dwaar help map`" + `) and filled from its file. What is changed
here counts at once, for new connections, and until the next version of the file is read:
write the file too, or print it with ` + "`dwaar map show NAME > FILE`" + `. A reload of the
configuration keeps it.`

func mapCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "map", Short: "List the maps, show what is in one, or change it", Long: mapHelp, Args: noCommand}
	jsonFlag(cmd, &asJSON)
	cmd.AddCommand(mapShowCommand(a), mapSetCommand(a), mapDeleteCommand(a))
	return ask(a, cmd, func(ctx context.Context, c *control.Client, _ []string) error {
		all, err := c.Maps(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return a.printJSON(all)
		}
		err = a.table("MAP\tKEYS\tKIND\tCHANGES\tVERSIONS\tFAILURES\tFILE", len(all), func(i int) string {
			m := all[i]
			return fmt.Sprintf("%s\t%d\t%s\t%d\t%d\t%d\t%s", m.Name, m.Keys, m.Kind, m.Changes, m.Versions, m.Failures, m.File)
		})
		for _, m := range all {
			if m.Error != "" {
				fmt.Fprintf(a.out, "\n%s: the file as it is now is not used: %s\n", m.Name, m.Error)
			}
		}
		return err
	})
}

const mapShowHelp = `Prints all keys of a map with their values, as a file has them; or the value that a key
leads to, looked up as it is done for connections: app.example.com may find *.example.com.`

func mapShowCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show NAME [KEY]", Short: "Print what is in a map, or what a key leads to", Long: mapShowHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeMaps,
	}
	return ask(a, cmd, func(ctx context.Context, c *control.Client, args []string) error {
		if len(args) == 2 {
			v, err := c.MapValue(ctx, args[0], args[1])
			if err == nil {
				fmt.Fprintln(a.out, v.Value)
			}
			return err
		}
		lines, err := c.MapLines(ctx, args[0])
		if err == nil {
			_, err = a.out.Write(lines)
		}
		return err
	})
}

func mapSetCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "set NAME KEY VALUE", Short: "Give a key of a map a value, until its file changes",
		Args: cobra.ExactArgs(3), ValidArgsFunction: a.completeMaps,
	}
	return ask(a, cmd, func(ctx context.Context, c *control.Client, args []string) error {
		m, err := c.SetMap(ctx, args[0], args[1], args[2])
		return a.mapChanged(&m, err)
	})
}

func mapDeleteCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete NAME KEY", Short: "Take a key out of a map, until its file changes",
		Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeMaps,
	}
	return ask(a, cmd, func(ctx context.Context, c *control.Client, args []string) error {
		m, err := c.DeleteMap(ctx, args[0], args[1])
		return a.mapChanged(&m, err)
	})
}

// mapChanged says what a change has led to.
func (a *app) mapChanged(m *control.Map, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "map %s has %d keys; changes kept until %s changes: %d\n", m.Name, m.Keys, m.File, m.Changes)
	return nil
}

// completeMaps completes the name of a map, from those of the running dwaar.
func (a *app) completeMaps(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	path, _ := cmd.Flags().GetString("control") // every command that asks has it
	all, err := a.client(path).Maps(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, m := range all {
		names = append(names, cobra.CompletionWithDesc(m.Name, fmt.Sprintf("%d keys, %s", m.Keys, m.File)))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
