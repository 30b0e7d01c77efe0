package dwaar_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/dwaar"
	"dwaar.dev/dwaar/host/target"
	"dwaar.dev/dwaar/sdk"
)

// limit bounds what clients wait for.
const limit = 30 * time.Second

// start returns a server that runs until the test ends.
func start(t *testing.T, o dwaar.Options) *dwaar.Server {
	t.Helper()
	s, err := dwaar.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing it again: %v", err)
		}
	})
	return s
}

func load(t *testing.T, s *dwaar.Server, routes string) error {
	t.Helper()
	return s.Load(t.Context(), text(routes))
}

func text(routes string) *config.Source {
	return config.Text("Dwaarfile", "layer4 {\n127.0.0.1:0 {\n"+routes+"\n}\n}\n")
}

func dial(t *testing.T, s *dwaar.Server) *net.TCPConn {
	t.Helper()
	addr, ok := s.Addr("127.0.0.1:0")
	if !ok {
		t.Fatal("nothing listens")
	}
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// said is what the server answers to what a client sends before it has no more to say.
func said(t *testing.T, s *dwaar.Server, sent string) string {
	t.Helper()
	conn := dial(t, s)
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestEachLoadTakesThePlaceOfTheOneBefore(t *testing.T) {
	t.Parallel()
	for _, loops := range []int{0, 2} {
		s := start(t, dwaar.Options{Loops: loops})
		if err := load(t, s, "route {\necho\n}"); err != nil {
			t.Fatal(err)
		}
		if got := said(t, s, "a"); got != "a" {
			t.Errorf("it answers %q", got)
		}
		err := load(t, s, "route {\necco\n}\n@a sssh")
		if es, ok := errors.AsType[sdk.Errors](err); !ok || len(es) != 2 || es[0].Pos.Line != 4 {
			t.Errorf("what is wrong: %v", err)
		}
		if got := said(t, s, "b"); got != "b" {
			t.Errorf("after a configuration that was refused it answers %q", got)
		}
		if err := load(t, s, "route {\nclose\n}"); err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(dial(t, s)); len(got) > 0 {
			t.Errorf("it answers %q", got)
		}
	}
}

func TestWhatNoRouteTakesIsAccepted(t *testing.T) {
	t.Parallel()
	for _, loops := range []int{0, 2} {
		l := target.New("rest")
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					got, err := io.ReadAll(c)
					fact, ok := c.(*target.Conn).Fact("conn.listener")
					fmt.Fprintf(c, "%s, %v, %s %t", got, err, fact, ok)
				}()
			}
		}()
		s := start(t, dwaar.Options{Fallback: l, Loops: loops})
		if err := load(t, s, "@ssh ssh\nroute @ssh {\necho\n}"); err != nil {
			t.Fatal(err)
		}
		if got, want := said(t, s, "hello"), "hello, <nil>, 127.0.0.1:0 true"; got != want {
			t.Errorf("it answers %q, want %q", got, want)
		}
		if got := said(t, s, "SSH-2.0-x\r\n"); got != "SSH-2.0-x\r\n" {
			t.Errorf("a route answers %q", got)
		}
		if err := load(t, s, "route {\nclose\n}"); err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(dial(t, s)); len(got) > 0 {
			t.Errorf("where a route takes all, it answers %q", got)
		}
		printed, _, err := s.Validate(text("@ssh ssh\nroute @ssh {\necho\n}"))
		if err != nil || !strings.Contains(printed, "2. everything\n       fallback\n       runs in a goroutine: fallback needs one") {
			t.Errorf("%v, printed\n%s", err, printed)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A plugin that is watched is loaded again when its file changes.
func TestAWatchedPluginIsLoadedAgain(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/redis.wasm"
	b, err := os.ReadFile("../../plugins/redis/redis.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	changed := make(signal, 8)
	s := start(t, dwaar.Options{Log: changed.log()})
	src := config.Text("Dwaarfile", fmt.Sprintf("{\nplugin redis %s {\nwatch\n}\n}\nlayer4 {\n127.0.0.1:0 {\n@a redis\nroute @a {\necho\n}\n}\n}", file))
	if err := s.Load(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	if got := said(t, s, "PING\r\n"); got != "PING\r\n" {
		t.Errorf("it answers %q", got)
	}
	b, err = os.ReadFile("../../plugins/stun/stun.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	changed.await(t, "the file of a plugin has changed")
}
