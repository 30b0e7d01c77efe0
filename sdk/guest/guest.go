// Package guest makes a Go matcher a WebAssembly module that dwaar loads as a plugin.
// What is made is the same type that runs natively, with the same constructor:
//
//	package main
//
//	import (
//		"dwaar.dev/dwaar/sdk"
//		"dwaar.dev/dwaar/sdk/guest"
//	)
//
//	var _ = guest.Main(New)
//
//	func main() {} // never runs
//
//	// New configures the matcher from what stands behind its name.
//	func New(n *sdk.Node) (sdk.Matcher, error) { … }
//
// and built with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags='-s -w' -o hello.wasm
//
// An error of New with a position of the node, as a [sdk.Error] has, is shown to the
// user at the place in the configuration. What Match returns as an error ends the
// evaluation: it is for a broken matcher, not for "not my protocol".
//
// A module of several matchers adds them with package entry. The README tells the
// rest: what a guest finds, what it may cost, what not to import.
package guest

import (
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/guest/entry"
)

// Main makes the matcher that configure returns the module's default matcher, which
// a configuration names as the plugin. It is called once, when a package variable is
// initialized: main never runs in a module of this kind. The result has no meaning.
//
// configure is called once for each use in a configuration, with a node that has no
// name; the placeholders in it are filled in.
func Main(configure func(n *sdk.Node) (sdk.Matcher, error)) struct{} {
	return entry.Add("", configure)
}
