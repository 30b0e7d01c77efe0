package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"

	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/plugins"
)

// defaultText is the Dwaarfile at the root of the repository, which serve uses
// where nobody wrote another. A test keeps the copy beside this file equal to it.
//
//go:embed Dwaarfile
var defaultText string

// defaultName is the file name of the embedded configuration in messages.
const defaultName = "built-in Dwaarfile"

// source is a configuration as it was found.
type source struct {
	*config.Source
	files fs.FS // where its plugins are; nil: among the files of this machine
}

// builtIn is the embedded configuration, whose plugin is embedded too.
func builtIn() source { return source{config.Text(defaultName, defaultText), plugins.Files{}} }

// places are where a configuration is looked for when nobody names one.
func (a *app) places() []string { return []string{"Dwaarfile", "dwaar.toml", a.etc} }

// errNoConfig is why a configuration was not found.
var errNoConfig = errors.New("there is no configuration: write ./Dwaarfile, or name one with --config FILE or $DWAAR_CONFIG")

// read returns the configuration that flag names, or $DWAAR_CONFIG, or the first of
// the usual places that exists. "-" is the standard input.
func (a *app) read(flag string) (source, error) {
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
	return source{}, errNoConfig
}

// readOrDefault is read, with the embedded configuration in the place of none.
func (a *app) readOrDefault(flag string) (source, error) {
	src, err := a.read(flag)
	if errors.Is(err, errNoConfig) {
		return builtIn(), nil
	}
	return src, err
}

func (a *app) readFile(name string) (source, error) {
	if name != "-" {
		src, err := config.ReadFile(name)
		return source{Source: src}, err
	}
	src, err := config.Read("standard input", ".", a.in)
	if err != nil {
		return source{}, fmt.Errorf("reading the configuration: %w", err)
	}
	return source{Source: src}, nil
}

// loader makes configurations, with plugins that h runs.
func (a *app) loader(store *share.Store, h *wasm.Host) *config.Loader {
	return &config.Loader{Registry: registry(), Env: a.lookup, Store: store, Plugins: h}
}

// try makes a configuration to look at, and gives it to use. Nothing is left of it
// then.
func (a *app) try(src source, h *wasm.Host, use func(*config.Config) error) error {
	var store share.Store
	defer func() { _ = store.Wait(context.Background()) }() // its context does not end
	c, err := a.loader(&store, h).Load(src.Source)
	if err != nil {
		return err
	}
	defer c.Release()
	return use(c)
}
