package schema

import (
	"net/netip"
	"strings"

	"dwaar.dev/dwaar/sdk"
)

// args checks number and shape of a directive's arguments.
func (c *checker) args(n *sdk.Node, spec *sdk.Spec) {
	words := n.Args
	for i, arg := range spec.Args {
		if arg.AnyOrder {
			continue
		}
		take := min(len(words)-required(spec.Args[i+1:]), limit(arg))
		take = max(take, min(arg.Min, len(words)))
		take -= behind(words[:take], spec.Args[i:])
		if take < arg.Min {
			c.add(sdk.Errorf(n.Pos, "%s needs %s: write %s", n.Name, wanted(arg), Usage(spec)))
			return
		}
		if arg.Shape == sdk.Ref && c.inline(n, words[:take]) {
			return
		}
		for j := range take {
			c.word(&words[j], n, arg)
		}
		words = words[take:]
	}
	words = c.anyOrder(n, spec, words)
	if len(words) == 0 {
		return
	}
	w := words[0]
	c.add(sdk.Errorf(w.Pos, "%s takes no further argument, %q is one too many: write %s", n.Name, w.Text, Usage(spec)))
}

// behind returns how many of the last words are no elements of the list that the first
// argument is, but the word that may stand behind the list.
func behind(words []sdk.Word, args []sdk.Arg) int {
	if len(args) < 2 || args[0].Max >= 0 || len(words) <= args[0].Min || args[1].AnyOrder {
		return 0
	}
	last := words[len(words)-1].Text
	if args[0].Fits(last) != nil && args[1].Fits(last) == nil {
		return 1
	}
	return 0
}

// inline refuses a matcher that stands where sets are named, with all that belongs to it.
func (c *checker) inline(n *sdk.Node, words []sdk.Word) bool {
	for i := range words {
		if w := &words[i]; w.Text != "" && c.matcher(w.Text) != nil {
			text := make([]string, 0, len(words)-i)
			for _, w := range words[i:] {
				text = append(text, w.Text)
			}
			c.add(sdk.Errorf(w.Pos, "%s takes sets, and %s is a matcher: write @name %s beside it, and %s @name",
				n.Name, w.Text, strings.Join(text, " "), n.Name))
			return true
		}
	}
	return false
}

// anyOrder gives the words that are left to the arguments that may stand anywhere
// and returns those that fit none.
func (c *checker) anyOrder(n *sdk.Node, spec *sdk.Spec, words []sdk.Word) []sdk.Word {
	taken := make([]bool, len(spec.Args))
next:
	for len(words) > 0 {
		for i, arg := range spec.Args {
			if arg.AnyOrder && !taken[i] && arg.Fits(words[0].Text) == nil {
				taken[i] = true
				words = words[1:]
				continue next
			}
		}
		return words
	}
	for i, arg := range spec.Args {
		if arg.AnyOrder && !taken[i] && arg.Min > 0 {
			c.add(sdk.Errorf(n.Pos, "%s needs %s: write %s", n.Name, wanted(arg), Usage(spec)))
		}
	}
	return words
}

// word checks one argument's shape and fills {env.NAME} in where it stands for an
// address.
func (c *checker) word(w *sdk.Word, n *sdk.Node, arg sdk.Arg) {
	if arg.Shape == sdk.CIDR {
		c.fillEnv(w)
	}
	if err := arg.Fits(w.Text); err != nil {
		c.add(sdk.Errorf(w.Pos, "%s: %s %q %s%s", n.Name, arg.Name, w.Text, err, meant(w.Text, arg.Words)))
	} else if arg.Shape == sdk.CIDR {
		c.hostBits(w, n)
	}
}

// hostBits warns of an address inside of the range that it stands for: maybe it alone is
// meant.
func (c *checker) hostBits(w *sdk.Word, n *sdk.Node) {
	p, err := netip.ParsePrefix(w.Text)
	if err != nil || p == p.Masked() {
		return
	}
	c.Warnings = append(c.Warnings, sdk.Errorf(w.Pos, "%s %s is all of %s: write that, or %s for the one address", n.Name, w.Text, p.Masked(), p.Addr()))
}

func (c *checker) fillEnv(w *sdk.Word) {
	name, ok := sdk.EnvName(w.Text)
	if !ok {
		return
	}
	if c.env != nil {
		if v, ok := c.env(name); ok {
			w.Text = v
			return
		}
	}
	c.add(sdk.Errorf(w.Pos, "the environment variable %s is not set: set it, or write the address itself", name))
}

func required(args []sdk.Arg) int {
	n := 0
	for _, a := range args {
		if !a.AnyOrder {
			n += a.Min
		}
	}
	return n
}

func limit(a sdk.Arg) int {
	if a.Max < 0 {
		return int(^uint(0) >> 1)
	}
	return a.Max
}

// wanted says what is missing: "an address or CIDR range (CIDR)".
func wanted(a sdk.Arg) string {
	if a.Shape == sdk.Enum {
		return strings.Join(a.Words, " or ")
	}
	if a.Shape == sdk.Free {
		return a.Name
	}
	return a.Shape.String() + " (" + a.Name + ")"
}
