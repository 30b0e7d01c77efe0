package crowd

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
)

// client is a connection of a test.
type client struct {
	place   Place
	from    netip.Addr
	moved   int64
	ended   bool
	decided bool
	bytes   int
	extra   int // descriptors
}

func (c *client) Evict() bool {
	was := c.ended
	c.ended = true
	return !was
}

func (c *client) Moved() int64 { return c.moved }

func (c *client) standing() Standing {
	switch {
	case !c.decided && c.bytes == 0:
		return Silent
	case !c.decided:
		return Reading
	case c.bytes > 0:
		return Unfinished
	}
	return Settled
}

// join lets a connection come.
func join(l *Ledger, from string) *client {
	c := &client{from: netip.MustParseAddr(from)}
	c.place.Init(c)
	l.Join(&c.place, c.from, 0)
	return c
}

func (c *client) decide(l *Ledger) *client {
	c.decided = true
	l.Decide(&c.place)
	return c
}

func (c *client) charge(l *Ledger, n int) bool {
	if !l.Charge(&c.place, n) {
		return false
	}
	c.bytes += n
	return true
}

func (c *client) spend(l *Ledger, n int) bool {
	if !l.Spend(&c.place, n) {
		return false
	}
	c.extra += n
	return true
}

func TestClassesAreExactBelowSixteenAndWithinAnEighthAbove(t *testing.T) {
	t.Parallel()
	before := uint16(0)
	least := map[uint16]int64{}
	for size := range int64(1 << 20) {
		c := class(size)
		if c != before && c != before+1 {
			t.Fatalf("%d has class %d after %d", size, c, before)
		}
		if _, ok := least[c]; !ok {
			least[c] = size
		}
		if from := least[c]; size < 16 && c != uint16(size) || size > from+from/8 {
			t.Fatalf("%d has the class of %d", size, from)
		}
		before = c
	}
	if c := class(1 << 62); c != classes-1 {
		t.Errorf("the largest has class %d", c)
	}
}

func TestCrowdsAreAddressesAndSubscribersWithinTheirNetworks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		levels         Levels
		a, b           string
		crowd, network bool // they are the same
	}{
		{DefaultLevels(), "192.0.2.1", "192.0.2.1", true, true},
		{DefaultLevels(), "192.0.2.1", "192.0.2.255", false, true},
		{DefaultLevels(), "192.0.2.1", "192.0.3.1", false, false},
		{DefaultLevels(), "::ffff:192.0.2.1", "192.0.2.1", true, true},
		{DefaultLevels(), "2001:db8:0:1::1", "2001:db8:0:1:ffff::", true, true},
		{DefaultLevels(), "2001:db8:0:1::1", "2001:db8:0:2::1", false, true},
		{DefaultLevels(), "2001:db8:0:1::1", "2001:db8:0:100::1", false, false},
		{DefaultLevels(), "::1", "0.0.0.1", false, false},
		{Levels{24, 48}, "192.0.2.1", "192.0.2.255", true, true},
		{Levels{24, 48}, "192.0.2.1", "192.0.3.1", false, true},
		{Levels{24, 48}, "2001:db8:1:1::1", "2001:db8:1:2::1", true, true},
		{Levels{32, 128}, "2001:db8::1", "2001:db8::2", false, true},
		{Levels{32, 128}, "2001:db8::1", "2001:db8::101", false, false},
	} {
		ac, an := c.levels.keys(netip.MustParseAddr(c.a))
		bc, bn := c.levels.keys(netip.MustParseAddr(c.b))
		if (ac == bc) != c.crowd || (an == bn) != c.network {
			t.Errorf("%v: %s and %s are one crowd: %v, one network: %v", c.levels, c.a, c.b, ac == bc, an == bn)
		}
	}
	c, n := DefaultLevels().keys(netip.Addr{})
	other, _ := Levels{32, 128}.keys(netip.MustParseAddr("::"))
	if c != n || c == other {
		t.Error("clients without an address are not one crowd of their own")
	}
}

func TestTheLargestCrowdGivesWaySilentOnesFirstAndThenTheOldest(t *testing.T) {
	t.Parallel()
	l := New(Whole, 16)
	other := join(l, "198.51.100.1")
	settled := join(l, "192.0.2.1").decide(l)
	handshake := join(l, "192.0.2.1").decide(l)
	handshake.charge(l, 100)
	reading := join(l, "192.0.2.1")
	reading.charge(l, 100)
	silent, later := join(l, "192.0.2.1"), join(l, "192.0.2.1")
	neighbour := join(l, "192.0.2.2")
	newcomer := join(l, "203.0.113.1")
	for i, want := range []*client{silent, later, reading, handshake} {
		if got := l.Evict(Conns, &newcomer.place); got != Holder(want) {
			t.Fatalf("eviction %d ends another one", i)
		}
	}
	if settled.ended || neighbour.ended || other.ended || newcomer.ended {
		t.Error("others were ended")
	}
	if n := l.Total(Conns); n != 4 {
		t.Errorf("%d connections are left, want 4", n)
	}
	if n, held := l.Total(Bytes), l.Held(); n != 0 || held != 200 {
		t.Errorf("%d bytes are charged and %d held: those of evicted connections are held until they leave", n, held)
	}
}

func TestSettledConnectionsGiveWayOnlyWhereACrowdHasMoreThanItsShare(t *testing.T) {
	t.Parallel()
	for _, newcomer := range []string{"192.0.2.2", "198.51.100.1"} { // of the same network and of another one
		l := New(Whole, 4)
		var many []*client
		for range 100 {
			many = append(many, join(l, "192.0.2.1").decide(l))
		}
		many[0].moved, many[1].moved = 10, 10
		taken := 0
		for {
			c := join(l, newcomer)
			h := l.Evict(Conns, &c.place)
			if h == nil {
				l.Leave(&c.place)
				break
			}
			c.decide(l)
			h.(*client).settle(t, l, many)
			taken++
		}
		if many[0].ended || !many[2].ended {
			t.Error("a connection that moves bytes went before one that does not")
		}
		if taken < 40 || taken > 55 {
			t.Errorf("%s took %d of 100 connections, want about half", newcomer, taken)
		}
		c := join(l, "192.0.2.1")
		if h := l.Evict(Conns, &c.place); h != nil {
			t.Error("a crowd of nearly the same size loses a settled connection")
		}
	}
}

// settle has an evicted connection leave, which must be one of many.
func (c *client) settle(t *testing.T, l *Ledger, many []*client) {
	t.Helper()
	if !slices.Contains(many, c) {
		t.Fatal("somebody else was evicted")
	}
	l.Leave(&c.place)
}

func TestAnAddressIsOnlyOneOfManyThatANetworkMayHave(t *testing.T) {
	t.Parallel()
	l := New(Whole, 16)
	for range 20 {
		join(l, "198.51.100.1") // many behind one address, and fewer than the network has
	}
	for i := range 200 {
		join(l, fmt.Sprintf("192.0.2.%d", i+1))
	}
	newcomer := join(l, "203.0.113.1")
	for range 50 {
		h := l.Evict(Conns, &newcomer.place)
		if h == nil || h.(*client).from.As4()[0] != 192 {
			t.Fatal("the network with most connections does not give way")
		}
		l.Leave(&h.(*client).place)
	}
}

func TestOneWhoWasEndedOtherwiseMakesNoRoom(t *testing.T) {
	t.Parallel()
	l := New(Server, 1)
	first, second := join(l, "192.0.2.1"), join(l, "192.0.2.1")
	join(l, "192.0.2.1")
	first.ended = true // killed by an operator, and not gone yet
	newcomer := join(l, "198.51.100.1")
	if l.Evict(Matching, &newcomer.place) != Holder(second) {
		t.Error("the next one is not evicted instead")
	}
}

func TestEvictionsWaitForThoseBeforeThemToLeave(t *testing.T) {
	t.Parallel()
	l := New(Whole, 4)
	for range 2 * mostLeaving {
		join(l, "192.0.2.1")
	}
	newcomer := join(l, "198.51.100.1")
	var last Holder
	for range mostLeaving {
		if last = l.Evict(Conns, &newcomer.place); last == nil {
			t.Fatal("nobody gives way")
		}
	}
	if l.Evict(Conns, &newcomer.place) != nil {
		t.Error("more are evicted than may be on their way")
	}
	l.Leave(&last.(*client).place)
	l.Leave(&last.(*client).place) // twice is once
	if l.Evict(Conns, &newcomer.place) == nil || l.Evict(Conns, &newcomer.place) != nil {
		t.Error("one that has left makes room for one more")
	}
}

func TestWhoEvictsConnectionsOfTheirOwnCrowdLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	l := New(Whole, 4)
	l.Limit(Conns, 100)
	l.Limit(Bytes, 100_000)
	for range 100 {
		join(l, "192.0.2.1").charge(l, 1000)
	}
	again := 0
	for ; again < 1000; again++ { // comes again as soon as one was evicted, which does not leave
		c := join(l, "192.0.2.1")
		if l.Evict(Conns, &c.place) == nil || !c.charge(l, 1000) {
			l.Leave(&c.place)
			break
		}
	}
	if again == 0 || again > mostLeaving/2 {
		t.Errorf("%d connections of the largest crowd are on their way", again)
	}
	other := join(l, "198.51.100.1")
	if l.Evict(Conns, &other.place) == nil || !other.charge(l, 1000) {
		t.Error("somebody else is not served any more")
	}
}

func TestBytesAreBoundedAlsoWhileEvictedConnectionsHoldThem(t *testing.T) {
	t.Parallel()
	l := New(Whole, 4)
	l.Limit(Bytes, 1000)
	var big []*client
	for range 5 {
		c := join(l, "192.0.2.1")
		if !c.charge(l, 200) {
			t.Fatal("within the limit")
		}
		big = append(big, c)
	}
	if l.Full(Bytes) {
		t.Error("full at the limit, not above")
	}
	newcomer := join(l, "198.51.100.1")
	if !newcomer.charge(l, 250) || !l.Full(Bytes) {
		t.Fatal("a newcomer is charged, and then makes room")
	}
	for i := range 2 {
		if l.Evict(Bytes, &newcomer.place) != Holder(big[i]) {
			t.Fatal("the oldest of the crowd with most bytes does not give way")
		}
	}
	if l.Full(Bytes) || l.Total(Bytes) != 850 || l.Held() != 1250 {
		t.Errorf("%d charged, %d held", l.Total(Bytes), l.Held())
	}
	if newcomer.charge(l, 1) {
		t.Error("more is held than the limit and a quarter")
	}
	if big[0].charge(l, 1) {
		t.Error("an evicted connection may hold more")
	}
	big[0].charge(l, -100)
	l.Leave(&big[0].place)
	if l.Held() != 1050 || !newcomer.charge(l, 1) {
		t.Errorf("%d bytes are held after one has left", l.Held())
	}
}

func TestTheOrderOfCrowdsIsKeptFromALimitToHalfOfIt(t *testing.T) {
	t.Parallel()
	l := New(Whole, 4)
	l.Limit(Conns, 40)
	for round := range 3 { // the second time is as the first
		var all []*client
		for i := range 40 {
			all = append(all, join(l, fmt.Sprintf("198.51.%d.1", i))) // a network each
		}
		all = append(all, join(l, "192.0.2.1"), join(l, "192.0.2.2"))
		if l.ordered[Conns].Load() {
			t.Fatalf("round %d: an order is kept before anybody had to give way", round)
		}
		newcomer := join(l, "203.0.113.1")
		if h := l.Evict(Conns, &newcomer.place); h != Holder(all[40]) && h != Holder(all[41]) {
			t.Fatalf("round %d: the network with most connections does not give way", round)
		}
		for _, c := range append(all, newcomer) {
			l.Leave(&c.place)
			if full := l.Total(Conns) > 40; l.Full(Conns) != full {
				t.Fatalf("round %d: full with %d of 40: %v", round, l.Total(Conns), !full)
			}
			if kept := l.Total(Conns) >= 20; l.ordered[Conns].Load() != kept {
				t.Fatalf("round %d: with %d of 40 connections an order is kept: %v", round, l.Total(Conns), !kept)
			}
		}
		empty(t, l)
	}
}

// One connection that holds many descriptors is as large as the connections that could
// have them: its crowd is the one that gives way.
func TestACrowdPaysForDescriptorsBeyondThoseOfItsConnections(t *testing.T) {
	t.Parallel()
	l := New(Whole, 4)
	l.Limit(Conns, 100)
	var plain []*client
	for range 40 {
		plain = append(plain, join(l, "192.0.2.1").decide(l))
	}
	idle, fan := join(l, "198.51.100.7").decide(l), join(l, "198.51.100.7").decide(l)
	if !fan.spend(l, 101) || l.Total(Conns) != 40+2+51 || l.Full(Conns) {
		t.Fatalf("101 descriptors make %d of %d connections", l.Total(Conns), 40+2)
	}
	newcomer := join(l, "203.0.113.9").decide(l)
	if got := l.Evict(Conns, &newcomer.place); got != idle {
		t.Errorf("%v gives way, want the oldest of those with most descriptors", got)
	}
	if got := l.Evict(Conns, &newcomer.place); got != fan || l.leaving.Load() != 2+51 || l.Total(Conns) != 41 {
		t.Errorf("%v gives way, %d are leaving and %d are left", got, l.leaving.Load(), l.Total(Conns))
	}
	if fan.spend(l, 1) || !fan.spend(l, -99) || l.leaving.Load() != 2+1 {
		t.Errorf("%d are leaving after all but 2 descriptors are closed", l.leaving.Load())
	}
	l.Leave(&fan.place)
	fan.spend(l, -2)
	if l.leaving.Load() != 1 || fan.place.extra != 0 {
		t.Errorf("%d are leaving after the one with descriptors has left", l.leaving.Load())
	}
	if got := l.Evict(Conns, &newcomer.place); got != plain[0] {
		t.Errorf("%v gives way, want one of the crowd that holds most now", got)
	}
	for _, c := range append(plain, idle, fan, newcomer) {
		l.Leave(&c.place)
	}
	empty(t, l)
}

// Descriptors count in the ledger of all connections; the one of a server counts
// connections, as max_connections says.
func TestDescriptorsAreNothingToTheLedgerOfAServer(t *testing.T) {
	t.Parallel()
	whole, server := New(Whole, 1), New(Server, 1)
	c := join(whole, "192.0.2.1")
	server.Join(&c.place, c.from, 0)
	c.charge(whole, 10)
	c.spend(whole, 4)
	if w, s := whole.Total(Conns), server.Total(Conns); w != 3 || s != 1 {
		t.Errorf("%d in all, and %d of the server", w, s)
	}
	server.Leave(&c.place)
	if whole.Total(Conns) != 3 || c.place.bytes != 10 || whole.Held() != 10 {
		t.Errorf("who has left a server counts %d and holds %d bytes", whole.Total(Conns), whole.Held())
	}
	whole.Leave(&c.place)
	empty(t, whole)
	empty(t, server)
}

func TestACrowdHasAtMostAsManyAsItMay(t *testing.T) {
	t.Parallel()
	l := New(Server, 4)
	places := make([]client, 4)
	for i := range places {
		places[i].place.Init(&places[i])
		from := netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i))
		if got := l.Join(&places[i].place, from, 2); got != (i < 2) {
			t.Errorf("connection %d of one /64 joins: %v", i+1, got)
		}
	}
	l.Leave(&places[3].place) // it has not joined
	l.Leave(&places[0].place)
	if !l.Join(&places[2].place, netip.MustParseAddr("2001:db8::9"), 2) {
		t.Error("no room after one has left")
	}
}

// model is a ledger that searches.
type model []*client

func (m model) holds(measure Measure, in func(*client) bool) (sum int64) {
	for _, c := range m {
		if !in(c) {
			continue
		}
		switch measure {
		case Conns:
			sum += c.standing().weight() + c.beyond()
		case Matching:
			sum += c.standing().undecided()
		case Bytes:
			sum += int64(c.bytes)
		}
	}
	return sum
}

// beyond returns how many connections the descriptors of c are worth, beside c itself: one
// for each two, and one for the last.
func (c *client) beyond() int64 { return int64(c.extra/2 + c.extra%2) }

// conns returns how many connections there are, and what descriptors are worth.
func (m model) conns() (sum int64) {
	for _, c := range m {
		sum += 1 + c.beyond()
	}
	return sum
}

// most returns the largest network's size.
func (m model) most(measure Measure) (most int64) {
	for _, c := range m {
		most = max(most, m.holds(measure, sameNetwork(c)))
	}
	return most
}

func sameNetwork(c *client) func(*client) bool {
	_, n := DefaultLevels().keys(c.from)
	return func(o *client) bool { _, on := DefaultLevels().keys(o.from); return on == n }
}

func sameCrowd(c *client) func(*client) bool {
	k, _ := DefaultLevels().keys(c.from)
	return func(o *client) bool { ok, _ := DefaultLevels().keys(o.from); return ok == k }
}

func TestALedgerAgreesWithOneThatSearches(t *testing.T) {
	t.Parallel()
	addrs := []string{
		"192.0.2.1", "192.0.2.2", "192.0.3.1", "198.51.100.7",
		"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "2001:db8:1::1",
	}
	for seed := range uint64(100) {
		r, l := rand.New(rand.NewPCG(seed, 0)), New(Whole, 3)
		var all, gone model
		for step := range 400 {
			all, gone = act(t, r, l, all, gone, addrs[r.IntN(len(addrs))])
			for _, m := range []Measure{Matching, Bytes} {
				if got, want := l.Total(m), all.holds(m, func(*client) bool { return true }); got != want {
					t.Fatalf("seed %d step %d: measure %d is %d, want %d", seed, step, m, got, want)
				}
			}
			if l.Total(Conns) != all.conns() || l.leaving.Load() != gone.conns() {
				t.Fatalf("seed %d step %d: %d connections and %d leaving, want %d and %d",
					seed, step, l.Total(Conns), l.leaving.Load(), all.conns(), gone.conns())
			}
		}
		for _, c := range append(all, gone...) {
			l.Leave(&c.place)
		}
		empty(t, l)
	}
}

// act does one random thing to both.
func act(t *testing.T, r *rand.Rand, l *Ledger, all, gone model, from string) (model, model) {
	t.Helper()
	if len(all) == 0 || r.IntN(3) == 0 {
		return append(all, join(l, from)), gone
	}
	c := all[r.IntN(len(all))]
	switch r.IntN(7) {
	case 0:
		l.Leave(&c.place)
		return slices.DeleteFunc(all, func(o *client) bool { return o == c }), gone
	case 1:
		c.decide(l)
	case 2:
		c.charge(l, 1+r.IntN(5000))
	case 3:
		c.charge(l, -c.bytes)
	case 4:
		if gone.conns() > mostLeaving/2 {
			for _, c := range gone {
				l.Leave(&c.place)
			}
			gone = nil
		}
		return evict(t, r, l, all, gone, c)
	case 5:
		c.spend(l, 1+r.IntN(5))
	case 6:
		if len(gone) > 0 && r.IntN(2) == 0 {
			c = gone[r.IntN(len(gone))] // what was evicted closes them as well, and gets no more
			if c.spend(l, 1) {
				t.Fatal("an evicted connection gets a descriptor")
			}
		}
		c.spend(l, -r.IntN(c.extra+1))
	}
	return all, gone
}

// evict evicts for one of the connections, and checks who gives way.
func evict(t *testing.T, r *rand.Rand, l *Ledger, all, gone model, newcomer *client) (model, model) {
	t.Helper()
	m := Measure(r.IntN(int(measures)))
	h := l.Evict(m, &newcomer.place)
	if h == nil {
		return all, gone
	}
	v := h.(*client)
	most := class(m.units(all.most(m)))
	if got := class(m.units(all.holds(m, sameNetwork(v)))); got != most {
		t.Fatalf("the victim's network has class %d, the largest %d", got, most)
	}
	for _, c := range all {
		if sameNetwork(v)(c) && all.holds(m, sameCrowd(c)) > all.holds(m, sameCrowd(v)) {
			t.Fatal("a crowd of the network holds more than the victim's")
		}
		counts := m == Conns || m == Matching && c.standing() < Unfinished || m == Bytes && c.bytes > 0
		if c != newcomer && counts && sameCrowd(v)(c) && c.standing() < v.standing() {
			t.Fatalf("one that is %d goes before one that is %d", v.standing(), c.standing())
		}
	}
	if v == newcomer || m == Bytes && v.bytes == 0 || m == Matching && v.decided {
		t.Fatal("the wrong one gives way")
	}
	return slices.DeleteFunc(all, func(o *client) bool { return o == v }), append(gone, v)
}

// empty checks that a ledger holds nothing.
func empty(t *testing.T, l *Ledger) {
	t.Helper()
	for m := range measures {
		if n := l.Total(m); n != 0 {
			t.Errorf("measure %d of an empty ledger is %d", m, n)
		}
	}
	if l.Held() != 0 || l.Crowds() != 0 || l.leaving.Load() != 0 {
		t.Errorf("an empty ledger holds %d bytes, %d crowds, %d leaving", l.Held(), l.Crowds(), l.leaving.Load())
	}
	for i := range l.shards {
		s := &l.shards[i]
		if len(s.crowds)+len(s.networks) != 0 {
			t.Errorf("%d crowds and %d networks are left", len(s.crowds), len(s.networks))
		}
		for m := range measures {
			if o := s.orders[m]; s.top[m].Load() != 0 || o != nil && o.highest() != 0 {
				t.Errorf("the order of measure %d is not empty", m)
			}
		}
	}
}

func TestManyGoroutinesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	l := New(Whole, 4)
	l.Limit(Conns, 50)
	l.Limit(Bytes, 100<<10)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for i := range 3000 {
				crowdedLife(l, r, fmt.Sprintf("192.0.%d.%d", i%3, r.IntN(4)))
			}
		})
	}
	all.Wait()
	empty(t, l)
}

// locked is a connection that several goroutines may end.
type locked struct {
	place Place
	mu    sync.Mutex
	ended bool
}

func (c *locked) Evict() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.ended
	c.ended = true
	return !was
}

func (c *locked) Moved() int64 { return 0 }

// crowdedLife is a connection from its beginning to its end.
func crowdedLife(l *Ledger, r *rand.Rand, from string) {
	c := new(locked)
	c.place.Init(c)
	l.Join(&c.place, netip.MustParseAddr(from), 0)
	if l.Full(Conns) {
		l.Evict(Conns, &c.place)
	}
	if n := 1 + r.IntN(4096); l.Charge(&c.place, n) {
		if l.Full(Bytes) {
			l.Evict(Bytes, &c.place)
		}
		l.Decide(&c.place)
		if r.IntN(2) == 0 {
			l.Charge(&c.place, -n)
		}
	}
	l.Leave(&c.place)
}

func TestAConnectionAllocatesNothing(t *testing.T) {
	l, s := New(Whole, 16), New(Server, 8)
	for _, from := range []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"), {}} {
		c := new(client)
		c.place.Init(c)
		if n := testing.AllocsPerRun(1000, func() { life(l, s, &c.place, from) }); n != 0 {
			t.Errorf("a connection of %v takes %v allocations", from, n)
		}
	}
}

// life is what a short connection does to its ledgers.
func life(l, s *Ledger, p *Place, from netip.Addr) {
	s.Join(p, from, 0)
	l.Join(p, from, 0)
	l.Charge(p, 2048)
	s.Decide(p)
	l.Decide(p)
	l.Charge(p, -2048)
	s.Leave(p)
	l.Leave(p)
}

// BenchmarkConnection is what the ledgers of a short connection cost, from one address,
// alone and beside a thousand others.
func BenchmarkConnection(b *testing.B) {
	for _, others := range []int{0, 1000} {
		b.Run(fmt.Sprintf("beside %d", others), func(b *testing.B) {
			l, s := New(Whole, 16), New(Server, 8)
			for i := range others {
				c := &client{}
				c.place.Init(c)
				l.Join(&c.place, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 0)
				s.Join(&c.place, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 0)
			}
			c := new(client)
			c.place.Init(c)
			from := netip.MustParseAddr("10.0.0.1")
			b.ReportAllocs()
			for b.Loop() {
				life(l, s, &c.place, from)
			}
		})
	}
}

// BenchmarkEviction is a newcomer for whom one of a hundred thousand connections, of as
// many addresses, gives way.
func BenchmarkEviction(b *testing.B) {
	l := New(Whole, 16)
	for i := range 100_000 {
		c := &client{}
		c.place.Init(c)
		l.Join(&c.place, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 0)
	}
	for i := range 1000 {
		c := &client{}
		c.place.Init(c)
		l.Join(&c.place, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 0)
	}
	newcomer := join(l, "198.51.100.1")
	from := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		v, ok := l.Evict(Conns, &newcomer.place).(*client)
		if !ok {
			b.Fatal("nobody gives way")
		}
		l.Leave(&v.place)
		v.ended = false
		l.Join(&v.place, from, 0)
	}
}
