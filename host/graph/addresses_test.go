package graph

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

// listeners are those that an address stands for: network, address, path, descriptor, mode.
func listeners(text string) ([]string, error) {
	ls, err := parseListen(text, sdk.Pos{Line: 1, Col: 1})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, l := range ls {
		one := l.Network
		switch {
		case l.Addr.Addr().IsValid():
			one += " " + l.Addr.String()
		case strings.HasPrefix(l.Network, "tcp"):
			one += fmt.Sprintf(" *:%d", l.Addr.Port())
		case l.Network == "fd" && l.Path == "":
			one += fmt.Sprintf(" %d", l.FD)
		default:
			one += " " + l.Path
		}
		if l.Access.Mode != 0 {
			one += fmt.Sprintf(" %04o", l.Access.Mode)
		}
		if l.Name != text {
			one += " as " + l.Name
		}
		all = append(all, one)
	}
	return all, nil
}

func TestEveryFormOfAnAddressMeansWhatItSays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		":443":                       {"tcp *:443"},
		"*:443":                      {"tcp *:443"},
		":0":                         {"tcp *:0"},
		":65535":                     {"tcp *:65535"},
		"tcp/:443":                   {"tcp *:443"},
		"tcp4/:443":                  {"tcp4 *:443"},
		"tcp6/:443":                  {"tcp6 *:443"},
		"0.0.0.0:1":                  {"tcp4 0.0.0.0:1"},
		"[::]:1":                     {"tcp6 [::]:1"},
		"[::ffff:192.0.2.1]:1":       {"tcp4 192.0.2.1:1"},
		"localhost:1":                {"tcp4 127.0.0.1:1"},
		"tcp4/localhost:1":           {"tcp4 127.0.0.1:1"},
		"tcp6/localhost:1":           {"tcp6 [::1]:1"},
		"[fe80::1%lo]:1":             {"tcp6 [fe80::1%lo]:1"},
		":7-9":                       {"tcp *:7 as :7", "tcp *:8 as :8", "tcp *:9 as :9"},
		":7-7":                       {"tcp *:7"},
		"tcp6/[2001:db8::1]:1-2":     {"tcp6 [2001:db8::1]:1 as tcp6/[2001:db8::1]:1", "tcp6 [2001:db8::1]:2 as tcp6/[2001:db8::1]:2"},
		"unix//run/a.sock":           {"unix /run/a.sock"},
		"unix//run/a.sock|0660":      {"unix /run/a.sock 0660 as unix//run/a.sock"},
		"unix//run/a.sock|222":       {"unix /run/a.sock 0222 as unix//run/a.sock"},
		"unix//run/a.sock|002":       {"unix /run/a.sock 0002 as unix//run/a.sock"},
		"unix//run/a.sock|020":       {"unix /run/a.sock 0020 as unix//run/a.sock"},
		"unix//run/a.sock|0777":      {"unix /run/a.sock 0777 as unix//run/a.sock"},
		"unix/@a":                    {"unix @a"},
		"fd/3":                       {"fd 3"},
		"fd/web":                     {"fd web"},
		"tcp4/192.0.2.1:65534-65535": {"tcp4 192.0.2.1:65534 as tcp4/192.0.2.1:65534", "tcp4 192.0.2.1:65535 as tcp4/192.0.2.1:65535"},
	} {
		got, err := listeners(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if all, err := listeners(":1-1024"); err != nil || len(all) != maxRange {
		t.Errorf("a range of %d ports: %d, %v", maxRange, len(all), err)
	}
}

func TestAnAddressThatIsNoneSaysWhatToWrite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"443x":                    `"443x" has no port: write 443x:443`,
		"[::1]":                   `has no port`,
		":65536":                  `"65536" is no port`,
		":-1":                     `"-1" is no port`,
		":2-1":                    `runs backwards: write 1-2`,
		":0-3":                    `begins with 0`,
		":1-1025":                 `has 1025 ports: name at most 1024`,
		":1-x":                    `"1-x" is no port`,
		"a.example:1":             `"a.example" is no address of this machine`,
		"tcp6/192.0.2.1:1":        `192.0.2.1 is no address of tcp6`,
		"tcp4/[2001:db8::1]:1":    `2001:db8::1 is no address of tcp4`,
		"tcp6/[::ffff:1.2.3.4]:1": `1.2.3.4 is no address of tcp6`,
		"[fe80::1]:1":             `[fe80::1%eth0]`,
		"udp/:53":                 `udp is not in this version`,
		"unixgram//x":             `unixgram is not in this version`,
		"sctp/:1":                 `unknown network "sctp"`,
		"unix/run/a.sock":         `by a relative path`,
		"unix/@a|0660":            `leave |0660 out`,
		"unix//a|0444":            `"0444" is no mode`,
		"unix//a|0111":            `"0111" is no mode`,
		"unix//a|0555":            `"0555" is no mode`,
		"unix//a|1000":            `"1000" is no mode`,
		"unix//a|0":               `"0" is no mode`,
		"unix//a|1777":            `"1777" is no mode`,
		"unix//a|0678":            `"0678" is no mode`,
		"unix//a|":                `"" is no mode`,
		"fd/2":                    `names no inherited descriptor`,
		"fd/":                     `names no inherited descriptor`,
		"fd/a:b":                  `names no inherited descriptor`,
		"fd/-3":                   `names no inherited descriptor`,
	} {
		_, err := listeners(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "1:1: ") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// overlap says what is wrong with listeners beside each other, or "".
func overlap(t *testing.T, addresses ...string) (fault, warning string) {
	t.Helper()
	var text strings.Builder
	for _, a := range addresses {
		fmt.Fprintf(&text, "%s {\nroute {\nsay a\n}\n}\n", a)
	}
	g, err := build("layer4 {\n" + text.String() + "}\n")
	if err != nil {
		return err.Error(), ""
	}
	defer g.Release()
	return "", fmt.Sprint(g.Warnings.Err())
}

func TestListenersThatWantTheSameConnectionsAreRefused(t *testing.T) {
	t.Parallel()
	const none = "<nil>"
	for _, tc := range []struct {
		a, b, fault, warning string
	}{
		{":1", ":2", "", none},
		{":0", ":0", "", none}, // any free port, twice
		{":1", ":1", ":1 overlaps :1 at Dwaarfile:2:1: name each address once", ""},
		{"192.0.2.1:1", "192.0.2.2:1", "", none},
		{"192.0.2.1:1", "192.0.2.1:1", "name each address once", ""},
		{":1", "192.0.2.1:1", ":1 takes connections to every address: leave 192.0.2.1:1 out", ""},
		{"192.0.2.1:1", ":1", ":1 takes connections to every address: leave 192.0.2.1:1 out", ""},
		{"192.0.2.1:1", ":2", "", none},
		{"0.0.0.0:1", "[::]:1", "", none},
		{"tcp4/:1", "tcp6/:1", "", none},
		{"tcp4/:1", ":1", ":1 takes IPv4 as well: write tcp6/:1 in its place, or leave tcp4/:1 out", ""},
		{":1", "tcp6/:1", ":1 takes IPv6 as well: write tcp4/:1 in its place, or leave tcp6/:1 out", ""},
		{"tcp4/:1", "[2001:db8::1]:1", "", none},
		{"tcp6/:1", "[2001:db8::1]:1", "leave [2001:db8::1]:1 out", ""},
		{"tcp6/:1", "192.0.2.1:1", "", none},
		{"[::]:1", "192.0.2.1:2", "", "[::]:1 takes IPv6 alone: write :1 for both families, 0.0.0.0:1 beside it, or tcp6/[::]:1 if this is meant"},
		{"[::]:1", "192.0.2.1:1", "", none},
		{"tcp6/[::]:1", ":2", "", none},
		{"unix//a", "unix//b", "", none},
		{"unix//a", "unix//a", "name each address once", ""},
		{"fd/3", "fd/4", "", none},
		{"fd/3", "fd/3", "name each address once", ""},
		{"fd/a", "fd/b", "", none},
		{"fd/a", "unix/@a", "", none},
	} {
		fault, warning := overlap(t, tc.a, tc.b)
		if !strings.Contains(fault, tc.fault) || tc.fault == "" && fault != "" {
			t.Errorf("%s and %s: %q, want %q", tc.a, tc.b, fault, tc.fault)
		}
		if tc.fault == "" && !strings.Contains(warning, tc.warning) {
			t.Errorf("%s and %s: warned %q, want %q", tc.a, tc.b, warning, tc.warning)
		}
	}
}

func TestFilesOfSocketsBelongToWhomTheConfigurationSays(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Skip(err)
	}
	for options, want := range map[string]Access{
		"":                               {Owner: -1, Group: -1},
		"socket_owner 7":                 {Owner: 7, Group: -1},
		"socket_group 8":                 {Owner: -1, Group: 8},
		"socket_owner 7\nsocket_group 8": {Owner: 7, Group: 8},
		"socket_owner 0":                 {Owner: 0, Group: -1},
		"socket_owner " + me.Username:    {Owner: os.Getuid(), Group: -1},
		"socket_owner 7\nsocket_group " + group.Name: {Owner: 7, Group: number(t, me.Gid)},
	} {
		g := mustBuild(t, "layer4 {\nunix//a unix//b|0600 unix/@c :1 {\n"+options+"\nroute {\nsay a\n}\n}\n}\n")
		ls := g.Servers[0].Listeners
		b := want
		b.Mode = fs.FileMode(0o600)
		for i, access := range []Access{want, b, {Owner: -1, Group: -1}, {}} {
			if diff := cmp.Diff(access, ls[i].Access); diff != "" {
				t.Errorf("%q: %s (-want +got):\n%s", options, ls[i].Name, diff)
			}
		}
	}
	for text, want := range map[string]string{
		":1 {\nsocket_owner 7\n":                  "Dwaarfile:2:1: socket_owner and socket_group are for Unix sockets, and this server has none",
		"unix/@a {\nsocket_group 7\n":             "are for Unix sockets",
		"unix//a {\nsocket_owner no-such-user\n":  "Dwaarfile:3:14: socket_owner no-such-user: this machine knows nobody by that name",
		"unix//a {\nsocket_group no-such-group\n": "Dwaarfile:3:14: socket_group no-such-group: this machine knows nobody by that name",
	} {
		if _, err := build("layer4 {\n" + text + "route {\nsay a\n}\n}\n}\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
