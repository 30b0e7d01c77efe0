package abi

// This file has constants only and imports nothing: the files for other languages
// are generated from it, with the comments.

// Names that a module exports. Those of named matchers are [ExportInit] or
// [ExportMatch], "_" and the name.
const (
	ExportPrefix     = "dwaar_v1_"       // whatever begins with it is one of the three below
	ExportWindow     = "dwaar_v1_window" // (size i32) → i32; required
	ExportInit       = "dwaar_v1_init"   // (config i32, size i32) → i32
	ExportMatch      = "dwaar_v1_match"  // (head i32, size i32, info i32) → i32
	ExportMemory     = "memory"          // the module's one memory; required
	ExportInitialize = "_initialize"     // () → (); called before anything else if it is there
	ExportStart      = "_start"          // marks a command: refused
)

// Names of the modules that a module can import functions from.
const (
	Module     = "dwaar_v1"
	ModuleWASI = "wasi_snapshot_preview1"
	ModuleEnv  = "env" // abort only, for the output of asc
)

// Answers of match that are neither "yes" (positive) nor "more bytes" (negative).
const (
	No      int32 = 0
	Yes     int32 = 1
	Unknown int32 = -2147483648
)

// Answers of get and set.
const (
	GetAbsent  int32 = -1 // no such fact, or not in the plugin's reads list, or called outside of match
	SetDone    int32 = 0
	SetRefused int32 = -1 // not a key
	SetFull    int32 = -2 // the value is too long, there are too many facts, or called outside of match
)

// Kinds of configuration tokens.
const (
	TokenEnd   = 0 // of the configuration; it stays the next token for ever
	TokenWord  = 1
	TokenOpen  = 2 // {
	TokenClose = 3 // }
	TokenLine  = 4 // the end of a directive in a block
)

// Levels of log.
const (
	LogTrace = 0 // kept by tools only
	LogInfo  = 1
	LogWarn  = 2
	LogError = 3
)

// The info block: its size, and the offsets of its fields.
const (
	InfoSize         = 128
	InfoFlags        = 4  // u32
	InfoTransport    = 8  // u8
	InfoRemoteFamily = 9  // u8: 4, 6, or 0 for no IP address
	InfoLocalFamily  = 10 // u8, the same
	InfoMaxHead      = 12 // u32: the head never grows beyond this many bytes
	InfoRemoteIP     = 16 // 16 bytes; IPv4 as ::ffff:a.b.c.d
	InfoLocalIP      = 32 // 16 bytes
	InfoRemotePort   = 48 // u16
	InfoLocalPort    = 50 // u16
	InfoListener     = 52 // u32 address, u32 length
	InfoServerName   = 60 // u32 address, u32 length
	InfoALPN         = 68 // u32 address, u32 length
	InfoTLSVersion   = 76 // u16
	InfoCipher       = 78 // u16
	InfoAccepted     = 80 // i64: nanoseconds since 1970 UTC
	InfoBounds       = 88 // u32 address, u32 count
)

// Bits of the info block's flags.
const (
	FlagTLS       = 1 // TLS was terminated here: server name, ALPN, version and cipher are its
	FlagProxied   = 2 // the addresses come from a PROXY protocol header
	FlagDatagrams = 4 // the head is datagrams, bounds holds their ends
)

// Transports of the info block.
const (
	TransportTCP  = 1
	TransportUDP  = 2
	TransportUnix = 3
)

// Limits that both sides know.
const (
	MaxName     = 32      // bytes of a matcher's name, and of a fact's key
	MaxString   = 255     // bytes of a string of the info block
	MaxBounds   = 64      // datagrams in a head
	MaxValue    = 1024    // bytes of a fact's value
	MaxFacts    = 16      // different keys that one call may set
	MaxLogs     = 8       // messages that one call may log
	MaxMessage  = 512     // bytes of a message to log, reject or fail; more is cut
	MaxRejects  = 32      // calls of reject that are kept
	MaxWord     = 65535   // bytes of a word of the configuration
	MaxDepth    = 16      // blocks inside each other
	MaxConfig   = 1048576 // bytes of a configuration
	MaxRandom   = 4096    // bytes of one call of random_get
	WindowAlign = 16      // of the window, the info block and the head
	WindowTail  = 16      // zero bytes behind the head, and behind the configuration
)

// Where a host that uses [Window] writes. Guests get addresses and need only the last
// number: with the greatest head and [WindowTail] it is the size of the window.
const (
	WindowStrings = 128  // three strings of MaxString, rounded up
	WindowBounds  = 896  // MaxBounds u32
	WindowHead    = 1152 // the head
)
