package sdk

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Pos is a place in a configuration file. Lines and columns count from 1, columns
// in characters. The zero Pos is "nowhere": a tree made by a program.
type Pos struct {
	File      string
	Line, Col int
}

// String returns FILE:LINE:COL, without what is not known.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	if p.File == "" {
		return strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

func (p Pos) compare(q Pos) int {
	return cmp.Or(strings.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Word is one argument. A quoted word is never a keyword; words from TOML are
// quoted words.
type Word struct {
	Text   string
	Quoted bool
	Pos    Pos
}

// Node is a directive with its arguments and its block: the one tree that a
// Dwaarfile and a TOML file both become.
//
//	proxy 127.0.0.1:1 {       Node{Name: "proxy", Args: {127.0.0.1:1},
//		lb_policy first           Block: {{Name: "lb_policy", Args: {first}}}}
//	}
//
// The global options are a node without a name. A matcher set is a node named
// "@name" whose block holds its matchers, also when it was written on one line,
// and an option written behind its matcher stands in the matcher's block.
type Node struct {
	Name  string
	Args  []Word
	Block []Node // nil: no block; empty but not nil: {}
	Pos   Pos

	Above  []string // comments on lines of their own before it, without "#"
	Beside string   // the comment that ends its first line
	Below  []string // comments after the last node of its block
}

// Texts returns the arguments as strings.
func (n *Node) Texts() []string {
	texts := make([]string, len(n.Args))
	for i, w := range n.Args {
		texts[i] = w.Text
	}
	return texts
}

// Find returns the first node of the block with that name, or nil.
func (n *Node) Find(name string) *Node {
	for i := range n.Block {
		if n.Block[i].Name == name {
			return &n.Block[i]
		}
	}
	return nil
}

// All returns the nodes of the block with that name, in order.
func (n *Node) All(name string) []*Node {
	var found []*Node
	for i := range n.Block {
		if n.Block[i].Name == name {
			found = append(found, &n.Block[i])
		}
	}
	return found
}

// Error is a fault in a configuration: where, what is wrong and, after a colon,
// what to write instead.
type Error struct {
	Pos Pos
	Msg string
}

// Errorf makes an [Error]. The format is a literal, so that the list of all
// errors the loader can give can be read from the source.
func Errorf(p Pos, format string, args ...any) *Error {
	return &Error{p, fmt.Sprintf(format, args...)}
}

// Error returns "FILE:LINE:COL: message".
func (e *Error) Error() string {
	if at := e.Pos.String(); at != "" {
		return at + ": " + e.Msg
	}
	return e.Msg
}

// Errors are all faults of a configuration at once.
type Errors []*Error

// Add appends err, which may be nil, an *Error, Errors, several joined errors, or
// any other error, which is then placed at p.
func (es *Errors) Add(p Pos, err error) {
	switch err := err.(type) {
	case nil:
	case *Error:
		if err != nil {
			*es = append(*es, err)
		}
	case Errors:
		*es = append(*es, err...)
	case interface{ Unwrap() []error }:
		for _, e := range err.Unwrap() {
			es.Add(p, e)
		}
	default:
		*es = append(*es, &Error{p, err.Error()})
	}
}

// Err returns the errors in the order of the file, each once, or nil if there are
// none.
func (es Errors) Err() error {
	var once Errors
	seen := map[Error]bool{}
	for _, e := range es {
		if !seen[*e] {
			seen[*e] = true
			once = append(once, e)
		}
	}
	if len(once) == 0 {
		return nil
	}
	slices.SortStableFunc(once, func(a, b *Error) int { return a.Pos.compare(b.Pos) })
	return once
}

// Error returns one line for each.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}
