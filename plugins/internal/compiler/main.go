// Command compiler is the process in which tests of plugins have big modules compiled:
// under the race detector that takes tens of times as long, and this is built without.
//
//	go run ./plugins/internal/compiler DIR <REWRITTEN
package main

import (
	"fmt"
	"os"

	"dwaar.dev/dwaar/host/wasm"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: compiler DIR <REWRITTEN")
		os.Exit(2)
	}
	if err := wasm.CompileInto(os.Args[1], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "compiler:", err)
		os.Exit(1)
	}
}
