package rewrite

import "slices"

// policy checks what a guest may have, whatever its size: one memory of its own,
// exported as "memory", functions of the host and nothing else from outside, and
// globals that can be put back.
func policy(m *module, allowed []Import) error {
	for _, k := range []Kind{Memory, Table, Global} {
		if m.imported[k] > 0 {
			return aboutModule("imports a %s: it must define its own", k)
		}
	}
	for _, i := range m.imports {
		if err := admitImport(i, allowed); err != nil {
			return err
		}
	}
	if m.start >= 0 && int(m.start) < len(m.imports) {
		return aboutModule("its start function is the import %q.%q", clip(m.imports[m.start].Module), clip(m.imports[m.start].Name))
	}
	if err := ownMemory(m); err != nil {
		return err
	}
	return restorable(m)
}

// restorable checks that the host can put the globals back.
func restorable(m *module) error {
	for i, g := range m.globals {
		if g.mutable && !g.typ.isNumber() {
			return aboutModule("global %d is mutable and a %s: only i32, i64, f32 and f64 can be restored", i, g.typ)
		}
	}
	return nil
}

// ownMemory checks that the host will find the memory.
func ownMemory(m *module) error {
	if len(m.memories) != 1 {
		return aboutModule("has %d memories, exactly one is needed", len(m.memories))
	}
	i := slices.IndexFunc(m.exports, func(e Export) bool { return e.Name == "memory" })
	if i < 0 {
		return aboutModule("does not export its memory as %q", "memory")
	}
	if k := m.exports[i].Kind; k != Memory {
		return aboutModule("exports a %s as %q: that must be its memory", k, "memory")
	}
	return nil
}

// admitImport says why an import is not among the allowed ones.
func admitImport(i Import, allowed []Import) error {
	known := false
	for _, a := range allowed {
		if a.Module != i.Module {
			continue
		}
		known = true
		if a.Name != i.Name {
			continue
		}
		if !a.Type.Equal(i.Type) {
			return aboutModule("imports %q.%q as %s, the host has %s", clip(i.Module), clip(i.Name), i.Type, a.Type)
		}
		return nil
	}
	hint := ""
	switch {
	case i.Module == "env" && slices.Contains([]string{"memcpy", "memmove", "memset"}, i.Name):
		hint = ": compile with -mbulk-memory"
	case !known:
		hint = ": there is no such module"
	}
	return aboutModule("imports %q.%q, which the host does not have%s", clip(i.Module), clip(i.Name), hint)
}
