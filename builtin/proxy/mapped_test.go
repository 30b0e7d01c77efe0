package proxy

import (
	"errors"
	"strings"
	"testing"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// mapped is a connection for which the map up has a value.
type mapped struct {
	host.View
	value string
}

func (m mapped) Get(name string) (string, bool) {
	if name == "map.up" {
		return m.value, true
	}
	return m.View.Get(name)
}

// lookUp asks where a proxy directive sends a connection for which the map up has a value.
// The client came in by 192.0.2.1:443. wait says whether a name may be asked for.
func lookUp(t *testing.T, text, value string, wait bool) (upstream.Dial, *Handler, error) {
	t.Helper()
	b := &builder{}
	b.Options = []sdk.Node{{Name: "map", Args: []sdk.Word{{Text: "up"}, {Text: "file"}}}}
	h, err := b.make(t, text, zone)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Warnings) > 0 {
		t.Errorf("%s: warnings %v", text, b.Warnings)
	}
	c := mapped{client("192.0.2.9:1", nil), value}
	if wait {
		d, err := h.PlanWait(t.Context(), c, nil)
		return d, h, err
	}
	d, err := h.Plan(c, nil)
	return d, h, err
}

func TestWhatAMapNamesCountsAsWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, value, want string }{
		{"proxy {map.up}", "127.0.0.1:80", "127.0.0.1:80"},
		{"proxy {map.up}", "[::1]:80", "[::1]:80"},
		{"proxy {l4.map.up}:80", "169.254.169.254", "169.254.169.254:80"},
		{"proxy 127.0.0.1:{map.up}", "8080", "127.0.0.1:8080"},
		{"proxy {map.up} {\nallow 10.0.0.0/8\n}", "10.1.2.3:80", "10.1.2.3:80"},
		{"proxy {map.up} {\nallow 127.0.0.0/8\n}", "127.0.0.1:80", "127.0.0.1:80"},
	} {
		d, h, err := lookUp(t, c.text, c.value, strings.Contains(c.text, "allow"))
		if err != nil || d.Addr.String() != c.want {
			t.Errorf("%s with %s: %v, %v", c.text, c.value, d.Addr, err)
		}
		if blocks := h.Blocks() != ""; blocks != strings.Contains(c.text, "allow") {
			t.Errorf("%s: blocks %q", c.text, h.Blocks())
		}
	}
}

func TestANameInAMapIsAskedForInAGoroutine(t *testing.T) {
	t.Parallel()
	if _, _, err := lookUp(t, "proxy {map.up}", "app.example.com:80", false); !errors.Is(err, host.ErrBlocks) {
		t.Errorf("in a loop: %v", err)
	}
	if d, _, err := lookUp(t, "proxy {map.up}", "evil.example.com:80", true); err != nil || d.Addr.String() != "127.0.0.1:80" {
		t.Errorf("in a goroutine: %v, %v", d.Addr, err)
	}
}

func TestAMapMayNameAUnixSocket(t *testing.T) {
	t.Parallel()
	d, _, err := lookUp(t, "proxy {map.up}", "unix//run/app.sock", false)
	if err != nil || d.Network != "unix" || d.Path != "/run/app.sock" {
		t.Errorf("%s %s, %v", d.Network, d.Path, err)
	}
}

func TestAMapObeysAllowAndLeadsToNoListenerOfOurs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, value, want string }{
		{"proxy {map.up}", "192.0.2.1:443", "a listener of this program"},
		{"proxy {map.up}", "own.example.com:443", "a listener of this program"},
		{"proxy {map.up}", "no address", "filling in {map.up}"},
		{"proxy {map.up}", "unix/" + strings.Repeat("x", 200), "filling in {map.up}"},
		{"proxy {map.up} {\nallow 10.0.0.0/8\n}", "127.0.0.1:80", "which clients may not choose without allow"},
		{"proxy {map.up} {\nallow 10.0.0.0/8\n}", "198.51.100.1:80", "allow names neither"},
		{"proxy {map.up} {\nallow 10.0.0.0/8\n}", "unix//run/app.sock", "filling in {map.up}"},
	} {
		if d, _, err := lookUp(t, c.text, c.value, true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: %v, %v, want %s", c.text, c.value, d.Addr, err, c.want)
		}
	}
}

// A fact called like one of a map is a client's where no map is declared, and so is an
// address that is in part of a map and in part of what a client said.
func TestOnlyWhatIsAllOfAMapCountsAsWritten(t *testing.T) {
	t.Parallel()
	b := &builder{}
	h, err := b.make(t, "proxy {map.up}", zone)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.PlanWait(t.Context(), mapped{client("192.0.2.9:1", nil), "127.0.0.1:80"}, nil); err == nil || len(b.Warnings) != 1 {
		t.Errorf("without a declaration: %v, warnings %v", err, b.Warnings)
	}
	b.Options = []sdk.Node{{Name: "map", Args: []sdk.Word{{Text: "up"}, {Text: "file"}}}}
	if h, err = b.make(t, "proxy {vars.x}:{map.up}", zone); err != nil {
		t.Fatal(err)
	}
	c := mapped{client("192.0.2.9:1", nil), "80"}
	set(c.View, "x", "127.0.0.1")
	if _, err := h.PlanWait(t.Context(), c, nil); err == nil {
		t.Error("a client chose the host")
	}
}
