package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/control"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/sdk"
)

// root is where the repository begins.
const root = "../.."

// golden compares a document, or writes it with -update.
func golden(t *testing.T, name, want string) {
	t.Helper()
	path := filepath.Join(root, name)
	got, err := os.ReadFile(path)
	if err != nil && !(*update && os.IsNotExist(err)) {
		t.Fatal(err)
	}
	if string(got) == want {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is stale, go test ./cmd/dwaar -update writes it (-want +got):\n%s", name, cmp.Diff(want, string(got)))
}

// between puts text into a document, between the two comments of that name.
func between(t *testing.T, name, section, text string) {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- BEGIN "+section+" -->\n", "<!-- END "+section+" -->"
	before, rest, ok := strings.Cut(string(doc), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no section %s", name, section)
	}
	golden(t, name, before+begin+text+end+after)
}

func TestTheReferenceIsWhatHelpPrints(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := writeReference(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "docs/reference.md", b.String())
}

func TestEveryDescriptionIsASentenceWithoutItsDot(t *testing.T) {
	t.Parallel()
	check := func(in string, s *sdk.Spec) {
		first, _ := utf8.DecodeRuneInString(s.Doc)
		if !unicode.IsUpper(first) || strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s, %s: %q", in, s.Name, s.Doc)
		}
	}
	for _, g := range groups(graph.Grammar(registry())) {
		for i := range g.specs {
			check(g.title, &g.specs[i])
			eachOption(&g.specs[i], g.specs[i].Name, check)
		}
	}
}

func TestTheDocumentationHasEveryCommand(t *testing.T) {
	t.Parallel()
	a, _ := fakeApp(nil)
	var b strings.Builder
	writeCommands(&b, newRoot(a))
	between(t, "docs/cli.md", "commands", b.String())
}

func writeCommands(b *strings.Builder, cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "completion" {
			continue
		}
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		// Indented lines are examples; what follows the list of flags is cobra's own.
		fmt.Fprintf(b, "\n## %s\n\n```\n%s\n```\n\n%s\n", c.CommandPath(), c.UseLine(), strings.TrimSpace(fenced(text)))
		c.InitDefaultHelpFlag()
		fmt.Fprintf(b, "\n```\n%s```\n", c.LocalFlags().FlagUsages())
		writeCommands(b, c)
	}
	if cmd.HasParent() {
		return
	}
	b.WriteByte('\n')
}

// fenced puts indented lines between fences.
func fenced(text string) string {
	return regexp.MustCompile(`(?m)(^  .*\n?)+`).ReplaceAllStringFunc(text+"\n", func(lines string) string {
		return "```\n" + strings.TrimSuffix(lines, "\n") + "\n```\n"
	})
}

func TestTheReadmeListsMatchersAndHandlers(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, g := range groups(graph.Grammar(registry())) {
		if g.role != "matcher" && g.role != "handler" {
			continue
		}
		fmt.Fprintf(&b, "\n| %s | |\n|---|---|\n", g.role)
		for _, s := range g.specs {
			doc, _, _ := strings.Cut(s.Doc, ". ")
			fmt.Fprintf(&b, "| `%s` | %s |\n", s.Name, prose(doc))
		}
	}
	b.WriteByte('\n')
	between(t, "README.md", "directives", b.String())
}

func TestTheDocumentationHasEveryMetric(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("\n| metric | labels | what it is |\n|---|---|---|\n")
	for _, m := range control.Metrics() {
		labels := ""
		if m[1] != "" {
			labels = "`" + strings.ReplaceAll(m[1], ", ", "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m[0], labels, m[2])
	}
	b.WriteByte('\n')
	between(t, "docs/operations.md", "metrics", b.String())
}

// operations is the text of docs/operations.md.
func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheDocumentationHasEveryWordOfATerminationCode(t *testing.T) {
	t.Parallel()
	text := operations(t)
	for i := range host.Codes {
		code := host.CodeAt(i)
		for _, word := range []string{code.By.String(), code.In.String(), code.Why.String()} {
			if !strings.Contains(text, "\n| `"+word+"` | ") {
				t.Fatalf("docs/operations.md has no row for %s", word)
			}
		}
	}
	// And no row for a word there is not.
	words := map[string]bool{}
	for i := range host.Codes {
		code := host.CodeAt(i)
		words[code.By.String()], words[code.In.String()], words[code.Why.String()] = true, true, true
	}
	_, codes, _ := strings.Cut(text, "## How a connection ended")
	codes, _, _ = strings.Cut(codes, "\n## ")
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(codes, -1) {
		if !words[row[1]] {
			t.Errorf("docs/operations.md explains %s, which no code has", row[1])
		}
	}
}

func TestTheDocumentationHasEveryFieldOfTheLog(t *testing.T) {
	t.Parallel()
	text := operations(t)
	_, text, _ = strings.Cut(text, "## The log")
	text, _, _ = strings.Cut(text, "\n## ")
	for _, file := range []string{"keys.go", root + "/host/engine/keys.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range regexp.MustCompile(`= "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
			if !strings.Contains(text, "`"+key[1]+"`") {
				t.Errorf("docs/operations.md does not say what %s is", key[1])
			}
		}
	}
}

func TestTheDocumentationHasEveryRequestOfTheControlSocket(t *testing.T) {
	t.Parallel()
	text := operations(t)
	source, err := os.ReadFile(root + "/host/control/server.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"(GET|POST|DELETE) (/\w+)|get\(mux, "(/\w+)"`).FindAllStringSubmatch(string(source), -1) {
		request := m[1] + " " + m[2]
		if m[3] != "" {
			request = "GET " + m[3]
		}
		if !strings.Contains(text, "| `"+request) {
			t.Errorf("docs/operations.md does not have %s", request)
		}
	}
}

func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	docs, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, root+"/README.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s: %v", doc, err)
			}
		}
	}
}
