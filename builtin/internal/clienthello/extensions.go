package clienthello

import (
	"bytes"
	"slices"
)

// The extensions that are looked into.
const (
	extServerName        = 0
	extSignatureSchemes  = 13
	extALPN              = 16
	extPreSharedKey      = 41
	extSupportedVersions = 43
	extECH               = 0xfe0d
)

// The shortest entries of their lists.
const (
	minExtension = 4 // type, length
	minName      = 3 // type, length
	minOffer     = 2 // length, one byte
)

// fits reports whether a list can go on for rest bytes, if its entries have at least
// so many.
func fits(rest, entry int) bool { return rest == 0 || rest >= entry }

// extensions reads how long all extensions are. An old hello has none at all.
func (h *Hello) extensions(r *reader) bool {
	if r.at == r.limit {
		h.state = Done
		return true
	}
	ok := r.list(2, r.limit) && r.check(fits(r.limit-r.at, minExtension))
	return h.then(ok, readExtension)
}

// extension reads the type and the length of the next one. Each type may be there
// once, and pre_shared_key only as the last (RFC 8446 §4.2, §4.2.11): others are odd.
func (h *Hello) extension(r *reader) bool {
	if r.at == r.limit {
		h.state = Done
		return true
	}
	kind, ok := r.number(2, 0, 0xffff)
	if !ok {
		return false
	}
	n, ok := r.number(2, 0, r.limit-r.at-2)
	if !ok || !r.check(fits(r.limit-r.at-n, minExtension)) {
		return false
	}
	h.odd = h.has(uint16(kind)) || kind == extPreSharedKey && r.at+n < r.limit
	if !r.check(!h.odd) {
		return false
	}
	h.add(uint16(kind))
	h.ext = r.at + n
	return h.then(true, readBody)
}

// Above so many extensions a set is kept beside the list.
const fewTypes = 32

// has reports whether the hello has an extension of that type already.
func (h *Hello) has(kind uint16) bool {
	if len(h.types) <= fewTypes {
		return slices.Contains(h.types, kind)
	}
	return h.many[kind>>6]&(1<<(kind&63)) != 0
}

func (h *Hello) add(kind uint16) {
	h.types = append(h.types, kind)
	if len(h.types) <= fewTypes {
		return
	}
	if h.many == nil {
		h.many = new([1 << 10]uint64)
	}
	for _, t := range h.types[max(0, len(h.types)-1-h.unmarked()):] {
		h.many[t>>6] |= 1 << (t & 63)
	}
}

// unmarked is how many types before the last one are not yet in the set.
func (h *Hello) unmarked() int {
	if len(h.types) == fewTypes+1 {
		return fewTypes
	}
	return 0
}

// body begins to read the extension whose type was read last.
func (h *Hello) body(r *reader) bool {
	switch h.types[len(h.types)-1] {
	case extServerName:
		h.nameErr = ErrBadName // until a name is read
		return r.check(h.ext-r.at >= 2+3+1) && h.then(r.list(2, h.ext), readName)
	case extALPN:
		if !r.check(h.ext-r.at >= 2+2) || !r.list(2, h.ext) {
			return false
		}
		h.offers = span{r.at, h.ext}
		return h.then(true, readOffer)
	case extSupportedVersions:
		return h.numbers(r, 1, &h.versions)
	case extSignatureSchemes:
		return h.numbers(r, 2, &h.schemes)
	case extECH:
		h.ech = true
	}
	return h.then(true, skipRest)
}

// numbers reads a list of 16-bit numbers that fills the extension.
func (h *Hello) numbers(r *reader, size int, s *span) bool {
	n := h.ext - r.at - size
	if !r.check(n >= 2 && n%2 == 0) || !r.list(size, h.ext) {
		return false
	}
	*s = span{r.at, h.ext}
	return h.then(true, skipRest)
}

// serverName reads an entry of server_name (RFC 6066 §3). Only one may be a
// host_name; other types were never defined, and are passed over.
func (h *Hello) serverName(r *reader) bool {
	if r.at == h.ext {
		return h.then(true, readExtension)
	}
	kind, ok := r.number(1, 0, 0xff)
	if !ok || !r.check(kind != 0 || !h.named) {
		return false
	}
	least := 0
	if kind == 0 {
		least = 1
	}
	n, ok := r.number(2, least, h.ext-r.at-2)
	if !ok || !r.check(fits(h.ext-r.at-n, minName)) {
		return false
	}
	if kind != 0 {
		return r.skip(n)
	}
	name, ok := r.all(n)
	if ok {
		h.setName(name)
	}
	return ok
}

// setName keeps the name if it is one: labels of letters, digits, "-" and "_",
// dots between them, perhaps one at the end. An IPv4 address passes too, though
// RFC 6066 forbids it: clients do send them.
func (h *Hello) setName(name []byte) {
	h.named = true
	name = bytes.TrimSuffix(name, []byte{'.'})
	if len(name) == 0 || len(name) > maxName {
		return
	}
	before := byte('.')
	for i, b := range name {
		if b = lower(b); !isNameByte(b) || b == '.' && before == '.' {
			return
		}
		h.name[i], before = b, b
	}
	if before != '.' {
		h.nameLen, h.nameErr = len(name), nil
	}
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

func isNameByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.'
}

// offer reads one protocol of the ALPN list (RFC 7301 §3.1).
func (h *Hello) offer(r *reader) bool {
	if r.at == h.ext {
		return h.then(true, readExtension)
	}
	n, ok := r.number(1, 1, h.ext-r.at-1)
	if !ok || !r.check(fits(h.ext-r.at-n, minOffer)) {
		return false
	}
	proto, ok := r.all(n)
	if !ok {
		return false
	}
	if len(h.alpn)+1+n <= maxALPN {
		if len(h.alpn) > 0 {
			h.alpn = append(h.alpn, ',')
		}
		h.alpn = append(h.alpn, proto...)
	}
	return true
}
