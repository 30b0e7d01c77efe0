package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A test is one function of a binary, and what it was seen to do alone.
type test struct {
	binary  int // index of its binary
	name    string
	took    time.Duration
	reaches map[int]bool // numbers of the mutants that it comes past
	left    string       // why it is left out, or ""
}

// record runs each test alone, with no mutant switched on, and notes what it reaches.
func (b *binaries) record(ctx context.Context, o options) ([]*test, error) {
	var tests []*test
	for i, bin := range b.tests {
		out, err := b.command(ctx, i, "0", "", "-test.list", "^(Test|Fuzz|Example)").Output()
		if err != nil {
			return nil, fmt.Errorf("listing the tests of %s: %w", bin.pkg, err)
		}
		for _, name := range strings.Fields(string(out)) {
			tests = append(tests, &test{binary: i, name: name})
		}
	}
	parallel(o.workers, len(tests), func(i int) {
		if ctx.Err() == nil {
			b.watch(ctx, tests[i], o)
		}
	})
	for _, t := range tests {
		if t.left != "" {
			fmt.Printf("left out: %s of %s: %s\n", t.name, b.tests[t.binary].pkg, t.left)
		}
	}
	return tests, ctx.Err()
}

// watch runs one test alone.
func (b *binaries) watch(ctx context.Context, t *test, o options) {
	seen := filepath.Join(b.dir, fmt.Sprintf("%d-%s.seen", t.binary, t.name))
	begin := time.Now()
	out, err := b.run(ctx, t.binary, "-1", seen, []string{t.name}, o.slowest, o)
	t.took = time.Since(begin)
	text, _ := os.ReadFile(seen)
	t.reaches = map[int]bool{}
	for _, id := range strings.Fields(string(text)) {
		n, _ := strconv.Atoi(id)
		t.reaches[n] = true
	}
	switch {
	case errors.Is(err, errSlow):
		t.left = "takes longer than " + o.slowest.String() + " alone"
	case err != nil:
		// Writing down what is reached may be what it does not like.
		if again, err := b.run(ctx, t.binary, "0", "", []string{t.name}, o.slowest, o); err != nil {
			t.left = "fails without a mutant, too: " + failure(append(out, again...))
		}
	}
}

// errSlow says that tests were not done in time.
var errSlow = errors.New("the tests do not end")

// run runs the tests with those names, with one mutant switched on.
func (b *binaries) run(ctx context.Context, bin int, id, seen string, names []string, limit time.Duration, o options) ([]byte, error) {
	args := []string{"-test.run", "^(" + strings.Join(names, "|") + ")$", "-test.failfast", "-test.timeout", limit.String()}
	if o.short {
		args = append(args, "-test.short")
	}
	ctx, cancel := context.WithTimeout(ctx, limit+5*time.Second)
	defer cancel()
	cmd := b.command(ctx, bin, id, seen, args...)
	out, err := cmd.CombinedOutput()
	if err != nil && (ctx.Err() != nil || bytes.Contains(out, []byte("panic: test timed out"))) {
		return out, errSlow
	}
	return out, err
}

// command is a binary with one mutant switched on. All that it starts ends with it; a
// mutant may make it take memory without end, and 8 GiB of addresses end that.
func (b *binaries) command(ctx context.Context, bin int, id, seen string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `ulimit -v 8388608; exec "$@"`, "sh", b.tests[bin].path}, args...)...)
	cmd.Dir = b.tests[bin].dir
	cmd.Env = append(os.Environ(), "DWAAR_MUTANT="+id, "DWAAR_MUTANTS_SEEN="+seen)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// failure is the name of the test that failed, or what the output begins with.
func failure(out []byte) string {
	if m := regexp.MustCompile(`(?m)^--- FAIL: (\S+)`).FindSubmatch(out); m != nil {
		return string(m[1])
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}

// parallel calls do for the numbers below n, so many at a time.
func parallel(workers, n int, do func(int)) {
	var wait sync.WaitGroup
	next := make(chan int)
	for range workers {
		wait.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
}
