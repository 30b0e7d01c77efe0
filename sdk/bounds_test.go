package sdk_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"dwaar.dev/dwaar/sdk"
)

// What a cursor says of a head that is one byte short, exact, one byte longer, and wrong
// at each byte.
func TestACursorDecidesAtItsBounds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		head string
		read func(c *sdk.Cursor) bool
		ok   bool
		need int // bytes in all; 0: none are lacking
	}{
		{"abc", func(c *sdk.Cursor) bool { return c.Literal("abc") }, true, 0},
		{"abcd", func(c *sdk.Cursor) bool { return c.Literal("abc") }, true, 0},
		{"ab", func(c *sdk.Cursor) bool { return c.Literal("abc") }, false, 3},
		{"", func(c *sdk.Cursor) bool { return c.Literal("abc") }, false, 1},
		{"abx", func(c *sdk.Cursor) bool { return c.Literal("abc") }, false, 0},
		{"axc", func(c *sdk.Cursor) bool { return c.Literal("abc") }, false, 0},
		{"xbc", func(c *sdk.Cursor) bool { return c.Literal("abc") }, false, 0},
		{"x", func(c *sdk.Cursor) bool { return c.Literal("abc") }, false, 0},
		{"ax", func(c *sdk.Cursor) bool { return c.Literal("abc") }, false, 0},
		{"ab\n", func(c *sdk.Cursor) bool { b, ok := c.Until('\n', 2); return ok && string(b) == "ab" }, true, 0},
		{"abc\n", func(c *sdk.Cursor) bool { _, ok := c.Until('\n', 2); return ok }, false, 0},
		{"ab", func(c *sdk.Cursor) bool { _, ok := c.Until('\n', 2); return ok }, false, 3},
		{"abc", func(c *sdk.Cursor) bool { _, ok := c.Until('\n', 2); return ok }, false, 0},
		{"\n", func(c *sdk.Cursor) bool { b, ok := c.Until('\n', 0); return ok && len(b) == 0 }, true, 0},
		{"", func(c *sdk.Cursor) bool { _, ok := c.Until('\n', 0); return ok }, false, 1},
		{"a", func(c *sdk.Cursor) bool { _, ok := c.Until('\n', 0); return ok }, false, 0},
		{"abcd", func(c *sdk.Cursor) bool { c.Skip(1); return c.Literal("b") && c.Literal("cd") }, true, 0},
		{"abcd", func(c *sdk.Cursor) bool { c.Skip(1); return string(c.Bytes(3)) == "bcd" }, true, 0},
		{"abcd", func(c *sdk.Cursor) bool { c.Skip(1); return c.Bytes(4) != nil }, false, 5},
		{"abcd", func(c *sdk.Cursor) bool { c.Skip(5); return c.Literal("x") }, false, 5}, // the first one counts
		{"abcd", func(c *sdk.Cursor) bool { c.Skip(5); _, ok := c.Until('d', 9); return ok }, false, 5},
		{"abcd", func(c *sdk.Cursor) bool { return c.Bytes(-1) != nil && c.Literal("a") }, true, 0},
	} {
		f := sdk.Flow{Head: []byte(tc.head)}
		c := f.Cursor()
		ok := tc.read(&c)
		need := 0
		if c.Short() {
			need = c.No().NeedBytes()
		}
		if ok != tc.ok || need != tc.need {
			t.Errorf("%q: %v, %d bytes are needed, want %v and %d", tc.head, ok, need, tc.ok, tc.need)
		}
	}
	f := sdk.Flow{Head: []byte("ab")}
	c := f.Cursor()
	c.Skip(1)
	if c.Skip(math.MaxInt - 1); c.Yes() != sdk.Unknown {
		t.Errorf("more than there can ever be is %v", c.Yes())
	}
}

func TestNumbersAreReadWithinTheirBounds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"0": 0, "7": 7, "08": 8, "010": 10, "2147483647": 2147483647} {
		if n, err := sdk.ParseInt(text); err != nil || n != want {
			t.Errorf("%s: %d, %v", text, n, err)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1.0", "0x1", "0b1", "0o7", "1_0", "a", " 1", "2147483648"} {
		if n, err := sdk.ParseInt(text); err == nil || n != 0 {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "1B": 1, "2KB": 2000, "2kib": 2048, "3MB": 3e6, "1MiB": 1 << 20, "1GB": 1e9, "1GiB": 1 << 30,
		"9223372036854775807": math.MaxInt64, "8589934591GiB": 8589934591 << 30,
	} {
		if n, err := sdk.ParseSize(text); err != nil || n != want {
			t.Errorf("%s: %d, %v, want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "B", "-1", "1.5KB", "1TB", "1 KB", "KB", "8589934592GiB", "9223372036854775808"} {
		if n, err := sdk.ParseSize(text); err == nil || n != 0 {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	for text, want := range map[string]time.Duration{"0s": 0, "1d": 24 * time.Hour, "1d1s": 24*time.Hour + time.Second, "65535d": 65535 * 24 * time.Hour, "1m1s": 61 * time.Second} {
		if d, err := sdk.ParseDuration(text); err != nil || d != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "1", "-1s", "+1s", "d", "-1d", "1d-1s", "1d+1s", "65536d", "65535d2562047h", "1dx"} {
		if d, err := sdk.ParseDuration(text); err == nil || d != 0 {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
}

// limited is what the functions for options set.
type limited struct {
	n int
	d time.Duration
}

func TestOptionsForNumbersAndTimesHaveTheirBounds(t *testing.T) {
	t.Parallel()
	for least := range 3 {
		set := sdk.SetCount(least, func(s *limited) *int { return &s.n })
		for v := range 4 {
			s := &limited{n: 99}
			err := set(s, option(fmt.Sprint(v)))
			if (err == nil) != (v >= least) || s.n != v {
				t.Errorf("%d of at least %d: %v, set to %d", v, least, err, s.n)
			}
		}
	}
	field := func(s *limited) *time.Duration { return &s.d }
	for text, want := range map[string]struct {
		d            time.Duration
		plain, limit bool // SetDuration and SetLimit take it
	}{"1ns": {1, true, true}, "5m": {5 * time.Minute, true, true}, "off": {0, false, true}, "0s": {0, false, false}, "x": {0, false, false}} {
		plain, limit := &limited{d: time.Hour}, &limited{d: time.Hour}
		err := sdk.SetDuration(field)(plain, option(text))
		if (err == nil) != want.plain || plain.d != want.d {
			t.Errorf("%s: %v, set to %v", text, err, plain.d)
		}
		err = sdk.SetLimit(field)(limit, option(text))
		if (err == nil) != want.limit || limit.d != want.d {
			t.Errorf("%s or off: %v, set to %v", text, err, limit.d)
		}
	}
}

func option(text string) *sdk.Node {
	return &sdk.Node{Name: "opt", Args: []sdk.Word{{Text: text, Pos: sdk.Pos{Line: 1, Col: 5}}}}
}

func TestANeedIsOfAtLeastOneByteAndOfNoMoreThanANumberHolds(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{math.MinInt: 1, -1: 1, 0: 1, 1: 1, 2: 2, math.MaxInt32: math.MaxInt32} {
		if got := sdk.Need(n).NeedBytes(); got != want {
			t.Errorf("Need(%d) is of %d bytes, want %d", n, got, want)
		}
	}
	for _, n := range []int{math.MaxInt32 + 1, math.MaxInt} {
		if got := sdk.Need(n); got != sdk.Unknown {
			t.Errorf("Need(%d) is %v", n, got)
		}
	}
}

// A pattern with a placeholder, which would stand for itself, is told from one without.
func TestAPlaceholderInAPatternIsFound(t *testing.T) {
	t.Parallel()
	arg := sdk.One("PATTERN", sdk.Regexp)
	for pattern, found := range map[string]bool{
		"{tls.server_name}": true, "x{a.b}y": true, "{a-1.b_2}": true, "a{2}{a.b}": true,
		`\\{a.b}`: true, `\{a.b}`: false, "a{2}": false, "a{2,3}": false, "{a}": false, "{a.}": false, "{.b}": false, "{A.b}": false,
		"{a.B}": false, "{1.b}": false, "{a.2}": false, "{a.b": false, "{a b.c}": false,
	} {
		err := arg.Fits(pattern)
		if (err != nil) != found {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
