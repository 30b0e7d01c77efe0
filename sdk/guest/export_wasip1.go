package guest

import (
	"unsafe"

	"dwaar.dev/dwaar/sdk/guest/entry"
)

//go:wasmexport dwaar_v1_init
func exportInit(config unsafe.Pointer, size uint32) int32 { return entry.Init("", config, size) }

//go:wasmexport dwaar_v1_match
func exportMatch(head unsafe.Pointer, size uint32, info unsafe.Pointer) int32 {
	return entry.Match("", head, size, info)
}
