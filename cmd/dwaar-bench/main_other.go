//go:build !linux

// Command dwaar-bench compares dwaar with other proxies on this machine, which must run
// Linux: it reads /proc, and counts what Linux counts.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "dwaar-bench: it measures on Linux only")
	os.Exit(1)
}
