//go:build !wasip1

package entry

import "unsafe"

// Outside of a module there is no host: these are what tests of the logic get.

func get(string) (string, bool) { return "", false }

func set(string, []byte) {}

func reject(token int32, msg string) { panic(rejected{token, msg}) }

func fail(msg string) { panic(msg) }

type rejected struct {
	token int32
	msg   string
}

func near(in unsafe.Pointer, ptr uint32) unsafe.Pointer { return unsafe.Add(in, ptr) }
