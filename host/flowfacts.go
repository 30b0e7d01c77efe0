package host

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// ConnFacts lists the facts conn.* that every connection has, as far as its network
// does.
func ConnFacts() []string {
	return []string{
		"remote_addr", "remote_ip", "remote_port", "local_addr", "local_ip", "local_port",
		"listener", "network", "id", "peer_addr", "wrap_time",
	}
}

// TimeFacts lists the facts time.* that every connection has: when it was accepted, in
// the zone of the machine where a form has a zone.
func TimeFacts() []string {
	return []string{"now", "now.http", "now.common_log", "now.year", "now.unix", "now.unix_ms"}
}

// FlowFact returns a fact that every connection has: one of ConnFacts, but for
// conn.peer_addr, which the flow does not know, or of TimeFacts. id is the number of the
// connection.
func FlowFact(f *sdk.Flow, id uint64, name string) (string, bool) {
	of, key, _ := strings.Cut(name, ".")
	switch of {
	case "conn":
		return connFact(f, id, key)
	case "time":
		return timeFact(f.Accepted, key)
	}
	return "", false
}

func connFact(f *sdk.Flow, id uint64, key string) (string, bool) {
	side, what, _ := strings.Cut(key, "_")
	switch {
	case side == "remote":
		return addrFact(f.Remote, what)
	case side == "local":
		return addrFact(f.Local, what)
	case key == "listener":
		return f.Listener, true
	case key == "network":
		return f.Network, true
	case key == "id":
		return strconv.FormatUint(id, 10), true
	case key == "wrap_time":
		return f.Accepted.UTC().Round(0).String(), true // Round drops the monotonic clock, which String would print
	}
	return "", false
}

// addrFact returns a part of an address.
func addrFact(a netip.AddrPort, what string) (string, bool) {
	switch what {
	case "addr":
		return a.String(), a.IsValid()
	case "ip":
		return a.Addr().String(), a.IsValid()
	case "port":
		return strconv.Itoa(int(a.Port())), a.IsValid()
	}
	return "", false
}

// commonLog is the time of the Common Log Format.
const commonLog = "02/Jan/2006:15:04:05 -0700"

// timeFact returns a form of the time at which a connection was accepted.
func timeFact(t time.Time, key string) (string, bool) {
	switch key {
	case "now":
		return t.Round(0).String(), true
	case "now.http":
		return t.UTC().Format(http.TimeFormat), true
	case "now.common_log":
		return t.Format(commonLog), true
	case "now.year":
		return strconv.Itoa(t.Year()), true
	case "now.unix":
		return strconv.FormatInt(t.Unix(), 10), true
	case "now.unix_ms":
		return strconv.FormatInt(t.UnixMilli(), 10), true
	}
	return "", false
}
