package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
)

const adaptHelp = `Prints a configuration in the other of its two formats. Imports, snippets and
{$NAME} stay as they are written. A file is TOML if its name ends in .toml; without
--to a Dwaarfile becomes TOML, and TOML a Dwaarfile. Comments of TOML are lost.`

func adaptCommand(a *app) *cobra.Command {
	var config, to string
	cmd := &cobra.Command{
		Use:   "adapt [FILE] [--to toml|dwaarfile]",
		Short: "Turn a Dwaarfile into TOML, or TOML into a Dwaarfile",
		Long:  adaptHelp,
		Args:  cobra.MaximumNArgs(1),
		RunE: do(func(_ *cobra.Command, args []string) error {
			config, err := oneFile(config, args)
			if err != nil {
				return err
			}
			return a.adapt(config, to)
		}),
	}
	configFlag(cmd, &config)
	cmd.Flags().StringVar(&to, "to", "", "`FORMAT` to print: toml or dwaarfile [the other one]")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{"toml", "dwaarfile"}, cobra.ShellCompDirectiveNoFileComp)) // fails only where the flag is unknown
	return cmd
}

func (a *app) adapt(config, to string) error {
	to = strings.ToLower(to)
	if to != "" && to != "toml" && to != "dwaarfile" {
		return usageError{fmt.Sprintf("--to %s is no format: write --to toml or --to dwaarfile", to)}
	}
	src, err := a.read(config)
	if err != nil {
		return err
	}
	if to == "" && !src.TOML() {
		to = "toml"
	}
	g := graph.Grammar(registry())
	tree, err := src.Raw(g)
	if err != nil {
		return err
	}
	if to == "toml" {
		err = dwaarfile.PrintTOML(a.out, tree, g)
	} else {
		err = dwaarfile.Print(a.out, tree, g)
	}
	if err != nil {
		return fmt.Errorf("adapting %s: %w", src.Name, err)
	}
	return nil
}
