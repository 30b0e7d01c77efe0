package route

// arena keeps values by key, in the order in which they came, in memory that is bounded
// and kept for the next connection. The facts of a connection ([Facts]) and those of the
// matchers of a matching phase are each in an arena. The zero arena is empty.
type arena[K any] struct {
	items []item[K]
	bytes []byte
}

type item[K any] struct {
	key     K
	at, len int // the value: bytes[at:at+len]
}

// The bounds of every arena, and thereby of what one client can make the proxy remember.
// Everything that a head of the default length holds fits twice: what matchers find in it,
// and what handlers and inner phases add.
const (
	MaxFacts     = 256      // values
	MaxFactBytes = 32 << 10 // the values together
)

// put adds a copy of value. It returns false when there is no room for value.
func put[K any, T string | []byte](a *arena[K], key K, value T) bool {
	if len(a.items) == MaxFacts || len(a.bytes)+len(value) > MaxFactBytes {
		return false
	}
	a.items = append(a.items, item[K]{key, len(a.bytes), len(value)})
	a.bytes = append(a.bytes, value...)
	return true
}

// Len returns how many values there are.
func (a *arena[K]) Len() int { return len(a.items) }

// key returns the key of value i. The pointer is valid until the next put.
func (a *arena[K]) key(i int) *K { return &a.items[i].key }

// value returns value i itself, valid until Truncate.
func (a *arena[K]) value(i int) []byte {
	it := &a.items[i]
	return a.bytes[it.at : it.at+it.len]
}

// Truncate forgets all but the first n values and keeps the memory.
func (a *arena[K]) Truncate(n int) {
	if n < len(a.items) {
		a.bytes = a.bytes[:a.items[n].at]
		a.items = a.items[:n]
	}
}
