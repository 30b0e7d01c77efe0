// Package entry is what package guest is made of, for modules with more than one
// matcher. Each has a name, and exports of its own:
//
//	var _ = entry.Add("login", newLogin)
//
//	//go:wasmexport dwaar_v1_init_login
//	func initLogin(config unsafe.Pointer, size uint32) int32 { return entry.Init("login", config, size) }
//
//	//go:wasmexport dwaar_v1_match_login
//	func matchLogin(head unsafe.Pointer, size uint32, info unsafe.Pointer) int32 {
//		return entry.Match("login", head, size, info)
//	}
//
// A configuration names it PLUGIN.login. Whoever imports package guest beside this one
// has a default matcher, too.
//
// The package compiles for every platform, so that its logic is tested natively;
// only in a module is there anybody to call it.
package entry

import (
	"time"
	"unsafe"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// entry is one matcher of the module. Only one call is ever under way.
type entry struct {
	name      string
	configure func(*sdk.Node) (sdk.Matcher, error)
	matcher   sdk.Matcher // nil before init
	flow      sdk.Flow
	bounds    [abi.MaxBounds]int
}

// entries are the matchers of this module. Exports are functions without a receiver:
// their state is the module's, and the host puts it back after each evaluation.
var entries []*entry

// Add makes a matcher known by a name, "" for the default one. It is called when a
// package variable is initialized; the result has no meaning. A name given twice
// panics: the module does not load.
func Add(name string, configure func(*sdk.Node) (sdk.Matcher, error)) struct{} {
	if find(name) != nil {
		panic("two matchers of the name " + name)
	}
	entries = append(entries, &entry{name: name, configure: configure})
	return struct{}{}
}

func find(name string) *entry {
	for _, e := range entries {
		if e.name == name {
			return e
		}
	}
	return nil
}

// Init configures a matcher: it is what an export named dwaar_v1_init or
// dwaar_v1_init_NAME does with its arguments.
func Init(name string, config unsafe.Pointer, size uint32) int32 {
	e := find(name)
	if e == nil {
		return refuse(&sdk.Error{Msg: "this plugin has no matcher of that name"})
	}
	node, err := nodeOf(unsafe.Slice((*byte)(config), size))
	if err != nil {
		return refuse(err)
	}
	if e.matcher, err = e.configure(node); err != nil {
		return refuse(err)
	}
	return 0
}

// refuse rejects a configuration, with the token that each error is about.
func refuse(err error) int32 {
	var all sdk.Errors
	all.Add(sdk.Pos{}, err)
	for _, e := range all {
		reject(tokenAt(e.Pos), e.Msg)
	}
	return 1
}

// Match asks a matcher: it is what an export named dwaar_v1_match or
// dwaar_v1_match_NAME does with its arguments. It allocates nothing.
func Match(name string, head unsafe.Pointer, size uint32, info unsafe.Pointer) int32 {
	e := find(name)
	if e == nil || e.matcher == nil {
		fail("match without init")
		return 0
	}
	e.fill(unsafe.Slice((*byte)(head), size), info)
	verdict, err := e.matcher.Match(&e.flow)
	if err != nil {
		fail(err.Error())
	}
	return int32(verdict)
}

// fill makes the flow that of the call. Its strings are parts of the window, like its
// head: a matcher keeps neither.
func (e *entry) fill(head []byte, info unsafe.Pointer) {
	i := (*infoBlock)(info)
	f := &e.flow
	f.Rehead(head[:len(head):len(head)])
	f.Bind(host{})
	f.Bounds = e.ends(i, info)
	f.Network = network(i.transport, i.flags)
	f.Local = addr(i.localFamily, &i.localIP, i.localPort)
	f.Remote = addr(i.remoteFamily, &i.remoteIP, i.remotePort)
	f.Accepted = time.Unix(0, i.accepted).UTC()
	f.Listener = text(info, i.listener)
	f.MaxHead = int(i.maxHead)
	f.ServerName, f.ALPN = text(info, i.serverName), text(info, i.alpn)
	f.TLSVersion, f.CipherSuite = i.tlsVersion, i.cipher
	f.Proxied = i.flags&abi.FlagProxied != 0
}

// ends reads where the datagrams end; nil for streams.
func (e *entry) ends(i *infoBlock, info unsafe.Pointer) []int {
	if i.flags&abi.FlagDatagrams == 0 {
		return nil
	}
	n := min(i.bounds.size, abi.MaxBounds)
	for k, end := range unsafe.Slice((*uint32)(near(info, i.bounds.ptr)), n) {
		e.bounds[k] = int(end)
	}
	return e.bounds[:n]
}

func network(transport uint8, flags uint32) string {
	switch {
	case transport == abi.TransportUDP:
		return "udp"
	case transport == abi.TransportUnix && flags&abi.FlagDatagrams != 0:
		return "unixgram"
	case transport == abi.TransportUnix:
		return "unix"
	}
	return "tcp"
}

func text(info unsafe.Pointer, s span) string {
	return unsafe.String((*byte)(near(info, s.ptr)), s.size)
}

// host is the connection's facts.
type host struct{}

func (host) Get(name string) (string, bool) { return get(name) }

func (host) Set(key string, value []byte) { set(key, value) }
