// Command mutate plants faults of the kind that a tired engineer makes, one at a time,
// and reports which of them the tests do not find.
//
//	go run ./cmd/internal/mutate -sample 60 -seed 1 ./host/relay ./host/session
//
// A fault is a mutant: a negated or forgotten condition, < for <=, && for ||, + for -,
// a constant one too large or too small, a statement or a deferred call that is gone,
// an error that is returned as nil, two arguments or two fields swapped. All mutants of
// the packages are numbered in the order of files and positions, and the seed says which
// of them the sample has.
//
// Mutants are compiled once, all of them into the same test binaries, by an overlay: the
// tree is never written to. An environment variable switches one on. Each test runs
// alone first, and records which mutants it comes past; a mutant is then tried with the
// tests that reach it. Which packages have their tests run is the table in suites.go.
//
// A mutant that changes nothing anybody could see is written into the file equivalents,
// with the reason, and does not count. The command exits 1 where a package has a lower
// rate than -floor.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	sample  int           // mutants that are tried; 0: all
	seed    uint64        // which of them
	only    []int         // numbers of the only mutants that are tried
	slowest time.Duration // tests that take longer alone are left out
	workers int           // processes at a time
	floor   float64       // percent of the mutants that must be killed
	list    bool          // prints the mutants and runs nothing
	verbose bool          // prints also what killed each mutant
	short   bool          // gives the tests -test.short
}

func main() {
	o, patterns, err := parse()
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = run(ctx, o, patterns)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// parse reads the command line: options, then the directories of packages.
func parse() (options, []string, error) {
	var o options
	var only string
	flag.IntVar(&o.sample, "sample", 60, "try `N` mutants; 0: all")
	flag.Uint64Var(&o.seed, "seed", 1, "`N` decides which mutants the sample has")
	flag.StringVar(&only, "only", "", "try the mutants with these `NUMBERS`, with commas between")
	flag.DurationVar(&o.slowest, "slowest", 20*time.Second, "leave out tests that take longer than `TIME` alone")
	flag.IntVar(&o.workers, "workers", 2, "run `N` test processes at a time")
	flag.Float64Var(&o.floor, "floor", 0, "fail where fewer than `PERCENT` of the mutants are killed")
	flag.BoolVar(&o.list, "list", false, "print the mutants of the sample and run nothing")
	flag.BoolVar(&o.verbose, "v", false, "print what killed each mutant")
	flag.BoolVar(&o.short, "short", false, "run the tests with -test.short")
	flag.Parse()
	if flag.NArg() == 0 {
		return o, nil, fmt.Errorf("name the directories of the packages to mutate: mutate ./host/relay")
	}
	for _, n := range strings.FieldsFunc(only, func(r rune) bool { return r == ',' || r == ' ' }) {
		i, err := strconv.Atoi(n)
		if err != nil {
			return o, nil, fmt.Errorf("reading -only: %w", err)
		}
		o.only = append(o.only, i)
	}
	return o, flag.Args(), nil
}

// run measures the packages together, as one group.
func run(ctx context.Context, o options, patterns []string) error {
	packages, err := load(ctx, patterns)
	if err != nil {
		return err
	}
	all, err := find(packages)
	if err != nil {
		return err
	}
	chosen := choose(all, o)
	if o.list {
		for _, m := range chosen {
			fmt.Printf("%d %s\n\t%s\n", m.id, m, m.key())
		}
		return nil
	}
	b, err := build(ctx, packages, chosen, suites(packages))
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	tests, err := b.record(ctx, o)
	if err != nil {
		return err
	}
	tryAll(ctx, b, tests, chosen, o)
	if err := ctx.Err(); err != nil {
		return err
	}
	return report(os.Stdout, patterns, len(all), chosen, o)
}

// choose returns the mutants of the sample, in order of their numbers.
func choose(all []*mutant, o options) []*mutant {
	var chosen []*mutant
	switch {
	case len(o.only) > 0:
		for _, m := range all {
			if slices.Contains(o.only, m.id) {
				chosen = append(chosen, m)
			}
		}
	case o.sample == 0 || o.sample >= len(all):
		chosen = slices.Clone(all)
	default:
		for _, i := range shuffled(len(all), o.seed)[:o.sample] {
			chosen = append(chosen, all[i])
		}
	}
	slices.SortFunc(chosen, func(a, b *mutant) int { return cmp.Compare(a.id, b.id) })
	return chosen
}
