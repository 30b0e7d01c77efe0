package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/cmd/dwaar/internal/process"
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
		RunE: do(func(_ *cobra.Command, args []string) error {
			process.Deafen() // it ends with its parent, which ends it
			return wasm.CompileInto(args[0], a.in)
		}),
	}
}

// newGuests makes the engine of plugins of a tool, which says nothing and keeps nothing.
func newGuests(log *slog.Logger) *wasm.Host { return guestsWith(wasm.Options{Log: log}) }

// guestsWith makes an engine of plugins. It starts nothing before there is one.
func guestsWith(o wasm.Options) *wasm.Host {
	if self, err := os.Executable(); err == nil {
		if runtime.GOOS == "linux" {
			self = "/proc/self/exe" // this program, also if an upgrade has put another one in its place
		}
		o.Compiler = []string{self, compileName}
	}
	return wasm.New(o)
}

// codeDir is where serve keeps the machine code of plugins; "" is nowhere. It is always
// a directory of its own: nobody else has a reason to read it.
func (a *app) codeDir(flag string) string {
	first := func(list string) string { dir, _, _ := strings.Cut(list, ":"); return dir }
	for _, dir := range []string{
		flag, a.getenv("DWAAR_CACHE"), first(a.getenv("CACHE_DIRECTORY")),
		below(a.getenv("XDG_CACHE_HOME"), "dwaar"), below(a.getenv("HOME"), ".cache", "dwaar"),
	} {
		if dir == "off" {
			return ""
		}
		if dir != "" {
			return filepath.Join(dir, "plugins")
		}
	}
	return ""
}

// below is a path below a directory, if there is one. What is not absolute is none: it
// would be another one wherever dwaar is started (XDG Base Directory Specification).
func below(dir string, names ...string) string {
	if !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Join(append([]string{dir}, names...)...)
}
