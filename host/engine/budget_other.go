//go:build !unix

package engine

// descriptorLimit is what systems without one are taken to allow.
func descriptorLimit() uint64 { return 1 << 14 }
