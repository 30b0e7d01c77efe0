package sdk

import (
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// Option is one line of a block: how it reads, and what it sets in an S. The table
// of a directive's options is the only place that names them: parser, checker, help,
// reference and completion read the specs ([Specs]), and the constructor calls
// [Apply].
//
//	func options() []sdk.Option[settings] {
//		return []sdk.Option[settings]{
//			sdk.Line(sdk.Spec{
//				Name: "timeout", Doc: "How long a client may take", Default: "5s",
//				Args: []sdk.Arg{sdk.One("DURATION", sdk.Duration)},
//			}, sdk.SetDuration(func(s *settings) *time.Duration { return &s.timeout })),
//		}
//	}
type Option[S any] struct {
	Spec Spec
	// Set is called for each line of that name, with a node that fits Spec. It is nil
	// for what others read: hoisted and negated options of a matcher.
	Set func(s *S, n *Node) error
}

// Line makes an option of what the line looks like and what it sets.
func Line[S any](spec Spec, set func(s *S, n *Node) error) Option[S] {
	return Option[S]{Spec: spec, Set: set}
}

// Specs returns the descriptions of a table, for [Block].
func Specs[S any](table []Option[S]) []Spec {
	specs := make([]Spec, len(table))
	for i, o := range table {
		specs[i] = o.Spec
	}
	return specs
}

// Apply sets in s what the lines of a block say, in their order. It returns all
// errors, as [Errors].
func Apply[S any](s *S, block []Node, table []Option[S]) error {
	var errs Errors
	for i := range block {
		n := &block[i]
		for j := range table {
			if table[j].Spec.Named(n.Name) && table[j].Set != nil {
				errs.Add(n.Pos, table[j].Set(s, n))
			}
		}
	}
	return errs.Err()
}

// OrOff is an argument that may also be the word off.
func OrOff(a Arg) Arg {
	a.Words = append(a.Words, "off")
	return a
}

// IsOff reports whether the word is off, in any case.
func IsOff(w Word) bool { return strings.EqualFold(w.Text, "off") }

// SetFlag sets a field to true: the option is there.
func SetFlag[S any](field func(*S) *bool) func(*S, *Node) error {
	return func(s *S, _ *Node) error {
		*field(s) = true
		return nil
	}
}

// SetText sets a field to the first argument.
func SetText[S any](field func(*S) *string) func(*S, *Node) error {
	return func(s *S, n *Node) error {
		*field(s) = n.Args[0].Text
		return nil
	}
}

// AddTexts appends all arguments.
func AddTexts[S any](field func(*S) *[]string) func(*S, *Node) error {
	return func(s *S, n *Node) error {
		*field(s) = append(*field(s), n.Texts()...)
		return nil
	}
}

// SetCount sets a field to a number of least or more.
func SetCount[S any](least int, field func(*S) *int) func(*S, *Node) error {
	return func(s *S, n *Node) error {
		v, err := ParseInt(n.Args[0].Text)
		if err == nil && v < least {
			err = Errorf(n.Args[0].Pos, "%s must be at least %d", n.Name, least)
		}
		*field(s) = v
		return err
	}
}

// SetDuration sets a field to a duration longer than 0.
func SetDuration[S any](field func(*S) *time.Duration) func(*S, *Node) error {
	return func(s *S, n *Node) error {
		w := n.Args[0]
		d, err := ParseDuration(w.Text)
		if err == nil && d == 0 {
			err = Errorf(w.Pos, "%s must be longer than %s", n.Name, w.Text)
		}
		*field(s) = d
		return err
	}
}

// SetLimit sets a field to a duration longer than 0, or to 0 for off, which the spec
// allows with [OrOff].
func SetLimit[S any](field func(*S) *time.Duration) func(*S, *Node) error {
	return func(s *S, n *Node) error {
		w := n.Args[0]
		*field(s) = 0
		if IsOff(w) {
			return nil
		}
		d, err := ParseDuration(w.Text)
		if err == nil && d == 0 {
			err = Errorf(w.Pos, "%s must be longer than %s: write off for no limit", n.Name, w.Text)
		}
		*field(s) = d
		return err
	}
}

// SetSize sets a field to a number of bytes, more than 0.
func SetSize[S any](field func(*S) *int64) func(*S, *Node) error {
	return func(s *S, n *Node) error {
		w := n.Args[0]
		size, err := ParseSize(w.Text)
		if err == nil && size == 0 {
			err = Errorf(w.Pos, "%s must be more than %s", n.Name, w.Text)
		}
		*field(s) = size
		return err
	}
}

// AddPrefixes appends the ranges of all arguments, whose shape is CIDR.
func AddPrefixes[S any](field func(*S) *[]netip.Prefix) func(*S, *Node) error {
	return func(s *S, n *Node) error {
		var errs Errors
		for _, w := range n.Args {
			prefixes, err := ParsePrefixes(w.Text)
			errs.Add(w.Pos, err)
			*field(s) = append(*field(s), prefixes...)
		}
		return errs.Err()
	}
}

// SetRegexp sets a field to the pattern of the last argument.
func SetRegexp[S any](field func(*S) **regexp.Regexp) func(*S, *Node) error {
	return func(s *S, n *Node) error {
		w := n.Args[len(n.Args)-1]
		re, err := regexp.Compile(w.Text)
		if err != nil {
			return Errorf(w.Pos, "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		*field(s) = re
		return nil
	}
}
