package differential

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/graph"
	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/wasm"
	"dwaar.dev/dwaar/sdk"
)

// pluginMatcher returns a subject's matcher for a plugin, by its committed module.
func pluginMatcher(name string) func(testing.TB) sdk.Matcher {
	return func(t testing.TB) sdk.Matcher {
		t.Helper()
		config := "{\n\tplugin " + name + " " + root + "/plugins/" + name + "/" + name + ".wasm\n}\n"
		known := new(host.Registry)
		wasm.Register(known)
		tree, err := dwaarfile.Parse("Dwaarfile", []byte(config), graph.Grammar(known), dwaarfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := wasm.New(wasm.Options{Log: slog.New(slog.DiscardHandler)})
		builder := &hosttest.Builder{Store: new(share.Store)}
		t.Cleanup(func() {
			builder.Release()
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		})
		loading := new(host.Registry)
		h.Loading(nil).Register(loading)
		if err := loading.Globals()[0].Declare(builder, tree[0].All("plugin")); err != nil {
			t.Fatal(err)
		}
		m, err := registered(&builder.Declared, &sdk.Node{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

// pluginSubjects are the plugins whose servers are there. Debian has no server of
// MongoDB or Minecraft.
func pluginSubjects() []subject {
	http := []byte("POST / HTTP/1.1\r\nHost: example.com\r\n\r\n")
	of := func(name string, change func(*rand.Rand, []byte) []byte, s server) subject {
		s.asks = 300
		return subject{
			name: name, matcher: pluginMatcher(name), captures: "plugins/" + name + "/testdata/samples/*.bin",
			change: change, refused: http, servers: []server{s},
		}
	}
	return []subject{
		of("redis", changeRedis, server{name: "redis", start: redis}),
		of("mqtt", scramble, server{name: "mosquitto", start: mosquitto}),
		of("git", changeGit, server{name: "git-daemon", start: gitDaemon}),
		of("stun", scramble, server{name: "turnserver", start: turnserver, passes: passedByTURN, seeds: func(name string) bool {
			return name != "framed-ice" && name != "tcp-connection-bind" // for a peer; for a connection that is not there
		}}),
	}
}

func redis(t testing.TB) judge {
	path, dir := realtest.Look(t, "redis-server"), t.TempDir()
	addr := program(t, func(addr netip.AddrPort) *exec.Cmd {
		return exec.Command(path, "--bind", "127.0.0.1", "--port", fmt.Sprint(addr.Port()), "--save", "", "--dir", dir, "--logfile", "/dev/null")
	})
	return func(t testing.TB, input []byte) said {
		answer := ask(t, addr, input, nil)
		s := said{goesOn: len(answer) > 0, answer: answer}
		for _, complaint := range []string{"-ERR Protocol error", "-ERR unknown command", "-ERR wrong number of arguments", "-ERR syntax error"} {
			s.goesOn = s.goesOn && !bytes.HasPrefix(answer, []byte(complaint))
		}
		return s
	}
}

// changeRedis writes a command with odd lengths and ends, or scrambles a capture.
func changeRedis(r *rand.Rand, capture []byte) []byte {
	input := bytes.Clone(capture)
	if chance(r, 2) {
		words := strings.Fields(pick(r, "PING", "GET a", "get a", "SELECT 1", "SET a b", "HELLO 3", "COMMAND DOCS", "CLIENT SETNAME x", "LPUSH a b", "INFO", "ECHO x", "FLUSHALL", "CONFIG GET x"))
		end := func() string {
			if chance(r, 12) {
				return pick(r, "\n", "\r", "\rx", "xx", "\r\r\n", " \r\n")
			}
			return "\r\n"
		}
		size := func(n int) string {
			if chance(r, 12) {
				return pick(r, fmt.Sprintf("0%d", n), fmt.Sprintf("+%d", n), fmt.Sprintf(" %d", n), fmt.Sprintf("%d ", n), "-1", "0", fmt.Sprint(n+1))
			}
			return fmt.Sprint(n)
		}
		var b strings.Builder
		b.WriteString(pick(r, "", "", "", "", "\r\n", "\n", "*0\r\n", "*-1\r\n", " "))
		if chance(r, 3) {
			b.WriteString(strings.Join(words, pick(r, " ", " ", "  ", "\t")) + end())
		} else {
			b.WriteString("*" + size(len(words)) + end())
			for _, w := range words {
				b.WriteString("$" + size(len(w)) + end() + w + end())
			}
		}
		input = []byte(b.String())
	}
	if chance(r, 3) {
		input = scramble(r, input)
	}
	return input
}

// mosquitto answers CONNECT with CONNACK, whatever it decides about the client.
func mosquitto(t testing.TB) judge {
	path, dir := realtest.Look(t, "mosquitto"), t.TempDir()
	addr := program(t, func(addr netip.AddrPort) *exec.Cmd {
		config := filepath.Join(dir, "mosquitto.conf")
		text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nlog_dest none\n", addr.Port())
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return exec.Command(path, "-c", config)
	})
	return func(t testing.TB, input []byte) said {
		answer := ask(t, addr, input, nil)
		// A reason below 0x80 that is no refusal of the version (MQTT 3.1.1, 3.2.2.3; 5.0, 3.2.2.2).
		return said{goesOn: len(answer) >= 4 && answer[0] == 0x20 && (answer[3] == 0 || answer[3] == 4 || answer[3] == 5 || answer[3] == 0x86 || answer[3] == 0x87), answer: answer}
	}
}

// gitDaemon serves one empty repository under any name.
func gitDaemon(t testing.TB) judge {
	path, dir := realtest.Look(t, "git"), t.TempDir()
	if out, err := realtest.Run(t, exec.Command(path, "init", "-q", "--bare", filepath.Join(dir, "team", "project.git"))); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	addr := program(t, func(addr netip.AddrPort) *exec.Cmd {
		return exec.Command(path, "daemon", "--reuseaddr", "--export-all", "--informative-errors", "--base-path="+dir,
			"--listen=127.0.0.1", fmt.Sprintf("--port=%d", addr.Port()), "--enable=receive-pack", "--enable=upload-archive")
	})
	return func(t testing.TB, input []byte) said {
		answer := ask(t, addr, input, nil)
		return said{goesOn: len(answer) > 0, answer: answer}
	}
}

// changeGit changes a request and makes its length right again, most of the time.
func changeGit(r *rand.Rand, capture []byte) []byte {
	body := scramble(r, capture[4:])
	if chance(r, 3) {
		body = []byte(pick(r, "git-upload-pack ", "git-upload-pack  ", "git-upload-pack\t", "git-upload-archive ") +
			pick(r, "/team/project.git", "/team/project", "team/project", "/", "", "~x/y", "/"+strings.Repeat("a", 1030)) +
			pick(r, "\x00", "", "\n", "\x00\x00") + pick(r, "host=a\x00", "host=\x00", "host=a b\x00", "host=a", "HOST=a\x00", "x=y\x00", "") +
			pick(r, "", "\x00version=2\x00", "\x00version=1", "\x00x\x00y\x00", "\x00\x00"))
	}
	if chance(r, 8) {
		return append(bytes.Clone(capture[:4]), body...)
	}
	format := pick(r, "%04x", "%04x", "%04x", "%04X")
	return append(fmt.Appendf(nil, format, len(body)+4), body...)
}

// passedByTURN names what begins with a message of a server, by its class (RFC 8489 §5), or
// with the data of a channel that is not bound (RFC 8656 §12.4): coturn passes over both
// and reads on.
func passedByTURN(input []byte) bool {
	return len(input) > 0 && (input[0]&1 != 0 || input[0]&0xc0 == 0x40)
}

// turnserver answers requests of STUN with a response of any class.
func turnserver(t testing.TB) judge {
	path, dir := realtest.Look(t, "turnserver"), t.TempDir()
	addr := program(t, func(addr netip.AddrPort) *exec.Cmd {
		cmd := exec.Command(path, "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", fmt.Sprintf("--listening-port=%d", addr.Port()),
			"--no-udp", "--no-tls", "--no-dtls", "--no-cli", "--lt-cred-mech", "--user=alice:secret", "--realm=example.org",
			"--simple-log", "--log-file=/dev/null", "--userdb="+dir+"/turndb", "--pidfile="+dir+"/pid")
		cmd.Dir = dir
		return cmd
	})
	return func(t testing.TB, input []byte) said {
		answer := ask(t, addr, input, func(b []byte) bool { return len(b) >= 20 })
		return said{goesOn: len(answer) >= 20, answer: answer}
	}
}
