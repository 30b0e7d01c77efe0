package rewrite

// encode puts the new module together. Sections that do not change are copied.
func encode(m *module, l Limits, in *injection, codes code) []byte {
	out := make(code, 0, len(m.src)+len(codes)/2+1024)
	out = append(out, m.src[:8]...)
	for _, id := range []byte{
		typeSection, importSection, functionSection, tableSection, memorySection, globalSection, exportSection,
		startSection, elementSection, dataCountSection, codeSection, dataSection,
	} {
		if body := encodeSection(m, l, in, codes, id); body != nil {
			out = append(out, id).sized(body)
		}
	}
	if names := m.encodeNames(); names != nil {
		out = append(out, customSection).sized(names)
	}
	return out
}

// encodeSection is the content of a section, nil if there is none.
func encodeSection(m *module, l Limits, in *injection, codes code, id byte) code {
	items := m.src[m.items[id].from:m.items[id].to]
	count := m.count[id]
	switch id {
	case startSection, dataCountSection:
		return append(code(nil), items...)
	case typeSection:
		return list(count+in.typeCount, items, in.types)
	case globalSection:
		return list(count+in.globalCount, items, in.globals)
	case exportSection:
		return list(count+in.exportCount, items, in.exports)
	case codeSection:
		return list(count, codes, nil)
	case tableSection:
		return list(count, encodeTables(m, l), nil)
	case memorySection:
		return list(count, encodeMemories(m, l), nil)
	default:
		return list(count, items, nil)
	}
}

func list(count uint32, items, added []byte) code {
	if count == 0 {
		return nil
	}
	return append(append(code{}.u32(count), items...), added...)
}

// encodeTables writes the tables of the module itself, bounded.
func encodeTables(m *module, l Limits) code {
	var out code
	for _, t := range m.tables[m.imported[Table]:] {
		out = append(out, byte(t.elem)).size(t.size.bound(l.TableSize))
	}
	return out
}

func encodeMemories(m *module, l Limits) code {
	var out code
	for _, mem := range m.memories[m.imported[Memory]:] {
		out = out.size(mem.bound(l.MemoryPages))
	}
	return out
}

func (c code) size(s limits) code {
	if !s.bounded {
		return append(c, 0).u32(s.min)
	}
	return append(c, 1).u32(s.min).u32(s.max)
}
