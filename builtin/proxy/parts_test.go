package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host/hosttest"
	"dwaar.dev/dwaar/host/names"
	"dwaar.dev/dwaar/host/relay"
	"dwaar.dev/dwaar/host/share"
	"dwaar.dev/dwaar/host/upstream"
	"dwaar.dev/dwaar/sdk"
)

// What docs/proxy.md says of limits that are not written.
func TestLimitsThatAreNotWrittenFollowFromOthers(t *testing.T) {
	t.Parallel()
	const s, ms = time.Second, time.Millisecond
	for options, want := range map[string]struct{ connect, first, every time.Duration }{
		"":                                      {10 * s, 5 * s, 30 * s},
		"health_uri /":                          {10 * s, 5 * s, 30 * s},
		"health_interval 2s":                    {10 * s, 2 * s, 2 * s},
		"health_interval 6s":                    {10 * s, 5 * s, 6 * s},
		"health_timeout 7s":                     {7 * s, 7 * s, 30 * s},
		"health_timeout 7s\nconnect_timeout 3s": {3 * s, 7 * s, 30 * s},
	} {
		n, err := parse(t, "proxy 192.0.2.1:1 {\n"+options+"\n}")
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(n, placing{})
		if err != nil || got.connectTimeout() != want.connect || got.checkTimeout() != want.first || got.checkEvery() != want.every {
			t.Errorf("%q: %v to connect, %v for a check, every %v, %v", options, got.connectTimeout(), got.checkTimeout(), got.checkEvery(), err)
		}
		if diff := cmp.Diff(relay.Options{Idle: time.Hour, HalfClose: time.Minute}, got.relay()); diff != "" {
			t.Errorf("%q: relay (-want +got):\n%s", options, diff)
		}
		if got.tryFor.Duration != 0 || got.tryEvery.Duration != 250*ms || got.maxFails != 3 || got.failFor.Duration != 10*s || got.chosenWidth() != 2 {
			t.Errorf("%q: tried for %v every %v, %d fails, out for %v, of %d", options, got.tryFor, got.tryEvery, got.maxFails, got.failFor, got.chosenWidth())
		}
		if u := got.upstreams[0]; u.weightOrOne() != 1 || u.backup || u.tls.on || u.tls.timeout.Duration != 10*s {
			t.Errorf("%q: %+v", options, u)
		}
	}
}

func TestACycleSpreadsItsTurnsByWeight(t *testing.T) {
	t.Parallel()
	for want, weights := range map[string][]int{
		"[]": nil, "[0]": {7}, "[0 1]": {4, 4}, "[0 0 1 0 2 0 0]": {5, 1, 1}, "[1 0 1]": {128, 256}, "[2 1 2 0 2 1 2 1 2]": {10, 30, 50},
	} {
		tier := make([]member, len(weights))
		for i := range tier {
			tier[i].weight = weights[i]
		}
		if got := fmt.Sprint(schedule(tier)); got != want {
			t.Errorf("%v: %s, want %s", weights, got, want)
		}
	}
}

// turns returns whom so many connections get, as indexes of the tier.
func turns(t *testing.T, h *Handler, tier []member, n int) (all []int) {
	t.Helper()
	for range n {
		d, err := h.Plan(client("192.0.2.9:1", nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Dropped()
		all = append(all, slices.IndexFunc(tier, func(m member) bool { return m.up == d.Up }))
	}
	return all
}

const weighted = `proxy {
	lb_policy weighted_round_robin
	upstream 10.0.0.1:1 {
		weight 3
	}
	upstream 10.0.0.2:1
	upstream 10.0.0.3:1 {
		weight 2
	}
	upstream 10.0.1.1:1 {
		backup
		weight 1
	}
	upstream 10.0.1.2:1 {
		backup
		weight 3
	}
	upstream 10.0.1.3:1 {
		backup
		weight 1
	}
}`

// Weights count among whoever is left, and among backups as they do among primaries.
func TestWeightsCountAmongThoseThatTakeConnections(t *testing.T) {
	t.Parallel()
	h := mustMake(t, weighted)
	for _, c := range []struct {
		out  []*member
		tier []member
		want []int
	}{
		{nil, h.primaries, []int{0, 2, 0, 1, 2, 0, 0, 2, 0, 1, 2, 0}},
		{[]*member{&h.primaries[1]}, h.primaries, []int{0, 0, 0, 2, 2, 0, 0, 0, 2, 2}},
		{[]*member{&h.primaries[0]}, h.primaries, []int{1, 2, 2, 1, 2, 2}},
		{[]*member{&h.primaries[2]}, h.backups, []int{1, 0, 1, 2, 1, 1, 0, 1, 2, 1}},
		{[]*member{&h.backups[1]}, h.backups, []int{0, 2, 0, 2}},
	} {
		for _, m := range c.out {
			m.up.SetHealthy(false)
		}
		if c.out != nil && c.out[0] == &h.primaries[0] {
			h.primaries[1].up.SetHealthy(true)
		}
		if c.out != nil && c.out[0] == &h.primaries[2] {
			h.primaries[1].up.SetHealthy(false)
		}
		h.balance.next.Store(0)
		if diff := cmp.Diff(c.want, turns(t, h, c.tier, len(c.want))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Several proxies, and the next version, send a client to the same upstream: these numbers
// never change.
func TestTheHashOfAClientIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	tier := make([]member, 5)
	list := make([]uint8, len(tier))
	for i := range tier {
		tier[i].seed, list[i] = seedOf(fmt.Sprintf("10.0.0.%d:443", i+1)), uint8(i)
	}
	var got []int
	for i := range 20 {
		got = append(got, nearest(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), tier, list))
	}
	got = append(got, nearest(netip.MustParseAddr("2001:db8::1"), tier, list), nearest(netip.MustParseAddr("2001:db8::2"), tier, list))
	if diff := cmp.Diff(goldenNearest(), got); diff != "" {
		t.Errorf("%v (-want +got):\n%s", got, diff)
	}
	if got := fmt.Sprintf("%x %x %x", seedOf(""), seedOf("10.0.0.1:443"), mix(1)); got != goldenHashes {
		t.Errorf("%s, want %s", got, goldenHashes)
	}
}

func TestThePauseBetweenQuestionsIsWithinATenth(t *testing.T) {
	t.Parallel()
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		d := jitter(100 * time.Second)
		least, most = min(least, d), max(most, d)
	}
	if least < 90*time.Second || most > 110*time.Second || least > 92*time.Second || most < 108*time.Second {
		t.Errorf("from %v to %v", least, most)
	}
}

func TestNamesAreMadeOfLabels(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	whole := long + "." + long + "." + long + "." + long[:61] // 253 bytes
	for text, want := range map[string]bool{
		"a": true, "az.AZ.09": true, "a-b": true, "_a._b_": true, "1": true, long: true, whole: true,
		"": false, ".": false, "a.": false, ".a": false, "a..b": false, "-a": false, "a-": false, "a.-b": false, long + "a": false, whole + "a": false,
		"a`": false, "a{": false, "a@": false, "a[": false, "a/": false, "a:": false, "a b": false, "ä": false, "a,": false, "a^": false,
	} {
		if isName(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	for text, want := range map[string]uint16{"1": 1, "443": 443, "65535": 65535, "0": 0, "65536": 0, "": 0, "-1": 0, "+1": 0, "1a": 0} {
		if got, err := parsePort(text); (err == nil) != (want > 0) || err == nil && got != want {
			t.Errorf("port %q: %d, %v", text, got, err)
		}
	}
}

func TestADomainBehindAPlaceholderHasTwoLabels(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"{x}.example.com": true, "{x}.a{y}.b.c": true, "a{x}.b.c.d": true,
		"{x}": false, "{x}.com": false, "{x}example.com": false, "{x}.b.c-": false, "{x}.b.c{y}": false, "{x}.": false,
	} {
		if hasDomain(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestAnAddressIsTakenApart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]address{
		"a:1": {host: "a", port: "1"}, "tcp/a:1": {host: "a", port: "1"}, ":80": {host: "localhost", port: "80"},
		"tcp4/a:1": {host: "a", port: "1", family: v4Only}, "tcp6/a:1": {host: "a", port: "1", family: v6Only},
		"[::1]:443": {host: "::1", port: "443"}, "tcp6/[::1]:443": {host: "::1", port: "443", family: v6Only},
		"unix//run/a:b": {path: "/run/a:b"}, "unix/@a": {path: "@a"}, "unix//" + strings.Repeat("a", 106): {path: "/" + strings.Repeat("a", 106)},
		"{vars.a}": {host: "{vars.a}"}, "{vars.a}:{vars.b}": {host: "{vars.a}", port: "{vars.b}"}, "{vars.a}:1": {host: "{vars.a}", port: "1"},
		"a:{vars.b}": {host: "a", port: "{vars.b}"}, "{vars.a:b}.x:1": {host: "{vars.a:b}.x", port: "1"}, "{a}{b}:1": {host: "{a}{b}", port: "1"},
	} {
		got, err := parseAddress(word(text))
		want.word = word(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if chosen := strings.Contains(text, "{"); got.chosen() != chosen {
			t.Errorf("%s: chosen by clients: %v", text, got.chosen())
		}
	}
	for _, text := range []string{"", "a", "a:", "a:b", "[::1", "[::1:1", "::1]:1", "::1:1", "[a]b:1", "tcp4/[::1]:1", "tcp6/127.0.0.1:1", "unix//{a}"} {
		if got, err := parseAddress(word(text)); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestACrowdIsTheNetworkOfASubscriber(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "2001:db8:1:2::": "2001:db8:1:2::/64",
	} {
		if got := crowd(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("%s: %v, want %s", addr, got, want)
		}
	}
	if got := crowd(netip.Addr{}); got.IsValid() {
		t.Errorf("of a Unix socket: %v", got)
	}
}

// An option of an upstream that is another makes another upstream, with counts and health
// of its own; what only this directive does with it does not.
func TestUpstreamsAreTheSameWhereTheirOptionsAre(t *testing.T) {
	t.Parallel()
	b := &builder{Builder: hosttest.Builder{Store: new(share.Store)}}
	make := func(text string) (*upstream.Upstream, int) {
		before := len(b.Actors())
		h, err := b.make(t, text, nil)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return h.primaries[0].up, len(b.Actors()) - before
	}
	in := func(options string) string { return "proxy 192.0.2.1:1 {\n" + options + "\n}" }
	of := func(options string) string { return "proxy {\nupstream 192.0.2.1:1 {\n" + options + "\n}\n}" }
	checked := func(options string) string { return in("health_interval 1m\n" + options) }
	seen := map[*upstream.Upstream]string{}
	for _, text := range []string{
		"proxy 192.0.2.1:1", "proxy 192.0.2.1:2", "proxy {\nupstream {\ndial 192.0.2.1:1 192.0.2.2:1\n}\n}",
		in("max_fails 2"), in("max_fails off"), in("fail_duration 1s"), checked(""), checked("close_if_unhealthy"), in("health_interval 2m"),
		checked("health_timeout 1s"), checked("health_port 2"), checked("health_uri /"), checked("health_fall 2"), checked("health_rise 2"),
		checked("proxy_protocol v1"), checked("proxy_protocol v2"), checked("connect_timeout 1s"), checked("health_tls"),
		checked("health_tls {\ntls_server_name x\n}"),
		of("local_addr 127.0.0.1"), of("local_addr ::1 127.0.0.1"), of("local_addr {vars.x}"), of("resolver_preference ipv4_only"), of("tls"),
		of("tls_server_name a.example"), of("tls_server_name b.example"), of("tls_insecure_skip_verify"), of("tls_curves x25519"),
		of("tls_except_ports 5"), of("tls_renegotiation once"), of("tls_timeout 1s"),
	} {
		up, _ := make(text)
		if other, ok := seen[up]; ok {
			t.Errorf("one upstream:\n%s\n%s", text, other)
		}
		seen[up] = text
		if again, actors := make(text); again != up || actors != 0 {
			t.Errorf("two upstreams, or %d more that run beside them: %s", actors, text)
		}
	}
	for _, text := range []string{
		in("lb_policy first"), in("idle_timeout 1m"), in("lb_try_duration 1s"), in("connect_timeout 1s"), in("proxy_protocol v1"),
		of("max_connections 3"), "proxy 192.0.2.1:1 192.0.2.1:2", "proxy tcp/192.0.2.1:1 192.0.2.1:1",
	} {
		up, _ := make(text)
		if text == "proxy tcp/192.0.2.1:1 192.0.2.1:1" {
			continue // another spelling is another name
		}
		if seen[up] != "proxy 192.0.2.1:1" {
			t.Errorf("%s is another upstream", text)
		}
	}
}

// More upstreams than a word has bits are each tried once.
func TestEachOfManyUpstreamsIsTriedOnce(t *testing.T) {
	t.Parallel()
	const primaries, backups = 130, 3
	var text strings.Builder
	text.WriteString("proxy {\nlb_policy first\n")
	for i := range primaries + backups {
		fmt.Fprintf(&text, "upstream 10.0.%d.%d:1%s\n", i/100, i%100+1, map[bool]string{true: " {\nbackup\n}"}[i >= primaries])
	}
	h := mustMake(t, text.String()+"}")
	c, last := client("192.0.2.9:1", nil), error(nil)
	var got, want []string
	for i := range primaries + backups {
		want = append(want, fmt.Sprintf("10.0.%d.%d:1", i/100, i%100+1))
		d, err := h.Plan(c, last)
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		last = errors.New("refused")
		d.Failed(c.Log(), last)
		got = append(got, d.Addr.String())
		if m := h.member(i); m.up != d.Up || m.number != i {
			t.Errorf("number %d is %s", i, m.up.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := h.Plan(c, last); !errors.Is(err, last) {
		t.Errorf("then %v", err)
	}
	if diff := cmp.Diff(strings.Join(want, " "), h.names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestThatNoUpstreamTakesConnectionsIsSaidOnceInTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &Handler{born: time.Now()}
		var got []bool
		for _, pause := range []time.Duration{0, 0, 5 * time.Second, 5 * time.Second, 1, 9 * time.Second, 2 * time.Second} {
			time.Sleep(pause) // of the test's own clock
			got = append(got, h.mayWarn())
		}
		if diff := cmp.Diff([]bool{true, false, false, false, true, false, true}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestOptionsOfTLSAreThoseOfTheirWords(t *testing.T) {
	t.Parallel()
	for option, want := range map[string]func(*tls.Config) bool{
		"tls_renegotiation never":  func(c *tls.Config) bool { return c.Renegotiation == tls.RenegotiateNever },
		"tls_renegotiation ONCE":   func(c *tls.Config) bool { return c.Renegotiation == tls.RenegotiateOnceAsClient },
		"tls_renegotiation freely": func(c *tls.Config) bool { return c.Renegotiation == tls.RenegotiateFreelyAsClient },
		"tls": func(c *tls.Config) bool {
			return c.MinVersion == tls.VersionTLS12 && !c.InsecureSkipVerify && c.CurvePreferences == nil
		},
		"tls_insecure_skip_verify": func(c *tls.Config) bool { return c.InsecureSkipVerify },
		"tls_curves X25519 secp256r1\ntls_curves secp384r1 secp521r1 x25519mlkem768": func(c *tls.Config) bool {
			return slices.Equal(c.CurvePreferences, []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521, tls.X25519MLKEM768})
		},
	} {
		h := mustMake(t, "proxy {\nupstream 192.0.2.1:1 {\n"+option+"\n}\n}")
		if s := h.primaries[0].dialer.secured; s == nil || !want(s.config) || h.Blocks() != "proxy speaks TLS to its upstream" {
			t.Errorf("%s: %+v, %s", option, s, h.Blocks())
		}
	}
	for want, option := range map[preference]string{
		v4Only: "ipv4_only", v6Only: "IPv6_only", v4First: "ipv4_first", v6First: "ipv6_first",
	} {
		h := mustMake(t, "proxy {\nupstream a.example:1 {\nresolver_preference "+option+"\n}\n}")
		if got := h.primaries[0].named.prefer; got != want {
			t.Errorf("%s: %d", option, got)
		}
	}
	for want, option := range map[version]string{v1: "V1", v2: "v2"} {
		if got := mustMake(t, "proxy a:1 {\nproxy_protocol "+option+"\n}").primaries[0].dialer.header; got != want {
			t.Errorf("%s: %d", option, got)
		}
	}
}

func TestConnectionsTakeTurnsFromTheFirstUpstreamOn(t *testing.T) {
	t.Parallel()
	h := mustMake(t, "proxy"+members(3))
	if diff := cmp.Diff([]int{0, 1, 2, 0, 1}, turns(t, h, h.primaries, 5)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A check of a name that leads nowhere says so.
func TestACheckOfANameWithoutAnAddressFails(t *testing.T) {
	t.Parallel()
	k := checkerOf(t, "proxy nobody.example:1 {\nhealth_interval 1m\n}")
	if err := k.check(t.Context()); err == nil || !strings.Contains(err.Error(), "no such name: nobody.example") {
		t.Errorf("%v", err)
	}
}

func TestAFamilyIsWhatAllOptionsLeave(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options, addr string
		want          preference
		wrong         string
	}{
		{"", "a:1", anyFamily, ""},
		{"", "tcp6/a:1", v6Only, ""},
		{"resolver_preference ipv4_first", "a:1", v4First, ""},
		{"resolver_preference ipv4_first", "tcp6/a:1", v6Only, ""},
		{"local_addr 127.0.0.1", "a:1", v4Only, ""},
		{"local_addr 127.0.0.1 ::1", "a:1", anyFamily, ""},
		{"local_addr ::1", "a:1", v6Only, ""},
		{"local_addr {vars.x} 127.0.0.1", "a:1", anyFamily, ""},
		{"local_addr ::1", "tcp6/a:1", v6Only, ""},
		{"local_addr ::1", "tcp4/a:1", 0, "name different families"},
		{"local_addr ::1\nresolver_preference ipv4_only", "a:1", 0, "name different families"},
		{"local_addr ::1", "192.0.2.1:1", 0, "is of the other family"},
		{"resolver_preference ipv4_only", "[::1]:1", 0, "is of the other family"},
		{"resolver_preference ipv6_first", "192.0.2.1:1", v6First, ""},
	} {
		h, err := (&builder{}).make(t, "proxy {\nupstream "+c.addr+" {\n"+c.options+"\n}\n}", nil)
		switch {
		case c.wrong != "":
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s, %s: %v", c.addr, c.options, err)
			}
		case err != nil:
			t.Errorf("%s, %s: %v", c.addr, c.options, err)
		case h.primaries[0].named != nil && h.primaries[0].named.prefer != c.want:
			t.Errorf("%s, %s: %d, want %d", c.addr, c.options, h.primaries[0].named.prefer, c.want)
		}
	}
}

func TestErrorsOfWhatAClientChoseAreNoUpstreams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{clientErrorf("x: %w", errOut), true},
		{fmt.Errorf("wrapped: %w", clientError{errOut}), true},
		{names.ErrBusy, true},
		{errOut, false},
	} {
		if ofClients(c.err) != c.want {
			t.Errorf("%v: %v", c.err, !c.want)
		}
	}
	if !errors.Is(clientErrorf("x: %w", errOut), errOut) {
		t.Error("what is wrapped is lost")
	}
}

func word(text string) sdk.Word { return sdk.Word{Text: text} }

func goldenNearest() []int {
	return []int{1, 3, 0, 1, 0, 4, 4, 3, 3, 4, 1, 1, 4, 2, 1, 2, 2, 4, 2, 4, 1, 4}
}

const goldenHashes = "0 e482502e6cd8a965 ff60fb1c9e466219"
