package rewrite

import (
	"fmt"
	"slices"
	"strings"
)

// ValueType is the type of a value, numbered as in the binary format.
type ValueType byte

// The value types of the second core specification.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

// String is the name of the type in the text format.
func (v ValueType) String() string {
	switch v {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	default:
		return fmt.Sprintf("type %#x", byte(v))
	}
}

func (v ValueType) isReference() bool { return v == FuncRef || v == ExternRef }
func (v ValueType) isNumber() bool    { return v >= F64 && v <= I32 }
func (v ValueType) isValue() bool     { return v.isNumber() || v.isReference() || v == V128 }

// FuncType is the signature of a function.
type FuncType struct {
	Params  []ValueType // in order
	Results []ValueType // in order
}

// Equal reports whether both take and return the same.
func (t FuncType) Equal(u FuncType) bool {
	return slices.Equal(t.Params, u.Params) && slices.Equal(t.Results, u.Results)
}

// String is "(i32, i32) → i32".
func (t FuncType) String() string {
	results := joinTypes(t.Results)
	if len(t.Results) != 1 {
		results = "(" + results + ")"
	}
	return "(" + joinTypes(t.Params) + ") → " + results
}

func joinTypes(types []ValueType) string {
	names := make([]string, len(types))
	for i, v := range types {
		names[i] = v.String()
	}
	return strings.Join(names, ", ")
}

// Kind is what an export or import is, numbered as in the binary format.
type Kind byte

// The kinds of the core specification.
const (
	Function Kind = iota
	Table
	Memory
	Global
)

// String is the name of the kind in a sentence.
func (k Kind) String() string {
	switch k {
	case Function:
		return "function"
	case Table:
		return "table"
	case Memory:
		return "memory"
	case Global:
		return "global"
	default:
		return fmt.Sprintf("kind %d", byte(k))
	}
}

// Import is a function that a module wants, or may have, from its host.
type Import struct {
	Module string   // the module it comes from
	Name   string   // its name there
	Type   FuncType // exactly
}

// Export is something that a module gives to its host.
type Export struct {
	Name     string   // unique in the module, valid UTF-8
	Kind     Kind     // what it is
	Index    uint32   // in the index space of its kind
	Type     FuncType // of functions
	Imported bool     // the module only passes on what it was given
}
