package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
)

// module is the path of the module that dwaar is built from.
const module = "dwaar.dev/dwaar"

// programs returns the proxies that take part. A dwaar that has to be built is built
// into dir.
func (f *runFlags) programs(ctx context.Context, dir string) ([]peer.Program, error) {
	all := peer.Programs()
	for _, word := range f.binaries {
		name, path, ok := strings.Cut(word, "=")
		if !ok || name == "" || path == "" {
			return nil, fmt.Errorf("--peer %s: write NAME=PATH", word)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", word, err)
		}
		i := slices.IndexFunc(all, func(p peer.Program) bool { return p.Name == name })
		switch {
		case i < 0:
			all = slices.Insert(all, 1, peer.Dwaar(name, path))
		case all[i].Dwaar:
			all[i].Binary = path
		default:
			return nil, fmt.Errorf("--peer %s: only a dwaar can have another path, and %s is none", word, name)
		}
	}
	return f.chosen(ctx, all, dir)
}

// chosen leaves out what --peers does not name, and what is not installed.
func (f *runFlags) chosen(ctx context.Context, all []peer.Program, dir string) ([]peer.Program, error) {
	wanted := slices.Clone(f.peers)
	if f.reference != "" {
		wanted = append(wanted, f.reference)
	}
	for _, name := range wanted {
		if _, err := peer.Find(all, name); err != nil {
			return nil, err
		}
	}
	var some []peer.Program
	for _, p := range all {
		named := slices.Contains(wanted, p.Name)
		if len(f.peers) > 0 && !named {
			continue
		}
		if err := find(ctx, &p, dir); err != nil {
			return nil, failed{err}
		}
		if p.Installed() {
			some = append(some, p)
		} else if named {
			return nil, failed{fmt.Errorf("%s is not installed: there is no %s", p.Name, p.Binary)}
		}
	}
	return some, nil
}

// find builds the dwaar that nobody gave a path.
func find(ctx context.Context, p *peer.Program, dir string) (err error) {
	if p.Dwaar && p.Binary == "" {
		p.Binary, err = dwaar(ctx, dir)
	}
	return err
}

// dwaar builds dwaar from the module of the current directory, or finds the one beside
// this program.
func dwaar(ctx context.Context, dir string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m").Output()
	if err == nil && strings.TrimSpace(string(out)) == module {
		path := filepath.Join(dir, "dwaar")
		if err := os.Chmod(dir, 0o755); err != nil {
			return "", fmt.Errorf("building dwaar: %w", err)
		}
		out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, module+"/cmd/dwaar").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("building dwaar: %w\n%s", err, out)
		}
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("looking for dwaar: %w", err)
	}
	path := filepath.Join(filepath.Dir(self), "dwaar")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("looking for dwaar, --peer dwaar=PATH says where it is: %w", err)
	}
	return path, nil
}
