package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/sdk"
)

// maxText is more than any configuration has.
const maxText = 16 << 20 // bytes

// Source is the text of a configuration.
type Source struct {
	Name string // for messages; it is TOML if that ends in .toml, else a Dwaarfile
	Dir  string // what it imports is below; "": it imports nothing
	Text []byte
}

// Text returns a configuration that imports nothing.
func Text(name, text string) *Source { return &Source{Name: name, Text: []byte(text)} }

// ReadFile reads the file of a configuration, which may import what lies beside it.
func ReadFile(name string) (*Source, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	src, err := Read(name, filepath.Dir(name), f)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return src, nil
}

// Read reads a configuration whose imports are below dir.
func Read(name, dir string, r io.Reader) (*Source, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("it has more than %d bytes", maxText)
	}
	return &Source{Name: name, Dir: dir, Text: text}, err
}

// TOML reports whether the text is TOML.
func (s *Source) TOML() bool { return strings.HasSuffix(s.Name, ".toml") }

// Raw returns the tree of the text as it was written, for tools that print it again.
func (s *Source) Raw(g *sdk.Grammar) ([]sdk.Node, error) {
	if s.TOML() {
		return dwaarfile.ParseTOML(s.Name, s.Text, g, dwaarfile.Options{Raw: true})
	}
	return dwaarfile.ParseRaw(s.Name, s.Text, g)
}
