package main

import (
	stdbytes "bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/schema"
)

const fmtHelp = `Prints a Dwaarfile in its canonical form: a directive a line, tabs, no needless
quotes. Comments stay, imports, snippets and {$NAME} stay as they are written. An option
that others switch on by themselves (tls, by tls_server_name) is written out.

FILE is ./Dwaarfile if none is given, and - is the standard input.`

func fmtCommand(a *app) *cobra.Command {
	var config string
	var check, write bool
	cmd := &cobra.Command{
		Use:   "fmt [FILE]",
		Short: "Format a Dwaarfile",
		Long:  fmtHelp,
		Args:  cobra.MaximumNArgs(1),
		RunE: do(func(_ *cobra.Command, args []string) error {
			config, err := oneFile(config, args)
			if err != nil {
				return err
			}
			return a.format(config, check, write)
		}),
	}
	configFlag(cmd, &config)
	cmd.Flags().BoolVar(&check, "check", false, "only say whether the file is formatted; exit 1 if not")
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write the result back to the file")
	cmd.MarkFlagsMutuallyExclusive("check", "write")
	return cmd
}

func (a *app) format(config string, check, write bool) error {
	if write && config == "-" {
		return usageError{"the standard input is no file to write to: leave --write out"}
	}
	src, err := a.read(config)
	if err != nil {
		return err
	}
	text, err := formatted(src)
	if err != nil {
		return err
	}
	same := stdbytes.Equal(text, src.Text)
	switch {
	case same && (check || write):
		return nil
	case check:
		return fmt.Errorf("%s is not formatted: run `dwaar fmt --write %s`", src.Name, src.Name)
	case write:
		return replace(src.Name, text)
	}
	_, err = a.out.Write(text)
	return err
}

// formatted returns the canonical text of a Dwaarfile.
func formatted(src source) ([]byte, error) {
	if src.TOML() {
		return nil, fmt.Errorf("formatting %s: fmt is for Dwaarfiles; `dwaar adapt --to dwaarfile %s` makes one of it", src.Name, src.Name)
	}
	g := graph.Grammar(registry())
	tree, err := src.Raw(g)
	if err != nil {
		return nil, err
	}
	schema.Complete(tree, g)
	var text stdbytes.Buffer
	if err := dwaarfile.Print(&text, tree, g); err != nil {
		return nil, fmt.Errorf("formatting %s: %w", src.Name, err)
	}
	return text.Bytes(), nil
}

// replace gives a file a new content at once: whoever reads it sees the old or the
// new one. A symlink stays one.
func replace(name string, text []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if err := fill(f, text, info.Mode()); err != nil {
		return fmt.Errorf("writing the result: %w", errors.Join(err, os.Remove(f.Name())))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return fmt.Errorf("writing the result: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// fill writes a new file to the disk and closes it.
func fill(f *os.File, text []byte, mode fs.FileMode) error {
	_, err := f.Write(text)
	if err == nil {
		err = f.Chmod(mode.Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
