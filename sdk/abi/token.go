package abi

import (
	"encoding/binary"
	"errors"
)

// Errors of the encoder and the decoder of token blocks.
var (
	ErrWord   = errors.New("writing a configuration: a word is longer than 65535 bytes")
	ErrSize   = errors.New("writing a configuration: it is longer than 1 MiB")
	ErrDepth  = errors.New("writing a configuration: blocks stand in each other more than 16 deep")
	ErrTokens = errors.New("reading a configuration: not a token block")
)

// tokenHead is the length of a token without its bytes and its final NUL: u8 kind,
// u8 0, u16 length.
const tokenHead = 4

// Token is one token of a configuration.
type Token struct {
	Kind uint8  // [TokenEnd], [TokenWord], …
	Text []byte // of a word, a part of the block
	N    int    // its number, from 0: what reject is told
}

// Tokens writes a token block:
//
//	words      = { word }                        what stands behind the matcher's name
//	config     = words [ "{" lines "}" ] end
//	lines      = { word words [ "{" lines "}" ] line }
//
// Its methods return it, so that they can be chained; the first error stays and is
// returned by [Tokens.Block]. The zero value is empty.
type Tokens struct {
	block []byte
	n     int
	depth int
	err   error
}

// NewTokens returns an empty encoder.
func NewTokens() *Tokens { return &Tokens{} }

// Len returns how many tokens have been written: the number of the next one.
func (t *Tokens) Len() int { return t.n }

// Word writes a word of any bytes.
func (t *Tokens) Word(text string) *Tokens {
	if len(text) > MaxWord {
		t.fail(ErrWord)
		return t
	}
	return t.put(TokenWord, text)
}

// Open begins a block.
func (t *Tokens) Open() *Tokens {
	if t.depth++; t.depth > MaxDepth {
		t.fail(ErrDepth)
	}
	return t.put(TokenOpen, "")
}

// Close ends a block.
func (t *Tokens) Close() *Tokens {
	t.depth--
	return t.put(TokenClose, "")
}

// Line ends a directive in a block.
func (t *Tokens) Line() *Tokens { return t.put(TokenLine, "") }

// Block ends the configuration and returns its block, or what was wrong with it.
func (t *Tokens) Block() ([]byte, error) {
	t.put(TokenEnd, "")
	if t.err != nil {
		return nil, t.err
	}
	return t.block, nil
}

func (t *Tokens) put(kind uint8, text string) *Tokens {
	if len(t.block)+tokenHead+len(text)+1 > MaxConfig {
		t.fail(ErrSize)
	}
	if t.err != nil {
		return t
	}
	t.block = append(t.block, kind, 0, byte(len(text)), byte(len(text)>>8))
	t.block = append(append(t.block, text...), 0)
	t.n++
	return t
}

func (t *Tokens) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// Config reads a token block from its first token on.
type Config struct {
	block []byte
	n     int
	depth int
	last  uint8 // the kind of the last token; [TokenWord] before the first, behind the matcher's name
}

// DecodeConfig returns a reader of a token block, of which it keeps block.
func DecodeConfig(block []byte) Config { return Config{block: block, last: TokenWord} }

// Next returns the next token, and TokenEnd again and again when it has returned it
// once. The error is [ErrTokens]: the block ends early, or is not what [Tokens] would
// have written. A caller that gets no error may rely on the order of the tokens.
func (c *Config) Next() (Token, error) {
	if len(c.block) <= tokenHead {
		return Token{}, ErrTokens
	}
	size := int(binary.LittleEndian.Uint16(c.block[2:]))
	t := Token{Kind: c.block[0], N: c.n}
	end := tokenHead + size
	switch {
	case c.block[1] != 0 || end >= len(c.block) || c.block[end] != 0:
		return Token{}, ErrTokens
	case t.Kind != TokenWord && size != 0, !c.order(t.Kind):
		return Token{}, ErrTokens
	case t.Kind == TokenEnd:
		return t, nil
	}
	t.Text = c.block[tokenHead:end:end]
	c.block = c.block[end+1:]
	c.n++
	c.last = t.Kind
	return t, nil
}

// order reports whether a token of that kind may come next, and counts braces.
func (c *Config) order(kind uint8) bool {
	inside := c.depth > 0
	begins := c.last == TokenOpen || c.last == TokenLine // a line of a block, or its end
	switch kind {
	case TokenWord:
		return c.last != TokenClose
	case TokenOpen:
		c.depth++
		return c.last == TokenWord && c.depth <= MaxDepth
	case TokenClose:
		c.depth--
		return begins
	case TokenLine:
		return inside && !begins
	case TokenEnd:
		return !inside
	}
	return false
}
