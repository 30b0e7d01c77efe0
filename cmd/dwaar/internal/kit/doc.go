// Package kit is what authors of plugins work with: `dwaar plugin new`, inspect, test
// and bench. It makes a directory with a matcher that works, and asks modules outside
// of any configuration what they say of samples, and what that takes.
//
//	err := kit.Create("hello", kit.C)
//	d, err := kit.Open("hello")          // finds the module, its samples, its verdicts
//	report, err := d.Test(kit.TestOptions{Split: true})
//
// Modules run as they do in the proxy, by package wasm: the same limits, the same fuel.
package kit
