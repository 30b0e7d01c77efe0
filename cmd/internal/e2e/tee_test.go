package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host/loop"
	"dwaar.dev/dwaar/host/wasm"
)

// recorder is an upstream that says what each connection brought.
func recorder(t *testing.T) (addr net.Addr, got chan string) {
	got = make(chan string, 9)
	return listen(t, func(c net.Conn) {
		b, err := io.ReadAll(c)
		got <- fmt.Sprintf("%s, %v", b, err)
	}), got
}

// TestACopyOfWhatClientsSendReachesItsUpstream sends through TLS and through a reload, and
// closes at once: the copy is whole all the same.
func TestACopyOfWhatClientsSendReachesItsUpstream(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		cert, key := certificate(t, "app.example.com")
		copies, got := recorder(t)
		config := func(comment string) string {
			return fmt.Sprintf(`# %s
{
	certificate app.example.com %s %s
}
layer4 {
	127.0.0.1:0 {
		@tls tls
		route @tls {
			tls
			tee {
				proxy %s
			}
			proxy %s
		}
		route {
			tee {
				proxy %[4]s
			}
			proxy %[5]s
		}
	}
}
`, comment, cert, key, copies, echoServer(t))
		}
		s := serveIn(t, loops, wasm.Options{}, config("first"))
		for name, dialed := range map[string]func() (net.Conn, error){
			"plain": func() (net.Conn, error) { return net.Dial("tcp", s.addr().String()) },
			"tls": func() (net.Conn, error) {
				return tls.Dial("tcp", s.addr().String(), &tls.Config{ServerName: "app.example.com", RootCAs: trusting(t, cert)})
			},
		} {
			c, err := dialed()
			if err != nil {
				t.Fatal(err)
			}
			says := func(text string) {
				heard := make([]byte, len(text))
				if _, err := io.WriteString(c, text); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, heard); err != nil || string(heard) != text {
					t.Fatalf("%s: heard %q, %v", name, heard, err)
				}
			}
			says("before " + name)
			if err := s.load(config(name)); err != nil {
				t.Fatal(err)
			}
			says(", after")
			c.Close()
			if copied, want := <-got, "before "+name+", after, <nil>"; copied != want {
				t.Errorf("the copy is %q, want %q", copied, want)
			}
		}
	})
}

// TestACopyThatNobodyReadsHoldsNobodyUp sends more than all buffers between hold.
func TestACopyThatNobodyReadsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	drivers(t, func(t *testing.T, loops *loop.Loops) {
		release := make(chan struct{})
		defer close(release)
		stuck := listen(t, func(net.Conn) { <-release })
		s := serveIn(t, loops, wasm.Options{}, fmt.Sprintf(`layer4 {
	127.0.0.1:0 {
		route {
			tee {
				proxy %s
			}
			proxy %s
		}
	}
}
`, stuck, echoServer(t)))
		c := dial(t, s.addr())
		text := strings.Repeat("0123456789abcdef", 3<<19)
		go func() {
			_, _ = io.WriteString(c, text) // what is heard tells whether it was sent
			_ = c.CloseWrite()
		}()
		heard, err := io.ReadAll(c)
		if string(heard) != text || err != nil {
			t.Errorf("heard %d bytes, %v; want %d", len(heard), err, len(text))
		}
		eventually(t, "the line of the cut", func() bool { return strings.Contains(s.log.String(), "a branch of tee was cut") })
	})
}
