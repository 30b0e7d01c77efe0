package sdk_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
)

func TestShapesSayWhatFits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	tests := map[sdk.Shape]struct{ fit, not []string }{
		sdk.Free:     {[]string{"", "anything at all", "{x}"}, nil},
		sdk.CIDR:     {[]string{"10.0.0.0/8", "10.1.2.3", "::1", "private_ranges", "{env.OFFICE}"}, []string{"", "10.0.0.0/33", "10.0.0", "fe80::1%eth0", "{tls.server_name}", "::/0/0", "::ffff:0.0.0.0/95"}},
		sdk.Addr:     {[]string{":443", "a.example:80", "unix//run/x.sock", "{minecraft.host}", "udp/:53"}, []string{"", "a.example", "443"}},
		sdk.Host:     {[]string{"a", "A-b.example", "*.example.com", "*", "_srv.x", "{x}.example", "192.0.2.1", "a.example."}, []string{"", "*.", "a.*.b", "*a.b", "*.*", "**", "ex ample", "a:1", "bücher.example", "a/b"}},
		sdk.Proto:    {[]string{"h2", "http/1.1", "{x}", long[:255]}, []string{"", long}},
		sdk.Int:      {[]string{"0", "2147483647", "007"}, []string{"", "-1", "+1", "2147483648", "1.5", "1_0", "0x10"}},
		sdk.Float:    {[]string{"0", "1.5", "1e3", ".5"}, []string{"", "-1", "NaN", "Inf", "1e999", "x"}},
		sdk.Duration: {[]string{"300ms", "3s", "1d", "1d12h", "0", "1.5h"}, []string{"", "3", "-1s", "+1s", "1d-1h", "1d+1h", "d", "1.5d", "99999d", "1h1d", "s"}},
		sdk.Size:     {[]string{"512", "16KiB", "4mb", "1GB", "0", "10b"}, []string{"", "KB", "-1", "1.5KB", "1 KB", "1XB", "9223372036854775807KB"}},
		sdk.Time:     {[]string{"00:00", "23:59:59", "9:30"}, []string{"", "24:00", "12", "12:60", "noon"}},
		sdk.Ref:      {[]string{"@a", "@x"}, []string{"", "@", "a"}},
		sdk.Ident:    {[]string{"a", "tenant_2"}, []string{"", "2a", "_", "A", "a.b", "^a$"}},
		sdk.Regexp:   {[]string{"", "^a+$", `\d`, "{x}"}, []string{"(", "a**", "[", `\`, "(?<x"}},
	}
	for shape, test := range tests {
		arg := sdk.One("X", shape)
		for _, text := range test.fit {
			if err := arg.Fits(text); err != nil {
				t.Errorf("%q as %v: %v", text, shape, err)
			}
		}
		for _, text := range test.not {
			if err := arg.Fits(text); err == nil {
				t.Errorf("%q fits as %v", text, shape)
			}
		}
	}
	if want := int(sdk.Ident); len(tests) != want { // all but Enum
		t.Errorf("%d shapes in the table, want %d", len(tests), want)
	}
}

func TestWordsFitBesideTheShape(t *testing.T) {
	t.Parallel()
	off := sdk.Arg{Shape: sdk.Duration, Words: []string{"off"}}
	for text, fits := range map[string]bool{"off": true, "OFF": true, "3s": true, "never": false} {
		if err := off.Fits(text); (err == nil) != fits {
			t.Errorf("Fits(%q) = %v", text, err)
		}
	}
	mode := sdk.Choice("MODE", "auth", "crypt", "plain")
	if err := mode.Fits("Crypt"); err != nil {
		t.Errorf("an enum in another case: %v", err)
	}
	for want, a := range map[string]sdk.Arg{
		"must be auth, crypt or plain":                mode,
		"must be on":                                  sdk.Choice("X", "on"),
		"must be a duration like 300ms, 3s, 2m or 1d": off,
	} {
		if err := a.Fits("x"); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestEveryShapeHasAName(t *testing.T) {
	t.Parallel()
	for s := sdk.Free; s <= sdk.Ident; s++ {
		if s.String() == "" {
			t.Errorf("shape %d has no name", s)
		}
	}
}

func TestDurationsSizesAndTimesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"300ms": 300 * time.Millisecond, "1d": 24 * time.Hour, "1d1h": 25 * time.Hour, "0": 0, "65535d": 65535 * 24 * time.Hour,
	} {
		if got, err := sdk.ParseDuration(text); got != want || err != nil {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]int64{
		"512": 512, "1B": 1, "2kb": 2000, "2KiB": 2048, "3MB": 3e6, "3MiB": 3 << 20, "1GB": 1e9, "1gib": 1 << 30,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, err := sdk.ParseSize(text); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]time.Duration{
		"00:00": 0, "15:04": 15*time.Hour + 4*time.Minute, "23:59:59": 24*time.Hour - time.Second,
	} {
		if got, err := sdk.ParseTime(text); got != want || err != nil {
			t.Errorf("ParseTime(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestPrefixesAreUnmappedAndMasked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.1.2.3/8":              "[10.0.0.0/8]",
		"192.0.2.1":               "[192.0.2.1/32]",
		"2001:db8::1":             "[2001:db8::1/128]",
		"::ffff:10.0.0.0/104":     "[10.0.0.0/8]",
		"::ffff:192.0.2.1":        "[192.0.2.1/32]",
		"2001:db8:ffff::/32":      "[2001:db8::/32]",
		"{env.OFFICE}":            "[]",
		"private_ranges":          "[10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 127.0.0.0/8 fd00::/8 ::1/128]",
		"0.0.0.0/0":               "[0.0.0.0/0]",
		"::ffff:0.0.0.0/96":       "[0.0.0.0/0]",
		"2001:db8::192.0.2.1/128": "[2001:db8::c000:201/128]",
	} {
		got, err := sdk.ParsePrefixes(text)
		if diff := cmp.Diff(want, fmt.Sprint(got)); diff != "" || err != nil {
			t.Errorf("ParsePrefixes(%q): %v (-want +got):\n%s", text, err, diff)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"3s", "1d", "1d2h", "300ms", "-1s", "65535d2540400h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := sdk.ParseDuration(text)
		if fits := sdk.One("D", sdk.Duration).Fits(text); (fits == nil) != (err == nil) {
			t.Fatalf("Fits(%q) = %v, ParseDuration says %v", text, fits, err)
		}
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q is %v", text, d)
		}
		if again, err := sdk.ParseDuration(d.String()); again != d || err != nil {
			t.Fatalf("%q is %v, which is read as %v, %v", text, d, again, err)
		}
	})
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"512", "16KiB", "4MB", "9223372036854775807", "8589934592GiB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := sdk.ParseSize(text)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q is %d", text, n)
		}
		if again, err := sdk.ParseSize(fmt.Sprint(n)); again != n || err != nil {
			t.Fatalf("%q is %d, which is read as %d, %v", text, n, again, err)
		}
	})
}

func FuzzPrefixes(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "::ffff:10.0.0.0/104", "private_ranges", "::1", "fe80::1%x", "{env.A}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		prefixes, err := sdk.ParsePrefixes(text)
		if err != nil && len(prefixes) > 0 {
			t.Fatalf("%q gives both %v and %v", text, prefixes, err)
		}
		for _, p := range prefixes {
			if !p.IsValid() || p != p.Masked() || p.Addr() != p.Addr().Unmap() {
				t.Fatalf("%q gives %v", text, p)
			}
			again, err := sdk.ParsePrefixes(p.String())
			if diff := cmp.Diff(fmt.Sprintf("[%v]", p), fmt.Sprint(again)); diff != "" || err != nil {
				t.Fatalf("%v is read as another: %v (-want +got):\n%s", p, err, diff)
			}
		}
	})
}

func FuzzShapesNeverPanic(f *testing.F) {
	for _, seed := range []string{"", "*.", "{", "@", "bücher", "24:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		for s := sdk.Free; s <= sdk.Ident; s++ {
			_ = sdk.One("X", s).Fits(text)
		}
	})
}
