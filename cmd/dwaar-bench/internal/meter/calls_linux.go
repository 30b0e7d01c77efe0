package meter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of attaching to a process and of strace's last words.
const (
	attachTimeout = 10 * time.Second
	attachPoll    = 20 * time.Millisecond
	traceGoodbye  = 5 * time.Second
)

// ErrTrace is the error of a process that could not be traced.
var ErrTrace = errors.New("strace did not attach in time")

// Calls counts the system calls that processes make while do runs, by name. It
// needs strace and the right to trace them; file is overwritten with what strace
// prints. Traced processes are slow: whatever do measures is not their speed.
func Calls(ctx context.Context, pids []int, file string, do func() error) (map[string]int, error) {
	args := []string{"-c", "-f", "-o", file}
	for _, pid := range pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	cmd := exec.CommandContext(ctx, "strace", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = traceGoodbye
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGINT}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting strace: %w", err)
	}
	err := attached(ctx, pids)
	if err == nil {
		err = do()
	}
	_ = cmd.Process.Signal(os.Interrupt) // it may have ended
	_ = cmd.Wait()                       // it ends with the signal: what counts is the file
	if err != nil {
		return nil, fmt.Errorf("counting system calls: %w (%s)", err, strings.TrimSpace(said.String()))
	}
	return summary(file)
}

// attached waits until every thread of the processes is traced.
func attached(ctx context.Context, pids []int) error {
	limit := time.NewTimer(attachTimeout)
	defer limit.Stop()
	again := time.NewTicker(attachPoll)
	defer again.Stop()
	for !allTraced(pids) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return ErrTrace
		case <-again.C:
		}
	}
	return nil
}

func allTraced(pids []int) bool {
	for _, pid := range pids {
		threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "status"))
		if err != nil || len(threads) == 0 {
			return false
		}
		for _, path := range threads {
			status, err := numbers(path)
			if err == nil && status["TracerPid"] == 0 {
				return false
			}
		}
	}
	return true
}

// summary reads the table of strace -c: % time, seconds, usecs/call, calls, errors,
// syscall, where errors may be empty.
func summary(path string) (map[string]int, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the summary of strace: %w", err)
	}
	defer file.Close()
	calls := map[string]int{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 5 || words[len(words)-1] == "total" {
			continue
		}
		if n, err := strconv.Atoi(words[3]); err == nil {
			calls[words[len(words)-1]] += n
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the summary of strace: %w", err)
	}
	return calls, nil
}
