// Package meter reads what processes and the machine cost: processor time, memory,
// descriptors, threads and system calls, from /proc, process clocks and strace.
//
//	before := meter.CPU(pids)
//	…
//	spent := meter.CPU(pids) - before
package meter

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time of processes, their threads that ended included and
// their children not, to the nanosecond. A process that is gone counts nothing.
func CPU(pids []int) time.Duration {
	var sum time.Duration
	for _, pid := range pids {
		var at unix.Timespec
		// The clock of another process: clock_getcpuclockid(3).
		if unix.ClockGettime(int32(^uint32(pid)<<3|2), &at) == nil {
			sum += time.Duration(at.Nano())
		}
	}
	return sum
}

// tick is the unit of /proc/stat: USER_HZ is 100 wherever Linux runs.
const tick = 10 * time.Millisecond

// Busy returns the time that the processors of the machine were not idle, interrupts
// and what a hypervisor took included, in ticks of 10 ms.
func Busy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("reading the machine's processor time: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var sum time.Duration
	// user nice system idle iowait irq softirq steal; guests are in user already.
	for i, word := range strings.Fields(line) {
		if i < 1 || i > 8 || i == 4 || i == 5 {
			continue
		}
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the machine's processor time: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// Tree returns a process and all that descend from it.
func Tree(root int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc") // where there is none, the root alone is known
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// parentOf reads the fourth field of /proc/PID/stat; the second may hold spaces.
func parentOf(pid int) (int, bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text[slices.Index(text, ')')+1:]))
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil
}

// Footprint is what processes hold.
type Footprint struct {
	PSS         int64 `json:"pss"`     // bytes, shared pages by their share
	Private     int64 `json:"private"` // bytes of pages that nobody else has
	Descriptors int   `json:"descriptors"`
	Threads     int   `json:"threads"`
}

// FootprintOf adds up what processes hold.
func FootprintOf(pids []int) (Footprint, error) {
	var f Footprint
	for _, pid := range pids {
		dir := filepath.Join("/proc", strconv.Itoa(pid))
		memory, err := numbers(filepath.Join(dir, "smaps_rollup"))
		if err != nil {
			return f, fmt.Errorf("reading the memory of a process: %w", err)
		}
		status, err := numbers(filepath.Join(dir, "status"))
		if err != nil {
			return f, fmt.Errorf("reading the threads of a process: %w", err)
		}
		open, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			return f, fmt.Errorf("counting descriptors: %w", err)
		}
		f.PSS += memory["Pss"] << 10
		f.Private += (memory["Private_Clean"] + memory["Private_Dirty"]) << 10
		f.Threads += int(status["Threads"])
		f.Descriptors += len(open)
	}
	return f, nil
}

// numbers reads lines of "Name: number kB"; other lines are left out.
func numbers(path string) (map[string]int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	m := map[string]int64{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		words := strings.Fields(rest)
		if len(words) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(words[0], 10, 64); err == nil {
			m[name] = n
		}
	}
	return m, lines.Err()
}
