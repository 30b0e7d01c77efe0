// Command minecraft is a plugin that matches players of Minecraft: Java Edition by
// the host name they typed, the version of their game, and whether they join or only
// ask for the server's status. README.md says how it is used.
//
// It is an ordinary matcher of package sdk: its tests run it natively, and as the
// module that
//
//	plugins/build minecraft
//
// makes of it, and hold the two against each other.
package main

import "dwaar.dev/dwaar/sdk/guest"

var _ = guest.Main(New)

func main() {} // never runs
