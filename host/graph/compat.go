package graph

import "dwaar.dev/dwaar/sdk"

// readUpstreams settles what "upstream A B" in a proxy block means. In a top-level
// layer4, Dwaar's place, these are two upstreams; in a layer4 inside the global
// block, caddy-l4's only place, they are one upstream whose addresses all get the
// client's bytes. Either way the writer is told.
func readUpstreams(b *builder, n *sdk.Node, caddy bool) {
	for i := range n.Block {
		kid := &n.Block[i]
		if n.Name == "proxy" && kid.Name == "upstream" && len(kid.Args) > 1 {
			if kid.Block != nil {
				caddy = true // options of one upstream
			}
			settle(b, kid, caddy)
			continue
		}
		readUpstreams(b, kid, caddy)
	}
}

func settle(b *builder, n *sdk.Node, caddy bool) {
	if !caddy {
		b.warnf(n.Pos, "upstream with several addresses is read as several upstreams here; inside the global block it would be one that sends to all: write \"to %s\", or upstream { dial %s }", texts(n.Args), texts(n.Args))
		n.Name = "to"
		return
	}
	b.warnf(n.Pos, "upstream with several addresses is read as one that sends every client's bytes to all of them: write upstream { dial %s }, or \"to %s\" for several upstreams", texts(n.Args), texts(n.Args))
	dial := sdk.Node{Name: "dial", Args: n.Args, Pos: n.Pos}
	n.Args, n.Block = nil, append([]sdk.Node{dial}, n.Block...)
}
