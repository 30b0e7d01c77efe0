package main

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
)

// TestEveryCommandOfTheReadmeDoesWhatItSays runs README.md: the commands that
// install and serve, each console block with its output (… stands for anything), and
// each Dwaarfile, which is saved as "example". Ports are replaced by free ones, in
// the file that is served as well as in the text.
func TestEveryCommandOfTheReadmeDoesWhatItSays(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"curl", "ssh", "psql", "nc", "sed"} {
		realtest.Look(t, name)
	}
	readme, err := os.ReadFile(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(t)
	text := r.ports(string(readme))
	r.begin(t, text)
	for _, block := range regexp.MustCompile("(?ms)^```(console|dwaarfile)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		if block[1] == "dwaarfile" {
			r.write(t, "example", block[2])
			continue
		}
		for _, c := range regexp.MustCompile(`(?m)^\$ `).Split(block[2], -1)[1:] {
			command, want, _ := strings.Cut(c, "\n")
			r.run(t, command, want)
		}
	}
}

// reader is somebody who does what the README says, in a directory of his own.
type reader struct {
	dir   string
	free  map[string]string // by the ports of the text
	ports func(text string) string
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{dir: t.TempDir(), free: map[string]string{}}
	written := []string{"15432", "16379", "18022", "18023", "18080", "8443"}
	free := make([]string, len(written))
	for i := range free {
		_, free[i], _ = strings.Cut(realtest.FreeAddr(t).String(), ":")
	}
	slices.Sort(free) // as lists of upstreams are
	for i, port := range written {
		r.free[port] = free[i]
	}
	any := regexp.MustCompile(`\b(8443|18080|18022|15432|16379|18023)\b`)
	r.ports = func(text string) string {
		return any.ReplaceAllStringFunc(text, func(port string) string { return r.free[port] })
	}
	config, err := os.ReadFile(root + "/Dwaarfile")
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "Dwaarfile", r.ports(string(config)))
	plugins, err := filepath.Abs(root + "/plugins")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(plugins, filepath.Join(r.dir, "plugins")); err != nil { // what the Dwaarfile names
		t.Fatal(err)
	}
	r.write(t, ".curlrc", "silent\nshow-error\n") // it would draw a progress bar for whoever is no terminal
	return r
}

func (r *reader) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// begin does what the first block says, with other ports, and what the README says
// of the command itself.
func (r *reader) begin(t *testing.T, text string) {
	t.Helper()
	_, block, _ := strings.Cut(text, "```sh\n")
	block, _, _ = strings.Cut(block, "```")
	serve, test, _ := strings.Cut(strings.TrimSpace(block), "\n")
	if target, ok := strings.CutPrefix(test, "make "); !ok || !hasTarget(t, target) {
		t.Errorf("the second command is %q, which the Makefile does not know", test)
	}
	const install = "go install ./cmd/dwaar"
	if !strings.Contains(text, "`"+install+"`") {
		t.Errorf("the README does not say %q", install)
	}
	cmd := r.command(install)
	cmd.Dir = root
	if out, err := realtest.Run(t, cmd); err != nil {
		t.Fatalf("%s: %v\n%s", install, err, out)
	}
	cmd = r.command("exec " + serve)
	cmd.Dir = root
	cmd.Env = append(cmd.Env, "DWAAR_CONFIG="+filepath.Join(r.dir, "Dwaarfile"))
	realtest.Start(t, cmd).WaitFor(t, `"msg":"serving"`)
}

func hasTarget(t *testing.T, target string) bool {
	t.Helper()
	makefile, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(makefile), "\n"+target+":")
}

func (r *reader) command(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GOBIN="+r.dir, "GOFLAGS=-buildvcs=false", "PATH="+r.dir+":"+os.Getenv("PATH"),
		"CURL_HOME="+r.dir, "XDG_DATA_HOME="+r.dir+"/data", "RUNTIME_DIRECTORY="+r.dir, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// run compares what a command prints with what the README says it does. Runs of
// spaces, columns, are one space.
func (r *reader) run(t *testing.T, command, want string) {
	t.Helper()
	cmd := r.command(command)
	stdin, err := cmd.StdinPipe() // of somebody who types nothing
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, _ := realtest.Run(t, cmd) // ssh and psql fail, and shall
	pattern := regexp.QuoteMeta(spaces(want))
	pattern = strings.ReplaceAll(pattern, "…", "(?s:.*)")
	if !regexp.MustCompile("^" + pattern + "$").MatchString(spaces(out)) {
		t.Errorf("%s printed:\n%s\nand the README says:\n%s", command, out, want)
	}
}

// spaces makes runs of spaces one, and leaves out those at the ends of lines and the
// carriage returns of protocols that have them.
func spaces(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = regexp.MustCompile(`[ \t]+`).ReplaceAllString(text, " ")
	return strings.ReplaceAll(text, " \n", "\n")
}

// program is this test binary by the name by which it runs main, also where it starts
// itself to compile a plugin.
func (r *reader) program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.dir, "dwaar")
	if err := os.Link(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAClientThatSaysNothingIsServedAfterTheTimeout(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	config, err := os.ReadFile(filepath.Join(r.dir, "Dwaarfile"))
	if err != nil {
		t.Fatal(err)
	}
	front := netip.MustParseAddrPort("127.0.0.1:" + r.free["8443"])
	quick := strings.Replace(string(config), front.String()+" {\n", front.String()+" {\n\t\tmatching_timeout 100ms\n", 1)
	r.write(t, "Dwaarfile", quick)
	nc := realtest.Look(t, "nc")
	cmd := r.command("")
	cmd.Path, cmd.Args = r.program(t), []string{"dwaar", "serve"}
	realtest.Start(t, cmd).WaitFor(t, `"msg":"serving"`)
	client := exec.Command(nc, "-d", front.Addr().String(), r.free["8443"])
	out, err := realtest.Run(t, client)
	if err != nil || !strings.HasPrefix(out, "hello from dwaar's demo: ") {
		t.Errorf("it got %q, %v", out, err)
	}
}
