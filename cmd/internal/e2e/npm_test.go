package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/host/wasm"
)

// client is a program in plugins/NAME/testdata/clients, whose packages .ci/install
// installs.
func client(t testing.TB, plugin string, args ...string) *exec.Cmd {
	t.Helper()
	dir := filepath.Join(root, "plugins", plugin, "testdata", "clients")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%v: in CI no test may skip, .ci/install installs it", err)
		}
		t.Skipf("%v: make test installs it", err)
	}
	cmd := exec.Command(realtest.Look(t, "node"), args...)
	cmd.Dir = dir
	return cmd
}

// output runs a command in the directory of this test and wants it to succeed.
func output(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := realtest.Run(t, exec.Command(name, args...)); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// minecraftServer is one that says its name to whoever asks or joins.
func minecraftServer(t *testing.T, name string) string {
	t.Helper()
	server := realtest.Start(t, client(t, "minecraft", "server.js", name))
	server.WaitFor(t, "listening on ")
	server.WaitFor(t, ".\n")
	_, rest, _ := strings.Cut(server.Output(), "listening on ")
	port, _, _ := strings.Cut(rest, ".\n")
	return "127.0.0.1:" + port
}

func TestPlayersOfMinecraftReachTheServerOfTheHostTheyTyped(t *testing.T) {
	t.Parallel()
	lobby, worlds, status := minecraftServer(t, "lobby"), minecraftServer(t, "worlds"), minecraftServer(t, "status")
	plugin, compiler := filepath.Join(t.TempDir(), "minecraft.wasm"), filepath.Join(t.TempDir(), "compiler")
	output(t, root+"/plugins/build", "minecraft", plugin)
	output(t, "go", "build", "-o", compiler, root+"/plugins/internal/compiler") // without the race detector
	addr := serveWith(t, wasm.Options{Compiler: []string{compiler}}, fmt.Sprintf(`{
	plugin minecraft %s
}
layer4 {
	127.0.0.1:0 {
		@status minecraft intent status
		@lobby minecraft host play.example.com
		@worlds minecraft host *.mc.example.com
		route @status {
			proxy %s
		}
		route @lobby {
			proxy %s
		}
		route @worlds {
			proxy %s
		}
		route {
			close
		}
	}
}
`, plugin, status, lobby, worlds)).addr()
	port := fmt.Sprint(addr.Port())
	for _, tt := range []struct {
		want string // "" is that nothing answers
		args []string
	}{
		{"this is lobby\n", []string{"login.js", port, "1.21.1", "Play.example.com"}},
		{"this is lobby\n", []string{"login.js", port, "1.20.4", `play.example.com\u0000FML3\u0000`}},
		{"this is worlds\n", []string{"login.js", port, "1.19.4", "sky.mc.example.com."}},
		{"", []string{"login.js", port, "1.21.1", "elsewhere.example.com"}},
		{`{"text":"status"}` + "\n", []string{"status.js", port, "1.20.4"}},
	} {
		out, err := realtest.Run(t, client(t, "minecraft", tt.args...))
		// The client may say more about packets that the server cut off.
		if err != nil || !strings.HasPrefix(out, tt.want) || tt.want == "" && out != "" {
			t.Errorf("%s: %v, %q, want %q", strings.Join(tt.args, " "), err, out, tt.want)
		}
	}
}

// broker is a real MQTT broker.
func broker(t *testing.T) netip.AddrPort {
	t.Helper()
	addr := realtest.FreeAddr(t)
	config := writeFile(t, "mosquitto.conf", fmt.Sprintf(
		"listener %d 127.0.0.1\nallow_anonymous true\nlog_dest stderr\n", addr.Port()))
	if err := os.Chmod(config, 0o644); err != nil { // as root it is another user
		t.Fatal(err)
	}
	realtest.Start(t, exec.Command(realtest.Look(t, "mosquitto"), "-v", "-c", config)).WaitFor(t, "running")
	return addr
}

func TestClientsOfMQTTReachTheBrokerOfTheirIdentifierAndVersion(t *testing.T) {
	t.Parallel()
	sensors, new5, others := broker(t), broker(t), broker(t)
	addr := serve(t, fmt.Sprintf(`{
	plugin mqtt %s
}
layer4 {
	127.0.0.1:0 {
		@sensors mqtt client_id sensor-*
		@new mqtt version 5
		@mqtt mqtt
		route @sensors {
			proxy %s
		}
		route @new {
			proxy %s
		}
		route @mqtt {
			proxy %s
		}
	}
}
`, module("mqtt"), sensors, new5, others)).addr()
	at := func(a netip.AddrPort) []string { return []string{"-h", a.Addr().String(), "-p", fmt.Sprint(a.Port())} }
	pub, sub := realtest.Look(t, "mosquitto_pub"), realtest.Look(t, "mosquitto_sub")
	for _, tt := range []struct {
		broker netip.AddrPort
		args   []string
	}{
		{sensors, []string{"-i", "sensor-17", "-V", "mqttv31"}},
		{sensors, []string{"-i", "sensor-18", "-V", "mqttv5"}},
		{new5, []string{"-i", "kitchen", "-V", "mqttv5", "-D", "connect", "user-property", "room", "hall"}},
		{others, []string{"-i", "kitchen", "-V", "mqttv311", "-u", "alice", "-P", "secret"}},
		{others, []string{"-V", "mqttv311"}},
	} {
		// What is retained at the broker says which one was reached.
		topic := strconv.FormatInt(time.Now().UnixNano(), 36)
		args := append(append(at(addr), "-q", "1", "-r", "-t", topic, "-m", "reached"), tt.args...)
		if out, err := realtest.Run(t, exec.Command(pub, args...)); err != nil {
			t.Errorf("mosquitto_pub %s: %v\n%s", strings.Join(args, " "), err, out)
			continue
		}
		out, err := realtest.Run(t, exec.Command(sub, append(at(tt.broker), "-t", topic, "-C", "1")...))
		if out != "reached\n" || err != nil {
			t.Errorf("%s: at its broker: %v, %q", strings.Join(tt.args, " "), err, out)
		}
	}
}

// firstOf is an upstream that keeps the first bytes of each connection.
func firstOf(t *testing.T) (addr net.Addr, first chan string) {
	t.Helper()
	first = make(chan string, 64)
	return listen(t, func(c net.Conn) {
		_ = c.SetDeadline(realtest.Deadline(t)) // a read says what is wrong
		head := make([]byte, 16<<10)
		n, _ := c.Read(head)
		select {
		case first <- string(head[:n]):
		default: // the test has seen enough
		}
	}), first
}

// No MongoDB server is in Debian: that the hello arrives where it belongs is enough.
func TestClientsOfMongoDBReachTheServerOfTheirApplication(t *testing.T) {
	t.Parallel()
	reports, reportsGot := firstOf(t)
	alice, aliceGot := firstOf(t)
	others, othersGot := firstOf(t)
	addr := serve(t, fmt.Sprintf(`{
	plugin mongodb %s
}
layer4 {
	127.0.0.1:0 {
		@reports mongodb app report-*
		@alice mongodb user alice database planets
		@mongodb mongodb driver nodejs
		route @reports {
			proxy %s
		}
		route @alice {
			proxy %s
		}
		route @mongodb {
			proxy %s
		}
	}
}
`, module("mongodb"), reports, alice, others)).addr()
	for _, tt := range []struct {
		uri, want string
		got       chan string
	}{
		{"mongodb://" + addr.String() + "/?appName=report-weekly", "report-weekly", reportsGot},
		{"mongodb://alice:secret@" + addr.String() + "/planets?loadBalanced=true", "planets.alice", aliceGot},
		{"mongodb://" + addr.String() + "/?appName=shop", "shop", othersGot},
	} {
		p := realtest.Start(t, client(t, "mongodb", "connect.js", tt.uri))
		select {
		case hello := <-tt.got:
			if !strings.Contains(hello, tt.want) {
				t.Errorf("%s: its server got %q", tt.uri, hello)
			}
		case <-p.Done():
			t.Errorf("%s: nothing came, and the client said %s", tt.uri, p.Output())
		case <-realtest.Overdue(t):
			t.Errorf("%s: nothing came", tt.uri)
		}
		p.Stop()
	}
}
