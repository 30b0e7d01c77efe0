package dwaarfile

import (
	"errors"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"dwaar.dev/dwaar/sdk"
)

// tomlValue is a value with its place, which the library does not tell, and its
// meaning, which the library has found. A table keeps the order of its keys.
type tomlValue struct {
	pos     sdk.Pos
	source  string // of a scalar
	decoded any
	elems   []*tomlValue // of an array
	keys    []tomlKey    // of a table
	index   map[string]*tomlValue
}

// tomlKey is a key with its value, or an entry of a list of directives.
type tomlKey struct {
	name  string
	pos   sdk.Pos
	value *tomlValue
	whole bool // the name is one word, whatever is in it
}

func (v *tomlValue) isTable() bool { _, ok := v.decoded.(map[string]any); return ok }

func (v *tomlValue) isArray() bool {
	switch v.decoded.(type) {
	case []any, []map[string]any:
		return true
	}
	return false
}

// get returns the value of a key, or nil.
func (v *tomlValue) get(name string) *tomlValue { return v.index[name] }

func (v *tomlValue) add(name string, pos sdk.Pos, value *tomlValue) {
	if v.index == nil {
		v.index = map[string]*tomlValue{}
	}
	v.index[name] = value
	v.keys = append(v.keys, tomlKey{name: name, pos: pos, value: value})
}

// errScan is for text that the library reads and the scanner does not: a fault of
// this package that no configuration may suffer from silently.
var errScan = errors.New("this is valid TOML, but its places cannot be found: write it in a simpler way")

// tomlScanner walks over text that the library has read without error, to find
// the place and order of what it read.
type tomlScanner struct {
	lexer
	err error
}

// scanTOML returns the root table of src with places.
func scanTOML(name, src string, decoded map[string]any) (*tomlValue, error) {
	s := &tomlScanner{lexer: lexer{src: src, file: name, line: 1, col: 1}}
	root := &tomlValue{pos: s.pos(), decoded: decoded}
	at := root
	for s.blank(); s.at < len(s.src) && s.err == nil; s.blank() {
		if s.peek() == '[' {
			at = s.header(root)
		} else {
			s.pair(at)
		}
	}
	if s.err == nil && !root.complete() {
		s.err = errScan
	}
	return root, s.err
}

// complete reports whether nothing the library read is missing.
func (v *tomlValue) complete() bool {
	switch d := v.decoded.(type) {
	case map[string]any:
		for _, k := range v.keys {
			if !k.value.complete() {
				return false
			}
		}
		return len(v.keys) == len(d)
	default:
		for _, e := range v.elems {
			if !e.complete() {
				return false
			}
		}
		return len(v.elems) == length(d)
	}
}

func length(decoded any) int {
	switch d := decoded.(type) {
	case []any:
		return len(d)
	case []map[string]any:
		return len(d)
	}
	return 0
}

// element returns element i of a decoded array, nil if it has none.
func element(decoded any, i int) any {
	switch d := decoded.(type) {
	case []any:
		if i < len(d) {
			return d[i]
		}
	case []map[string]any:
		if i < len(d) {
			return d[i]
		}
	}
	return nil
}

func (s *tomlScanner) fail() { s.err = errScan }

// blank skips white space, line ends and comments.
func (s *tomlScanner) blank() {
	for s.at < len(s.src) && strings.ContainsRune(" \t\r\n#", s.peek()) {
		if s.peek() == '#' {
			s.comment()
			continue
		}
		s.next()
	}
}

// expect consumes a character that must come.
func (s *tomlScanner) expect(r rune) {
	if s.peek() != r || s.at >= len(s.src) {
		s.fail()
		return
	}
	s.next()
}

// header reads [a.b] or [[a.b]] and returns the table it begins.
func (s *tomlScanner) header(root *tomlValue) *tomlValue {
	s.next()
	array := s.peek() == '['
	if array {
		s.next()
	}
	parts, last := s.key()
	s.expect(']')
	if array {
		s.expect(']')
	}
	if s.err != nil {
		return root
	}
	at := s.descend(root, parts)
	if !array {
		return s.descend(at, []tomlKey{last})
	}
	list := s.child(at, last)
	table := &tomlValue{pos: last.pos, decoded: element(list.decoded, len(list.elems))}
	if !table.isTable() {
		s.fail()
	}
	list.elems = append(list.elems, table)
	return table
}

// descend follows the parts of a dotted key into tables, of an array of tables
// into its last one.
func (s *tomlScanner) descend(at *tomlValue, parts []tomlKey) *tomlValue {
	for _, part := range parts {
		at = s.child(at, part)
		if at.isArray() && len(at.elems) > 0 {
			at = at.elems[len(at.elems)-1]
		}
		if !at.isTable() {
			s.fail()
		}
	}
	return at
}

// child returns the value of a key, which may be new.
func (s *tomlScanner) child(at *tomlValue, k tomlKey) *tomlValue {
	if v := at.get(k.name); v != nil {
		return v
	}
	table, _ := at.decoded.(map[string]any)
	decoded, ok := table[k.name]
	if !ok {
		s.fail()
	}
	v := &tomlValue{pos: k.pos, decoded: decoded}
	at.add(k.name, k.pos, v)
	return v
}

// pair reads key = value into a table.
func (s *tomlScanner) pair(at *tomlValue) {
	parts, last := s.key()
	s.expect('=')
	if s.err == nil {
		s.value(s.child(s.descend(at, parts), last))
	}
}

// key reads a dotted key and the white space behind it.
func (s *tomlScanner) key() (parts []tomlKey, last tomlKey) {
	for s.err == nil {
		s.blank()
		last.pos = s.pos()
		last.name = s.keyPart()
		s.blank()
		if s.peek() != '.' {
			break
		}
		s.next()
		parts = append(parts, last)
	}
	return parts, last
}

func (s *tomlScanner) keyPart() string {
	from := s.at
	if r := s.peek(); r == '"' || r == '\'' {
		s.text()
		var key map[string]any
		if _, err := toml.Decode(s.src[from:s.at]+" = 0", &key); err != nil {
			s.fail()
		}
		for name := range key {
			return name
		}
	}
	for s.at < len(s.src) && !strings.ContainsRune(" \t\r\n.=]#", s.peek()) {
		s.next()
	}
	if s.at == from {
		s.fail()
	}
	return s.src[from:s.at]
}

// value reads a value into v.
func (s *tomlScanner) value(v *tomlValue) {
	s.blank()
	v.pos = s.pos()
	from := s.at
	switch s.peek() {
	case '[':
		s.array(v)
	case '{':
		s.inlineTable(v)
	case '"', '\'':
		s.text()
		v.source = s.src[from:s.at]
	default:
		s.scalar(v)
		v.source = s.src[from:s.at]
	}
}

func (s *tomlScanner) array(v *tomlValue) {
	s.next()
	for s.blank(); s.err == nil && s.peek() != ']'; s.blank() {
		e := &tomlValue{decoded: element(v.decoded, len(v.elems))}
		if e.decoded == nil {
			s.fail()
			return
		}
		v.elems = append(v.elems, e)
		s.value(e)
		s.separator(']')
	}
	s.expect(']')
}

func (s *tomlScanner) inlineTable(v *tomlValue) {
	s.next()
	for s.blank(); s.err == nil && s.peek() != '}'; s.blank() {
		s.pair(v)
		s.separator('}')
	}
	s.expect('}')
}

// separator reads a comma, unless the list ends.
func (s *tomlScanner) separator(closing rune) {
	if s.blank(); s.peek() != closing {
		s.expect(',')
	}
}

// text skips a string of any of the four kinds.
func (s *tomlScanner) text() {
	mark := s.src[s.at : s.at+1]
	if long := strings.Repeat(mark, 3); strings.HasPrefix(s.src[s.at:], long) {
		s.skip(3)
		s.until(long, mark == `"`)
		for range 2 { // up to two marks may stand before the closing three
			if strings.HasPrefix(s.src[s.at:], mark) {
				s.next()
			}
		}
		return
	}
	s.next()
	s.until(mark, mark == `"`)
}

// until skips to behind a mark, over escaped characters if there are any.
func (s *tomlScanner) until(mark string, escapes bool) {
	for s.at < len(s.src) {
		if strings.HasPrefix(s.src[s.at:], mark) {
			s.skip(len(mark))
			return
		}
		if s.next() == '\\' && escapes && s.at < len(s.src) {
			s.next()
		}
	}
	s.fail()
}

// scalar skips a number, a boolean or a time, which may have a space in it.
func (s *tomlScanner) scalar(v *tomlValue) {
	from := s.at
	for s.at < len(s.src) && !strings.ContainsRune(" \t\r\n,]}#", s.peek()) {
		s.next()
	}
	_, isTime := v.decoded.(time.Time)
	rest := s.src[s.at:]
	if isTime && s.at-from == len("2006-01-02") && len(rest) > 1 && rest[0] == ' ' && '0' <= rest[1] && rest[1] <= '9' {
		s.next()
		s.scalar(v)
	}
	if s.at == from {
		s.fail()
	}
}
