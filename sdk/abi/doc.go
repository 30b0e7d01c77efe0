// Package abi holds the names, numbers and byte layouts of dwaar's interface to
// WebAssembly matchers, version 1. ABI.md beside it is the specification; this
// package is what it says in Go, for the host, for guests written in Go, and for the
// generator of the other kits' constants.
//
// The host writes an info block and a token block, the guest reads them:
//
//	block := abi.NewTokens().Word("host").Word("a.org").End()
//	…
//	for c := abi.Config(block); ; {
//		t, err := c.Next()
//		if err != nil || t.Kind == abi.TokenEnd {
//			return err
//		}
//		…
//	}
//
// Nothing here allocates but the encoder of tokens, and nothing ever changes: a
// version 2 will be another package.
package abi
