// Command dwaar is the proxy and the tools around it.
//
//	dwaar serve                      # ./Dwaarfile, or a demonstration
//	dwaar validate --config F        # what it would do, or all that is wrong
//	dwaar help tls                   # every directive is described
//
// Everything it knows of a directive comes from the directive's own description;
// docs/cli.md is for users.
package main

import (
	"os"
	_ "time/tzdata" // for the matcher clock, on machines without a zoneinfo directory: most container images
)

func main() { os.Exit(execute(os.Args[1:], newApp())) }

// newApp is the world around this process.
func newApp() *app {
	return &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		lookup: os.LookupEnv, etc: "/etc/dwaar/Dwaarfile",
	}
}
