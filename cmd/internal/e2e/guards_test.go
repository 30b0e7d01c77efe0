package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/realtest"
)

// An ordinary psql asks for TLS first and says who it is behind the answer: a guard that
// has not read the user does not let it through.
func TestAGuardOnTheUserHoldsForPsqlThatAsksForTLSFirst(t *testing.T) {
	t.Parallel()
	postgres := realtest.StartPostgres(t)
	addr := serve(t, fmt.Sprintf(`layer4 {
	127.0.0.1:0 {
		@p {
			postgres
			not vars {postgres.user} admin
		}
		route @p {
			proxy %s
		}
	}
}
`, postgres.Addr)).addr()
	for _, sslmode := range []string{"prefer", "require"} {
		if out, err := realtest.Run(t, postgres.Command(t, addr, sslmode, "select 6*7")); err == nil {
			t.Errorf("sslmode %s: it was let in: %s", sslmode, out)
		}
	}
	if out, err := realtest.Run(t, postgres.Command(t, addr, "disable", "select 6*7")); err != nil || !strings.Contains(out, "42") {
		t.Errorf("somebody else, in clear: %v: %s", err, out)
	}
	admin := postgres.Command(t, addr, "disable", "select 6*7")
	admin.Args[len(admin.Args)-1] += " user=admin"
	if out, err := realtest.Run(t, admin); err == nil || strings.Contains(out, "role") {
		t.Errorf("admin, in clear, reached the server: %s", out)
	}
}

// The path of HTTP/2 comes behind the preface, and the guard waits for it.
func TestAGuardOnThePathHoldsForHTTP2WithPriorKnowledge(t *testing.T) {
	t.Parallel()
	curl := realtest.Look(t, "curl")
	web := h2c(t)
	addr := serve(t, fmt.Sprintf(`layer4 {
	127.0.0.1:0 {
		@p {
			http
			not vars_regexp {http.path} ^/secret
		}
		route @p {
			proxy %s
		}
	}
}
`, hostPort(web))).addr()
	for _, how := range []string{"--http1.1", "--http2-prior-knowledge"} {
		get := func(path string) (string, error) {
			return realtest.Run(t, exec.Command(curl, "-sS", "--path-as-is", "--max-time", "20", how, fmt.Sprintf("http://%s%s", addr, path)))
		}
		if out, err := get("/public"); err != nil || !strings.Contains(out, "this is web") {
			t.Errorf("%s /public: %v: %s", how, err, out)
		}
		for _, path := range []string{"/secret/x", "/%73ecret", "//secret", "/a/../secret"} {
			if out, err := get(path); err == nil {
				t.Errorf("%s %s: it was let in: %s", how, path, out)
			}
		}
	}
}

// A client that authenticates selects its database behind the server's answer, and the
// route by database never sees it.
func TestALoadWarnsOfARouteByWhatComesAfterTheAnswer(t *testing.T) {
	t.Parallel()
	config := fmt.Sprintf(`{
	plugin redis %s
}
layer4 {
	127.0.0.1:0 {
		@one redis db 1
		@alice redis user alice
		route @one {
			close
		}
		route @alice {
			close
		}
	}
}
`, module("redis"))
	g, err := serve(t, config).build(config)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Release()
	want := "Dwaarfile:6:8: redis db: clients that begin with AUTH or HELLO may send SELECT only when the server has answered: " +
		"they wait for matching_timeout, and are unknown to it then; choose them by something else"
	if len(g.Warnings) != 1 || g.Warnings[0].Error() != want {
		t.Errorf("warnings: %v, want %s", g.Warnings, want)
	}
}
