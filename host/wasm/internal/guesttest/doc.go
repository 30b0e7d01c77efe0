// Package guesttest tests the kits that matchers are written with, and the
// specification of their interface. It holds tests only: they build the samples of
// all languages as their READMEs show them, run them on a plain WebAssembly engine
// behind the smallest host that keeps the interface, without fuel and without putting
// memory back, and compare every verdict and every fact with those of the same matcher
// compiled natively.
//
//	go test ./host/wasm/internal/guesttest
//
// The modules of testdata/wasm/conformance are for any host. Here they show that what
// the specification says of them is so as far as this host goes.
package guesttest
