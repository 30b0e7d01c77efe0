package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// containers are the control groups that a script puts its daemons into.
type containers struct{ dirs []string }

// condition is [containers]: whether this user can make any.
func condition(name string) (bool, error) {
	if name != "containers" {
		return false, fmt.Errorf("there is no condition %s", name)
	}
	dirs, err := makeGroups()
	for _, dir := range dirs {
		_ = os.Remove(dir) // it was made a moment ago
	}
	return err == nil, nil
}

// makeGroups makes a group for memory and one for processors, or one for both, where version 2
// has the controllers.
func makeGroups() (dirs []string, err error) {
	const top = "/sys/fs/cgroup"
	parents := []string{top}
	if _, err := os.Stat(top + "/memory/memory.limit_in_bytes"); err == nil {
		parents = []string{top + "/memory", top + "/cpu"}
	}
	for _, parent := range parents {
		dir, err := os.MkdirTemp(parent, "dwaar-test-")
		if err != nil {
			return dirs, err
		}
		dirs = append(dirs, dir)
	}
	last := dirs[len(dirs)-1]
	if len(dirs) == 1 {
		_, err = os.Stat(filepath.Join(last, "cpu.max"))
	}
	return dirs, err
}

// container has later daemons run in a container: container BYTES QUOTA, of microseconds in
// each tenth of a second.
func (d *daemons) container(ts *testscript.TestScript, _ bool, args []string) {
	dirs, err := makeGroups()
	ts.Check(err)
	ts.Defer(func() {
		for _, dir := range dirs {
			ts.Check(os.Remove(dir)) // whoever was in it has ended: that was deferred later
		}
	})
	write := func(dir, file, text string) { ts.Check(os.WriteFile(filepath.Join(dir, file), []byte(text), 0)) }
	if len(dirs) == 1 {
		write(dirs[0], "memory.max", args[0])
		write(dirs[0], "cpu.max", args[1]+" 100000")
	} else {
		write(dirs[0], "memory.limit_in_bytes", args[0])
		write(dirs[1], "cpu.cfs_period_us", "100000")
		write(dirs[1], "cpu.cfs_quota_us", args[1])
	}
	d.in.dirs = dirs
}

// enters is a shell's command that enters the groups and becomes the daemon: "$0" "$@".
func (c *containers) enters() string {
	script := ""
	for _, dir := range c.dirs {
		script += "echo $$ >" + dir + "/cgroup.procs && "
	}
	return script + `exec "$0" "$@"`
}
