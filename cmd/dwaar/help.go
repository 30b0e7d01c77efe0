package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/schema"
	"dwaar.dev/dwaar/sdk"
)

// group is the directives that stand in one place.
type group struct {
	role  string // what one of them is: "matcher"
	title string
	doc   string
	specs []sdk.Spec
}

// addressName is what help calls a server, which has no name of its own.
const addressName = "ADDRESS"

// addressForms prints every way to write an address to listen on.
func addressForms(w io.Writer) {
	fmt.Fprint(w, "\nAn address is one of:\n")
	for _, f := range graph.AddressForms() {
		fmt.Fprintf(w, "  %-20s %s\n", f.Example, f.Doc)
	}
}

// groups returns everything that can be written, by place, in the order in which
// somebody who learns it meets it.
func groups(g *sdk.Grammar) []group {
	server, global := g.Server, g.Global
	server.Name = addressName
	return []group{
		{"", "Structure", "What a Dwaarfile consists of.", append(slices.Clone(g.Top), server, g.Route, g.Deny)},
		{"matcher", "Matchers", "They stand in a set, `@name matcher…` or `@name { … }`, where all must match; `route @name` uses it.", g.Matchers},
		{"handler", "Handlers", "They stand in a route and run in order. One that ends the connection comes last.", g.Handlers},
		{"server option", "Server options", "They stand in the block of a server, beside its routes.", server.Block.Options},
		{"global option", "Global options", "They stand in a block without a name at the top of the file.", withoutName(global.Block.Options, "layer4")},
	}
}

func withoutName(specs []sdk.Spec, name string) []sdk.Spec {
	return slices.DeleteFunc(slices.Clone(specs), func(s sdk.Spec) bool { return s.Name == name })
}

const helpHelp = `Explains a command, or anything that can be written in a Dwaarfile:

  dwaar help serve            a command
  dwaar help directives       everything there is, a line each
  dwaar help tls              one of them, wherever it can stand
  dwaar help placeholders     what {…} can stand for`

func helpCommand(a *app) *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "help [COMMAND | DIRECTIVE | directives | placeholders]",
		Short: "Explain a command or a directive",
		Long:  helpHelp,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			return completeTopics(cmd.Root(), args, begun), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print all of it as docs/reference.md has it")
	cmd.RunE = do(func(cmd *cobra.Command, args []string) error {
		if markdown {
			return writeReference(a.out)
		}
		return a.help(cmd.Root(), args)
	})
	return cmd
}

// completeTopics returns the topics that begin as the word to be completed.
func completeTopics(root *cobra.Command, args []string, begun string) []string {
	if len(args) > 0 {
		return nil
	}
	topics := []string{"directives", "placeholders"}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			topics = append(topics, c.Name())
		}
	}
	for _, g := range groups(graph.Grammar(registry())) {
		for _, s := range g.specs {
			topics = append(topics, s.Name)
		}
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	return slices.DeleteFunc(topics, func(t string) bool { return !strings.HasPrefix(t, begun) })
}

func (a *app) help(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return root.Help()
	}
	switch args[0] {
	case "directives":
		return listDirectives(a.out)
	case "placeholders":
		return listPlaceholders(a.out)
	}
	if cmd, rest, err := root.Find(args); err == nil && cmd != root && len(rest) == 0 {
		return cmd.Help()
	}
	return a.explainName(strings.TrimPrefix(args[0], "@"))
}

// explainName prints everything of that name, wherever it can stand.
func (a *app) explainName(name string) error {
	if strings.EqualFold(name, "server") {
		name = addressName
	}
	found, err := a.explainDirective(name)
	if err != nil {
		return err
	}
	if !found && !a.explainOption(name) {
		return usageError{fmt.Sprintf("there is nothing to say about %q: %s", name, didYouMean(name, a.topics(), "`dwaar help directives` lists what there is"))}
	}
	return nil
}

// explainDirective says what the directives of that name are, and whether there are any.
func (a *app) explainDirective(name string) (found bool, err error) {
	for _, g := range groups(graph.Grammar(registry())) {
		spec := sdk.Find(g.specs, name)
		if spec == nil {
			continue
		}
		if found {
			fmt.Fprintln(a.out)
		}
		if g.role != "" {
			fmt.Fprintf(a.out, "%s\n\n", strings.ToUpper(g.role))
		}
		if err := a.explainSpec(spec); err != nil {
			return found, err
		}
		found = true
	}
	return found, nil
}

// didYouMean proposes the word that was meant, or says otherwise.
func didYouMean(name string, words []string, otherwise string) string {
	if best := schema.Nearest(name, words); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return otherwise
}

// topics are all that help can explain.
func (a *app) topics() []string {
	topics := completeTopics(newRoot(a), nil, "")
	for _, g := range groups(graph.Grammar(registry())) {
		for i := range g.specs {
			eachOption(&g.specs[i], "", func(_ string, o *sdk.Spec) { topics = append(topics, o.Name) })
		}
	}
	return topics
}

// explainSpec prints a description, and how an address is written behind that of a server.
func (a *app) explainSpec(spec *sdk.Spec) error {
	if err := schema.Help(a.out, spec); err != nil || spec.Name != addressName {
		return err
	}
	addressForms(a.out)
	return nil
}

// explainOption says of which directives name is an option, and what it does there.
func (a *app) explainOption(name string) bool {
	found := false
	for _, g := range groups(graph.Grammar(registry())) {
		for i := range g.specs {
			eachOption(&g.specs[i], g.specs[i].Name, func(in string, o *sdk.Spec) {
				if o.Name != name {
					return
				}
				if found {
					fmt.Fprintln(a.out)
				}
				found = true
				fmt.Fprintf(a.out, "OPTION OF THE %s %s\n\n", strings.ToUpper(g.role), in)
				_ = schema.Help(a.out, o) // whoever closes his end of the pipe has read enough
			})
		}
	}
	return found
}

// eachOption visits the options in the block of a directive, and in theirs.
func eachOption(s *sdk.Spec, in string, visit func(in string, o *sdk.Spec)) {
	if s.Block == nil || s.Negates {
		return
	}
	for i := range s.Block.Options {
		o := &s.Block.Options[i]
		visit(in, o)
		eachOption(o, in+" › "+o.Name, visit)
	}
}

// listDirectives prints a line for everything there is.
func listDirectives(w io.Writer) error {
	var b strings.Builder
	for _, g := range groups(graph.Grammar(registry())) {
		fmt.Fprintf(&b, "%s\n", g.title)
		for i := range g.specs {
			s := &g.specs[i]
			fmt.Fprintf(&b, "  %-24s %s\n", s.Name, s.Doc)
		}
		b.WriteByte('\n')
	}
	b.WriteString("`dwaar help NAME` says all about one of them.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

const placeholdersHelp = `A word like {tls.server_name} stands for a fact: something a matcher or handler
found, and that therefore every connection has that comes to this place. A fact
that no connection can have there is an error when the file is loaded. {$NAME} is
the environment's when the file is read, {env.NAME} when a connection is handled.
The time of {time.now}, {conn.wrap_time} and the like is the one at which the
connection was accepted.
`

// everyFact returns the placeholders that every connection has.
func everyFact() []string {
	var all []string
	for _, f := range host.ConnFacts() {
		all = append(all, "{conn."+f+"}")
	}
	for _, f := range host.TimeFacts() {
		all = append(all, "{time."+f+"}")
	}
	return all
}

// listPlaceholders prints every fact that there can be.
func listPlaceholders(w io.Writer) error {
	var b strings.Builder
	b.WriteString(placeholdersHelp)
	b.WriteString("\nOf every connection, as far as its network has it:\n")
	for _, f := range everyFact() {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	for _, g := range groups(graph.Grammar(registry())) {
		for _, s := range g.specs {
			for i, f := range s.Facts {
				if i == 0 {
					fmt.Fprintf(&b, "\nOf the %s %s:\n", g.role, s.Name)
				}
				fmt.Fprintf(&b, "  %-28s %s\n", "{"+s.Name+"."+f.Key+"}", f.Doc)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
