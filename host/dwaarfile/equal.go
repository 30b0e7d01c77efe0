package dwaarfile

import (
	"slices"

	"dwaar.dev/dwaar/sdk"
)

// Equal reports whether two trees mean the same: the same directives in the same order
// with the same words. It ignores where they stand, comments (with the nodes that
// hold nothing else), and whether a word was quoted, because in a tree the place
// of a word has already said what it is. One word it does not ignore quotes of:
// one that holds {$NAME} is a reference without them and text with them.
//
// A directive with an empty block differs from one without a block.
func Equal(a, b []sdk.Node) bool {
	a, b = withoutNotes(a), withoutNotes(b)
	return slices.EqualFunc(a, b, equalNode)
}

func equalNode(a, b sdk.Node) bool {
	return a.Name == b.Name && slices.EqualFunc(a.Args, b.Args, equalWord) &&
		(a.Block == nil) == (b.Block == nil) && Equal(a.Block, b.Block)
}

func equalWord(a, b sdk.Word) bool {
	return a.Text == b.Text && (a.Quoted == b.Quoted || !hasReference(a.Text))
}

// isNote reports whether a node holds comments only.
func isNote(n *sdk.Node) bool { return n.Name == "" && n.Block == nil }

func withoutNotes(nodes []sdk.Node) []sdk.Node {
	if !slices.ContainsFunc(nodes, func(n sdk.Node) bool { return isNote(&n) }) {
		return nodes
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(n sdk.Node) bool { return isNote(&n) })
}
