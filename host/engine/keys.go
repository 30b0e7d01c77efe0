package engine

// The keys of log attributes. Programs that read the log rely on them, so they stand
// in one place.
const (
	keyActor       = "actor"
	keyAllowed     = "allowed"
	keyBytesDown   = "bytes_down" // to the client
	keyBytesUp     = "bytes_up"   // from the client
	keyCap         = "cap"        // the option whose cap was reached, or descriptors
	keyClient      = "client"
	keyCode        = "code"
	keyConfigured  = "configured"
	keyConnect     = "connect" // from the choice of the route until the upstream stood
	keyConnection  = "conn"
	keyConnections = "connections"
	keyEvicted     = "evicted"
	keyError       = "error"
	keyFacts       = "facts"
	keyFuel        = "fuel" // units that plugins took in all
	keyGeneration  = "generation"
	keyGrace       = "grace_period"
	keyListener    = "listener"
	keyMatching    = "matching" // from accept until the route was chosen
	keyPauses      = "pauses"
	keyPeer        = "peer" // address of the socket's peer, where a PROXY header named the client
	keyRefused     = "refused"
	keyRoute       = "route"
	keySuppressed  = "suppressed" // lines before this one that were not written
	keyTotal       = "total"      // from accept to end
	keyTries       = "tries"
	keyUpstream    = "upstream"
)
