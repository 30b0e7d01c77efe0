// Command sample is the matcher of the README as a module.
package main

import (
	"dwaar.dev/dwaar/sdk/guest"
	"dwaar.dev/dwaar/sdk/guest/sample/minecraft"
)

var _ = guest.Main(minecraft.New)

func main() {} // never runs
