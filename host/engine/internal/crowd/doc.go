// Package crowd keeps account of what clients hold, by where they come from, so that
// one of them cannot keep the others out.
//
// A [Ledger] bounds connections, undecided connections and bytes. While a total is below
// its limit anybody may use it, as much of it as there is. At the limit the newcomer is
// let in all the same, and the crowd that holds most gives something up: [Ledger.Evict]
// ends one of its connections.
//
//	ledger := crowd.New(crowd.Whole, 16)
//	ledger.Limit(crowd.Conns, 10_000)
//	…
//	ledger.Join(&c.place, client)
//	if ledger.Full(crowd.Conns) {
//		victim := ledger.Evict(crowd.Conns, &c.place) // nil: nobody gives way, c is refused
//	}
//	…
//	ledger.Leave(&c.place)
//
// # Who pays
//
// A crowd is the connections of one address, of IPv6 of one /64; a network is those of
// 256 neighbouring crowds, a /24 or /56 by default. The network that holds most pays, and
// in that network the crowd that holds most: neither an address with many connections nor
// a network with many addresses has more than its share while others need it.
//
// A connection that is not decided yet, or that holds bytes, weighs [heavy] times as much
// as a settled one: nobody has any use of it so far. Descriptors beyond [PerConnection] weigh
// as the settled connections that could have them ([Ledger.Spend]). Within a crowd silent connections go
// first, then those whose first bytes are being read, then handshakes and connects, each
// time the oldest; then settled connections, those that moved no byte since the last look
// first. A settled connection is only taken from a crowd that is larger than the
// newcomer's by a quarter and a little: two crowds of one size do not take turns in
// ending each other's connections.
//
// # Cost
//
// Every operation takes constant time, allocates nothing that is not kept for the next
// crowd, and holds the lock of one shard, which is chosen by the network. Networks stand in
// classes by what they hold, exact up to 16 and within an eighth above: from when a limit
// is reached, which sorts them once, until half of it is free again. The largest is
// found by one look at each shard and, in the network, at its 256 crowds at most. There
// are at most as many crowds as connections.
package crowd
