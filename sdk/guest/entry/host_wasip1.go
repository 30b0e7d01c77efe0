package entry

import (
	"unsafe"

	"dwaar.dev/dwaar/sdk/abi"
)

//go:wasmimport dwaar_v1 get
func importGet(key unsafe.Pointer, klen uint32, out unsafe.Pointer, room uint32) int32

//go:wasmimport dwaar_v1 set
func importSet(key unsafe.Pointer, klen uint32, value unsafe.Pointer, vlen uint32) int32

//go:wasmimport dwaar_v1 reject
func importReject(token int32, msg unsafe.Pointer, size uint32)

//go:wasmimport dwaar_v1 fail
func importFail(msg unsafe.Pointer, size uint32)

// get asks for a fact, and once more if it is longer than most are.
func get(name string) (string, bool) {
	value := make([]byte, abi.MaxValue)
	n := importGet(pointer(name), uint32(len(name)), unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)))
	if n > int32(len(value)) {
		value = make([]byte, n)
		n = importGet(pointer(name), uint32(len(name)), unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)))
	}
	if n < 0 || int(n) > len(value) {
		return "", false
	}
	return unsafe.String(unsafe.SliceData(value), n), true
}

func set(key string, value []byte) {
	importSet(pointer(key), uint32(len(key)), unsafe.Pointer(unsafe.SliceData(value)), uint32(len(value)))
}

func reject(token int32, msg string) { importReject(token, pointer(msg), uint32(len(msg))) }

func fail(msg string) { importFail(pointer(msg), uint32(len(msg))) }

func pointer(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

// near returns the pointer with address ptr. It is made from another one into the
// window, of which both are parts.
func near(in unsafe.Pointer, ptr uint32) unsafe.Pointer {
	return unsafe.Add(in, int(ptr)-int(uintptr(in)))
}
