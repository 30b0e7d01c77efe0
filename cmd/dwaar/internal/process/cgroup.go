package process

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// limits are what the control groups of a process let it have.
type limits struct {
	memory     int64   // bytes; 0: there is no limit
	processors float64 // processor time in a second, in seconds; 0: there is no limit
}

// limitsOf reads them below a root directory: Linux's cgroups, version 1 or 2 (cgroups(7)).
// What cannot be read is no limit: there are systems without.
func limitsOf(root fs.FS) limits {
	var l limits
	memory := find(root, "memory")
	for _, dir := range memory.dirs {
		for _, name := range memory.either([]string{"memory.limit_in_bytes"}, []string{"memory.max", "memory.high"}) {
			l.memory = less(l.memory, size(read(root, dir, name)))
		}
	}
	cpu := find(root, "cpu")
	for _, dir := range cpu.dirs {
		quota := read(root, dir, "cpu.max")
		if !cpu.unified {
			quota = read(root, dir, "cpu.cfs_quota_us") + " " + read(root, dir, "cpu.cfs_period_us")
		}
		l.processors = less(l.processors, rate(quota))
	}
	return l
}

// less returns the lesser of two limits, of which 0 is none.
func less[T int64 | float64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// size reads a limit of bytes. Version 1 says with the greatest number of pages that there
// is none, version 2 with "max".
func size(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/2 {
		return 0
	}
	return n
}

// rate reads a quota and the period it is for, in microseconds; "max" and -1 are none.
func rate(text string) float64 {
	var quota, period float64
	if _, err := fmt.Sscan(text, &quota, &period); err != nil || quota <= 0 || period <= 0 {
		return 0
	}
	return quota / period
}

// groups are the directories that limit what a controller controls.
type groups struct {
	unified bool     // version 2
	dirs    []string // of the process's own group, and of those above it
}

// either returns the names of files in version 1 or 2.
func (g groups) either(one, two []string) []string {
	if g.unified {
		return two
	}
	return one
}

// find looks for the groups of this process: /proc/self/cgroup has the name of its own in
// the hierarchy, /proc/self/mountinfo where of the hierarchy what is mounted. In a
// container that may be a part of it, and the name one that is not below.
func find(root fs.FS, controller string) groups {
	name, unified := member(read(root, "proc/self", "cgroup"), controller)
	top, mount := mounted(read(root, "proc/self", "mountinfo"), controller, unified)
	if name == "" || mount == "" {
		return groups{}
	}
	g := groups{unified: unified}
	own := "/"
	if below, ok := strings.CutPrefix(path.Clean(name), strings.TrimSuffix(top, "/")); ok && (below == "" || below[0] == '/') {
		own = path.Clean("/" + below)
	}
	for ; own != "/"; own = path.Dir(own) {
		g.dirs = append(g.dirs, path.Join(mount, own))
	}
	g.dirs = append(g.dirs, mount)
	return g
}

// member finds a line like "4:memory:/name", or "0::/name" of version 2, which counts where
// the controller is in none of version 1.
func member(text, controller string) (name string, unified bool) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) < 3 {
			continue
		}
		if has(parts[1], controller) {
			return parts[2], false
		}
		if parts[1] == "" {
			name, unified = parts[2], true
		}
	}
	return name, unified
}

// mounted finds where a hierarchy is mounted, and which group of it is there: a line like
// "34 30 0:31 /group /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory".
func mounted(text, controller string, unified bool) (top, mount string) {
	for line := range strings.Lines(text) {
		before, after, _ := strings.Cut(line, " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(kind) < 3 {
			continue
		}
		if unified && kind[0] == "cgroup2" || !unified && kind[0] == "cgroup" && has(kind[2], controller) {
			return unescape(place[3]), strings.TrimPrefix(unescape(place[4]), "/")
		}
	}
	return "", ""
}

// unescape puts back what would end a field of mountinfo.
func unescape(field string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(field)
}

// has reports whether a list with commas has a word.
func has(list, word string) bool { return slices.Contains(strings.Split(list, ","), word) }

// read returns a file without its last line break; "" if it cannot be read.
func read(root fs.FS, dir, name string) string {
	text, err := fs.ReadFile(root, path.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}
