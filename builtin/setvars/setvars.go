// Package setvars holds the handler vars, which gives a connection variables:
// for later matchers (vars, vars_regexp), for placeholders, for the log.
//
//	route @internal {
//		vars tenant {tls.server_name}
//		subroute {
//			…
//		}
//	}
package setvars

import (
	"context"
	"fmt"
	"strings"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/sdk"
)

// Spec describes the handler.
func Spec() sdk.Spec {
	value := sdk.One("VALUE", sdk.Free)
	return sdk.Spec{
		Name: "vars",
		Doc:  "Gives the connection variables, {vars.NAME}",
		Args: []sdk.Arg{sdk.Maybe("NAME", sdk.Free), sdk.Maybe("VALUE", sdk.Free)},
		Block: &sdk.Block{Line: &sdk.Spec{
			Name: "NAME",
			Doc:  "Sets one variable; the value may hold placeholders",
			Args: []sdk.Arg{value},
			Many: true,
		}},
	}
}

// New makes the handler from its directive.
func New(b host.Builder, n *sdk.Node) (host.Handler, error) {
	var (
		h    Handler
		errs sdk.Errors
	)
	switch {
	case len(n.Args) == 2:
		errs.Add(n.Pos, h.add(b, n.Args[0].Text, n.Args[0].Pos, n.Args[1]))
	case len(n.Args) == 1:
		errs.Add(n.Args[0].Pos, sdk.Errorf(n.Args[0].Pos, "vars %s needs a value: write vars NAME VALUE", n.Args[0].Text))
	case len(n.Block) == 0:
		errs.Add(n.Pos, sdk.Errorf(n.Pos, "vars sets nothing: write vars NAME VALUE, or a block of such lines"))
	}
	for i := range n.Block {
		line := &n.Block[i]
		errs.Add(line.Pos, h.add(b, line.Name, line.Pos, line.Args[0]))
	}
	if err := errs.Err(); err != nil {
		return nil, err
	}
	return &h, nil
}

// add reads one line. A variable may be made of those before it.
func (h *Handler) add(b host.Builder, name string, at sdk.Pos, value sdk.Word) error {
	if name == "" || strings.ContainsAny(name, "{} \t\n") {
		return sdk.Errorf(at, "vars: %q cannot name a variable: leave out spaces and braces", name)
	}
	t, err := host.ParseTemplate(value)
	if err != nil {
		return err
	}
	for _, fact := range t.Facts() {
		b.Reads(value.Pos, fact)
	}
	b.Supplies(factOf + "." + name)
	h.vars = append(h.vars, variable{name, t})
	return nil
}

// factOf is the first part of a variable's name as a fact.
const factOf = "vars"

// Handler sets variables and hands the connection on.
type Handler struct{ vars []variable }

type variable struct {
	name  string
	value host.Template
}

var _ host.Stepper = (*Handler)(nil)

// Handle sets the variables and calls next.
func (h *Handler) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	return host.Take(ctx, c, h, next)
}

// Step ends a connection that has no fact of the name a value is made of, or no
// room for another variable: what comes behind was written for the value.
func (h *Handler) Step(e host.Editor, _ error) (host.Await, error) {
	for _, v := range h.vars {
		text, err := v.value.Expand(e.Get)
		if err != nil {
			return host.Await{}, host.End(host.ByProxy, host.Failed, fmt.Errorf("setting %s: %w", v.name, err))
		}
		if !e.Put(factOf, v.name, text) {
			return host.Await{}, host.End(host.ByProxy, host.Cap, fmt.Errorf("setting %s: the connection's facts are at their limit", v.name))
		}
	}
	return host.Await{}, nil
}
