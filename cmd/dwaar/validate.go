package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

const validateHelp = `Reads a configuration as serve would and prints the routes that come of it, and of
each plugin its hash, its limits and what it may read; or everything that is wrong
with it. Nothing is bound, resolved or written, and nothing runs but the beginning
of plugins, to check their arguments.

Warnings say what is allowed and probably not meant. With --json the answer is
{"valid", "errors", "warnings", "graph", "plugins"}; errors and warnings have file,
line, col and message. The exit code is 1 if anything
is wrong.`

func validateCommand(a *app) *cobra.Command {
	var config string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Say what a configuration does, or all that is wrong with it",
		Long:  validateHelp,
		Args:  cobra.MaximumNArgs(1),
		RunE: do(func(_ *cobra.Command, args []string) error {
			config, err := oneFile(config, args)
			if err != nil {
				return err
			}
			return a.validate(config, asJSON)
		}),
	}
	configFlag(cmd, &config)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// oneFile returns the file of --config or of the argument.
func oneFile(flag string, args []string) (string, error) {
	switch {
	case len(args) == 0:
		return flag, nil
	case flag != "":
		return "", usageError{"the file is named twice: give it as an argument or with --config"}
	}
	return args[0], nil
}

// validity is what validate says to programs.
type validity struct {
	Valid    bool            `json:"valid"`
	Errors   []control.Fault `json:"errors"`
	Warnings []control.Fault `json:"warnings"`
	Graph    string          `json:"graph,omitempty"`

	Plugins []wasm.Description `json:"plugins,omitempty"`
}

func (a *app) validate(file string, asJSON bool) error {
	src, err := a.read(file)
	if err != nil {
		return err
	}
	engine := newGuests(nil)
	defer engine.Close()
	err = a.try(src, engine, func(c *config.Config) error { return a.valid(c, asJSON) })
	if es, ok := errors.AsType[sdk.Errors](err); ok && asJSON {
		return errors.Join(errSilent, a.printJSON(validity{Errors: control.Faults(es), Warnings: []control.Fault{}}))
	}
	return err
}

// valid prints a configuration.
func (a *app) valid(c *config.Config, asJSON bool) error {
	if asJSON {
		return a.printJSON(validity{
			Valid: true, Errors: []control.Fault{}, Warnings: control.Faults(c.Warnings), Graph: c.String(),
			Plugins: c.Plugins,
		})
	}
	a.faults(c.Warnings, "warning: ")
	for _, p := range c.Plugins {
		fmt.Fprint(a.out, p)
	}
	fmt.Fprint(a.out, c)
	return nil
}
