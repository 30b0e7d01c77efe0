package rewrite

import (
	"fmt"
	"strings"
)

// Error says what is wrong with a module, and where.
type Error struct {
	Section  string // "code", "import"; empty when it is about the module as a whole
	Function int    // index of the function, imports counted, or -1
	Name     string // of that function, if the module has a name section
	Offset   int    // in the file, as disassemblers print it, or -1
	Text     string // what is wrong, and what to do about it where that is known
}

// Error is "function 12 (parse), code section, offset 0x1f3: what is wrong".
func (e *Error) Error() string {
	var where []string
	if e.Function >= 0 {
		f := fmt.Sprintf("function %d", e.Function)
		if e.Name != "" {
			f += " (" + e.Name + ")"
		}
		where = append(where, f)
	}
	if e.Section != "" {
		where = append(where, e.Section+" section")
	}
	if e.Offset >= 0 {
		where = append(where, fmt.Sprintf("offset %#x", e.Offset))
	}
	if len(where) == 0 {
		return e.Text
	}
	return strings.Join(where, ", ") + ": " + e.Text
}

// aboutModule is an error that has no place in the file.
func aboutModule(format string, a ...any) *Error {
	return &Error{Function: -1, Offset: -1, Text: fmt.Sprintf(format, a...)}
}
