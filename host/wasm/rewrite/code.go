package rewrite

// code is a piece of a module that is being written. Its methods append and return
// the longer piece, as append does.
type code []byte

// Opcodes that are written and nowhere read.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opIf          = 0x04
	opElse        = 0x05
	opBr          = 0x0c
	opBrIf        = 0x0d
	opReturn      = 0x0f
	opSelect      = 0x1b
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opLocalTee    = 0x22
	opGlobalSet   = 0x24
	opMemoryGrow  = 0x40
	opI64LtS      = 0x53
	opI64LtU      = 0x54
	opI32Add      = 0x6a
	opI32ShrU     = 0x76
	opI64Add      = 0x7c
	opI64Sub      = 0x7d
	opI64And      = 0x83
	opI64Or       = 0x84
	opI64Shl      = 0x86
	opI64ShrU     = 0x88
	opI64Rotl     = 0x89
	opI32Wrap     = 0xa7
	opI64ExtendU  = 0xad
	emptyBlock    = 0x40
)

func (c code) u32(v uint32) code {
	for v >= 0x80 {
		c = append(c, byte(v)|0x80)
		v >>= 7
	}
	return append(c, byte(v))
}

func (c code) signed(v int64) code {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && b&0x40 == 0) || (v == -1 && b&0x40 != 0) {
			return append(c, b)
		}
		c = append(c, b|0x80)
	}
}

// sized appends a piece behind its length.
func (c code) sized(piece []byte) code { return append(c.u32(uint32(len(piece))), piece...) }

func (c code) text(s string) code { return append(c.u32(uint32(len(s))), s...) }

// types appends a list of value types behind its length.
func (c code) types(list []ValueType) code {
	c = c.u32(uint32(len(list)))
	for _, v := range list {
		c = append(c, byte(v))
	}
	return c
}

func (c code) op(ops ...byte) code      { return append(c, ops...) }
func (c code) get(local uint32) code    { return append(c, opLocalGet).u32(local) }
func (c code) set(local uint32) code    { return append(c, opLocalSet).u32(local) }
func (c code) tee(local uint32) code    { return append(c, opLocalTee).u32(local) }
func (c code) load(global uint32) code  { return append(c, opGlobalGet).u32(global) }
func (c code) store(global uint32) code { return append(c, opGlobalSet).u32(global) }
func (c code) i32(v int32) code         { return append(c, opI32Const).signed(int64(v)) }
func (c code) i64(v int64) code         { return append(c, opI64Const).signed(v) }
func (c code) br(depth uint32) code     { return append(c, opBr).u32(depth) }
func (c code) brIf(depth uint32) code   { return append(c, opBrIf).u32(depth) }
