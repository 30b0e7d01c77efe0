package loop

import "sync/atomic"

const (
	// keepSize is how much is received at once at most, and so how much a destination
	// can refuse.
	keepSize = 16 << 10
	// mostKept bounds the buffers of all loops: 64 MiB.
	mostKept = 4096
	// spareKept is how many unused buffers a loop keeps for their next use.
	spareKept = 64
)

// keeps are the buffers with bytes that one end of a pair sent and the other one did not
// take.
type keeps struct {
	left   *atomic.Int32 // how many of mostKept are not reserved; shared by all loops
	bufs   []*[keepSize]byte
	vacant []int32 // indexes of bufs
	spare  []*[keepSize]byte
}

// reserve reserves a buffer for the next keep, and reports whether there is one. Without
// a buffer no more may be received than the destination has taken.
func (k *keeps) reserve() bool {
	if k.left.Add(-1) >= 0 {
		return true
	}
	k.left.Add(1)
	return false
}

// release takes back a reservation that was not used.
func (k *keeps) release() { k.left.Add(1) }

// keep copies b into the reserved buffer and returns the index of the buffer.
func (k *keeps) keep(b []byte) int32 {
	var buf *[keepSize]byte
	if n := len(k.spare); n > 0 {
		buf, k.spare = k.spare[n-1], k.spare[:n-1]
	} else {
		buf = new([keepSize]byte)
	}
	copy(buf[:], b)
	if n := len(k.vacant); n > 0 {
		i := k.vacant[n-1]
		k.vacant = k.vacant[:n-1]
		k.bufs[i] = buf
		return i
	}
	k.bufs = append(k.bufs, buf)
	return int32(len(k.bufs) - 1)
}

// drop takes buffer i back, and its reservation.
func (k *keeps) drop(i int32) {
	if len(k.spare) < spareKept {
		k.spare = append(k.spare, k.bufs[i])
	}
	k.bufs[i] = nil
	k.vacant = append(k.vacant, i)
	k.left.Add(1)
}
