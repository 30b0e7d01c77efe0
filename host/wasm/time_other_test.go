//go:build !linux

package wasm

import "time"

// threadTime is the clock where threads have none of their own.
func threadTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
