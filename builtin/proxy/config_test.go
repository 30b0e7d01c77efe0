package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryErrorOfTheConstructorSaysWhereAndWhatToWrite(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	many := "proxy" + strings.Repeat(" 10.0.0.1:1", 257)
	for text, want := range map[string]string{
		"proxy":                    `D:1:1: proxy has no upstream: write proxy HOST:PORT, or to HOST:PORT in its block`,
		many:                       `D:1:1: proxy has 257 upstreams: 256 is the most`,
		"proxy udp/10.0.0.1:53":    `D:1:7: "udp/10.0.0.1:53": UDP is not in this version: write an address for TCP`,
		"proxy ftp/10.0.0.1:53":    `D:1:7: "ftp/10.0.0.1:53": "ftp" is no network: write HOST:PORT, tcp/HOST:PORT or unix//path`,
		"proxy tcp/10.0.0.1":       `D:1:7: "tcp/10.0.0.1" has no port: write tcp/10.0.0.1:443`,
		"proxy 2001:db8::1:443":    `D:1:7: "2001:db8::1:443" is ambiguous: write IPv6 addresses in brackets, [2001:db8::1]:443`,
		"proxy [2001:db8::1]":      `D:1:7: "[2001:db8::1]" has no port: write [2001:db8::1]:443`,
		"proxy a:0":                `D:1:7: "a:0": the port must be a number from 1 to 65535`,
		"proxy a:http":             `D:1:7: "a:http": the port must be a number from 1 to 65535`,
		"proxy a:8000-8010":        `D:1:7: "a:8000-8010": the port must be a number from 1 to 65535`,
		"proxy a_-:1":              `D:1:7: "a_-:1": "a_-" is neither a host name nor an address`,
		"proxy tcp6/10.0.0.1:1":    `D:1:7: "tcp6/10.0.0.1:1": the address is of the other family`,
		"proxy unix/":              `D:1:7: "unix/" has no path: write unix//run/app.sock`,
		"proxy unix//run/{vars.x}": `D:1:7: "unix//run/{vars.x}" has a placeholder in a path: clients choose among addresses, not among files`,
		"proxy unix//" + strings.Repeat("a", 107): `D:1:7: "unix//` + strings.Repeat("a", 107) + `" is longer than the 107 bytes a socket's path can have`,
		`proxy "{tls.server_name:443"`:            `D:1:7: "{tls.server_name:443" has no port: write {tls.server_name:443:443`,
		"proxy {x}:443":                           `D:1:7: {x} names no fact: write {vars.x}, or a matcher's fact like {tls.server_name}`,
		"proxy a.example:{}":                      `D:1:7: {} names no fact: write {vars.}, or a matcher's fact like {tls.server_name}`,

		"proxy {\nupstream a:1 {\ntls\n}\nhealth_tls\n}":                                    `D:5:1: health_tls is for upstreams without TLS: the checks of these use their own tls_ options: leave it out`,
		"proxy a:1 {\nhealth_tls {\ntls_server_name {vars.x}\n}\n}":                         `D:2:1: a check has no connection to fill tls_server_name in from: write it without placeholders, or no health_ options`,
		"proxy a:1 {\nhealth_tls {\ntls_trust_pool /nowhere\n}\n}":                          `D:3:16: reading the authorities: open /nowhere: no such file or directory`,
		"proxy a:1 {\nupstream\n}":                                                          `D:2:1: upstream has no address: write upstream HOST:PORT, or dial HOST:PORT in its block`,
		"proxy {\nupstream a:1 {\nbackup\n}\n}":                                             `D:1:1: every upstream is a backup: one must not be`,
		"proxy {\nupstream a:1 {\nweight 2\n}\n}":                                           `D:3:8: weight means nothing to lb_policy round_robin: write lb_policy weighted_round_robin`,
		"proxy {\nlb_policy weighted_round_robin\nupstream a:1 {\nweight 0\n}\n}":           `D:4:8: weight must be from 1 to 256`,
		"proxy {\nlb_policy weighted_round_robin\nupstream a:1 {\nweight 257\n}\n}":         `D:4:8: weight must be from 1 to 256`,
		"proxy {\nupstream a:1 {\nmax_connections 0\n}\n}":                                  `D:3:17: max_connections must be at least 1`,
		"proxy {\nupstream a:1 {\nlocal_addr 10.0.0.1 10.0.0.2\n}\n}":                       `D:3:21: 10.0.0.2 is a second IPv4 address beside 10.0.0.1: write one of each family`,
		"proxy {\nupstream a:1 {\nlocal_addr ::1\nlocal_addr ::2\n}\n}":                     `D:4:12: ::2 is a second IPv6 address beside ::1: write one of each family`,
		"proxy {\nupstream a:1 {\nlocal_addr {vars.from} {conn.local_ip}\n}\n}":             `D:3:24: "{conn.local_ip}" is a second placeholder beside {vars.from}: write one`,
		"proxy {\nhealth_interval 1s\nupstream a:1 {\nlocal_addr {vars.from}\n}\n}":         `D:3:1: a check has no connection to fill local_addr in from: write it without placeholders, or no health_ options`,
		"proxy unix//run/a.sock|0660":                                                       `D:1:7: "unix//run/a.sock|0660": the mode 0660 is for who listens on a socket: write unix//run/a.sock`,
		"proxy {\nupstream a:1 {\nlocal_addr 10.0.0.1:x\n}\n}":                              `D:3:12: "10.0.0.1:x" is no address to connect from: write 10.0.0.5 or 2001:db8::5, with a port 10.0.0.5:12345 or [2001:db8::5]:12345`,
		"proxy {\nupstream unix//a {\nlocal_addr 10.0.0.1\n}\n}":                            `D:2:10: "unix//a": local_addr means nothing to a Unix socket`,
		"proxy {\nupstream [::2]:1 {\nlocal_addr 10.0.0.1\n}\n}":                            `D:2:10: "[::2]:1": local_addr or resolver_preference is of the other family`,
		"proxy {\nupstream a:1 {\nlocal_addr 10.0.0.1\nresolver_preference ipv6_only\n}\n}": `D:2:10: "a:1": resolver_preference, local_addr and the network name different families`,

		"proxy a:1 {\nlb_policy least_conn 3\n}":       `D:2:22: lb_policy least_conn takes no number: only random_choose does`,
		"proxy a:1 {\nlb_policy random_choose 0\n}":    `D:2:25: random_choose compares at least 1 upstream, not 0`,
		"proxy a:1 {\nlb_try_interval 0s\n}":           `D:2:17: lb_try_interval must be longer than 0s`,
		"proxy a:1 {\nconnect_timeout 0s\n}":           `D:2:17: connect_timeout must be longer than 0s`,
		"proxy a:1 {\nhealth_timeout 0s\n}":            `D:2:16: health_timeout must be longer than 0s`,
		"proxy a:1 {\nhealth_interval 0s\n}":           `D:2:17: health_interval must be longer than 0s`,
		"proxy a:1 {\nidle_timeout 0s\n}":              `D:2:14: idle_timeout must be longer than 0s: write off for no limit`,
		"proxy a:1 {\nhalf_close_timeout 0s\n}":        `D:2:20: half_close_timeout must be longer than 0s: write off for no limit`,
		"proxy a:1 {\nmax_lifetime 0s\n}":              `D:2:14: max_lifetime must be longer than 0s: write off for no limit`,
		"proxy a:1 {\nunhealthy_connection_count 0\n}": `D:2:28: unhealthy_connection_count must be at least 1`,

		"proxy a:1 {\nhealth_port 0\n}":                               `D:2:13: health_port: 0 is no port: write a number from 1 to 65535`,
		"proxy a:1 {\nhealth_uri health\n}":                           `D:2:12: health_uri "health" is no path: write /health`,
		"proxy a:1 {\nhealth_fall 2\n}":                               `D:2:1: health_fall means nothing without checks: write health_interval 10s`,
		"proxy a:1 {\nhealth_rise 2\n}":                               `D:2:1: health_rise means nothing without checks: write health_interval 10s`,
		"proxy a:1 {\nclose_if_unhealthy\n}":                          `D:2:1: close_if_unhealthy means nothing without checks: write health_interval 10s`,
		"proxy a:1 {\nhealth_interval 1s\nhealth_fall 0\n}":           `D:3:13: health_fall must be at least 1`,
		"proxy {vars.x}:1 {\nhealth_interval 1s\nallow 10.0.0.0/8\n}": `D:1:7: {vars.x}:1 has no fixed address that could be checked: write no health_ options with placeholders`,

		"proxy a:1 {\nallow 10.0.0.0/40\n}": `D:2:7: "10.0.0.0/40" is neither an address range nor a host name: write 10.0.0.0/8, app.example.com or *.example.com`,
		"proxy a:1 {\nallow 10.0.0.300\n}":  `D:2:7: "10.0.0.300" is neither an address range nor a host name: write 10.0.0.0/8, app.example.com or *.example.com`,
		"proxy a:1 {\nallow a.*.example\n}": `D:2:7: "a.*.example" is neither an address range nor a host name: write 10.0.0.0/8, app.example.com or *.example.com`,

		"proxy {\nupstream a:1 {\ntls\ntls_timeout 0s\n}\n}":                               `D:4:13: tls_timeout must be longer than 0s`,
		"proxy {\nupstream a:1 {\ntls\ntls_except_ports 70000\n}\n}":                       `D:4:18: tls_except_ports: 70000 is no port: write a number from 1 to 65535`,
		"proxy {\nupstream a:1 {\ntls\ntls_trust_pool /nowhere.pem\n}\n}":                  `D:4:16: reading the authorities: open /nowhere.pem: no such file or directory`,
		"proxy {\nupstream a:1 {\ntls\ntls_trust_pool " + empty + "\n}\n}":                 `D:4:16: ` + empty + ` holds no certificate in PEM: write the file of an authority`,
		"proxy {\nupstream a:1 {\ntls\ntls_client_auth /nowhere.pem /no.key\n}\n}":         `D:4:17: reading the certificate /nowhere.pem and its key /no.key: open /nowhere.pem: no such file or directory`,
		"proxy {\nupstream a:1 {\ntls\ntls_client_auth " + empty + " /no.key\n}\n}":        `D:4:17: reading the certificate ` + empty + ` and its key /no.key: open /no.key: no such file or directory`,
		"proxy {\nupstream a:1 {\ntls\ntls_server_name \"{x\"\n}\n}":                       `D:4:17: "{x" has a brace without its partner: write a placeholder as {tls.server_name}`,
		"proxy {\nhealth_interval 1s\nupstream a:1 {\ntls\ntls_server_name {vars.x}\n}\n}": `D:3:1: a check has no connection to fill tls_server_name in from: write it without placeholders, or no health_ options`,

		// Found by the description, before the constructor.
		"proxy a:1 {\nlb_polcy first\n}":                 `lb_polcy`,
		"proxy a:1 {\nhealth_send x\n}":                  `health_send`,
		"proxy a:1 {\nlb_policy best\n}":                 `must be round_robin, least_conn, random`,
		"proxy a:1 {\nlb_policy LeastConn\n}":            `did you mean "least_conn"?`,
		"proxy a:1 {\nweight 2\n}":                       `unknown option "weight" in proxy: it belongs into the block of upstream`,
		"proxy {\nupstream a:1 {\nlb_policy first\n}\n}": `unknown option "lb_policy" in upstream: it belongs into the block of proxy`,
	} {
		_, err := (&builder{}).make(t, text, nil)
		got := fmt.Sprint(err)
		if !strings.HasPrefix(want, "D:") && strings.Contains(got, want) {
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestAllErrorsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := (&builder{}).make(t, "proxy a:0 {\nmax_connections_ 1\nallow -\n}", nil)
	if err == nil || !strings.Contains(err.Error(), "max_connections_") {
		t.Errorf("the description let it pass: %v", err)
	}
	_, err = (&builder{}).make(t, "proxy a:0 udp/b:1 {\nallow -\nhealth_rise 2\n}", nil)
	if got := strings.Count(fmt.Sprint(err), "\n") + 1; got != 4 {
		t.Errorf("%d errors: %v", got, err)
	}
}

func TestEveryOptionOfTheDocumentedPagesIsAccepted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"proxy 10.0.0.1:9000 10.0.0.2:9000",
		"proxy {\nto 10.0.0.1:9000 10.0.0.2:9000\nlb_policy least_conn\nmax_fails 5\nfail_duration 30s\nhealth_timeout 5s\n}",
		"proxy {\nupstreams 10.0.0.1:9000\nhealth_interval 5s\nhealth_uri /ok\n}",
		"proxy a:1 {\nmax_fails off\nfail_duration off\nidle_timeout off\nhalf_close_timeout off\nmax_lifetime off\n}",
		"proxy unix//run/x.sock tcp/a:1 tcp4/b:2 [::1]:5 :80 {env.BACKEND} {env.HOST}:{env.PORT}",
		"proxy {\nlb_policy WEIGHTED_ROUND_ROBIN\nupstream a:1 {\nweight 256\nmax_connections 5\nlocal_addr 10.0.0.1\nresolver_preference ipv4_first\n}\nupstream {\ndial b:2 c:3\nbackup\n}\n}",
		"proxy a:1 {\nproxy_protocol v2\nallow 10.0.0.0/8 *.example.com private_ranges\nlb_try_duration 1s\nlb_try_interval 10ms\nunhealthy_connection_count 9\n}",
		"proxy {\nupstream a:1 {\ntls\ntls_insecure_skip_verify\ntls_server_name b\ntls_timeout 1s\ntls_curves x25519 secp256r1\ntls_except_ports 80\ntls_renegotiation once\n}\n}",
		"proxy {\nupstream a:1 {\nlocal_addr ::1\n}\nupstream 10.0.0.2:1 {\nlocal_addr ::1 10.0.0.1\n}\nupstream a:1 {\nlocal_addr 10.0.0.1\nlocal_addr ::1\nresolver_preference ipv6_only\n}\nupstream tcp4/a:1 {\nlocal_addr 10.0.0.1 ::1\n}\n}",
		"proxy {\nupstream a:1 {\ntls_curves x25519\ntls_curves secp256r1\ntls_except_ports 80\ntls_except_ports 81\n}\n}",
		"proxy a:1 {\nhealth_port 80\nhealth_fall 2\nhealth_rise 3\nclose_if_unhealthy\nconnect_timeout 1s\n}",
	} {
		if _, err := (&builder{}).make(t, text, nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestUpstreamWithTwoAddressesMeansWhatItsPlaceSays(t *testing.T) {
	t.Parallel()
	for inGlobal, want := range map[bool][]string{
		false: {"10.0.0.1:1", "10.0.0.2:2"},
		true:  {"10.0.0.1:1 10.0.0.2:2"},
	} {
		b := &builder{inGlobal: inGlobal}
		h, err := b.make(t, "proxy {\nupstream 10.0.0.1:1 10.0.0.2:2\n}", nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range h.primaries {
			got = append(got, h.primaries[i].up.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in the global block: %v (-want +got):\n%s", inGlobal, diff)
		}
		if len(b.Warnings) != 1 || !strings.Contains(b.Warnings[0].Msg, "global block") {
			t.Errorf("warnings: %v", b.Warnings)
		}
	}
}

func TestLoadWarnsWhereClientsChoose(t *testing.T) {
	t.Parallel()
	const warning = "clients choose where this connects"
	for text, want := range map[string]bool{
		"proxy {tls.server_name}:443":                           true,
		"proxy 10.0.0.1:{vars.port}":                            true,
		"proxy {l4.tls.server_name}:443":                        true,
		"proxy {vars.x}.com:443":                                true,
		"proxy {vars.whole}":                                    true,
		"proxy {vars.listed}:443":                               false,
		"proxy {vars.x}:{vars.listed}":                          true,
		"proxy {vars.listed}:{vars.x}":                          true,
		"proxy {tls.server_name}.backend.local:443":             false,
		"proxy {tls.server_name}:443 {\nallow *.example.com\n}": false,
		"proxy {env.BACKEND}:443":                               false,
		"proxy backend:443":                                     false,
	} {
		b := &builder{closed: "vars.listed"}
		if _, err := b.make(t, text, nil); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.Warnings.Error(), warning); got != want {
			t.Errorf("%s: warned %v, want %v (%v)", text, got, want, b.Warnings)
		}
	}
}

func TestPlaceholdersAreDeclaredAsRead(t *testing.T) {
	t.Parallel()
	b := &builder{}
	_, err := b.make(t, "proxy {\nupstream {l4.tls.server_name}:{vars.port} {\ntls\ntls_server_name {vars.name}\n}\n}", nil)
	if diff := cmp.Diff([]string{"tls.server_name", "vars.port", "vars.name"}, b.Read); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestWritingTLSOutKeepsAnUpstream: a reload after dwaar fmt keeps health and counters.
func TestWritingTLSOutKeepsAnUpstream(t *testing.T) {
	t.Parallel()
	b := &builder{}
	var ups []any
	for _, options := range []string{"tls_server_name a.example", "tls\ntls_server_name a.example", "tls_server_name b.example"} {
		h, err := b.make(t, "proxy {\nupstream 10.0.0.1:443 {\n"+options+"\n}\n}", nil)
		if err != nil {
			t.Fatal(err)
		}
		ups = append(ups, h.primaries[0].up)
	}
	if ups[0] != ups[1] || ups[0] == ups[2] {
		t.Errorf("the same options with tls and without share their state: %t; other ones: %t", ups[0] == ups[1], ups[0] == ups[2])
	}
}
