package winbox

import (
	"bytes"

	"dwaar.dev/dwaar/sdk"
)

const (
	chunkSize = 255 // a chunk of this size may be continued
	begins    = 0x06
	continues = 0xff

	keySize   = 32
	tailSize  = 1 + keySize + 1 // the byte behind the name, the key and the parity
	leastSize = 1 + tailSize
	maxName   = 255
	suffix    = "+r"
)

// message is the first message of a client, as far as it is there.
type message struct {
	verdict sdk.Verdict
	text    [maxName + len(suffix)]byte // the name with its suffix
	size    int
	mode    modes
}

// fill reads the message from its beginning: it is short.
func fill(f *sdk.Flow, m *message) {
	m.size = 0
	if f.Network == "udp" || f.Network == "unixgram" {
		m.verdict = sdk.No
		return
	}
	c := f.Cursor()
	if m.verdict = m.read(&c); m.verdict == sdk.Yes {
		m.verdict = m.finish()
	}
}

// read checks everything but what the name is.
func (m *message) read(c *sdk.Cursor) sdk.Verdict {
	size := int(c.Byte())
	if size < leastSize || c.Byte() != begins {
		return c.No()
	}
	if size < chunkSize {
		if !m.name(c, size-tailSize) || c.Byte() != 0 {
			return c.No()
		}
		return parity(c, keySize)
	}
	if !m.name(c, chunkSize-tailSize) {
		return c.No()
	}
	return m.readFull(c)
}

// readFull reads the rest of a message whose first chunk is full: the name ends in
// that chunk or in the next one.
func (m *message) readFull(c *sdk.Cursor) sdk.Verdict {
	for left := tailSize - 1; left >= 0; left-- { // so many bytes of the chunk follow this one
		b := c.Byte()
		switch {
		case c.Short():
			return c.No()
		case b == 0:
			return readKey(c, left)
		case !m.add(b):
			return c.No()
		}
	}
	return m.readNext(c)
}

// readKey reads what follows a name that ends in a full chunk, of which some bytes
// are left. The rest of the message is in the next chunk, if any is.
func readKey(c *sdk.Cursor, left int) sdk.Verdict {
	if left == keySize+1 {
		return parity(c, keySize)
	}
	c.Skip(left)
	rest := keySize + 1 - left
	if int(c.Byte()) != rest || c.Byte() != continues {
		return c.No()
	}
	return parity(c, rest-1)
}

// readNext reads the chunk in which a name ends that is longer than the first one:
// its size tells where.
func (m *message) readNext(c *sdk.Cursor) sdk.Verdict {
	rest := int(c.Byte()) - tailSize
	switch {
	case rest < 0:
		return c.No()
	case rest > len(suffix):
		return c.Unknown()
	case c.Byte() != continues || !m.name(c, rest) || c.Byte() != 0:
		return c.No()
	}
	return parity(c, keySize)
}

// parity reads the last byte, behind n others that can be anything.
func parity(c *sdk.Cursor, n int) sdk.Verdict {
	c.Skip(n)
	if c.Byte() > 1 {
		return c.No()
	}
	return c.Yes()
}

// name reads n bytes of the name and reports whether all of them can be part of it.
func (m *message) name(c *sdk.Cursor, n int) bool {
	for range n {
		if b := c.Byte(); c.Short() || !m.add(b) {
			return false
		}
	}
	return true
}

// add appends a byte to the name, unless it is a control character.
func (m *message) add(b byte) bool {
	if b < ' ' || b == 0x7f {
		return false
	}
	m.text[m.size] = b
	m.size++
	return true
}

// finish finds the mode at the end of the name.
func (m *message) finish() sdk.Verdict {
	m.mode = standard
	if bytes.HasSuffix(m.text[:m.size], []byte(suffix)) {
		m.mode = romon
		m.size -= len(suffix)
	}
	switch {
	case m.size == 0:
		return sdk.No
	case m.size > maxName:
		return sdk.Unknown
	}
	return sdk.Yes
}

// username returns the name without its suffix.
func (m *message) username() []byte { return m.text[:m.size] }
