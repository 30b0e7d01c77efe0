// Package bothways holds tests of the law that a matcher compiled natively and to
// WebAssembly agrees on every input. It is about matchers that are built into dwaar:
// testdata/builtins makes a module of them, and the same source that runs natively
// everywhere else is asked there. It has no code of its own.
package bothways
