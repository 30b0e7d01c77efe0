// Package datagram finds the first datagram of a flow, for protocols that are
// recognized by it alone:
//
//	b, v := datagram.First(f)
//	if v != sdk.Yes {
//		return v, nil
//	}
package datagram

import "dwaar.dev/dwaar/sdk"

// First returns the first datagram and Yes; Need if none has come; or No if f is a
// stream. The slice is a part of the head.
func First(f *sdk.Flow) ([]byte, sdk.Verdict) {
	switch {
	case f.Network != "udp" && f.Network != "unixgram":
		return nil, sdk.No
	case len(f.Bounds) == 0:
		return nil, sdk.Need(len(f.Head) + 1)
	}
	return f.Head[:f.Bounds[0]], sdk.Yes
}
