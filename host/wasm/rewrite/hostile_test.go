package rewrite

import (
	"errors"
	"strings"
	"testing"
)

// What is wrong here reaches for what the rewriter injects, or for what the host
// does not give. The error says so in words that an author understands.
func TestModulesThatReachForMoreAreRefused(t *testing.T) {
	t.Parallel()
	f := func(signature string, body code) func(*guest) {
		return func(g *guest) { g.fn("f", signature, "", body) }
	}
	tests := []struct {
		name string
		add  func(*guest)
		want string
	}{
		{"a branch one level too far", f(":", code{}.br(1)), "function 0 (f), code section, offset 0x2d: uses label 1, and there are 1"},
		{"a conditional one, too", f(":", code{}.i32(1).brIf(1)), "uses label 1, and there are 1"},
		{"and the default of a br_table", f(":", code{}.i32(1).op(0x0e, 1, 0, 1)), "uses label 1, and there are 1"},
		{"a local that is ours", f("i:", code{}.get(1).op(0x1a)), "uses local 1, and there are 1"},
		{"reading our globals", f(":", code{}.load(0).op(0x1a)), "uses global 0, and there are 0"},
		{"writing our globals", f(":", code{}.i64(1<<40).store(0)), "uses global 0, and there are 0"},
		{"a function that is not there", f(":", code{0x10, 1}), "uses function 1, and there are 1"},
		{"a reference to one", f(":", code{0xd2, 7, 0x1a}), "uses function 7, and there are 1"},
		{"our type in a block", f(":ii", code{opBlock, 1, opEnd}), "uses type 1, and there are 1"},
		{"our type in an indirect call", f(":ii", code{}.i32(0).op(0x11, 1, 0)), "uses type 1, and there are 1"},
		{"a table that is not there", f(":", code{}.i32(0).op(0x25, 0, 0x1a)), "uses table 0, and there are 0"},
		{"a data segment that is not there", f(":", code{miscPrefix, 9, 0}), "uses data segment 0, and there are 0"},
		{"an element segment that is not there", f(":", code{miscPrefix, 13, 0}), "uses element segment 0, and there are 0"},
		{"an export of our global", func(g *guest) { g.export("x", Global, 0) }, "export section, offset 0x1c: uses global 0, and there are 0"},
		{"our global in a constant", func(g *guest) { g.global(I64, false, code{}.load(1)) }, "uses imported global 1, and there are 0"},
		{"an element that is not there", func(g *guest) { g.table(1); g.elem(0) }, "uses function 0, and there are 0"},
		{"a start function that is not there", func(g *guest) { g.start = 0 }, "uses function 0, and there are 0"},
		{"a start function that takes something", func(g *guest) { g.fn("", "i:", "", nil); g.start = 0 }, "must take and return nothing"},
		{"a start function of the host", func(g *guest) { g.importFunc("dwaar_v1", "nothing", ":"); g.start = 0 }, `start function is the import "dwaar_v1"."nothing"`},
		{"a reserved export", func(g *guest) { g.export(FuelGlobal, Memory, 0) }, `exports "\x00dwaar.fuel": names that begin with \0dwaar belong to the host`},
		{"another reserved export", func(g *guest) { g.export("\x00dwaarfoo", Memory, 0) }, "belong to the host"},
		{"an export twice", func(g *guest) { g.export("memory", Memory, 0) }, `exports "memory" twice`},
		{"a function as memory", func(g *guest) {
			g.exports, g.exported = nil, 0
			g.fn("memory", ":", "", nil)
		}, `exports a function as "memory"`},
		{"no memory outside", func(g *guest) { g.exports, g.exported = nil, 0 }, `does not export its memory`},
		{"no memory", func(g *guest) { g.exports, g.exported, g.memories = nil, 0, nil }, "has 0 memories"},
		{"two memories", func(g *guest) { g.memories = append(g.memories, limits{min: 1}) }, "has 2 memories"},
		{"an imported memory", func(g *guest) {
			g.memories = nil
			g.imports = append(g.imports, code{}.text("env").text("memory").op(byte(Memory), 0, 1))
		}, "imports a memory: it must define its own"},
		{"an imported table", func(g *guest) {
			g.imports = append(g.imports, code{}.text("env").text("table").op(byte(Table), byte(FuncRef), 0, 1))
		}, "imports a table"},
		{"an imported global", func(g *guest) {
			g.imports = append(g.imports, code{}.text("env").text("sp").op(byte(Global), byte(I32), 1))
		}, "imports a global"},
		{"an imported tag", func(g *guest) { g.imports = append(g.imports, code{}.text("env").text("tag").op(4, 0, 0)) }, "of a kind (4)"},
		{"an unknown import", func(g *guest) { g.importFunc("dwaar_v1", "exec", ":") }, `imports "dwaar_v1"."exec", which the host does not have`},
		{"a module that is not there", func(g *guest) { g.importFunc("dwaar_v2", "nothing", ":") }, "there is no such module"},
		{"an import of another type", func(g *guest) { g.importFunc("dwaar_v1", "nothing", "i:i") }, `as (i32) → i32, the host has () → ()`},
		{"memcpy of the environment", func(g *guest) { g.importFunc("env", "memcpy", "iii:i") }, "compile with -mbulk-memory"},
		{"a global that cannot be restored", func(g *guest) { g.global(FuncRef, true, code{0xd0, 0x70}) }, "global 0 is mutable and a funcref"},
		{"a vector that cannot be restored", func(g *guest) {
			g.global(V128, true, append(code{vectorPrefix, 12}, make([]byte, 16)...))
		}, "global 0 is mutable and a v128"},
		{"a shared table", func(g *guest) {
			g.tables = append(g.tables, code{byte(FuncRef), 3, 1, 1})
		}, "shared or of 64 bits (flags 0x3)"},
		{"threads", f(":", code{0xfe, 3, 0}), "instruction 0xfe is not known: threads are not supported"},
		{"a tail call", f(":", code{0x12, 0}), "tail calls are not supported"},
		{"relaxed vectors", f(":", code{vectorPrefix, 0x80, 2}), "instruction 0xfd 256 is not known: relaxed vectors"},
		{"an extended constant", func(g *guest) { g.global(I32, false, code{}.i32(1).i32(2).op(opI32Add)) }, "more than one instruction"},
		{"code behind the end", f(":", code{opEnd, 0x01}), "2 bytes follow the end of the function"},
		{"no end", func(g *guest) { g.fn("f", ":", "", code{opBlock, emptyBlock}) }, "ends in the middle"},
		{"an else without if", f(":", code{opElse}), "an else without an if"},
		{"operands that are not there", f(":", code{opI32Add}), "takes 2 operands, and there are 0"},
		{"operands of the block around", f(":", code{}.i32(1).op(opBlock, emptyBlock, 0x1a, opEnd, 0x1a)), "takes 1 operands, and there are 0"},
		{"operands of the arm that ended", f(":", code{}.i32(1).op(opIf, emptyBlock, 0x00, opElse, 0x1a, opEnd)), "takes 1 operands, and there are 0"},
		{"operands that are left over", f(":", code{}.i32(1)), "ends with 1 operands, and its type says 0"},
		{"a number of six bytes", f(":", code{opI32Const, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x1a}), "longer than 5 bytes"},
		{"a number of 33 bits", f(":", code{opI32Const, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1a}), "does not fit into 32 bits"},
		{"two manifests", func(g *guest) { g.custom(manifestTitle, []byte("{}")); g.custom(manifestTitle, []byte("{}")) }, "two sections dwaar.manifest"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGuest()
			tt.add(g)
			g.custom("name", append(code{functionNames}, code{}.sized(code{1, 0}.text("f"))...))
			_, err := Module(g.bytes(), Options{Imports: []Import{{Module: "dwaar_v1", Name: "nothing"}}})
			var at *Error
			if !errors.As(err, &at) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestWhatIsNoModuleIsRefused(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]string{
		"":                                     "does not begin with",
		"\x7fELF":                              "does not begin with",
		"\x00asm\r\x00\x01\x00":                "no core module of version 1",
		"\x00asm\x01\x00\x00\x00\x0e\x00":      "there is no section 14",
		"\x00asm\x01\x00\x00\x00\x01\x05\x00":  "5 bytes are announced and 1 are left",
		"\x00asm\x01\x00\x00\x00\x01\x02\x00a": "1 bytes are left over",
		"\x00asm\x01\x00\x00\x00\x03\x01\x00\x01\x01\x00": "type section is out of order",
		"\x00asm\x01\x00\x00\x00\x01\x01\x00\x01\x01\x00": "or there twice",
		"\x00asm\x01\x00\x00\x00\x0a\x02\x01\x00":         "0 functions are declared and 1 have code",
	} {
		_, err := Module([]byte(src), Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", src, err, want)
		}
	}
}

// An engine that refuses the original has the last word, also where the rewriter
// would have made something valid of it.
func TestEngineJudgesTheOriginal(t *testing.T) {
	t.Parallel()
	g := newGuest()
	g.fn("f", ":l", "", code{}.i32(1)) // the right number of operands, of another type
	_, err := Module(g.bytes(), Options{Validate: validator(t)})
	if err == nil || !strings.HasPrefix(err.Error(), "validating the module: ") {
		t.Errorf("%v, want the engine's refusal", err)
	}
}
