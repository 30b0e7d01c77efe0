package graph

import (
	"strings"

	"dwaar.dev/dwaar/host/route"
	"dwaar.dev/dwaar/sdk"
)

// nodeText prints a directive on one line. Two directives with one text are the
// same: it identifies matchers, and shows them.
func nodeText(n *sdk.Node) string {
	var b strings.Builder
	writeNode(&b, n)
	return b.String()
}

func writeNode(b *strings.Builder, n *sdk.Node) {
	b.WriteString(n.Name)
	for _, w := range n.Args {
		b.WriteByte(' ')
		b.WriteString(quoted(w.Text))
	}
	if n.Block == nil {
		return
	}
	b.WriteString(" {")
	for i := range n.Block {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteByte(' ')
		writeNode(b, &n.Block[i])
	}
	b.WriteString(" }")
}

// quoted returns a word that can be told from its neighbours.
func quoted(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t\n\r\";{}`") {
		return text
	}
	if strings.HasPrefix(text, "{") && strings.Count(text, "{") == strings.Count(text, "}") && !strings.ContainsAny(text, " \t\n\r\";`") {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(text) + `"`
}

// handlerText prints a handler; of one that holds routes, the routes as they were
// built.
func (s *scope) handlerText(n *sdk.Node, spec *sdk.Spec) string {
	if spec.Block == nil || spec.Block.Holds&sdk.HoldsRoutes == 0 {
		return nodeText(n)
	}
	var b strings.Builder
	b.WriteString(n.Name)
	for _, w := range n.Args {
		b.WriteString(" " + quoted(w.Text))
	}
	b.WriteByte('\n')
	for _, rs := range s.nested {
		b.WriteString(route.Indent("matching_timeout "+rs.routes.Timeout()+"\n"+rs.routes.String(), "  "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}
