package xmpp

// part is where in the head of a stream a byte stands.
type part uint8

const (
	begin       part = iota
	inMark           // the byte order mark
	behindMark       // where a declaration may still begin
	space            // where only the start tag may begin
	opened           // behind "<", at the very beginning
	tagOpened        // behind "<", where no declaration may stand
	inMagic          // of "<?xml"
	behindMagic      // white space, then the first attribute
	inName           // of the element
	gap              // behind white space: the next attribute, or the end
	behindValue      // of an attribute: white space, or the end
	ending           // behind the "?" that ends a declaration
	inAttribute      // its name
	equals           // white space before "="
	quoted           // white space before the quote
	inValue
	complete
	undeclared // complete, but without a default namespace
	impossible
)

const (
	byteOrderMark = "\xef\xbb\xbf"
	declaration   = "<?xml"
	element       = "stream"
)

// stream is the head of a stream as far as its bytes are there. Parts of the head are
// kept as offsets.
type stream struct {
	at          int // how many bytes are read
	part        part
	declaring   bool // the attributes are those of a declaration
	declared    int  // which of them was the last: 1 version, 2 encoding, 3 standalone
	literal     int  // how many bytes of the byte order mark, "<?xml" or the element's local name are read
	quote       byte
	tag, prefix int // where the element's name begins; how long its prefix is, with the colon
	name, end   int // of an attribute
	value       int // where it begins

	hasTo, hasStreams, hasContent bool
	toLen                         int
	to                            [maxTo]byte
}

// after returns the part that follows when the next byte of the head is b.
func (s *stream) after(head []byte, b byte) part {
	switch s.part {
	case begin, inMark, behindMark, space:
		return s.beforeTag(b)
	case opened, tagOpened, inMagic, behindMagic:
		return s.inOpening(b)
	case inName:
		return s.inElement(head, b)
	case gap, behindValue, ending:
		return s.betweenAttributes(b)
	case inValue:
		return s.inQuotes(head, b)
	}
	return s.inAssignment(b)
}

func (s *stream) beforeTag(b byte) part {
	switch {
	case s.part == inMark || s.part == begin && b == byteOrderMark[0]:
		return s.spell(byteOrderMark, b, inMark, behindMark)
	case b == '<' && s.part != space:
		return opened
	case b == '<':
		return tagOpened
	case isSpace(b):
		return space
	}
	return impossible
}

// spell reads one more byte of text and returns within, or behind at its end.
func (s *stream) spell(text string, b byte, within, behind part) part {
	if b != text[s.literal] {
		return impossible
	}
	s.literal++
	if s.literal < len(text) {
		return within
	}
	s.literal = 0
	return behind
}

// inOpening reads what stands behind "<": "?xml" and white space, or the first byte of
// the element's name.
func (s *stream) inOpening(b byte) part {
	switch {
	case s.part == opened && b == declaration[1]:
		s.literal, s.declaring = 2, true
		return inMagic
	case s.part == inMagic:
		return s.spell(declaration, b, inMagic, behindMagic)
	case s.part == behindMagic && isSpace(b):
		return gap
	case s.part != behindMagic && startsName(b):
		s.tag = s.at
		return inName
	}
	return impossible
}

// inElement reads the element's name: a prefix and a colon or none, and "stream".
func (s *stream) inElement(head []byte, b byte) part {
	switch {
	case b == ':' && s.prefix == 0:
		s.prefix = s.at + 1 - s.tag
		return inName
	case isName(b) && b != ':':
		if s.prefix > 0 && !s.spells(b) {
			return impossible
		}
		return inName
	case string(head[s.tag+s.prefix:s.at]) != element:
		return impossible
	case isSpace(b):
		return gap
	case b == '>':
		return s.finish()
	}
	return impossible
}

// spells reports whether b is the next byte of the element's local name, whose place
// the colon has made known.
func (s *stream) spells(b byte) bool {
	i := s.at - s.tag - s.prefix
	return i < len(element) && element[i] == b
}

func (s *stream) betweenAttributes(b byte) part {
	switch {
	case s.part == ending:
		return s.endDeclaration(b)
	case isSpace(b):
		return gap
	case s.declaring && b == '?':
		return ending
	case !s.declaring && b == '>':
		return s.finish()
	case s.part == gap && startsName(b):
		s.name = s.at
		return inAttribute
	}
	return impossible
}

// endDeclaration reads the last byte of a declaration, which must have said its
// version.
func (s *stream) endDeclaration(b byte) part {
	if b != '>' || s.declared == 0 {
		return impossible
	}
	s.declaring = false
	return space
}

// inAssignment reads an attribute's name, the sign behind it and the quote.
func (s *stream) inAssignment(b byte) part {
	switch {
	case s.part == quoted:
		return s.beforeQuote(b)
	case s.part == inAttribute && isName(b):
		return inAttribute
	case s.part == inAttribute:
		s.end = s.at
	}
	switch {
	case b == '=':
		return quoted
	case isSpace(b):
		return equals
	}
	return impossible
}

func (s *stream) beforeQuote(b byte) part {
	switch {
	case isSpace(b):
		return quoted
	case b == '\'' || b == '"':
		s.quote, s.value = b, s.at+1
		return inValue
	}
	return impossible
}

func (s *stream) inQuotes(head []byte, b byte) part {
	switch {
	case b == s.quote:
		return s.attribute(head)
	case b == '<' || b < ' ' && !isSpace(b):
		return impossible
	}
	return inValue
}

// finish is the end of the start tag.
func (s *stream) finish() part {
	switch {
	case !s.hasStreams:
		return impossible
	case s.prefix > 0 && !s.hasContent:
		return undeclared
	}
	return complete
}

// isSpace reports whether b is white space (XML 1.0 section 2.3).
func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// startsName reports whether a name can begin with b, as far as one byte tells: of
// UTF-8 beyond ASCII every byte counts. Namespaces take the colon away.
func startsName(b byte) bool {
	return b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_' || b >= 0x80
}

func isName(b byte) bool {
	return startsName(b) || b >= '0' && b <= '9' || b == '-' || b == '.' || b == ':'
}
