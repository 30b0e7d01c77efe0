package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dwaar.dev/dwaar/cmd/dwaar/internal/suite"
)

func TestTheFilesOfTestsInDocumentAndHelpAreRead(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join(root, "docs/testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "\n```\ntest ")
	block, _, _ := strings.Cut(rest, "\n```\n")
	_, rest, _ = strings.Cut(testHelp, "\n  test ")
	help, _, _ := strings.Cut(rest, "\n\n")
	for _, text := range []string{block, help} {
		if tests, err := suite.Parse("example", []byte("test "+text+"\n")); err != nil {
			t.Errorf("%v, %v:\n%s", tests, err, text)
		}
	}
	for _, s := range suite.Grammar().Top[0].Block.Options {
		names := []string{s.Name}
		if s.Block != nil {
			for _, o := range s.Block.Options {
				names = append(names, o.Name)
			}
		}
		for _, name := range names {
			if !strings.Contains(string(doc), `"`+name+`"`) || !strings.Contains(testHelp, name) {
				t.Errorf("document or help do not name %s", name)
			}
		}
	}
}
