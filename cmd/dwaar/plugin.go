package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/cmd/dwaar/internal/kit"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/wasm"
)

const pluginHelp = `For authors of matchers that are compiled to WebAssembly: they are written in C,
Rust, Go or AssemblyScript, tested without a proxy, and used in a configuration like
what is built in.

  dwaar plugin new --lang c hello && cd hello
  ./build.sh
  dwaar plugin test`

func pluginCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "plugin", Short: "Make, test and measure a plugin", Long: pluginHelp, Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPluginCommand(a), inspectCommand(a), testPluginCommand(a), benchCommand(a), replayCommand(a))
	return cmd
}

const newPluginHelp = `Makes the directory NAME with a plugin of that name that works: the source of a small
matcher, the kit of the language, build.sh, a Dwaarfile, samples with what the matcher
says of them, and the module, so that everything can be tried before there is a
compiler. Only a module of Go is too large to be brought along: it is built if Go is
there.`

func newPluginCommand(a *app) *cobra.Command {
	var lang string
	cmd := &cobra.Command{
		Use: "new --lang LANGUAGE NAME", Short: "Make a directory with a plugin that works", Long: newPluginHelp,
		Args: cobra.ExactArgs(1),
		RunE: do(func(_ *cobra.Command, args []string) error { return a.newPlugin(args[0], lang) }),
	}
	cmd.Flags().StringVar(&lang, "lang", "", "`LANGUAGE` of the source: c, rust, go or assemblyscript")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"c", "rust", "go", "assemblyscript"}, cobra.ShellCompDirectiveNoFileComp)) // fails only where the flag is unknown
	return cmd
}

func (a *app) newPlugin(dir, lang string) error {
	l, err := kit.ParseLanguage(lang)
	if err != nil {
		return usageError{err.Error()}
	}
	name := filepath.Base(dir)
	if err := kit.CheckName(name); err != nil {
		return usageError{err.Error()}
	}
	if slices.ContainsFunc(registry().Matchers(), func(e host.MatcherEntry) bool { return e.Spec.Name == name }) {
		return usageError{fmt.Sprintf("%s is a matcher of dwaar itself: give the plugin another name", name)}
	}
	built, err := kit.Create(dir, l)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s is there, with a README.md. Try it:\n\n  cd %s\n", dir, dir)
	if !built {
		fmt.Fprintf(a.out, "  ./build.sh            (there is no Go here yet: it says where to get it)\n")
	}
	fmt.Fprintf(a.out, "  dwaar plugin test\n  dwaar serve &\n  printf 'HELLO world\\n' | nc 127.0.0.1 4000\n")
	return nil
}

const inspectHelp = `Says what a module is: what it imports and exports, its matchers with what they may
set, its manifest, sizes, memory and limits; and everything that keeps it from being
loaded, or that its author may not have meant. The exit code is 1 if it does not load.`

func inspectCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "inspect FILE", Short: "Say what a module is, and what is wrong with it", Long: inspectHelp, Args: cobra.ExactArgs(1),
		RunE: do(func(_ *cobra.Command, args []string) error { return a.inspect(args[0], asJSON) }),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) inspect(file string, asJSON bool) error {
	engine := newGuests(nil)
	defer engine.Close()
	in, err := kit.Inspect(engine, file)
	if err != nil {
		return err
	}
	if asJSON {
		err = a.printJSON(in)
	} else {
		a.printInspection(in)
	}
	if !in.Valid {
		return errSilent
	}
	return err
}

const testPluginHelp = `Asks the module of a plugin about samples, and compares what it says with what is
written down. In the directory of a plugin the module is the file .wasm there, the
samples are the files of testdata/samples, and what is asked and what is to be said
stand in testdata/verdicts.golden:

  hello world
  	begun: need 10
  	world: yes who="world"

A sample is a capture (.pcap, .pcapng), of which each client's first bytes count, TCP
up to the server's answer and UDP as datagrams; hexadecimal digits (.hex); or a file of
any other name, the bytes themselves. Files that are named, and --hex, are asked about
instead. Beside each verdict stands how much of its fuel the evaluation took, and below
it what the module logged.

With --split all every sample is cut at every place, changed, and asked about by several
goroutines at once: verdict, number and facts must not depend on how bytes arrive, or on
who came before. With --update what is said is written down.

The exit code is 1 if something differs, a law is broken or there was no answer.`

// pluginOptions are the flags that commands about samples share.
type pluginOptions struct {
	selected kit.Select
	json     bool
}

func (o *pluginOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.selected.Hex, "hex", nil, "`BYTES` of a sample, in hexadecimal; again for another one")
	f.StringArrayVar(&o.selected.Ask, "ask", nil, "`MATCHER` with its arguments, as a Dwaarfile has it, instead of those written down; again for another one")
	jsonFlag(cmd, &o.json)
}

func testPluginCommand(a *app) *cobra.Command {
	var o pluginOptions
	var test kit.TestOptions
	var split string
	cmd := &cobra.Command{
		Use: "test [DIR | MODULE.wasm] [SAMPLE…]", Short: "Compare what a plugin says of samples with what is written down", Long: testPluginHelp,
		RunE: do(func(_ *cobra.Command, args []string) error {
			if split != "" && split != "all" {
				return usageError{fmt.Sprintf("--split %s is no way to cut: write --split all", split)}
			}
			o.selected.Paths, test.Split = args, split == "all"
			return a.testPlugin(o, test)
		}),
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&split, "split", "", "`HOW` samples are cut besides: all [not at all]")
	cmd.Flags().BoolVar(&test.Update, "update", false, "write down what the plugin says")
	return cmd
}

func (a *app) testPlugin(o pluginOptions, test kit.TestOptions) error {
	sub, err := kit.Find(o.selected)
	if err != nil {
		return err
	}
	sub.Heard = new(kit.Ear)
	engine := guestsWith(wasm.Options{Listen: sub.Heard.Hear})
	defer engine.Close()
	r, err := sub.Test(engine, test)
	if err != nil {
		return err
	}
	if o.json {
		err = a.printJSON(r)
	} else {
		a.printReport(r, test)
	}
	if r.Failures > 0 {
		return errSilent
	}
	return err
}

const benchHelp = `Measures what evaluations take: of every matcher and sample that dwaar plugin test
asks about, the time of one goroutine for one evaluation as the proxy makes it, with one
goroutine and with more, up to one for each processor; the same where each evaluation
has another configuration than the one before; and the fuel. Times are of this machine
at this moment, fuel is the same everywhere.`

func benchCommand(a *app) *cobra.Command {
	var o pluginOptions
	var bench kit.BenchOptions
	cmd := &cobra.Command{
		Use: "bench [DIR | MODULE.wasm] [SAMPLE…]", Short: "Measure time and fuel of a plugin", Long: benchHelp,
		RunE: do(func(_ *cobra.Command, args []string) error {
			o.selected.Paths = args
			return a.benchPlugin(o, bench)
		}),
	}
	o.flags(cmd)
	cmd.Flags().DurationVar(&bench.For, "for", kit.DefaultBench, "how long each figure is measured")
	return cmd
}

func (a *app) benchPlugin(o pluginOptions, bench kit.BenchOptions) error {
	if bench.For <= 0 || bench.For > time.Minute {
		return usageError{fmt.Sprintf("--for %s is out of bounds: write up to 1m", bench.For)}
	}
	sub, err := kit.Find(o.selected)
	if err != nil {
		return err
	}
	engine := newGuests(nil)
	defer engine.Close()
	all, err := sub.Bench(engine, bench)
	if err != nil {
		return err
	}
	if o.json {
		return a.printJSON(all)
	}
	return a.table("MATCHER\tSAMPLE\tBYTES\tGOROUTINES\tNS\tCHANGING\tFUEL\tOF BUDGET", len(all), func(i int) string {
		m := all[i]
		return fmt.Sprintf("%s\t%s\t%d\t%d\t%.0f\t%.0f\t%d\t%s", flat(m.Matcher), m.Sample, m.Bytes, m.Goroutines,
			m.NS, m.ChangingNS, m.Fuel, portion(m.Fuel, m.Budget))
	})
}

const replayHelp = `Makes the evaluations in a file of records again, which the proxy writes where a plugin
is declared with record, and compares: with the module that they were recorded with
verdict, facts and fuel are the same, bit for bit. With another module, to try a new
version on what real clients sent, verdicts and facts are compared. The module is that
of the directory, as for dwaar plugin test, or --module. The exit code is 1 if
something differs.`

func replayCommand(a *app) *cobra.Command {
	var module string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "replay FILE", Short: "Make recorded evaluations again and compare", Long: replayHelp, Args: cobra.ExactArgs(1),
		RunE: do(func(_ *cobra.Command, args []string) error { return a.replay(args[0], module, asJSON) }),
	}
	cmd.Flags().StringVar(&module, "module", "", "`FILE` of the module [the one in this directory]")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) replay(file, module string, asJSON bool) error {
	if module == "" {
		sub, err := kit.Find(kit.Select{})
		if err != nil {
			return fmt.Errorf("%w, with --module", err)
		}
		module = sub.Module
	}
	engine := newGuests(nil)
	defer engine.Close()
	all, err := kit.Replay(engine, file, module)
	if err != nil {
		return err
	}
	if asJSON {
		err = a.printJSON(all)
	} else {
		a.printReplayed(all)
	}
	if all.Differing > 0 {
		return errSilent
	}
	return err
}

// flat prints a matcher with a block on one line.
func flat(line string) string { return strings.Join(strings.Fields(line), " ") }
