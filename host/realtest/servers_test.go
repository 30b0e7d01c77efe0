package realtest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/realtest"
)

func TestOpenSSHRunsACommand(t *testing.T) {
	t.Parallel()
	s := realtest.StartSSHD(t)
	out, err := realtest.Run(t, s.Command(t, s.Addr, "echo", "over ssh"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("over ssh\n", out); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestPostgreSQLAnswersInClearAndOverTLS(t *testing.T) {
	t.Parallel()
	p := realtest.StartPostgres(t)
	for mode, want := range map[string]string{"disable": "f\n", "require": "t\n"} {
		const sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
		out, err := realtest.Run(t, p.Command(t, p.Addr, mode, sql))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("whether sslmode=%s is TLS (-want +got):\n%s", mode, diff)
		}
	}
}
