// Package wasm runs matchers that strangers wrote as WebAssembly modules. Each is a
// [sdk.Matcher] like a native one, and can do no harm: it reads what ABI version 1
// (package abi) shows it, takes a bounded amount of fuel and memory, and is put back
// to where it was after every evaluation, so that nothing of one connection is left
// for the next.
//
// A configuration declares plugins; when its graph is built they are compiled and their
// matchers made known, so that everything behind takes them for builtins:
//
//	h := wasm.New(wasm.Options{Log: log})   // one for a process
//	defer h.Close()
//	loaded := h.Loading(nil)                // one for a configuration
//	loaded.Register(registry)               // the directive plugin
//	g, err := graph.Build(tree, registry, graph.Options{Store: store})
//
// A module is compiled once, whatever number of names and configurations use it, and
// kept in the store as long as a graph holds it. An evaluation takes an instance of
// its pool, makes it that of its configuration, writes the window, calls match, and
// restores what was written: it never waits for I/O, and allocates nothing.
//
// Modules are checked and rewritten (package rewrite) in this process, in time and
// memory that is linear in their size. Compiling them is neither, and cannot be
// interrupted: with [Options.Compiler] another process does it, within limits, and
// hands the code over in a directory that only this user can write to, from which it
// is loaded and removed. With [Options.Cache] it is kept beside that for the next run
// (package codecache). A module that brings tests along has to pass them before it is
// used.
//
// Beside the connections evaluations can be recorded (package record), and compared
// with those of another module: both get copies from a queue that drops what it has no
// room for. A watched file that changed is told to [Options.Changed]; counts of what
// plugins did are values of the store, [Counts].
//
// Tools open a module without a configuration with [Host.Open], make recorded
// evaluations again with a [Replayer], and hear what guests log with [Options.Listen].
package wasm
