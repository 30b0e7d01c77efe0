package engine_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/upstream"
)

// refused returns the lines of connections that a cap refused, with the client's address.
func (f *fixture) refused(why, ip string) []map[string]any {
	return slices.DeleteFunc(f.lines("connections refused"), func(line map[string]any) bool {
		client, _ := line["client"].(string)
		return line["cap"] != why || client != ip && !strings.HasPrefix(client, ip+":")
	})
}

// Each reason for which a connection is refused has a way here to come to it. The one
// without, descriptors, has a program of its own: TestWithoutDescriptorsItServesWhatItCanAndRecovers.
// Where a session ends, its own line has the address.
func TestEveryRefusalLeavesAnAddress(t *testing.T) {
	const ip = "127.0.0.7"
	sessions := map[string]string{"max_matching": "proxy.matching.evicted", "client_memory": "proxy.matching.cap"}
	ways := map[string]func(t *testing.T, f *fixture){
		"max_connections": func(_ *testing.T, f *fixture) {
			f.load(serve("max_connections 1", "route {", "echo", "}"))
			f.dial().says("x", "x")
			f.dialFrom(ip).isEnded()
		},
		"max_connections_per_ip": func(_ *testing.T, f *fixture) {
			f.load(serve("max_connections_per_ip 1", "route {", "echo", "}"))
			f.dialFrom(ip).says("x", "x")
			f.dialFrom(ip).isEnded()
		},
		"max_matching": func(_ *testing.T, f *fixture) {
			f.load(serve("matching_timeout 1m", "max_matching 2", "@a first aaa", "route @a {", "echo", "}"))
			c := f.dialFrom(ip)
			f.active(1)
			f.dialFrom(ip)
			f.active(2)
			f.dial()
			c.isEnded()
		},
		"client_memory": func(_ *testing.T, f *fixture) {
			word := strings.Repeat("a", 1<<20)
			f.load("{\nclient_memory 1MiB\n}\n" + serve("matching_timeout 1m", "max_head 1MiB", "@a first "+word, "route @a {", "echo", "}"))
			f.dialFrom(ip).Write([]byte(word)) // the end may come before all of it is written
		},
		"descriptors": nil,
	}
	f := start(t, nil)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(f.Stats().Refused)), slices.Sorted(maps.Keys(ways))); diff != "" {
		t.Fatalf("reasons (-counted +tested):\n%s", diff)
	}
	for why, way := range ways {
		if way == nil {
			continue
		}
		t.Run(why, func(t *testing.T) {
			f := start(t, nil)
			way(t, f)
			if code := sessions[why]; code != "" {
				await(t, "the line of the connection", func() bool { return len(f.lines("connection")) == 1 })
				line := f.lines("connection")[0]
				if client, _ := line["client"].(string); line["code"] != code || !strings.HasPrefix(client, ip+":") || len(f.refused(why, ip)) > 0 {
					t.Errorf("its line: %v", line)
				}
				return
			}
			await(t, "the refusal to be told", func() bool { return len(f.refused(why, ip)) == 1 })
			line := f.refused(why, ip)[0]
			if line["code"] != "proxy.accept.cap" || line["listener"] != anyPort || line["refused"] != 1.0 || line["level"] != "INFO" {
				t.Errorf("its line: %v", line)
			}
		})
	}
}

// A client that went away without a byte is no client, whatever handler had it.
func TestProbesAreLoggedAtDebug(t *testing.T) {
	for _, handler := range []string{"proxy", "relay"} {
		t.Run(handler, func(t *testing.T) {
			f := start(t, nil)
			f.echoes()
			f.plan = func(host.View, int, error) (upstream.Dial, error) { return f.toUpstream(), nil }
			f.load(serve("route {", handler, "}"))
			level := func(n int) any {
				await(t, "the line of the connection", func() bool { return len(f.lines("connection")) == n })
				return f.lines("connection")[n-1]["level"]
			}
			f.dial().Close()
			if got := level(1); got != "DEBUG" {
				t.Errorf("a client that closes: %v", got)
			}
			f.dial().resets()
			if got := level(2); got != "DEBUG" {
				t.Errorf("a client that resets: %v", got)
			}
			c := f.dial()
			c.says("x", "x")
			c.Close()
			if got := level(3); got != "INFO" {
				t.Errorf("a client that says a byte: %v", got)
			}
		})
	}
}
