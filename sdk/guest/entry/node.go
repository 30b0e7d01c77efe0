package entry

import (
	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

// nodeOf makes the node of a configuration that a native constructor gets. Lines are
// the numbers of tokens, from 1: what [tokenAt] finds in the positions of errors.
func nodeOf(block []byte) (*sdk.Node, error) {
	c := abi.DecodeConfig(block)
	n := &sdk.Node{}
	return n, arguments(&c, n)
}

// arguments reads the rest of a line, with its block, and what ends it.
func arguments(c *abi.Config, n *sdk.Node) error {
	for {
		t, err := c.Next()
		if err != nil {
			return err
		}
		switch t.Kind {
		case abi.TokenWord:
			n.Args = append(n.Args, sdk.Word{Text: string(t.Text), Pos: posOf(t)})
		case abi.TokenOpen:
			if n.Block, err = block(c); err != nil {
				return err
			}
		default: // the end of the line, or of everything
			if n.Pos.Line == 0 {
				n.Pos = posOf(t)
			}
			return nil
		}
	}
}

// block reads lines up to the closing brace.
func block(c *abi.Config) ([]sdk.Node, error) {
	lines := []sdk.Node{}
	for {
		t, err := c.Next()
		if err != nil || t.Kind == abi.TokenClose {
			return lines, err
		}
		n := sdk.Node{Name: string(t.Text), Pos: posOf(t)}
		if err := arguments(c, &n); err != nil {
			return nil, err
		}
		lines = append(lines, n)
	}
}

func posOf(t abi.Token) sdk.Pos { return sdk.Pos{Line: t.N + 1} }

// tokenAt returns the number of the token that an error is about, -1 if it is about
// the whole directive.
func tokenAt(p sdk.Pos) int32 { return int32(p.Line) - 1 }
