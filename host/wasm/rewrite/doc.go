// Package rewrite makes a foreign WebAssembly module safe to run and cheap to put
// back: it checks a module against limits before anything is compiled, and writes
// it anew with what the host needs inside it.
//
//   - Fuel: every function entry, loop head and, in larger regions, basic block
//     takes what its instructions cost by schedule f1 (see fuel.go) from a global.
//     Below zero the code traps. The same input takes the same fuel on every
//     machine, so that every evaluation can be replayed.
//   - Stack slots: a function that calls takes what its frame may need from a second
//     global and gives it back, so that recursion ends long before the native stack
//     grows.
//   - Frozen shape: once the host sets a third global, memory.grow answers -1 and
//     whatever changes tables or segments traps. Then memory bytes and mutable
//     globals are all that an evaluation can leave behind.
//   - Card marks: every store marks the kilobyte it hits in one or two bit masks, so
//     that the host restores what was written and not the whole memory: see [Marks].
//
// What is injected comes last in its index space, so that nothing of the module is
// renumbered; and every use of an index that the module did not define is refused,
// since it would reach what was injected. This package does not check types: an
// invalid module could become a valid one, so the original bytes must have been
// validated by an engine, either by the caller or by [Options.Validate].
//
//	res, err := rewrite.Module(src, rewrite.Options{
//		Imports:  abi,
//		Validate: func(src []byte) error { _, err := interpreter.CompileModule(ctx, src); return err },
//	})
//	if err != nil {
//		return fmt.Errorf("loading plugin %s: %w", name, err) // function 12 (parse), code section, offset 0x1f3: …
//	}
//	compiled, err := compiler.CompileModule(ctx, res.Wasm)
//
// It parses bytes of strangers: it never panics, and its memory and time are linear
// in the length of the module.
package rewrite
