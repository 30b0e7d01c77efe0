package route

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// Memo is what one connection's matchers have said in one matching phase, and the
// facts they found. It is made and reused by [Routes].
type Memo struct {
	entries []entry // by instance, with open addressing; their number is a power of two
	asked   []int32 // the instances that were asked in this phase, in that order
	facts   arena[fact]

	cursors []cursor // of the latest walk
	found   []int32  // routes that finders found in it

	routes  *Routes
	outer   sdk.Facts // the facts known before this phase; nil: none
	current int       // the instance that is being asked
	phase   uint32    // number of this use of the memo: entries of earlier uses are blank
}

// entry is the latest answer of one instance.
type entry struct {
	answer    sdk.Answer
	phase     uint32 // Memo.phase when the answer was given
	inst      int32
	datagrams int // how many datagrams there were then
}

// fact names a fact that a matcher set.
type fact struct {
	inst int // the instance of the matcher
	key  string
}

// direct is up to how many instances each has an entry of its own from the beginning.
// Of longer lists a connection asks few, and its memo has room for those it asks.
const direct = 64

// reset makes the memo ready for a matching phase.
func (m *Memo) reset(rs *Routes, outer sdk.Facts) {
	if n := min(len(rs.list.Instances), direct); len(m.entries) < n {
		m.entries = make([]entry, 1<<bits.Len(uint(n-1)))
		m.phase = 0
	}
	if m.phase++; m.phase == 0 { // after 2³² uses a number comes again
		clear(m.entries)
		m.phase = 1
	}
	m.facts.Truncate(0)
	m.asked = m.asked[:0]
	m.routes, m.outer, m.current = rs, outer, 0
}

// entry returns the entry of an instance, blank if the instance was not asked in this
// phase: then phase is not the memo's. It is valid until the next call.
func (m *Memo) entry(inst int) *entry {
	mask := len(m.entries) - 1
	for i := inst & mask; ; i = (i + 1) & mask {
		e := &m.entries[i]
		if e.phase != m.phase || int(e.inst) == inst {
			return e
		}
	}
}

// put sets the entry of an instance, and returns it as it is then.
func (m *Memo) put(inst int, answer sdk.Answer, datagrams int) *entry {
	e := m.entry(inst)
	if e.phase != m.phase {
		m.asked = append(m.asked, int32(inst))
		if len(m.asked)*4 > len(m.entries)*3 && len(m.entries) < len(m.routes.list.Instances) {
			m.grow()
			e = m.entry(inst)
		}
	}
	*e = entry{answer, m.phase, int32(inst), datagrams}
	return e
}

// grow makes room for twice as many entries.
func (m *Memo) grow() {
	old := m.entries
	m.entries = make([]entry, 2*len(old))
	for i := range old {
		if e := &old[i]; e.phase == m.phase {
			*m.entry(int(e.inst)) = *e
		}
	}
}

// begin notes which instance is asked, and returns a mark: forget drops the facts set
// since then.
func (m *Memo) begin(inst int) (mark int) {
	m.current = inst
	return m.facts.Len()
}

// forget drops the facts set since begin returned mark.
func (m *Memo) forget(mark int) { m.facts.Truncate(mark) }

// Set records a fact of the instance that is being asked.
func (m *Memo) Set(key string, value []byte) {
	for i := m.facts.Len() - 1; i >= 0 && m.facts.key(i).inst == m.current; i-- {
		if old := m.facts.value(i); m.facts.key(i).key == key && len(old) == len(value) {
			copy(old, value)
			return
		}
	}
	put(&m.facts, fact{m.current, key}, value)
}

// Get returns a fact: one set by an instance that the asked instance reads from, or one
// known before the phase. A fact that such an instance supplies and has not set is
// absent, also where an earlier phase knew one by that name.
func (m *Memo) Get(name string) (string, bool) {
	in := &m.routes.list.Instances[m.current]
	for i := m.facts.Len() - 1; i >= 0; i-- {
		f := m.facts.key(i)
		if in.readsFrom(f.inst) && m.routes.list.Instances[f.inst].owns(name, f.key) {
			return string(m.facts.value(i)), true
		}
	}
	if m.outer == nil || slices.Contains(in.Inner, name) {
		return "", false
	}
	return m.outer.Get(name)
}

// readsFrom reports whether the instance reads facts that inst supplies.
func (in *Instance) readsFrom(inst int) bool { return slices.Contains(in.Sources, inst) }

// owns reports whether name is the full name of this instance's fact key.
func (in *Instance) owns(name, key string) bool {
	if name == key && in.Alias(key) {
		return true
	}
	of := in.of(key)
	n := len(of)
	return len(name) == n+1+len(key) && name[n] == '.' && name[:n] == of && name[n+1:] == key
}

// Alias reports whether key is a full name of the fact as well.
func (in *Instance) Alias(key string) bool { return slices.Contains(in.Sets, key) }

// of returns the first part of the full name of a fact that this instance set: its
// own name, for a key that its description names, or what its arguments say. A longer name
// may end in the key as well: of "regexp.1" and "regexp.host.1" the key "1" has the first.
func (in *Instance) of(key string) string {
	if slices.Contains(in.Keys, key) {
		return in.Name
	}
	shortest := ""
	for _, full := range in.Sets {
		if of, ok := ofKey(full, key); ok && (shortest == "" || len(of) < len(shortest)) {
			shortest = of
		}
	}
	return cmp.Or(shortest, in.Name)
}

// ofKey returns what stands in front of a key in a full name, in which * is any key.
func ofKey(full, key string) (of string, ok bool) {
	if of, ok = strings.CutSuffix(full, ".*"); !ok {
		if of, ok = strings.CutSuffix(full, key); ok {
			of, ok = strings.CutSuffix(of, ".")
		}
	}
	return of, ok && of != ""
}
