// Package config makes a graph of the text of a configuration, with the plugins it
// declares: one call for commands, tests and programs that embed dwaar.
//
//	l := config.Loader{Registry: registry, Env: os.LookupEnv, Store: store, Plugins: plugins}
//	c, err := l.Load(config.Text("Dwaarfile", text))   // sdk.Errors: all faults at once
//	err = engine.Load(ctx, c.Graph)
//
// A load reads files and compiles plugins; it resolves no name, binds no socket and
// starts nothing, so that it can be tried, compared and thrown away. Whatever panics
// in it is an error with its place.
package config

import (
	"fmt"
	"os"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

// Loader makes configurations. It is not changed by them.
type Loader struct {
	Registry *host.Registry                   // what a configuration can name, but plugin
	Env      func(name string) (string, bool) // environment; nil: empty
	Store    *share.Store                     // what configurations share; nil: each one shares with none
	Plugins  *wasm.Host                       // runs plugins; nil: a configuration that declares one is refused
	Fallback host.Handler                     // gets connections that no route takes; nil: they are closed
}

// Config is a valid configuration, ready to be loaded by an engine, which owns the
// graph then. Whoever does not load it calls [Graph.Release].
type Config struct {
	*graph.Graph
	Name    string             // of the file, for messages
	Plugins []wasm.Description // in the order of the file

	tree    []sdk.Node
	modules wasm.Modules
}

// Grammar returns everything that a configuration can say.
func (l *Loader) Grammar() *sdk.Grammar { return graph.Grammar(Directives(l.Registry)) }

// Directives returns a registry with what r knows and the directive plugin: for help
// and for tools that read configurations without building them.
func Directives(r *host.Registry) *host.Registry {
	r = r.Clone()
	wasm.Register(r)
	return r
}

// Load makes a configuration of its text. The error is [sdk.Errors] with all that is
// wrong with it, or says why the text cannot be read.
func (l *Loader) Load(src *Source) (c *Config, err error) {
	defer host.Contain(&sdk.Pos{File: src.Name}, &err)
	tree, err := l.Parse(src)
	if tree == nil && err != nil {
		return nil, err
	}
	return l.build(&Config{Name: src.Name, tree: tree}, err)
}

// Reload makes a configuration again, with what watched plugins are now and all
// others were. No file of the configuration is read.
func (l *Loader) Reload(c *Config) (again *Config, err error) {
	defer host.Contain(&sdk.Pos{File: c.Name}, &err)
	return l.build(&Config{Name: c.Name, tree: c.tree, modules: c.modules}, nil)
}

// Parse reads the text of a configuration into its tree, with imports and the
// environment filled in. With an error the tree is what could be read.
func (l *Loader) Parse(src *Source) ([]sdk.Node, error) {
	o := dwaarfile.Options{Env: l.Env}
	if src.Dir != "" {
		root, err := os.OpenRoot(src.Dir)
		if err != nil {
			return nil, fmt.Errorf("opening the directory of the configuration: %w", err)
		}
		defer root.Close()
		o.Open, o.Glob = dwaarfile.Dir(root)
	}
	if src.TOML() {
		return dwaarfile.ParseTOML(src.Name, src.Text, l.Grammar(), o)
	}
	return dwaarfile.Parse(src.Name, src.Text, l.Grammar(), o)
}

// build makes the graph of a tree. wrong is what was found in its text.
func (l *Loader) build(c *Config, wrong error) (*Config, error) {
	r := Directives(l.Registry)
	var plugins *wasm.Loaded
	if l.Plugins != nil {
		plugins = l.Plugins.Loading(c.modules)
		plugins.Register(r)
	}
	g, err := graph.Build(c.tree, r, graph.Options{Env: l.Env, Store: l.Store, Fallback: l.Fallback})
	at := sdk.Pos{File: c.Name}
	var all sdk.Errors
	all.Add(at, wrong)
	all.Add(at, err)
	if err := all.Err(); err != nil {
		if g != nil {
			g.Release()
		}
		return nil, err
	}
	c.Graph = g
	if plugins != nil {
		c.modules = plugins.Modules()
		for _, p := range plugins.Plugins() {
			c.Plugins = append(c.Plugins, p.Describe())
		}
	}
	return c, nil
}
