// Command testsum reads the events of `go test -json` on its standard input and
// prints what a person wants to read: one line per package, the whole output of
// what failed, the reason of every skip, and a last line that counts.
//
//	go test -json ./... | go run ./cmd/internal/testsum
//	…
//	412 passed, 0 failed
//
// Subtests count as tests. A package that does not build, or that ends in
// another way than by its tests, counts as one failure. It exits 1 if anything
// failed or nothing ran.
package main

import (
	"fmt"
	"os"
)

func main() {
	s, err := Summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	if s.Failed > 0 || s.Passed == 0 {
		os.Exit(1)
	}
}
