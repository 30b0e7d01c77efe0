// Package box keeps a measurement apart from the rest of the machine: in a network
// namespace of its own, on chosen processor cores, with all the descriptors it may
// have.
//
//	err := box.Place{CPU: 1}.Run(cmd.Start) // the child stays on core 1
package box

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Place is where and how a process runs.
type Place struct {
	CPU  int // the only core it may use; below 0: any
	Nice int // its priority, from -20, which comes first, to 19; below 0 is for root
}

// Run calls start on a thread that has a place, so that processes it starts have it
// too, and gives the thread back as it was.
func (p Place) Run(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("reading on which cores this runs: %w", err)
	}
	only := before
	if p.CPU >= 0 {
		only.Zero()
		only.Set(p.CPU)
	}
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("binding to core %d: %w", p.CPU, err)
	}
	err := p.nice(start)
	return errors.Join(err, unix.SchedSetaffinity(0, &before))
}

// Cores returns the processor cores that this process may use.
func Cores() ([]int, error) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil, fmt.Errorf("reading on which cores this runs: %w", err)
	}
	var cores []int
	for i := range len(allowed) * 64 {
		if allowed.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores, nil
}

// nice calls start with the priority of a place. On Linux it is the
// thread's alone.
func (p Place) nice(start func() error) error {
	if p.Nice == 0 {
		return start()
	}
	before, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // the system call's 20 - nice
	if err != nil {
		return fmt.Errorf("reading the priority: %w", err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, p.Nice); err != nil {
		return fmt.Errorf("setting the priority %d: %w", p.Nice, err)
	}
	err = start()
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 20-before) // only root may come back from a low one
	return err
}

// slice is the shortest turn that can be asked for on a core, in nanoseconds.
const slice = 100_000

// ShortTurns asks for short turns on the core (EEVDF, Linux 6.12) for every thread of
// this process. Load and upstream share one: otherwise every p99 is the turn of the
// other one, some 4 ms. An older kernel does without.
func ShortTurns() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Runtime: slice}, 0)
		}
	}
}

// Descriptors raises the limit of descriptors as far as it goes, for children too,
// and returns it.
func Descriptors() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading the limit of descriptors: %w", err)
	}
	limit.Cur = limit.Max
	if err := setLimit(limit.Cur, limit.Max); err != nil {
		return 0, fmt.Errorf("raising the limit of descriptors: %w", err)
	}
	return int(limit.Cur), nil
}

// inside marks the process that runs in the namespace.
const inside = "DWAAR_BENCH_INSIDE"

// Enter runs this program again, with the same arguments, in a network namespace
// where loopback is all there is, and returns its exit code. There entered is true and
// the namespace is ready: with the congestion control reno, because bbr paces and a
// namespace has no cubic on some kernels. When ctx ends it is asked to end too, and
// waited for.
func Enter(ctx context.Context) (entered bool, code int, err error) {
	if os.Getenv(inside) != "" {
		return true, 0, prepare()
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGTERM}
	runtime.LockOSThread() // Pdeathsig is about the thread
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return false, e.ExitCode(), nil
	}
	return false, 0, err
}

// prepare makes a new namespace usable.
func prepare() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raising loopback: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo)
	}
	if err == nil {
		lo.SetUint16(lo.Uint16() | unix.IFF_UP)
		err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
	}
	if err != nil {
		return fmt.Errorf("raising loopback: %w", err)
	}
	for name, value := range map[string]string{"tcp_congestion_control": "reno", "ip_local_port_range": "30001 65500"} {
		if err := os.WriteFile(filepath.Join("/proc/sys/net/ipv4", name), []byte(value), 0); err != nil {
			return fmt.Errorf("preparing the namespace: %w", err)
		}
	}
	return nil
}

// Congestion returns the congestion control that new connections have.
func Congestion() string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
