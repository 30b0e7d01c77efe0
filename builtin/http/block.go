package http

import "golang.org/x/net/http2/hpack"

// decodeBlock decodes the header block of the HEADERS and CONTINUATION frames in b.
func (r *request) decodeBlock(b []byte) {
	r.stage = bad
	d := decoder{r: r}
	d.hpack = hpack.NewDecoder(tableSize, d.field)
	d.hpack.SetMaxStringLength(maxHeader)
	for len(b) > 0 {
		fr := parseFrame(b)
		fragment, ok := fr.fragment(b[frameHeader : frameHeader+fr.length])
		if !ok {
			return
		}
		if _, err := d.hpack.Write(fragment); err != nil || d.broken {
			return
		}
		b = b[frameHeader+fr.length:]
	}
	if d.hpack.Close() == nil && d.complete() {
		r.decideHost(nil)
		r.line = true
		r.stage = whole
	}
}

const (
	tableSize = 4096     // nobody has allowed the client a greater one (RFC 9113 section 6.5.2)
	maxHeader = 32 << 10 // what a header may become when it is decoded: few bytes can stand for many
)

// decoder writes a decoded header block to request.own, as lines like those of
// HTTP/1 behind the pseudo-header fields.
type decoder struct {
	r      *request
	hpack  *hpack.Decoder
	broken bool // the block is malformed (RFC 9113 section 8.2)
	pseudo [pseudoFields]span
	seen   [pseudoFields]bool
}

// The pseudo-header fields of a request (RFC 9113 section 8.3.1, RFC 8441).
const (
	pseudoMethod = iota
	pseudoScheme
	pseudoPath
	pseudoAuthority
	pseudoProtocol
	pseudoFields
)

func pseudoIndex(name string) int {
	switch name {
	case ":method":
		return pseudoMethod
	case ":scheme":
		return pseudoScheme
	case ":path":
		return pseudoPath
	case ":authority":
		return pseudoAuthority
	case ":protocol":
		return pseudoProtocol
	}
	return -1
}

// field is called for every decoded field.
func (d *decoder) field(f hpack.HeaderField) {
	r := d.r
	switch {
	case d.broken:
	case len(r.own)+len(f.Name)+len(f.Value)+2 > maxHeader:
		d.broken = true
	case f.IsPseudo():
		d.pseudoField(f)
	default:
		d.headerField(f)
	}
	d.hpack.SetEmitEnabled(!d.broken)
}

func (d *decoder) pseudoField(f hpack.HeaderField) {
	r, i := d.r, pseudoIndex(f.Name)
	if i < 0 || d.seen[i] || !r.fields.empty() {
		d.broken = true
		return
	}
	d.seen[i] = true
	at := len(r.own)
	r.own = append(r.own, f.Value...)
	d.pseudo[i] = span{at, len(r.own), true}
	r.fields = span{len(r.own), len(r.own), true}
}

func (d *decoder) headerField(f hpack.HeaderField) {
	r, at := d.r, len(d.r.own)
	r.own = append(append(append(r.own, f.Name...), ':'), f.Value...)
	line := span{at, len(r.own), true}
	r.own = append(r.own, '\n')
	r.fields.hi = len(r.own)
	d.broken = !isLowerName(f.Name) || !r.readField(nil, line)
}

func isLowerName(name string) bool {
	for _, c := range []byte(name) {
		if c != lower(c) || !isToken(c) {
			return false
		}
	}
	return name != ""
}

// isTarget reports whether a path can stand in a request line.
func isTarget(path []byte) bool {
	for _, c := range path {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return len(path) > 0 && path[0] == '/' || string(path) == "*"
}

// complete checks the pseudo-header fields and takes what they say.
func (d *decoder) complete() bool {
	r := d.r
	method := r.text(nil, d.pseudo[pseudoMethod])
	if !isName(method) || len(method) > maxMethod {
		return false
	}
	r.method = d.pseudo[pseudoMethod]
	r.authority, r.absolute = d.pseudo[pseudoAuthority], d.seen[pseudoAuthority]
	r.connect = string(method) == "CONNECT" && !d.seen[pseudoProtocol]
	if r.connect {
		return r.absolute && !d.seen[pseudoPath] && !d.seen[pseudoScheme]
	}
	if !d.seen[pseudoScheme] || !isTarget(r.text(nil, d.pseudo[pseudoPath])) {
		return false
	}
	r.cutPath(nil, d.pseudo[pseudoPath])
	return true
}
