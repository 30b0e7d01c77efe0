package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host/wasm"
)

// compileName is the command with which dwaar starts itself.
const compileName = "compile-plugin"

// compileCommand compiles one module for another dwaar, which cannot interrupt a
// compiler but can end a process.
func compileCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    compileName + " DIR",
		Short:  "Compile a rewritten module for the dwaar that started this one",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   do(func(_ *cobra.Command, args []string) error { return wasm.CompileInto(args[0], a.in) }),
	}
}

// newGuests makes the engine of plugins. It starts nothing before there is one.
func newGuests(log *slog.Logger) *wasm.Host {
	o := wasm.Options{Log: log}
	if self, err := os.Executable(); err == nil {
		o.Compiler = []string{self, compileName}
	}
	return wasm.New(o)
}
