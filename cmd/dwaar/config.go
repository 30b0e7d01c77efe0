package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/plugins"
	"dwaar.dev/dwaar/sdk"
)

// defaultText is the Dwaarfile at the root of the repository, which serve uses
// where nobody wrote another. A test keeps the copy beside this file equal to it.
//
//go:embed Dwaarfile
var defaultText string

// defaultName is the file name of the embedded configuration in messages.
const defaultName = "built-in Dwaarfile"

// maxConfig is more than any configuration has.
const maxConfig = 16 << 20 // bytes

// source is a configuration file as it was found.
type source struct {
	name  string // for messages, as the user knows it
	dir   string // what it imports is below; "": it imports nothing
	text  []byte
	files fs.FS // where its plugins are; nil: among the files of this machine
}

// builtIn is the embedded configuration, whose plugin is embedded too.
func builtIn() *source {
	return &source{name: defaultName, text: []byte(defaultText), files: plugins.Files{}}
}

// isTOML says how the file is written, by its name.
func (s *source) isTOML() bool { return strings.HasSuffix(s.name, ".toml") }

// places are where a configuration is looked for when nobody names one.
func (a *app) places() []string { return []string{"Dwaarfile", "dwaar.toml", a.etc} }

// errNoConfig is why a configuration was not found.
var errNoConfig = errors.New("there is no configuration: write ./Dwaarfile, or name one with --config FILE or $DWAAR_CONFIG")

// read returns the configuration that flag names, or $DWAAR_CONFIG, or the first of
// the usual places that exists. "-" is the standard input.
func (a *app) read(flag string) (*source, error) {
	name := flag
	if name == "" {
		name = a.getenv("DWAAR_CONFIG")
	}
	if name != "" {
		return a.readFile(name)
	}
	for _, name := range a.places() {
		src, err := a.readFile(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return src, err
		}
	}
	return nil, errNoConfig
}

// readOrDefault is read, with the embedded configuration in the place of none.
func (a *app) readOrDefault(flag string) (*source, error) {
	src, err := a.read(flag)
	if errors.Is(err, errNoConfig) {
		return builtIn(), nil
	}
	return src, err
}

func (a *app) readFile(name string) (*source, error) {
	if name == "-" {
		text, err := readAll(a.in)
		return &source{name: "standard input", dir: ".", text: text}, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	text, err := readAll(f)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return &source{name: name, dir: filepath.Dir(name), text: text}, nil
}

func readAll(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err == nil && len(text) > maxConfig {
		return nil, fmt.Errorf("it has more than %d bytes", maxConfig)
	}
	return text, err
}

// parse reads the text of a configuration into its tree, with imports and the
// environment filled in. With an error the tree is what could be read.
func (a *app) parse(src *source, g *sdk.Grammar) ([]sdk.Node, error) {
	o := dwaarfile.Options{Env: a.lookup}
	if src.dir != "" {
		root, err := os.OpenRoot(src.dir)
		if err != nil {
			return nil, fmt.Errorf("opening the directory of the configuration: %w", err)
		}
		defer root.Close()
		o.Open, o.Glob = dwaarfile.Dir(root)
	}
	if src.isTOML() {
		return dwaarfile.ParseTOML(src.name, src.text, g, o)
	}
	return dwaarfile.Parse(src.name, src.text, g, o)
}

// parseRaw reads the text of a configuration as it was written, for tools that
// print it again.
func parseRaw(src *source, g *sdk.Grammar) ([]sdk.Node, error) {
	if src.isTOML() {
		return dwaarfile.ParseTOML(src.name, src.text, g, dwaarfile.Options{Raw: true})
	}
	return dwaarfile.ParseRaw(src.name, src.text, g)
}

// origin is what a configuration was made of.
type origin struct {
	name    string       // of the file, for messages
	tree    []sdk.Node   // with imports and the environment filled in
	modules wasm.Modules // what its plugins were loaded with
}

// built is a configuration that is ready to be loaded, and the plugins in it.
type built struct {
	*graph.Graph
	origin
	plugins []wasm.Description
}

// build makes the graph of a configuration, with the plugins it names run by h. The
// error is sdk.Errors with all that is wrong with it.
func (a *app) build(src *source, store *host.Store, h *wasm.Host) (*built, error) {
	r := registry()
	tree, err := a.tree(src, r)
	if tree == nil && err != nil {
		return nil, err
	}
	plugins, wrong := h.Load(tree, r, store)
	return a.assemble(origin{name: src.name, tree: tree}, plugins, store, err, wrong)
}

// rebuild makes the graph of a configuration again, with what watched plugins are now
// and all others were. No file of the configuration is read.
func (a *app) rebuild(o origin, store *host.Store, h *wasm.Host) (*built, error) {
	plugins, err := h.Renew(o.tree, registry(), store, o.modules)
	return a.assemble(o, plugins, store, err)
}

// assemble makes the graph of a tree whose plugins are loaded, and lets go of them.
// wrong is what was found already.
func (a *app) assemble(o origin, plugins *wasm.Loaded, store *host.Store, wrong ...error) (*built, error) {
	defer plugins.Release()
	var all sdk.Errors
	g, err := graph.Build(o.tree, plugins.Registry(), graph.Options{Env: a.lookup, Store: store})
	for _, err := range append(wrong, err) {
		all.Add(sdk.Pos{File: o.name}, err)
	}
	if err := all.Err(); err != nil {
		if g != nil {
			g.Release()
		}
		return nil, err
	}
	o.modules = plugins.Modules()
	b := &built{Graph: g, origin: o}
	for _, p := range plugins.Plugins {
		b.plugins = append(b.plugins, p.Describe())
	}
	return b, nil
}

// tree reads a configuration. A plugin stands for the builtin matcher of its name,
// whose options are then no options of it.
func (a *app) tree(src *source, r *host.Registry) ([]sdk.Node, error) {
	g := graph.Grammar(r)
	tree, err := a.parse(src, g)
	names := wasm.Names(tree)
	others := slices.DeleteFunc(slices.Clone(g.Matchers), func(s sdk.Spec) bool { return slices.Contains(names, s.Name) })
	if len(others) == len(g.Matchers) {
		return tree, err
	}
	g.Matchers = others
	return a.parse(src, g)
}
