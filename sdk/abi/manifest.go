package abi

// ManifestSection is the custom section in which a module describes itself, as JSON.
const ManifestSection = "dwaar.manifest"

// The bounds of a manifest.
const (
	MaxManifest = 64 << 10 // bytes
	MaxTests    = 16       // tests that a module brings along
	MaxTestHead = 16 << 10 // bytes of the head of one
)
