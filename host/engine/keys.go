package engine

// The names of what log lines carry. They are the program's interface to whoever
// reads its log, so they stand in one place.
const (
	keyActor       = "actor"
	keyAllowed     = "allowed"
	keyBytesDown   = "bytes_down" // to the client
	keyBytesUp     = "bytes_up"   // from the client
	keyClient      = "client"
	keyCode        = "code"
	keyConfigured  = "configured"
	keyConnect     = "connect" // how long until the upstream stood, since the route was chosen
	keyConnection  = "conn"
	keyConnections = "connections"
	keyError       = "error"
	keyFacts       = "facts"
	keyFuel        = "fuel" // what plugins took, in all
	keyGeneration  = "generation"
	keyGrace       = "grace_period"
	keyListener    = "listener"
	keyMatching    = "matching" // how long until the route was chosen, since accept
	keyPanic       = "panic"
	keyPauses      = "pauses"
	keyPeer        = "peer" // the socket's, where a PROXY header named the client
	keyRefused     = "refused"
	keyRoute       = "route"
	keyStack       = "stack"
	keySuppressed  = "suppressed" // lines before this one that were not written
	keyTotal       = "total"      // from accept to end
	keyTries       = "tries"
	keyUpstream    = "upstream"
)
