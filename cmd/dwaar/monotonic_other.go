//go:build !linux

package main

import "time"

// monotonic returns 0: only Linux has a service manager that asks.
func monotonic() time.Duration { return 0 }
