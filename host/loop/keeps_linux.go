package loop

import "sync/atomic"

const (
	// keepSize is the most that is received at once, and so the most that a
	// destination can refuse.
	keepSize = 16 << 10
	// mostKept bounds the buffers of all loops: 64 MiB.
	mostKept = 4096
	// spareKept is how many of a loop wait for their next use.
	spareKept = 64
)

// keeps are the buffers with what was received from one end of a pair and
// refused by the other.
type keeps struct {
	left   *atomic.Int32 // of mostKept
	bufs   []*[keepSize]byte
	vacant []int32 // indexes of bufs
	spare  []*[keepSize]byte
}

// reserve makes sure of a buffer for the next keep. Where it says false no more
// may be received than is known to be taken.
func (k *keeps) reserve() bool {
	if k.left.Add(-1) >= 0 {
		return true
	}
	k.left.Add(1)
	return false
}

// release takes a reservation back that was not used.
func (k *keeps) release() { k.left.Add(1) }

// keep copies b into a buffer, for which there is a reservation, and returns
// its index.
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
