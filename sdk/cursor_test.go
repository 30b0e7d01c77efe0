package sdk_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/matchtest"
)

func TestCursorReadsValues(t *testing.T) {
	t.Parallel()
	f := sdk.Flow{Head: []byte("\x01\x01\x02\x01\x02\x03\x01\x02\x03\x04\x01\x02\x01\x02\x03\x04\xac\x02name\x00rest")}
	c := f.Cursor()
	got := []any{
		c.Byte(), c.Uint16(), c.Uint24(), c.Uint32(), c.Little16(), c.Little32(), c.Varint(),
		c.Literal("na"), c.Offset(),
	}
	want := []any{
		byte(1), uint16(0x102), uint32(0x10203), uint32(0x1020304), uint16(0x201), uint32(0x4030201), uint32(300),
		true, 20,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	before, ok := c.Until(0, 2)
	if string(before) != "me" || !ok {
		t.Errorf("Until gave %q, %t", before, ok)
	}
	c.Skip(-1)
	if rest := c.Bytes(4); string(rest) != "rest" || cap(rest) != 4 {
		t.Errorf("the rest is %q with room for %d", rest, cap(rest))
	}
	if c.Short() || c.Yes() != sdk.Yes || c.No() != sdk.No || c.Unknown() != sdk.Unknown {
		t.Errorf("after reading everything: short %t, %v, %v, %v", c.Short(), c.Yes(), c.No(), c.Unknown())
	}
}

func TestCursorRemembersTheFirstReadThatLackedBytes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		head string
		read func(c *sdk.Cursor)
		want sdk.Verdict
	}{
		{"", func(c *sdk.Cursor) { c.Byte() }, sdk.Need(1)},
		{"ab", func(c *sdk.Cursor) { c.Uint32() }, sdk.Need(4)},
		{"ab", func(c *sdk.Cursor) { c.Uint16(); c.Little16(); c.Uint32() }, sdk.Need(4)},
		{"ab", func(c *sdk.Cursor) { c.Literal("abc") }, sdk.Need(3)},
		{"", func(c *sdk.Cursor) { c.Literal("abc") }, sdk.Need(1)},
		{"ab", func(c *sdk.Cursor) { c.Literal("ax") }, sdk.Yes},
		{"ab", func(c *sdk.Cursor) { c.Until('\n', 2) }, sdk.Need(3)},
		{"ab", func(c *sdk.Cursor) { c.Until('\n', 1) }, sdk.Yes},
		{"\x80", func(c *sdk.Cursor) { c.Varint() }, sdk.Need(2)},
		{"ab", func(c *sdk.Cursor) { c.Bytes(math.MaxInt) }, sdk.Unknown},
		{"ab", func(c *sdk.Cursor) { c.Byte(); c.Bytes(math.MaxInt) }, sdk.Unknown},
		{"ab", func(c *sdk.Cursor) { c.Bytes(math.MaxInt32) }, -math.MaxInt32},
	}
	for _, tt := range tests {
		f := sdk.Flow{Head: []byte(tt.head)}
		c := f.Cursor()
		tt.read(&c)
		if got := c.Yes(); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.head, got, tt.want)
		}
		if c.Short() && (c.Byte() != 0 || c.Varint() != 0 || c.Literal("") || c.Bytes(0) != nil) {
			t.Errorf("%q: a short cursor still reads", tt.head)
		}
	}
}

func TestCursorReadsNumbersThatDoNotEndAsTheGreatest(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]uint32{
		"\x00":                     0,
		"\xff\xff\xff\xff\x0f":     math.MaxUint32,
		"\xfe\xff\xff\xff\x0f":     math.MaxUint32 - 1,
		"\xff\xff\xff\xff\x10":     math.MaxUint32, // 33 bits
		"\x80\x80\x80\x80\x80\x00": math.MaxUint32, // six bytes
	} {
		f := sdk.Flow{Head: []byte(head)}
		c := f.Cursor()
		if got := c.Varint(); got != want || c.Short() {
			t.Errorf("%x: %d, short %t, want %d", head, got, c.Short(), want)
		}
	}
}

// script is a matcher that reads what its bytes say and stops at the first value
// that is not even. It uses a cursor and nothing else.
type script string

func (s script) Match(f *sdk.Flow) (sdk.Verdict, error) {
	c := f.Cursor()
	for i, op := range []byte(s) {
		even, key := true, fmt.Sprintf("f%d", i%8)
		switch op % 8 {
		case 0:
			even = c.Byte()%2 == 0
		case 1:
			even = c.Uint16()%2 == 0
		case 2:
			even = c.Uint24()%2 == 0
		case 3:
			even = c.Little32()%2 == 0
		case 4:
			even = c.Varint()%2 == 0
		case 5:
			f.Set(key, c.Bytes(int(op)/8))
		case 6:
			even = c.Literal(string(s[:int(op)/8%(len(s)+1)]))
		case 7:
			before, ok := c.Until(0, int(op)/8)
			f.Set(key, before)
			even = ok
		}
		if !even {
			return c.No(), nil
		}
	}
	return c.Yes(), nil
}

// Whatever is read with a cursor obeys the laws of matchers.
func FuzzCursor(f *testing.F) {
	f.Add("\x00\x01\x02\x03\x04", []byte("\x02\x00\x04\x00\x00\x06\x08\x00\x00\x00\xac\x02"))
	f.Add("\x0d\x2f\x04", []byte("ab\x00cd\x00\x80\x02"))
	f.Add("AB\x16\x07", []byte("\x03ABAB"))
	f.Add("\xf8", []byte{})
	f.Fuzz(func(t *testing.T, program string, head []byte) {
		if len(program) > 64 || len(head) > 512 {
			return
		}
		flow := matchtest.TCP()
		flow.MaxHead = 600
		if err := matchtest.Check(script(program), flow, head); err != nil {
			t.Fatal(err)
		}
	})
}
