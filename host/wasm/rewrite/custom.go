package rewrite

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// What is kept of the custom sections; all others are dropped.
const (
	namesTitle    = "name"
	manifestTitle = "dwaar.manifest"
	maxName       = 100 // bytes of a function's name
)

// custom reads a custom section, up to its end.
func (p *parser) custom() {
	title := p.name()
	body := span{p.pos, p.end}
	p.pos = p.end
	if p.err != nil {
		return
	}
	switch title {
	case namesTitle:
		if p.m.nameList == (span{}) {
			p.m.nameList = body
		}
	case manifestTitle:
		if p.m.manifest != nil {
			p.failAt(body.from, "there are two sections %s", manifestTitle)
			return
		}
		p.m.manifest = append([]byte{}, p.m.src[body.from:body.to]...)
	}
}

// Subsections of the name section that are kept.
const (
	moduleNames   = 0
	functionNames = 1
)

// readNames reads a name section. Names decide nothing, so one that makes no sense
// is no error: what was read up to there is kept.
func (m *module) readNames() {
	m.names = map[uint32]string{}
	r := newReader(m.src)
	r.pos, r.end = m.nameList.from, m.nameList.to
	for r.more() {
		id := r.byte()
		r.within(r.u32(), func() {
			switch id {
			case moduleNames:
				m.name = printable(r.bytes(r.u32()))
			case functionNames:
				r.vec(func() {
					i, name := r.u32(), printable(r.bytes(r.u32()))
					if r.err == nil && int(i) < len(m.functions) && name != "" {
						m.names[i] = name
					}
				})
			default:
				r.pos = r.end
			}
		})
	}
}

// printable cuts a name to what fits into a log line.
func printable(name []byte) string {
	cut := name[:min(len(name), maxName)]
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(string(cut), "?"))
}

// encodeNames writes the name section anew, or nothing if there are no names.
func (m *module) encodeNames() code {
	if len(m.names) == 0 && m.name == "" {
		return nil
	}
	indices := slices.Sorted(maps.Keys(m.names))
	out := code{}.text(namesTitle)
	if m.name != "" {
		out = append(out, moduleNames).sized(code{}.text(m.name))
	}
	list := code{}.u32(uint32(len(indices)))
	for _, i := range indices {
		list = list.u32(i).text(m.names[i])
	}
	return append(out, functionNames).sized(list)
}
