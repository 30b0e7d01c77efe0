package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/cmd/dwaar/internal/flight"
	"dwaar.dev/dwaar/cmd/dwaar/internal/suite"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/explain"
	"dwaar.dev/dwaar/host/wasm"
)

const testHelp = `Tests what a configuration does with connections: FILE, or the file beside the
configuration whose name ends in .test, says what clients send and which route, facts and
upstreams are to come of it. However the bytes are cut, the same must come of them: every
way to cut them in two is tried, and one byte after the other. Nothing is resolved, and
nobody is connected to.

  test "the app has its name" {
  	listener :443
  	from 192.0.2.7
  	tls app.example.com alpn h2 http/1.1
  	inside {
  		http GET app.example.com/page
  	}
  	expect {
  		route @app
  		fact tls.server_name app.example.com
  		upstream 10.0.1.10:443
  	}
  }

What the client sends is one of these, or nothing:

  tls NAME [alpn] [PROTO…]   a ClientHello of Go's crypto/tls
  http METHOD URL            a request of Go's net/http; inside TLS with https://…, of
                             HTTP/2 without TLS with h2c://…
  hex DIGITS…, text TEXT     these bytes, on as many lines as you like; in text \r, \n,
                             \t, \0, \\, \" and \xHH stand for one byte each
  file FILE                  the bytes of a file
  capture FILE [N]           a stream of a packet capture, pcap or pcapng

FILE is looked for beside the file of the tests. inside holds one of them again, for what
the client sends inside TLS. listener is the first of the configuration if it is not
given, from is 127.0.0.1:50000, at (2026-01-31T15:04:05Z) is now. What can be expected:

  route NAME…          the route that takes it and those inside subroutes, as far as they
                       are named: @NAME, everything for a route without a name, or none
  fact NAME VALUE      what is known then, or was read on the way to no route
  no_fact NAME         what nobody knows then
  upstream ADDR…       each of these is among those that it may be sent to
  closed [WHY]         it is sent to none; WHY is the last word of the code in the log

With --from decisions a file of tests is printed that says what the running dwaar did with
its last connections: of those whose first bytes it kept whole (decision_bytes), and of
others with a TLS server name.

The exit code is 1 if something else came than was expected.`

// testOptions are the flags of test.
type testOptions struct {
	config, from, control string
	last                  int
	json, tap, verbose    bool
}

func testCommand(a *app) *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test [FILE]",
		Short: "Test what a configuration does with connections",
		Long:  testHelp,
		Args:  cobra.MaximumNArgs(1),
		RunE:  do(func(cmd *cobra.Command, args []string) error { return a.test(cmd.Context(), o, strings.Join(args, "")) }),
	}
	configFlag(cmd, &o.config)
	controlFlag(cmd, &o.control)
	jsonFlag(cmd, &o.json)
	f := cmd.Flags()
	f.BoolVar(&o.tap, "tap", false, "print the Test Anything Protocol, version 14")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "of tests that fail, show why every matcher said what it said")
	f.StringVar(&o.from, "from", "", "print tests made of what a running dwaar saw: `decisions`")
	f.IntVarP(&o.last, "last", "n", shownDecisions, "of how many decisions, at most")
	cmd.MarkFlagsMutuallyExclusive("json", "tap", "from")
	return cmd
}

func (a *app) test(ctx context.Context, o testOptions, file string) error {
	switch {
	case o.from == "decisions" && file == "":
		return a.recordTests(ctx, o)
	case o.from == "decisions":
		return usageError{"--from decisions prints a file: write dwaar test --from decisions > " + file}
	case o.from != "":
		return usageError{fmt.Sprintf("--from %s: tests are made of decisions", o.from)}
	}
	src, err := a.read(o.config)
	if err != nil {
		return err
	}
	name := cmp.Or(file, src.Name+".test")
	tests, err := a.readTests(name)
	if err != nil {
		return err
	}
	logs := new(explain.Logs)
	engine := guestsWith(wasm.Options{Listen: hear(logs)})
	defer engine.Close()
	return a.try(src, engine, func(c *config.Config) error {
		r := suite.Runner{Graph: c.Graph, Open: beside(name), Getenv: a.getenv, Logs: logs}
		results := make([]suite.Result, len(tests))
		for i := range tests {
			results[i] = r.Run(ctx, &tests[i])
		}
		return a.printTests(results, o)
	})
}

// maxTests is more than any file of tests has.
const maxTests = 16 << 20 // bytes

func (a *app) readTests(name string) ([]suite.Test, error) {
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading the tests: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxTests+1))
	if err == nil && len(text) > maxTests {
		err = fmt.Errorf("%s has more than %d bytes", name, maxTests)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the tests: %w", err)
	}
	return suite.Parse(name, text)
}

// beside opens files that lie beside another one.
func beside(name string) func(string) (io.ReadCloser, error) {
	return func(file string) (io.ReadCloser, error) {
		if !filepath.IsAbs(file) && name != "-" {
			file = filepath.Join(filepath.Dir(name), file)
		}
		return os.Open(file)
	}
}

// printTests prints results. The error says that some test failed.
func (a *app) printTests(results []suite.Result, o testOptions) error {
	failed := 0
	for i := range results {
		if !results[i].Passed {
			failed++
		}
	}
	var err error
	switch {
	case o.json:
		err = a.printJSON(results)
	case o.tap:
		a.printTAP(results)
	default:
		a.printResults(results, o.verbose)
		fmt.Fprintf(a.out, "%d tests, %d failed\n", len(results), failed)
	}
	if failed > 0 {
		err = errors.Join(errSilent, err)
	}
	return err
}

func (a *app) printResults(results []suite.Result, verbose bool) {
	p := a.painter(a.out)
	for i := range results {
		r := &results[i]
		if r.Passed {
			fmt.Fprintf(a.out, "%s   %s\n", p.paint(green, "ok"), r.Name)
			continue
		}
		fmt.Fprintf(a.out, "%s %s: %s\n", p.paint(red, "FAIL"), r.At, r.Name)
		for _, fault := range r.Faults {
			fmt.Fprintf(a.out, "     %s\n", fault)
		}
		if verbose && r.Report != nil {
			a.printExplained(r.Report)
		}
	}
}

// printTAP prints results for harnesses of other languages (testanything.org).
func (a *app) printTAP(results []suite.Result) {
	escape := strings.NewReplacer(`\`, `\\`, "#", `\#`, "\n", " ")
	fmt.Fprintf(a.out, "TAP version 14\n1..%d\n", len(results))
	for i := range results {
		r, state := &results[i], "ok"
		if !r.Passed {
			state = "not ok"
		}
		fmt.Fprintf(a.out, "%s %d - %s\n", state, i+1, escape.Replace(r.Name))
		for _, fault := range r.Faults {
			fmt.Fprintf(a.out, "# %s: %s\n", r.At, strings.ReplaceAll(fault, "\n", " "))
		}
	}
}

// recordTests prints tests of what a running dwaar did.
func (a *app) recordTests(ctx context.Context, o testOptions) error {
	if o.last < 0 {
		return usageError{"--last wants a number, 0 or more"}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	all, err := a.client(o.control).Decisions(ctx, o.last, true)
	if err != nil {
		return err
	}
	var tests []suite.Test
	var notes []string
	for i := range all {
		if t, note, ok := recorded(&all[i]); ok {
			tests, notes = append(tests, t), append(notes, note)
		}
	}
	if left := len(all) - len(tests); left > 0 {
		fmt.Fprintf(a.err, "of %d decisions %d are left out, as their first bytes were not kept: write decision_bytes 16KiB into the global options\n", len(all), left)
	}
	return suite.Write(a.out, tests, notes)
}

// recorded makes a test of a decision, with a note on where its bytes come from. ok is false
// where nothing is known that could be sent again.
func recorded(d *control.Decision) (t suite.Test, note string, ok bool) {
	t = suite.Test{Name: fmt.Sprintf("connection %d", d.ID), Listener: d.Listener, At: d.Time.Add(-took(d)).UTC()}
	t.From, _ = netip.ParseAddrPort(d.Remote)
	head, err := flight.Hex(d.Head)
	switch {
	case err == nil && d.Bytes == len(head.Head):
		if d.Bytes > 0 {
			t.Sent = suite.Bytes{Kind: suite.Literal, Head: head.Head}
		}
		t.Facts = factsOf(d, "")
	case isName(d.Facts["tls.server_name"]):
		t.Sent = suite.Bytes{Kind: suite.TLS, Name: d.Facts["tls.server_name"]}
		if protocols := d.Facts["tls.alpn"]; protocols != "" {
			t.Sent.ALPN = strings.Split(protocols, ",")
		}
		t.Facts = factsOf(d, "tls.server_name")
		note = "The bytes were not kept: this is another client that asks for the same name."
	default:
		return t, "", false
	}
	name, _, _ := strings.Cut(d.Route, " ")
	switch {
	case d.Route == "":
		t.Route = []string{suite.None}
	case strings.HasPrefix(name, "@"):
		t.Route = []string{name}
	default:
		t.Route = []string{suite.Everything}
	}
	if d.Upstream != "" && !strings.Contains(d.Upstream, "{") {
		t.Upstreams = []string{d.Upstream}
	}
	return t, note, true
}

// isName reports whether crypto/tls asks for a server name: it does not ask for addresses.
func isName(name string) bool {
	_, err := netip.ParseAddr(name)
	return name != "" && err != nil
}

// factsOf returns the facts of a decision by name; only one of them if it is named.
func factsOf(d *control.Decision, only string) []suite.Fact {
	var all []suite.Fact
	for name, value := range d.Facts {
		if (only == "" || name == only) && len(value) < cutFact {
			all = append(all, suite.Fact{Name: name, Value: value})
		}
	}
	slices.SortFunc(all, func(a, b suite.Fact) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// cutFact is the length from which on a decision may have cut the value of a fact.
const cutFact = 128
