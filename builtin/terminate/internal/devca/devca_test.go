package devca

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, dir string) *CA {
	t.Helper()
	ca, err := Open(dir)
	if err != nil {
		t.Fatalf("opening: %v", err)
	}
	return ca
}

// trusted checks a certificate as a client does that trusts the file.
func trusted(t *testing.T, file, host string, leaf *x509.Certificate, at time.Time) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", file)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: at}); err != nil {
		t.Errorf("a client refuses the certificate for %s: %v", host, err)
	}
}

func TestOpenWritesNothingAndTheFirstNameMakesARootThatClientsTrust(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	ca := open(t, dir)
	if _, err := os.Stat(dir); err == nil {
		t.Error("opening made the directory")
	}
	c, err := ca.ForName("app.localhost")
	if err != nil {
		t.Fatal(err)
	}
	trusted(t, ca.File(), "app.localhost", c.Leaf, time.Now())
	info, err := os.Stat(keyFile(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTheRootIsMadeOnceAndFoundAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- first.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(first.File())
	if err != nil {
		t.Fatalf("running makes the root: %v", err)
	}
	second := open(t, dir)
	c, err := second.ForName("a.example")
	if err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadFile(second.File())
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("another root (-want +got):\n%s", diff)
	}
	trusted(t, first.File(), "a.example", c.Leaf, time.Now())
}

func TestProcessesThatStartTogetherAgreeOnOneRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leaves := make([]*x509.Certificate, 8)
	var wg sync.WaitGroup
	for i := range leaves {
		ca := open(t, dir)
		wg.Go(func() {
			c, err := ca.ForName(fmt.Sprintf("n%d.example", i))
			if err != nil {
				t.Error(err)
				return
			}
			leaves[i] = c.Leaf
		})
	}
	wg.Wait()
	for i, leaf := range leaves {
		if leaf != nil {
			trusted(t, certFile(dir), fmt.Sprintf("n%d.example", i), leaf, time.Now())
		}
	}
}

func TestAKeyAloneGetsItsCertificateBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := open(t, dir).ForName("a.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(certFile(dir)); err != nil {
		t.Fatal(err)
	}
	ca := open(t, dir)
	if _, err := os.Stat(certFile(dir)); err == nil {
		t.Error("opening wrote a file")
	}
	if _, err := ca.ForName("b.example"); err != nil {
		t.Fatal(err)
	}
	trusted(t, ca.File(), "a.example", c.Leaf, time.Now())
}

func TestBrokenFilesAreErrorsThatSayWhatToDo(t *testing.T) {
	t.Parallel()
	other := t.TempDir()
	if _, err := open(t, other).ForName("a.example"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string) error
		want   string
	}{
		"the key is gone":     {func(_ *testing.T, dir string) error { return os.Remove(keyFile(dir)) }, "bring it back"},
		"the key is no key":   {func(_ *testing.T, dir string) error { return os.WriteFile(keyFile(dir), []byte("x"), 0o600) }, "in PEM"},
		"a strange root":      {func(_ *testing.T, dir string) error { return os.Rename(certFile(other), certFile(dir)) }, "remove both"},
		"the root is no root": {func(_ *testing.T, dir string) error { return os.WriteFile(certFile(dir), nil, 0o600) }, "in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := open(t, dir).ForName("a.example"); err != nil {
				t.Fatal(err)
			}
			if err := c.change(t, dir); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestADirectoryThatCannotBeWrittenGivesARootInMemory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ca := &CA{dir: file, log: open(t, "").log}
	if _, err := ca.ForName("a.example"); err != nil {
		t.Errorf("serving from memory: %v", err)
	}
}

func TestLeavesAreKeptAndRenewedInTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := open(t, dir)
		first, err := ca.ForName("a.example")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(leafLife / 2)
		if again, err := ca.ForName("a.example"); again != first || err != nil {
			t.Errorf("half of its life is left and it was made anew: %v", err)
		}
		time.Sleep(leafLife / 4)
		renewed, err := ca.ForName("a.example")
		if renewed == first || err != nil {
			t.Errorf("a quarter of its life is left and it was not renewed: %v", err)
		}
		trusted(t, ca.File(), "a.example", renewed.Leaf, time.Now())
		time.Sleep(rootLife - rootRenew - 3*leafLife/4 - time.Hour)
		if _, err := ca.ForName("a.example"); err != nil { // from the old root, and good for days
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		last, err := ca.ForName("a.example")
		if err != nil {
			t.Fatal(err)
		}
		trusted(t, ca.File(), "a.example", last.Leaf, time.Now())
	})
}

func TestWhatClientsCanMakeItRememberIsBounded(t *testing.T) {
	t.Parallel()
	ca := open(t, "")
	for i := range maxLeaves + 10 {
		if _, err := ca.ForName(fmt.Sprintf("n%d.example", i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := [2]int{ca.leaves.order.Len(), len(ca.leaves.byKey)}; got != [2]int{maxLeaves, maxLeaves} {
		t.Errorf("it remembers %v certificates", got)
	}
	if ca.leaves.get("n0.example") != nil || ca.leaves.get(fmt.Sprintf("n%d.example", maxLeaves)) == nil {
		t.Error("it forgot another one than the oldest")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	ca := open(t, "")
	for name, want := range map[string]bool{
		"localhost": true, "a.example": true, "my_host.example": true, "xn--bcher-kva.example": true,
		"127.0.0.1": true, "::1": true,
		"": false, "a..b": false, "-a.example": false, "a-.example": false, "A.example": false,
		"a b": false, "*.example": false, strings.Repeat("a", 64) + ".example": false,
		strings.Repeat("a.", 127): false, "a.example.": false, "fe80::1%eth0": false,
	} {
		c, err := ca.ForName(name)
		if got := err == nil; got != want {
			t.Errorf("%q: %v", name, err)
		}
		if err == nil && c.Leaf.VerifyHostname(name) != nil {
			t.Errorf("%q: the certificate is for %v, %v", name, c.Leaf.DNSNames, c.Leaf.IPAddresses)
		}
	}
}

func TestWhoAsksForNoNameGetsLocalhostAndTheAddressHeReached(t *testing.T) {
	t.Parallel()
	c, err := open(t, "").ForAddr(netip.MustParseAddr("::ffff:192.0.2.7"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "192.0.2.7"} {
		if err := c.Leaf.VerifyHostname(host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestDirFollowsTheEnvironment(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"/var/lib/dwaar":        {"STATE_DIRECTORY": "/var/lib/dwaar:/var/lib/b", "HOME": "/root"},
		"/data/dwaar":           {"XDG_DATA_HOME": "/data", "HOME": "/root"},
		"/h/.local/share/dwaar": {"XDG_DATA_HOME": "relative", "HOME": "/h"},
		"":                      {},
	} {
		if got := Dir(func(name string) string { return env[name] }); got != want {
			t.Errorf("%v: got %q, want %q", env, got, want)
		}
	}
}

func TestARootThatAnotherUserCouldHavePutThereIsRefused(t *testing.T) {
	t.Parallel()
	made := func(t *testing.T) string {
		dir := filepath.Join(t.TempDir(), "state")
		if _, err := open(t, dir).ForName("a.localhost"); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for what, tc := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"a directory of another user": {func(dir string) error { return os.Chown(dir, 4711, -1) }, "state belongs to another user"},
		"a key of another user":       {func(dir string) error { return os.Chown(keyFile(dir), 4711, -1) }, "ca.key belongs to another user"},
		"a certificate of another":    {func(dir string) error { return os.Chown(certFile(dir), 4711, -1) }, "ca.crt belongs to another user"},
		"an open directory":           {func(dir string) error { return os.Chmod(dir, 0o777) }, "others can write to"},
		"an open key":                 {func(dir string) error { return os.Chmod(keyFile(dir), 0o620) }, "others can write to"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := made(t)
			if err := tc.spoil(dir); os.Geteuid() != 0 && err != nil {
				t.Skip("only root can give a file away")
			} else if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("opening: %v, want %q", err, tc.want)
			}
		})
	}
	dir := made(t)
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	open(t, dir) // as in /tmp: nobody can exchange what is in it
}
