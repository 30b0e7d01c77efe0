package realtest

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Postgres is a PostgreSQL server of one test, with a fresh cluster that trusts
// everybody. It answers in clear and, with a certificate of its own, over TLS.
type Postgres struct {
	*Process
	Addr netip.AddrPort // on 127.0.0.1
}

// postgresUser is who it runs as where the tests run as root, which it refuses
// to be, and the superuser of its cluster.
const postgresUser = "postgres"

// StartPostgres makes a cluster, starts a server on it and returns when it
// accepts connections.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	dir := DirFor(t, postgresUser)
	data := filepath.Join(dir, "data")
	runAs(t, dir, Look(t, "initdb"), "--pgdata", data, "--username", postgresUser,
		"--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C", "--no-instructions")
	runAs(t, dir, Look(t, "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
		"-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
		"-keyout", filepath.Join(data, "server.key"), "-out", filepath.Join(data, "server.crt"))

	p := &Postgres{Addr: FreeAddr(t)}
	cmd := exec.Command(Look(t, "postgres"), "-D", data, "-k", dir,
		"-h", p.Addr.Addr().String(), "-p", fmt.Sprint(p.Addr.Port()),
		"-c", "ssl=on", "-c", "fsync=off", "-c", "shared_buffers=8MB", "-c", "max_connections=50")
	cmd.Dir = dir
	As(t, postgresUser, cmd)
	p.Process = Start(t, cmd)
	p.WaitFor(t, "database system is ready to accept connections")
	return p
}

// Command is a psql that runs one SQL command, and prints its result without
// decoration, over a connection to addr: the server's own address, or that of a
// proxy in front of it. sslmode is libpq's: disable, require, prefer, ….
func (p *Postgres) Command(t testing.TB, addr netip.AddrPort, sslmode, sql string) *exec.Cmd {
	t.Helper()
	conn := fmt.Sprintf("host=%s port=%d user=%s dbname=postgres sslmode=%s",
		addr.Addr(), addr.Port(), postgresUser, sslmode)
	cmd := exec.Command(Look(t, "psql"), "--no-psqlrc", "--no-align", "--tuples-only", "--command", sql, conn)
	cmd.Env = append(os.Environ(), "PGSERVICEFILE=/nonexistent", "PGGSSENCMODE=disable")
	return cmd
}

// runAs runs a program to its end in dir as the user of the server.
func runAs(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	As(t, postgresUser, cmd)
	if out, err := Run(t, cmd); err != nil {
		t.Fatalf("running %s: %v: %s", filepath.Base(name), err, out)
	}
}
