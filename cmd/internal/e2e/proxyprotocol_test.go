package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/realtest"
	"dwaar.dev/dwaar/host/wasm"
)

// behind is an HTTP server behind a header of its own: it answers with the addresses that
// this one names.
func behind(t *testing.T) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s to %v", r.RemoteAddr, r.Context().Value(http.LocalAddrContextKey))
	}))
	s.Listener = &proxyproto.Listener{Listener: s.Listener}
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// chained serves what takes a header off, matches what is behind, and sends a header on.
func chained(t *testing.T, loops *loop.Loops, options string) *served {
	t.Helper()
	return serveIn(t, loops, wasm.Options{}, fmt.Sprintf(`layer4 {
	127.0.0.1:0 {
		route {
			proxy_protocol {
				allow 127.0.0.1
				%s
			}
		}
		@web {
			remote_ip 127.0.0.0/8
			http
		}
		route @web {
			proxy {
				to %s
				proxy_protocol v2
			}
		}
	}
}
`, options, behind(t)))
}

// asked returns what a client hears from the server at addr, and from where it asked.
func asked(t *testing.T, addr string) (heard, from string) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			from = c.LocalAddr().String()
		}
		return c, err
	}}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport}).Get("http://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), from
}

// told checks that log and decisions name the client.
func told(t *testing.T, s *served, client string) {
	t.Helper()
	eventually(t, "the line of "+client, func() bool { return strings.Contains(s.log.String(), "client="+client+" peer=127.0.0.1") })
	var clients []string
	for _, d := range s.engine.Decisions() {
		clients = append(clients, d.Client.String())
	}
	if !strings.Contains(strings.Join(clients, " "), client) {
		t.Errorf("decisions were about %v, not %s", clients, client)
	}
}

func TestHAProxyInFrontNamesTheClient(t *testing.T) {
	t.Parallel()
	program := realtest.Look(t, "haproxy")
	for _, option := range []string{"send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"} {
		t.Run(strings.ReplaceAll(option, " ", "_"), func(t *testing.T) {
			t.Parallel()
			drivers(t, func(t *testing.T, loops *loop.Loops) {
				s, front := chained(t, loops, "fallback_policy REQUIRE"), realtest.FreeAddr(t)
				config := writeFile(t, "haproxy.cfg", fmt.Sprintf(`
defaults
	mode tcp
	timeout client 30s
	timeout connect 30s
	timeout server 30s
listen front
	bind %s
	unique-id-format conn-%%pid
	server dwaar %s %s
`, front, s.addr(), option))
				accepts(t, realtest.Start(t, exec.Command(program, "-f", config, "-db")), front)
				heard, from := asked(t, front.String())
				if want := from + " to " + front.String(); heard != want {
					t.Errorf("heard %q, want %q", heard, want)
				}
				told(t, s, from)
				if strings.Contains(option, "unique-id") && !strings.Contains(s.log.String(), "facts.proxy_protocol.tlv.unique_id=conn-") {
					t.Error("the log has no unique_id")
				}
			})
		})
	}
}

func TestNginxInFrontNamesTheClient(t *testing.T) {
	t.Parallel()
	program := realtest.Look(t, "nginx")
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		s, front, dir := chained(t, loops, "fallback_policy REQUIRE"), realtest.FreeAddr(t), t.TempDir()
		config := writeFile(t, "nginx.conf", fmt.Sprintf(`
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off;
pid %s/pid; error_log /dev/null;
events {}
stream { server { listen %s; proxy_pass %s; proxy_protocol on; } }
`, dir, front, s.addr()))
		accepts(t, realtest.Start(t, exec.Command(program, "-p", dir, "-c", config, "-e", "stderr")), front)
		heard, from := asked(t, front.String())
		if want := from + " to " + front.String(); heard != want {
			t.Errorf("heard %q, want %q", heard, want)
		}
		told(t, s, from)
	})
}

func TestCurlSendsAHeader(t *testing.T) {
	t.Parallel()
	program := realtest.Look(t, "curl")
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		s := chained(t, loops, "timeout 30s")
		out, err := realtest.Run(t, exec.Command(program, "-s", "--haproxy-protocol", "-w", " %{local_port}", "http://"+s.addr().String()+"/"))
		if err != nil {
			t.Fatal(err)
		}
		heard, port, _ := strings.Cut(out, " to ")
		_, port, _ = strings.Cut(port, " ")
		if heard != "127.0.0.1:"+port {
			t.Errorf("heard %q", out)
		}
		told(t, s, heard)
	})
}
