package archtest

import "slices"

// A rule says what the packages of one kind may import. Patterns are paths
// inside the module: "a/*" is one element more, "a/..." is a and all below it.
// The first rule that matches a package is its rule; a package below another's
// internal directory has that other's rule unless it has its own.
type rule struct {
	packages []string // whom it is about
	imports  []string // what they may import of this module, beside their own internal packages
	modules  []string // third-party import paths, each with all below it
	noIO     bool     // of the standard library, nothing that opens or runs anything
	tests    []string // what their tests may import of this module besides
	why      string   // printed where an edge is forbidden
}

// rules is the architecture as a table. Order matters only where two patterns
// match the same package.
func rules() []rule {
	return slices.Concat(wordRules(), configRules(), pluginRules(), connRules(), runningRules(), toolRules(), builtinRules(), outerRules())
}

// wordRules are the rules of sdk, what it takes to write a matcher.
func wordRules() []rule {
	return []rule{
		{
			packages: []string{"sdk"},
			noIO:     true,
			tests:    []string{"sdk/..."},
			why:      "sdk is compiled into every plugin: the standard library without net and os is all it has there",
		},
		{
			packages: []string{"sdk/abi"},
			noIO:     true,
			tests:    []string{"sdk/..."},
			why:      "sdk/abi is names and numbers that both sides of the Wasm border share: it stands below both",
		},
		{
			packages: []string{"sdk/guest/..."},
			imports:  []string{"sdk", "sdk/abi", "sdk/guest/..."},
			noIO:     true,
			tests:    []string{"sdk/...", "host/wasm"},
			why:      "sdk/guest runs inside a module: it knows the words and the ABI, never the host",
		},
		{
			packages: []string{"sdk/matchtest"},
			imports:  []string{"sdk"},
			modules:  []string{"github.com/google/go-cmp"},
			tests:    []string{"sdk/..."},
			why:      "sdk/matchtest judges any Matcher, also in other people's repositories: it needs the words and nothing else",
		},
		{
			packages: []string{"sdk/c/...", "sdk/rust/...", "sdk/assemblyscript/..."},
			tests:    []string{"..."},
			why:      "the kits for other languages hold no Go beside the tests that run their samples",
		},
	}
}

// anyPart is what the tests of a part that stands among others may use.
func anyPart() []string { return []string{"sdk/...", "host/...", "builtin/..."} }

// configRules are the rules from text to graph: nothing here runs anything.
func configRules() []rule {
	return []rule{
		{
			packages: []string{"host"},
			imports:  []string{"sdk", "host/relay", "host/upstream"},
			tests:    anyPart(),
			why:      "host is the contract of handlers: whoever fulfils it imports host, never the other way round",
		},
		{
			packages: []string{"host/files"},
			tests:    []string{"host/realtest"},
			why:      "host/files opens files, with the standard library alone: who reads them and what is in them is not its business",
		},
		{
			packages: []string{"host/dwaarfile"},
			imports:  []string{"sdk", "host/files"},
			modules:  []string{"github.com/BurntSushi/toml"},
			tests:    anyPart(),
			why:      "host/dwaarfile turns text into the directive tree: it knows syntax, and what a directive means is the graph's",
		},
		{
			packages: []string{"host/schema"},
			imports:  []string{"sdk"},
			tests:    anyPart(),
			why:      "host/schema checks a directive tree against what sdk.Spec says of it: who said it, and what is built from it, is not its business",
		},
		{
			packages: []string{"host/share"},
			imports:  []string{"host"},
			tests:    anyPart(),
			why:      "host/share keeps what it is given: it knows what a value can do beside being kept, and not what any of them is",
		},
		{
			packages: []string{"host/config"},
			imports:  []string{"host", "host/dwaarfile", "host/graph", "host/share", "host/wasm", "sdk"},
			tests:    append(anyPart(), "plugins/..."),
			why:      "host/config leads from text to graph, with plugins: it starts nothing, so it knows no engine, and what there is to name it is given",
		},
		{
			packages: []string{"host/target"},
			imports:  []string{"host", "host/relay", "sdk"},
			tests:    anyPart(),
			why:      "host/target is a handler like those of builtin, which a program gets connections from: it knows no configuration",
		},
		{
			packages: []string{"host/dwaar"},
			imports:  []string{"builtin", "host", "host/config", "host/engine", "host/graph", "host/loop", "host/share", "host/wasm", "sdk"},
			tests:    anyPart(),
			why:      "host/dwaar puts the parts together for Go programs, as cmd/dwaar does for the command line",
		},
		{
			packages: []string{"host/graph"},
			imports:  []string{"host", "host/route", "host/schema", "host/share", "sdk"},
			tests:    anyPart(),
			why:      "graph never imports wasm or builtin: plugins and builtins reach it as Registry entries; and building never starts, so it knows no engine",
		},
	}
}

// pluginRules are the rules of what runs WebAssembly modules.
func pluginRules() []rule {
	return []rule{
		{
			packages: []string{"host/wasm"},
			imports:  []string{"host", "host/files", "host/watch", "sdk", "sdk/abi", "host/wasm/rewrite", "host/wasm/record", "host/wasm/codecache"},
			modules:  []string{"github.com/tetratelabs/wazero"},
			tests:    anyPart(),
			why:      "host/wasm is one more implementation of sdk.Matcher: the graph gets it from the Registry and it never sees the graph",
		},
		{
			packages: []string{"host/wasm/codecache"},
			imports:  []string{"host/files"},
			why:      "host/wasm/codecache keeps bytes in files, whose owners it asks for: what they are is host/wasm's",
		},
		{
			packages: []string{"host/wasm/record"},
			imports:  []string{"sdk/abi", "host/files"},
			why:      "host/wasm/record is a file format: who evaluates is host/wasm, and it tells what came of it",
		},
		{
			packages: []string{"host/wasm/rewrite"},
			noIO:     true,
			why:      "host/wasm/rewrite turns bytes into bytes, with the standard library alone: what runs them is host/wasm's, and only its tests run them too",
		},
	}
}

// connRules are the rules of a connection: its life, and what drives it.
func connRules() []rule {
	return []rule{
		{
			packages: []string{"host/upstream"},
			imports:  []string{"host/relay"},
			tests:    []string{"host/realtest"},
			why:      "host/upstream counts and connects: who is connected, and what for, it is not told",
		},
		{
			packages: []string{"host/route"},
			imports:  []string{"host", "sdk"},
			modules:  []string{"github.com/gaissmai/bart"},
			tests:    anyPart(),
			why:      "host/route picks and runs what was compiled: what a configuration looks like is host/graph's, and it can be read without that",
		},
		{
			packages: []string{"host/session"},
			imports:  []string{"host", "host/relay", "host/route", "host/upstream", "sdk"},
			tests:    anyPart(),
			why:      "host/session is what becomes of one connection: it knows routes and upstreams, and neither who accepted it nor what drives it",
		},
		{
			packages: []string{"host/explain"},
			imports:  []string{"host", "host/graph", "host/relay", "host/route", "host/upstream", "sdk"},
			tests:    anyPart(),
			why:      "host/explain runs routes and handlers on a connection in memory: it opens nothing, and knows neither engine nor session",
		},
		{
			packages: []string{"host/loop"},
			imports:  []string{"host/relay", "host/session"},
			modules:  []string{"golang.org/x/sys"},
			tests:    anyPart(),
			why:      "host/loop drives sessions and relays without goroutines, and is the only place that splices: it needs the session, the relay's API and the kernel",
		},
	}
}

// runningRules are the rules of what moves bytes and keeps running.
func runningRules() []rule {
	return []rule{
		{
			packages: []string{"host/engine"},
			imports:  []string{"host", "host/explain", "host/graph", "host/loop", "host/route", "host/session", "host/udp", "sdk"},
			modules:  []string{"github.com/oklog/run", "golang.org/x/sys"},
			tests:    anyPart(),
			why:      "host/engine runs whatever graph it is given: it knows neither text, builtins, plugins nor who controls it",
		},
		{
			packages: []string{"host/udp"},
			modules:  []string{"golang.org/x/sys", "golang.org/x/net"},
			tests:    []string{"host/udp/...", "host/realtest"},
			why:      "host/udp knows nothing of the rest and could be published alone",
		},
		{
			packages: []string{"host/relay"},
			modules:  []string{"golang.org/x/sys"},
			tests:    []string{"host/relay/...", "host/realtest"},
			why:      "host/relay knows nothing of the rest and could be published alone",
		},
		{
			packages: []string{"host/relay/relaytest"},
			imports:  []string{"host/relay"},
			modules:  []string{"golang.org/x/sys", "github.com/google/go-cmp"},
			tests:    []string{"host/relay/...", "host/realtest"},
			why:      "host/relay/relaytest judges any relay: it needs its API and nothing else",
		},
		{
			packages: []string{"host/control"},
			imports:  []string{"host", "host/engine", "host/explain", "host/files", "host/names", "host/upstream", "sdk"},
			modules:  []string{"github.com/prometheus/client_golang", "golang.org/x/sys"},
			tests:    anyPart(),
			why:      "host/control speaks for a running engine: what reads a configuration is handed to it by cmd/dwaar",
		},
	}
}

// toolRules are the rules of what stands beside the program: for its tests, and for
// whoever follows files.
func toolRules() []rule {
	return []rule{
		{
			packages: []string{"host/watch"},
			why:      "host/watch follows files for whoever needs them, with the standard library alone: what they hold is the reader's",
		},
		{
			packages: []string{"host/names"},
			tests:    []string{"host/realtest"},
			why:      "host/names asks for addresses, with the standard library alone: what they are for is not its business",
		},
		{
			packages: []string{"host/special"},
			noIO:     true,
			why:      "host/special is a list of addresses, with the standard library alone: who connects where is not its business",
		},
		{
			packages: []string{"host/internal/archtest"},
			why:      "what judges every package depends on none",
		},
		{
			packages: []string{"host/hosttest"},
			imports:  []string{"host", "host/session", "host/share", "sdk"},
			tests:    anyPart(),
			why:      "host/hosttest lets a handler be tested alone: it needs the contract of handlers and nothing that fulfils it",
		},
		{
			packages: []string{"host/realtest"},
			modules:  []string{"golang.org/x/sys"},
			why:      "tools of the tests stand below everything, so that every package may use them",
		},
	}
}

// handlers are the packages of builtin that hold a handler; all others there
// hold matchers, whose rule is stricter.
func handlers() []string {
	return []string{
		"builtin/closer/...", "builtin/echo/...", "builtin/mapfile/...", "builtin/postgrestls/...", "builtin/proxy/...",
		"builtin/proxyprotocol/...", "builtin/ratelimit/...", "builtin/setvars/...", "builtin/socks5/...",
		"builtin/starttls/...", "builtin/subroute/...", "builtin/tarpit/...", "builtin/tee/...",
		"builtin/terminate/...", "builtin/throttle/...",
	}
}

// builtinRules are the rules of the matchers and handlers that come with dwaar.
func builtinRules() []rule {
	matcher := rule{
		packages: []string{"builtin/*"},
		imports:  []string{"sdk", "builtin/internal/..."},
		tests:    []string{"sdk/...", "builtin/internal/...", "host/realtest"},
		why: "a matcher imports sdk only, so that the same source is a native matcher and a plugin; " +
			"if this package holds a handler, list it in handlers() of host/internal/archtest/rules.go",
	}
	handler := rule{
		packages: handlers(),
		imports:  []string{"sdk", "host", "host/files", "host/names", "host/relay", "host/special", "host/upstream", "host/watch", "builtin/internal/..."},
		tests:    []string{"sdk/...", "host/...", "builtin/..."},
		why:      "builtin never imports graph, engine or wasm: a handler that holds routes gets them from its Builder",
	}
	http, addresses, list, openvpn, proxy, mapped := matcher, matcher, matcher, matcher, handler, handler
	proxy.packages, proxy.modules = []string{"builtin/proxy"}, []string{"github.com/pires/go-proxyproto"}
	http.packages, http.modules = []string{"builtin/http"}, []string{"golang.org/x/net/http2/hpack"}
	openvpn.packages, openvpn.modules = []string{"builtin/openvpn"}, []string{"golang.org/x/crypto/blake2b", "golang.org/x/crypto/blake2s"}
	addresses.packages, addresses.modules = []string{"builtin/remoteip", "builtin/localip"}, []string{"github.com/gaissmai/bart"}
	list.packages, list.modules = []string{"builtin/remoteiplist"}, addresses.modules
	mapped.packages, mapped.modules = []string{"builtin/mapfile"}, addresses.modules
	list.imports = append([]string{"host", "host/files", "host/watch"}, matcher.imports...)
	list.why = "builtin/remoteiplist is an actor beside its matcher: it follows a file and logs as actors do, and routes and runs nothing"
	return []rule{
		{
			packages: []string{"builtin"},
			imports:  []string{"sdk", "host", "builtin/*"},
			tests:    []string{"sdk/...", "host/...", "builtin/..."},
			why:      "builtin is one visible list of constructors for a Registry: who routes and who runs is not its business",
		},
		{
			packages: []string{"builtin/internal/..."},
			imports:  []string{"sdk", "builtin/internal/..."},
			tests:    []string{"sdk/...", "host/realtest"},
			why:      "builtin/internal holds wire formats that several matchers and handlers read: it knows the words at most",
		},
		proxy, mapped, handler, http, addresses, list, openvpn, matcher,
	}
}

// outerRules are the rules of what stands around: plugins and commands.
func outerRules() []rule {
	return []rule{
		{
			packages: []string{"plugins/internal/plugintest"},
			imports:  []string{"sdk", "sdk/matchtest", "host", "host/dwaarfile", "host/graph", "host/hosttest", "host/share", "host/wasm"},
			modules:  []string{"github.com/google/go-cmp"},
			why:      "plugins/internal/plugintest loads plugins as the proxy does and judges them: only their tests import it",
		},
		{
			packages: []string{"plugins/internal/compiler"},
			imports:  []string{"host/wasm"},
			why:      "plugins/internal/compiler compiles for the tests of plugins what dwaar compiles in a process of its own",
		},
		{
			packages: []string{"plugins/..."},
			imports:  []string{"sdk", "sdk/guest", "plugins/..."},
			noIO:     true,
			tests:    []string{"sdk/...", "host/...", "builtin/...", "plugins/..."},
			why:      "a plugin is written as a stranger would write it: with the sdk and nothing of the proxy",
		},
		{
			packages: []string{"cmd/dwaar/internal/capture"},
			noIO:     true,
			why:      "cmd/dwaar/internal/capture reads bytes of captures, with the standard library alone: what clients said is all it knows",
		},
		{
			packages: []string{"cmd/dwaar/internal/flight"},
			imports:  []string{"cmd/dwaar/internal/capture"},
			why:      "cmd/dwaar/internal/flight makes bytes as clients do, with the standard library's clients: what becomes of them it is not told",
		},
		{
			packages: []string{"cmd/dwaar/internal/kit"},
			imports:  []string{"sdk", "sdk/abi", "sdk/matchtest", "host", "host/dwaarfile", "host/graph", "host/wasm", "host/wasm/record", "cmd/dwaar/internal/capture"},
			tests:    []string{"host/realtest"},
			why:      "the kit asks modules outside of any configuration: it knows how a matcher is written, and neither engine nor builtins",
		},
		{
			packages: []string{"cmd/dwaar/internal/kit/files/..."},
			imports:  []string{"sdk", "sdk/guest"},
			noIO:     true,
			tests:    []string{"sdk/..."},
			why:      "what a new plugin begins with is a stranger's: the sdk is all it has",
		},
		{
			packages: []string{"cmd/..."},
			imports:  []string{"..."},
			modules:  []string{"..."},
			why:      "commands wire everything together",
		},
	}
}

// A sole dependency has one importer, so that it can be replaced in one place.
type sole struct {
	path     string   // the import path, with all below it
	importer string   // the one package that may
	tests    []string // packages whose tests may as well
	why      string
}

func soles() []sole {
	return []sole{
		{
			path: "github.com/tetratelabs/wazero", importer: "host/wasm",
			tests: []string{"host/wasm/rewrite", "host/wasm/internal/guesttest"}, // what they make has to run
			why:   "one package knows the Wasm engine, everybody else knows sdk.Matcher",
		},
		{
			path: "github.com/BurntSushi/toml", importer: "host/dwaarfile",
			why: "one package knows TOML, everybody else knows the directive tree",
		},
	}
}
