package mapfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"dwaar.dev/dwaar/host/files"
	"dwaar.dev/dwaar/sdk"
)

// The bounds of a file.
const (
	maxFile = 128 << 20 // bytes: a million names are 40 MB
	maxKeys = 4 << 20
	maxWord = 255      // bytes of a key, and of a value
	maxLine = 16 << 10 // bytes, with its comment
)

// maxFaults bounds what is said of one file: a file of another kind is wrong in every
// line.
const maxFaults = 10

// kind is what the keys of a map are, and how a key is found.
type kind uint8

const (
	names     kind = iota // host names in any case, and *.example.com
	exact                 // any words, each byte as it is
	prefixes              // beginnings of words; the longest one counts
	addresses             // addresses and ranges; the longest prefix counts
)

func kindNames() []string { return []string{"names", "exact", "prefixes", "addresses"} }

// String returns the word of the option keys.
func (k kind) String() string { return kindNames()[k] }

// key checks a key as it is written, and returns how the table has it.
func (k kind) key(text string) (string, error) {
	switch {
	case text == "" || text[0] == '#' || hasSpace(text):
		return "", fmt.Errorf("%q is no key: write one word that does not begin with #", clip(text))
	case len(text) > maxWord:
		return "", fmt.Errorf("%q is longer than the %d bytes a key can have", clip(text), maxWord)
	}
	switch k {
	case names:
		folded := strings.ToLower(text)
		if !isName(strings.TrimPrefix(folded, "*.")) {
			return "", fmt.Errorf("%q is no name like app.example.com or *.example.com: for other keys write keys exact, prefixes or addresses in the declaration of the map", clip(text))
		}
		return folded, nil
	case addresses:
		p, err := prefixOf(text)
		if err != nil {
			return "", err
		}
		return p.String(), nil
	}
	return text, nil
}

// isName reports whether text is made of DNS labels: letters, digits, - and _.
func isName(text string) bool {
	label := 0 // bytes of the label so far
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			if label++; label > 63 {
				return false
			}
		case c == '.' && label > 0:
			label = 0
		default:
			return false
		}
	}
	return label > 0
}

// checkValue checks a value.
func checkValue(text string) error {
	switch {
	case text == "":
		return errors.New("there is no value: write a word, in a file KEY VALUE on a line")
	case len(text) > maxWord:
		return fmt.Errorf("%q is longer than the %d bytes a value can have", clip(text), maxWord)
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c == '{', c == '}':
			return fmt.Errorf("%q has a brace: what stands in a map is a text and holds no placeholders", clip(text))
		case c < ' ' && c != '\t', c == 0x7f:
			return fmt.Errorf("%q has a control character: write letters, digits and punctuation", clip(text))
		}
	}
	return nil
}

// clip shortens what is repeated of a file that may be anything.
func clip(text string) string {
	const most = 60
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// read reads a file into a table.
func read(name string, k kind) (table, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err // it names the file
	}
	defer f.Close()
	size := int64(0)
	if info, err := f.Stat(); err == nil {
		size = info.Size()
	}
	if size > maxFile {
		return nil, fmt.Errorf("reading %s: %w: %d MiB is the most", name, files.ErrTooLong, maxFile>>20)
	}
	return parse(name, io.LimitReader(f, maxFile), k, int(size))
}

// a gatherer takes the entries of a file one after the other, and makes their table.
type gatherer interface {
	// add takes a key, as kind.key returns it, with its value, of which it keeps a copy. A
	// key that was there already is an error of add or of done.
	add(key string, value []byte, line int) error
	done() (table, sdk.Errors)
}

// parse makes the table of a file. The error holds the first wrong lines, each with its
// place.
func parse(name string, from io.Reader, k kind, size int) (table, error) {
	p := parser{name: name, kind: k, into: newWords(k, size), most: maxKeys}
	if k == addresses {
		p.into = newRanges()
	}
	return p.read(from)
}

// parser reads a file line by line.
type parser struct {
	name   string
	kind   kind
	into   gatherer
	most   int // keys
	number int // of the line
	keys   int
	faults sdk.Errors
}

func (p *parser) read(from io.Reader) (table, error) {
	lines := bufio.NewReaderSize(from, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			p.number++
			p.line(line, errors.Is(err, bufio.ErrBufferFull))
		}
		switch {
		case err == io.EOF:
			return p.table()
		case errors.Is(err, bufio.ErrBufferFull) || len(p.faults) >= maxFaults || p.keys > p.most:
			return nil, p.faults.Err()
		case err != nil:
			return nil, fmt.Errorf("reading %s: %w", p.name, err)
		}
	}
}

// fault notes what is wrong with a line.
func (p *parser) fault(col int, format string, args ...any) {
	p.faults = append(p.faults, sdk.Errorf(sdk.Pos{File: p.name, Line: p.number, Col: col}, format, args...))
}

func (p *parser) line(line []byte, cut bool) {
	if cut {
		p.fault(1, "the line is longer than %d bytes: is this a file of keys and values?", maxLine)
		return
	}
	if p.number == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	key, value, col := entryOf(line)
	if len(key) == 0 {
		return
	}
	if p.keys++; p.keys > p.most {
		p.fault(col, "the file has more than %d keys: split it into several maps", p.most)
		return
	}
	text, err := p.kind.key(string(key))
	if err == nil {
		err = checkValue(string(value))
	}
	if err == nil {
		err = p.into.add(text, value, p.number)
	}
	if err != nil {
		p.fault(col, "%v", err)
	}
}

func (p *parser) table() (table, error) {
	t, faults := p.into.done()
	for _, f := range faults {
		f.Pos.File = p.name
	}
	p.faults = append(p.faults, faults...)
	if err := p.faults.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

// entryOf returns what a line holds beside its comment, and the column of the key.
func entryOf(line []byte) (key, value []byte, col int) {
	for i, c := range line {
		if c == '#' && (i == 0 || isSpace(line[i-1])) {
			line = line[:i]
			break
		}
	}
	rest := bytes.TrimLeft(line, spaces)
	col = len(line) - len(rest) + 1
	end := bytes.IndexAny(rest, spaces)
	if end < 0 {
		return rest, nil, col
	}
	return rest[:end], bytes.Trim(rest[end:], spaces), col
}

const spaces = " \t\r\n"

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func hasSpace(text string) bool {
	for i := range len(text) {
		if isSpace(text[i]) {
			return true
		}
	}
	return false
}
