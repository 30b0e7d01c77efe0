package peer_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/box"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/cert"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/peer"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/upstream"
	"dwaar.dev/dwaar/cmd/dwaar-bench/internal/wire"
	"dwaar.dev/dwaar/host/realtest"
)

// setup returns what a proxy needs to be asked for kind, with upstreams that live as
// long as the test.
func setup(t *testing.T, kind peer.Kind) peer.Setup {
	t.Helper()
	s, err := upstream.Listen(4)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	dir := t.TempDir()
	files, err := cert.New(dir, "app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	protocol := map[peer.Kind]string{peer.Plain: "raw", peer.Secure: "raw", peer.Mux: "tls", peer.Names: "tls"}[kind]
	first, err := wire.Flight(protocol, "app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	set := peer.Setup{
		Kind: kind, Dir: dir, Name: "app.example.com", Cert: files.Cert, Key: files.Key, PEM: files.Both,
		Threads: 1, Descriptors: 1000, Conns: 400, Place: box.Place{CPU: -1},
		Probe: wire.Header{Mode: wire.Reply, Close: true, Answer: 2}.Append(first),
	}
	for i, port := range s.Ports() {
		u := peer.Upstream{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port), Name: fmt.Sprintf("n%d.example.com", i)}
		if i == 0 {
			u.Name = "app.example.com"
		}
		set.Upstreams = append(set.Upstreams, u)
	}
	return set
}

// A proxy is ready when it has relayed a probe, and nothing of it is left afterwards.
func TestProxiesStartForEveryKindAndEnd(t *testing.T) {
	t.Parallel()
	realtest.Look(t, "nginx")
	realtest.Look(t, "haproxy")
	for _, p := range peer.Programs() {
		for _, kind := range p.Kinds {
			if p.Binary == "" || !p.Installed() { // this program itself, or dwaar, which has to be built
				continue
			}
			t.Run(p.Name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				r, err := p.Start(t.Context(), setup(t, kind))
				if err != nil {
					t.Fatal(err)
				}
				if p.Name == "nginx" && len(r.PIDs) != 2 {
					t.Errorf("a master and a worker are %v", r.PIDs)
				}
				r.Stop()
				for _, pid := range r.PIDs {
					// The worker of a master that was ended is init's to reap.
					if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) && !zombie(pid) {
						t.Errorf("process %d is left: %v", pid, err)
					}
				}
			})
		}
	}
}

// zombie reports whether a process has ended and nobody has asked how.
func zombie(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	return len(b) == 0 || strings.HasPrefix(rest, "Z")
}

func TestProgramThatEndsSaysWhy(t *testing.T) {
	t.Parallel()
	sh := realtest.Look(t, "sh")
	p := peer.Program{Name: "broken", Binary: sh, Args: []string{"-c", "echo no such port; exit 1"}, Kinds: []peer.Kind{peer.Plain}}
	_, err := p.Start(t.Context(), setup(t, peer.Plain))
	if !errors.Is(err, peer.ErrEnded) || !strings.Contains(err.Error(), "no such port") {
		t.Errorf("starting gave %v", err)
	}
}

func TestTemplatesHoldEveryRoute(t *testing.T) {
	t.Parallel()
	p := peer.Dwaar("dwaar", realtest.Look(t, "true")) // it ends; its configuration stays
	set := setup(t, peer.Names)
	if _, err := p.Start(t.Context(), set); !errors.Is(err, peer.ErrEnded) {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(set.Dir, "dwaar-*", "Dwaarfile"))
	if err != nil || len(files) != 1 {
		t.Fatalf("configurations %v, error %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range set.Upstreams {
		if !strings.Contains(string(text), "tls sni "+u.Name) || !strings.Contains(string(text), "proxy "+u.Addr.String()) {
			t.Errorf("%v has no route in\n%s", u, text)
		}
	}
}

func TestProgramsAreFoundByName(t *testing.T) {
	t.Parallel()
	for _, p := range peer.Programs() {
		got, err := peer.Find(peer.Programs(), p.Name)
		if err != nil || got.Name != p.Name || !slices.Equal(got.Kinds, p.Kinds) {
			t.Errorf("looking for %s found %+v, error %v", p.Name, got, err)
		}
	}
	if _, err := peer.Find(peer.Programs(), "apache"); !errors.Is(err, peer.ErrUnknown) {
		t.Errorf("looking for apache gave %v", err)
	}
}
