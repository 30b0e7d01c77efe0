// Package suite is the tests of a configuration: files that say what a client sends and
// which route, facts and upstreams are to come of it.
//
//	tests, err := suite.Parse("Dwaarfile.test", text)   // sdk.Errors: all faults at once
//	for i := range tests {
//		result := tests[i].Run(ctx, graph, nil)
//	}
//
// The files read as a Dwaarfile does: its words, quotes and comments.
//
//	file   = { test } .
//	test   = "test" NAME "{" { given } "expect" "{" { expected } "}" "}" .
//	given  = "listener" ADDR | "from" ADDR | "at" TIME | bytes | "inside" "{" bytes "}" .
//	bytes  = "tls" NAME [ "alpn" ] { PROTO } | "http" METHOD URL | "file" FILE
//	       | "capture" FILE [ N ] | { "hex" DIGITS { DIGITS } | "text" TEXT } .
//	expected = "route" ( "@NAME" | "everything" | "none" ) { … } | "fact" NAME VALUE
//	       | "no_fact" NAME | "upstream" ADDR { ADDR } | "closed" [ WHY ] .
package suite
