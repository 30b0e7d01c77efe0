package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/realtest"
)

// root is the top of the repository seen from this directory.
const root = "../../.."

// module is the committed module of a plugin.
func module(name string) string { return root + "/plugins/" + name + "/" + name + ".wasm" }

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// redisServer is a real one whose key "who" says which one it is.
func redisServer(t *testing.T, who string) netip.AddrPort {
	t.Helper()
	addr := realtest.FreeAddr(t)
	config := writeFile(t, "redis.conf", fmt.Sprintf(
		"bind 127.0.0.1\nport %d\nsave \"\"\ndir %s\nuser alice on >secret ~* &* +@all\n", addr.Port(), t.TempDir()))
	realtest.Start(t, exec.Command(realtest.Look(t, "redis-server"), config)).WaitFor(t, "Ready to accept connections")
	for _, db := range []string{"0", "1"} {
		redisSays(t, addr, "OK\n", "-n", db, "SET", "who", who)
	}
	return addr
}

// redisSays runs redis-cli.
func redisSays(t *testing.T, addr netip.AddrPort, want string, args ...string) {
	t.Helper()
	args = append([]string{"--no-auth-warning", "-h", addr.Addr().String(), "-p", fmt.Sprint(addr.Port())}, args...)
	out, err := realtest.Run(t, exec.Command(realtest.Look(t, "redis-cli"), args...))
	if diff := cmp.Diff(want, out); diff != "" || err != nil {
		t.Errorf("redis-cli %s: %v (-want +got):\n%s", strings.Join(args, " "), err, diff)
	}
}

func TestRedisClientsReachTheServerOfTheirUserAndDatabase(t *testing.T) {
	t.Parallel()
	users, sessions, others := redisServer(t, "users"), redisServer(t, "sessions"), redisServer(t, "others")
	addr := serve(t, fmt.Sprintf(`{
	plugin redis %s
}
layer4 {
	127.0.0.1:0 {
		@alice redis user alice
		@sessions redis db 1
		@any redis
		route @alice {
			proxy %s
		}
		route @sessions {
			proxy %s
		}
		route @any {
			proxy %s
		}
	}
}
`, module("redis"), users, sessions, others)).addr()
	redisSays(t, addr, "users\n", "--user", "alice", "--pass", "secret", "GET", "who")
	redisSays(t, addr, "sessions\n", "-n", "1", "GET", "who")
	redisSays(t, addr, "others\n", "-3", "GET", "who")
	redisSays(t, addr, "others\n", "GET", "who")
	line := fmt.Sprintf("printf 'get who\\r\\n' | %s -N 127.0.0.1 %d", realtest.Look(t, "nc"), addr.Port())
	out, err := realtest.Run(t, exec.Command("sh", "-c", line))
	if diff := cmp.Diff("$6\r\nothers\r\n", out); diff != "" || err != nil {
		t.Errorf("%s: %v (-want +got):\n%s", line, err, diff)
	}
}

// gitServer is git daemon with the repository team/project, and the commit in it.
func gitServer(t *testing.T, message string) (addr netip.AddrPort, commit string) {
	t.Helper()
	git, dir := realtest.Look(t, "git"), t.TempDir()
	work, bare := filepath.Join(dir, "work"), filepath.Join(dir, "served", "team", "project.git")
	for _, args := range [][]string{
		{"init", "-q", work},
		{"-C", work, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-q", "--allow-empty", "-m", message},
		{"clone", "-q", "--bare", work, bare},
	} {
		if out, err := realtest.Run(t, gitCommand(git, args...)); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	commit, err := realtest.Run(t, gitCommand(git, "-C", bare, "rev-parse", "HEAD"))
	if err != nil {
		t.Fatal(err, commit)
	}
	addr = realtest.FreeAddr(t)
	realtest.Start(t, gitCommand(git, "daemon", "--reuseaddr", "--verbose", "--export-all", "--base-path="+filepath.Join(dir, "served"),
		"--listen=127.0.0.1", fmt.Sprintf("--port=%d", addr.Port()))).WaitFor(t, "Ready to rumble")
	return addr, strings.TrimSpace(commit)
}

// gitCommand is git without the configuration of whoever runs the tests.
func gitCommand(git string, args ...string) *exec.Cmd {
	cmd := exec.Command(git, args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	return cmd
}

func TestGitClientsReachTheServerOfTheirHostAndRepository(t *testing.T) {
	t.Parallel()
	byHost, commitByHost := gitServer(t, "by host")
	other, commitOther := gitServer(t, "other")
	addr := serve(t, fmt.Sprintf(`{
	plugin git %s
}
layer4 {
	127.0.0.1:0 {
		@push git service git-receive-pack
		@host git host *.example.com
		@team git repository /team/*
		route @push {
			close
		}
		route @host {
			proxy %s
		}
		route @team {
			proxy %s
		}
	}
}
`, module("git"), byHost, other)).addr()
	git := realtest.Look(t, "git")
	for _, test := range []struct{ host, version, want string }{
		{"git.example.com", "2", commitByHost},
		{"git.example.com", "0", commitByHost},
		{"git.example.org", "2", commitOther},
		{"git.example.org", "1", commitOther},
	} {
		cmd := gitCommand(git, "-c", "protocol.version="+test.version, "ls-remote", "git://"+addr.String()+"/team/project", "HEAD")
		cmd.Env = append(cmd.Env, "GIT_OVERRIDE_VIRTUAL_HOST="+test.host)
		out, err := realtest.Run(t, cmd)
		if diff := cmp.Diff(test.want+"\tHEAD\n", out); diff != "" || err != nil {
			t.Errorf("git ls-remote of %s with version %s: %v (-want +got):\n%s", test.host, test.version, err, diff)
		}
	}
	if out, err := realtest.Run(t, gitCommand(git, "-C", root, "push", "git://"+addr.String()+"/team/project", "HEAD:main")); err == nil {
		t.Errorf("pushing worked: %s", out)
	}
	if out, err := realtest.Run(t, gitCommand(git, "ls-remote", "git://"+addr.String()+"/other/project")); err == nil {
		t.Errorf("the repository that no route takes was listed: %s", out)
	}
}

// accepts waits until a program listens.
func accepts(t *testing.T, p *realtest.Process, addr netip.AddrPort) {
	t.Helper()
	overdue := realtest.Overdue(t)
	for {
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			c.Close()
			return
		}
		select {
		case <-p.Done():
			t.Fatalf("it ended:\n%s", p.Output())
		case <-overdue:
			t.Fatalf("nobody listens at %s:\n%s", addr, p.Output())
		default:
		}
	}
}

// Calls are relayed over TCP: UDP listeners come later.
func TestTurnClientsReachTheirServerBesideTheWeb(t *testing.T) {
	t.Parallel()
	turn := realtest.FreeAddr(t)
	dir := t.TempDir()
	cmd := exec.Command(realtest.Look(t, "turnserver"), "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
		fmt.Sprintf("--listening-port=%d", turn.Port()), "--no-udp", "--no-tls", "--no-dtls", "--no-cli", "--lt-cred-mech",
		"--user=alice:secret", "--realm=example.org", "--allow-loopback-peers", "--simple-log", "--log-file=stdout",
		"--userdb="+dir+"/turndb", "--pidfile="+dir+"/pid")
	cmd.Dir = dir
	accepts(t, realtest.Start(t, cmd), turn) // it does not say when it listens
	web := site(t, "web")
	s := serve(t, fmt.Sprintf(`{
	plugin stun %s
}
layer4 {
	127.0.0.1:0 {
		@turn stun method allocate connection_bind
		@web http
		route @turn {
			proxy %s
		}
		route @web {
			proxy %s
		}
	}
}
`, module("stun"), turn, hostPort(web)))
	port := fmt.Sprint(s.addr().Port())
	out, err := realtest.Run(t, exec.Command(realtest.Look(t, "turnutils_uclient"), "-t", "-y", "-n", "3",
		"-u", "alice", "-w", "secret", "-p", port, "127.0.0.1"))
	if err != nil || !strings.Contains(out, "Total lost packets 0 (0.000000%)") {
		t.Errorf("turnutils_uclient: %v\n%s", err, out)
	}
	out, err = realtest.Run(t, exec.Command(realtest.Look(t, "curl"), "-sS", "http://127.0.0.1:"+port+"/"))
	if err != nil || !strings.HasPrefix(out, "this is web") {
		t.Errorf("curl: %v: %s", err, out)
	}
}
