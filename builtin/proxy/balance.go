package proxy

import (
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
)

// policy is how an upstream is chosen among those that are ready.
type policy uint8

const (
	roundRobin policy = iota
	leastConn
	random
	randomChoose
	first
	ipHash
	weightedRoundRobin
)

// policyNames are the words of lb_policy, in the order of the constants.
func policyNames() []string {
	return []string{
		"round_robin", "least_conn", "random", "random_choose", "first", "ip_hash", "weighted_round_robin",
	}
}

// balance chooses. It is shared by all connections of a directive.
type balance struct {
	policy policy
	width  int // random_choose: how many are compared
	next   atomic.Uint32
	// weighted_round_robin: one cycle over all primaries, and one over all backups
	primaries, backups []uint8
}

// choose returns an index into list, whose entries are indexes into tier.
func (b *balance) choose(client netip.Addr, tier []member, list []uint8) int {
	if len(list) == 1 {
		return 0
	}
	switch b.policy {
	case leastConn:
		return fewest(tier, list)
	case random:
		return rand.IntN(len(list))
	case randomChoose:
		return b.sample(tier, list)
	case first:
		return 0
	case ipHash:
		return nearest(client, tier, list)
	case weightedRoundRobin:
		return b.weighted(tier, list)
	}
	return int((b.next.Add(1) - 1) % uint32(len(list)))
}

// fewest returns the one with the fewest open connections; equals have equal
// chances.
func fewest(tier []member, list []uint8) int {
	var best, ties int
	var least int64
	for i, k := range list {
		n := tier[k].up.Conns()
		switch {
		case ties == 0 || n < least:
			best, least, ties = i, n, 1
		case n == least:
			if ties++; rand.IntN(ties) == 0 {
				best = i
			}
		}
	}
	return best
}

// sample compares a few that are drawn at random: nearly as even as least_conn, and
// several proxies that choose so do not run after the same upstream.
func (b *balance) sample(tier []member, list []uint8) int {
	best, drawn := 0, min(b.width, len(list))
	swap := func(i, j int) { list[i], list[j] = list[j], list[i] }
	for i := range drawn { // the first of a shuffle
		swap(i, i+rand.IntN(len(list)-i))
		if tier[list[i]].up.Conns() < tier[list[best]].up.Conns() {
			best = i
		}
	}
	return best
}

// nearest is rendezvous hashing: every upstream has a number for every client, and
// the largest wins. When one goes out, only its clients move, and when it is back
// they return. Clients without an IP address are spread at random.
func nearest(client netip.Addr, tier []member, list []uint8) int {
	if !client.IsValid() {
		return rand.IntN(len(list))
	}
	ip := client.As16()
	var h uint64
	for _, b := range ip {
		h = mix(h ^ uint64(b))
	}
	var best int
	var most uint64
	for i, k := range list {
		if n := mix(h ^ tier[k].seed); i == 0 || n > most {
			best, most = i, n
		}
	}
	return best
}

// mix makes every bit of the result depend on every bit of x.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15 // an odd number without pattern: 2^64 over the golden ratio
	hi, lo := bits.Mul64(x, 0xd6e8feb86659fd93)
	x = hi ^ lo
	hi, lo = bits.Mul64(x^x>>32, 0xd6e8feb86659fd93)
	return hi ^ lo
}

// seedOf hashes a name, always to the same number.
func seedOf(name string) uint64 {
	h := uint64(len(name))
	for i := range len(name) {
		h = mix(h ^ uint64(name[i]))
	}
	return h
}

// weighted follows the cycle of a tier while all its members are ready; otherwise it gives
// each a run in proportion to its weight.
func (b *balance) weighted(tier []member, list []uint8) int {
	turn := b.next.Add(1) - 1
	if len(list) == len(tier) {
		cycle := b.primaries
		if tier[0].number > 0 {
			cycle = b.backups
		}
		want := cycle[turn%uint32(len(cycle))]
		for i, k := range list {
			if k == want {
				return i
			}
		}
	}
	total := uint32(0)
	for _, k := range list {
		total += uint32(tier[k].weight)
	}
	at := turn % total
	for i, k := range list {
		if w := uint32(tier[k].weight); at >= w {
			at -= w
			continue
		}
		return i
	}
	return 0
}

// maxWeight keeps a schedule of 256 upstreams within 64 KiB.
const maxWeight = 256

// schedule spreads one cycle over the members by weight, as evenly as it goes: each
// turn everybody's credit grows by its weight, and the richest pays for the turn.
func schedule(tier []member) []uint8 {
	divisor, total := 0, 0
	for i := range tier {
		divisor = gcd(divisor, tier[i].weight)
	}
	for i := range tier {
		total += tier[i].weight / divisor
	}
	turns := make([]uint8, total)
	credit := make([]int, len(tier))
	for t := range turns {
		best := 0
		for i := range tier {
			credit[i] += tier[i].weight / divisor
			if credit[i] > credit[best] {
				best = i
			}
		}
		credit[best] -= total
		turns[t] = uint8(best)
	}
	return turns
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
