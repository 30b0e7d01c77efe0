//go:build !unix

package process

import "os"

// others are none: there are no such signals here.
func others() []os.Signal { return nil }

// Elsewhere is never asked.
func Elsewhere(os.Signal) string { return "" }
