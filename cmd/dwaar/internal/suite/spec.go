package suite

import "dwaar.dev/dwaar/sdk"

// Grammar describes the files.
func Grammar() *sdk.Grammar {
	return &sdk.Grammar{
		Top:    []sdk.Spec{testSpec()},
		Global: sdk.Spec{Block: &sdk.Block{}},
	}
}

func testSpec() sdk.Spec {
	given := append(sdk.Specs(givenOptions()), sdk.Spec{
		Name: "inside", Doc: "What the client sends inside TLS, once the handler tls has made its handshake", Need: true,
		Block: &sdk.Block{Options: insideSpecs()},
	}, sdk.Spec{
		Name: "expect", Doc: "What is to come of it", Need: true,
		Block: &sdk.Block{Options: sdk.Specs(expectOptions())},
	})
	return sdk.Spec{
		Name: "test", Doc: "One connection, and what is to come of it", Args: []sdk.Arg{sdk.One("NAME", sdk.Free)},
		Need: true, Many: true, Block: &sdk.Block{Options: given},
	}
}

// givenOptions say who connects, where, and what is sent first.
func givenOptions() []sdk.Option[Test] {
	return append([]sdk.Option[Test]{
		sdk.Line(sdk.Spec{
			Name: "listener", Doc: "The address it connects to, as configured", Default: "the first one",
			Args: []sdk.Arg{sdk.One("ADDR", sdk.Free)},
		}, sdk.SetText(func(t *Test) *string { return &t.Listener })),
		sdk.Line(sdk.Spec{
			Name: "from", Doc: "The client's address, with or without a port", Default: "that of the capture, or 127.0.0.1:50000",
			Args: []sdk.Arg{sdk.One("ADDR", sdk.Free)},
		}, (*Test).setFrom),
		sdk.Line(sdk.Spec{
			Name: "at", Doc: "When it connects, as 2026-01-31T15:04:05Z", Default: "now",
			Args: []sdk.Arg{sdk.One("TIME", sdk.Free)},
		}, (*Test).setAt),
	}, bytesOptions(func(t *Test) *Bytes { return &t.Sent })...)
}

// bytesOptions say what is sent. None of them is silence.
func bytesOptions[S any](of func(*S) *Bytes) []sdk.Option[S] {
	line := func(spec sdk.Spec, set func(*Bytes, *sdk.Node) error) sdk.Option[S] {
		return sdk.Line(spec, func(s *S, n *sdk.Node) error { return set(of(s), n) })
	}
	return []sdk.Option[S]{
		line(sdk.Spec{
			Name: "tls", Doc: "A ClientHello of crypto/tls for a server name, with the protocols that it offers",
			Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.List("alpn PROTO", sdk.Free)},
		}, (*Bytes).setTLS),
		line(sdk.Spec{
			Name: "http", Doc: "A request of net/http; inside TLS with https://…, of HTTP/2 without TLS with h2c://…",
			Args: []sdk.Arg{sdk.One("METHOD", sdk.Free), sdk.One("URL", sdk.Free)},
		}, (*Bytes).setHTTP),
		line(sdk.Spec{
			Name: "hex", Many: true, Doc: "These bytes, behind those of the hex and text lines before", Args: []sdk.Arg{sdk.Some("DIGITS", sdk.Free)},
		}, (*Bytes).addHex),
		line(sdk.Spec{
			Name: "text", Many: true, Doc: `These bytes, likewise; \r, \n, \t, \0, \\, \" and \xHH stand for one each`, Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)},
		}, (*Bytes).addText),
		line(sdk.Spec{
			Name: "file", Doc: "The bytes of a file, which lies beside this one", Args: []sdk.Arg{sdk.One("FILE", sdk.Free)},
		}, (*Bytes).setFile),
		line(sdk.Spec{
			Name: "capture", Doc: "A stream of a packet capture, the first or stream N", Args: []sdk.Arg{sdk.One("FILE", sdk.Free), sdk.Maybe("N", sdk.Int)},
		}, (*Bytes).setCapture),
	}
}

func insideOptions() []sdk.Option[Test] {
	return bytesOptions(func(t *Test) *Bytes { return &t.Inside })
}

// insideSpecs are the lines of inside: TLS in TLS is none of them.
func insideSpecs() []sdk.Spec { return sdk.Specs(insideOptions())[1:] }

// expectOptions say what is to come of a connection.
func expectOptions() []sdk.Option[Test] {
	return []sdk.Option[Test]{
		sdk.Line(sdk.Spec{
			Name: "route", Doc: "The route that takes it, and behind it those inside subroutes: @NAME, everything for one without a name, none for no route",
			Args: []sdk.Arg{sdk.Some("@NAME|everything|none", sdk.Free)},
		}, (*Test).setRoute),
		sdk.Line(sdk.Spec{
			Name: "fact", Many: true, Doc: "What is known then, or was seen by matchers of routes that did not take it",
			Args: []sdk.Arg{sdk.One("NAME", sdk.Free), sdk.One("VALUE", sdk.Free)},
		}, (*Test).addFact),
		sdk.Line(sdk.Spec{
			Name: "no_fact", Many: true, Doc: "What nobody knows then", Args: []sdk.Arg{sdk.One("NAME", sdk.Free)},
		}, (*Test).addNoFact),
		sdk.Line(sdk.Spec{
			Name: "upstream", Doc: "Each of these is among the upstreams that it may be sent to", Args: []sdk.Arg{sdk.Some("ADDR", sdk.Free)},
		}, sdk.AddTexts(func(t *Test) *[]string { return &t.Upstreams })),
		sdk.Line(sdk.Spec{
			Name: "closed", Doc: "It is sent to no upstream; WHY is the last word of its code in the log: no_route, closed, reset, protocol",
			Args: []sdk.Arg{sdk.Maybe("WHY", sdk.Free)},
		}, (*Test).setClosed),
	}
}
