package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
)

// TestTheNewcomersPathLeadsToARoutedConnection runs what docs/plugins.md says, line by
// line, in each language: in a network namespace of its own, where port 4000 is free.
// Where the kernel gives none to this user it does what the page says of a port that is
// taken.
func TestTheNewcomersPathLeadsToARoutedConnection(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	install := exec.Command(realtest.Look(t, "go"), "build", "-buildvcs=false", "-o", bin, ".")
	if out, err := install.CombinedOutput(); err != nil { // longer than realtest waits, where nothing is cached
		t.Fatalf("%v\n%s", err, out)
	}
	for lang, tools := range map[string][]string{
		"c": {"clang", "wasm-ld"}, "rust": {"/usr/bin/rustc", "wasm-ld"}, "go": {"go"}, "assemblyscript": {"node"},
	} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			for _, tool := range append(tools, "nc", "unshare", "ip") {
				realtest.Look(t, tool)
			}
			s := newSession(t, bin)
			for _, c := range path(t) {
				s.run(t, strings.Replace(c.command, "--lang c", "--lang "+lang, 1), c.want)
			}
			s.logs(t, `"msg":"connection",.*"route":"@hello Dwaarfile:\d+:\d+",.*"fuel":[1-9]\d*,"facts":{"hello.who":"world"`)
			if lang == "c" { // it says nothing of a language
				s.run(t, "./ci.sh >/dev/null", "")
			}
		})
	}
}

// step is a command of a page, with what it prints.
type step struct{ command, want string }

// path returns the commands of docs/plugins.md.
func path(t *testing.T) []step {
	t.Helper()
	page, err := os.ReadFile(root + "/docs/plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```console\n$ ")
	block, _, _ = strings.Cut(block, "```")
	var steps []step
	for c := range strings.SplitSeq(block, "\n$ ") {
		command, want, _ := strings.Cut(c, "\n")
		steps = append(steps, step{command, want})
	}
	if len(steps) != 5 {
		t.Fatalf("docs/plugins.md has %d commands: %q", len(steps), steps)
	}
	return steps
}

// session is a shell that is typed into.
type session struct {
	process *realtest.Process
	stdin   io.Writer
	log     watched // standard error
	seen    int     // bytes of output of the commands before
	port    string
}

func newSession(t *testing.T, bin string) *session {
	t.Helper()
	asc, err := filepath.Abs(root + "/sdk/assemblyscript/node_modules/.bin")
	if err != nil {
		t.Fatal(err)
	}
	s := &session{port: "4000", log: watched{changed: make(chan struct{})}}
	cmd := exec.Command("unshare", "--net", "--map-root-user", "sh", "-c", "ip link set lo up && exec sh")
	if err := exec.Command("unshare", "--net", "--map-root-user", "true").Run(); err != nil {
		_, s.port, _ = strings.Cut(realtest.FreeAddr(t).String(), ":")
		cmd = exec.Command("sh")
	}
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")+":"+asc, "RUSTC=/usr/bin/rustc",
		"RUNTIME_DIRECTORY="+cmd.Dir, "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	cmd.Stderr = &s.log
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	s.process = realtest.Start(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("on standard error:\n%s", s.log.all())
		}
	})
	return s
}

// run types a command, waits for its end, and compares what it printed; one that ends
// with & has begun when it serves.
func (s *session) run(t *testing.T, command, want string) {
	t.Helper()
	const end = "\n-- that was all: "
	if s.port != "4000" && strings.HasPrefix(command, "dwaar serve") {
		s.run(t, "sed -i s/400[0]/"+s.port+"/ Dwaarfile", "")
	}
	command = strings.ReplaceAll(command, "4000", s.port)
	if _, err := fmt.Fprintf(s.stdin, "%s\nprintf '\\n%s%%d\\n' $?\n", command, strings.TrimPrefix(end, "\n")); err != nil {
		t.Fatal(err)
	}
	s.process.WaitFor(t, end)
	s.process.WaitFor(t, "\n")
	out := s.process.Output()[s.seen:]
	s.seen += len(out)
	printed, code, _ := strings.Cut(out, end)
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(spaces(want))), "…", "(?s:.*)")
	if code != "0\n" || !regexp.MustCompile("^"+pattern+"$").MatchString(strings.TrimSpace(spaces(printed))) {
		t.Fatalf("%s ended with %s and printed:\n%s\nthe page says:\n%s", command, strings.TrimSpace(code), printed, want)
	}
	if strings.HasSuffix(command, "&") {
		s.logs(t, `"msg":"serving"`)
	}
}

// logs waits until standard error has a line like that.
func (s *session) logs(t *testing.T, pattern string) {
	t.Helper()
	overdue := realtest.Overdue(t)
	for {
		found, changed := s.log.find(regexp.MustCompile(pattern))
		if found {
			return
		}
		select {
		case <-changed:
		case <-overdue:
			t.Fatalf("there is no line %s", pattern)
		}
	}
}
