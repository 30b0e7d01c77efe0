package abi_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dwaar.dev/dwaar/sdk/abi"
)

// example reads the bytes of an example of ABI.md: pairs of hexadecimal digits with
// one space between them.
func example(t testing.TB, name string) []byte {
	t.Helper()
	doc, err := os.ReadFile("ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "<!-- example: "+name+" -->\n```\n")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatalf("ABI.md has no example of %s", name)
	}
	var all []byte
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name == "info" {
			_, line, _ = strings.Cut(line, "  ") // the offset
		}
		digits, _, _ := strings.Cut(line, "  ") // a comment
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, b...)
	}
	return all
}

// exampleConn is the connection of the document's example.
func exampleConn() *abi.Conn {
	return &abi.Conn{
		Transport: abi.TransportTCP,
		MaxHead:   16 << 10,
		Remote:    netip.MustParseAddrPort("192.0.2.1:51820"),
		Local:     netip.MustParseAddrPort("198.51.100.1:443"),
		Listener:  ":443",
		Accepted:  time.Date(2025, time.June, 5, 12, 30, 0, 0, time.UTC).UnixNano(),
	}
}

func TestInfoBlockIsThatOfTheSpecification(t *testing.T) {
	t.Parallel()
	w := window()
	head, info := w.Evaluation(exampleConn(), []byte("A"), nil)
	if head != 16384+abi.WindowHead || info != 16384 {
		t.Errorf("head at %d, info at %d", head, info)
	}
	if diff := cmp.Diff(hex.Dump(example(t, "info")), hex.Dump(w.Bytes[:abi.InfoSize])); diff != "" {
		t.Errorf("info block (-want +got):\n%s", diff)
	}
	i := abi.DecodeInfo((*[abi.InfoSize]byte)(example(t, "info")))
	want := abi.Info{
		Transport: abi.TransportTCP, MaxHead: 16 << 10,
		Remote: exampleConn().Remote, Local: exampleConn().Local, Accepted: exampleConn().Accepted,
		Listener: abi.Span{Ptr: 16512, Len: 4}, ServerName: abi.Span{Ptr: 16516}, ALPN: abi.Span{Ptr: 16516},
		Bounds: abi.Span{Ptr: 17280},
	}
	if diff := cmp.Diff(want, i, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestTokenBlockIsThatOfTheSpecification(t *testing.T) {
	t.Parallel()
	block, err := abi.NewTokens().Word("host").Word("a.org").
		Open().Word("version").Word("47").Word("760").Line().Close().Block()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hex.Dump(example(t, "tokens")), hex.Dump(block)); diff != "" {
		t.Errorf("token block (-want +got):\n%s", diff)
	}
	if got, err := rewrite(example(t, "tokens")); err != nil || !bytes.Equal(got, block) {
		t.Errorf("decoded and encoded: %x, %v", got, err)
	}
}

func TestInfoKeepsEveryField(t *testing.T) {
	t.Parallel()
	for _, want := range []abi.Info{
		{},
		{Flags: 7, Transport: 2, MaxHead: 65536, TLSVersion: 0x304, Cipher: 0x1301, Accepted: -1},
		{Remote: netip.MustParseAddrPort("[2001:db8::1]:1"), Local: netip.MustParseAddrPort("10.0.0.1:2")},
		{Local: netip.MustParseAddrPort("[::]:65535"), Bounds: abi.Span{Ptr: 1, Len: 64}},
		{Listener: abi.Span{Ptr: 1, Len: 2}, ServerName: abi.Span{Ptr: 3, Len: 4}, ALPN: abi.Span{Ptr: 5, Len: 6}},
	} {
		b := [abi.InfoSize]byte(bytes.Repeat([]byte{0xee}, abi.InfoSize))
		abi.EncodeInfo(&b, &want)
		if diff := cmp.Diff(want, abi.DecodeInfo(&b), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
			t.Errorf("info (-want +got):\n%s", diff)
		}
	}
}

func TestAddressesInsideIPv6AreIPv4(t *testing.T) {
	t.Parallel()
	var b [abi.InfoSize]byte
	abi.EncodeInfo(&b, &abi.Info{Remote: netip.MustParseAddrPort("[::ffff:192.0.2.1]:5")})
	if got := abi.DecodeInfo(&b).Remote; got != netip.MustParseAddrPort("192.0.2.1:5") || b[abi.InfoRemoteFamily] != 4 {
		t.Errorf("got %v of family %d", got, b[abi.InfoRemoteFamily])
	}
}

func window() abi.Window {
	return abi.Window{Base: 16384, Bytes: make([]byte, abi.WindowSize(16<<10, 0))}
}

// Whatever a window held before, an evaluation finds in it what it would find in a
// new one.
func TestNothingOfAnEarlierEvaluationIsLeft(t *testing.T) {
	t.Parallel()
	long := exampleConn()
	long.Listener, long.ServerName, long.ALPN = strings.Repeat("l", 255), strings.Repeat("s", 255), strings.Repeat("a", 255)
	heads := [][]byte{nil, []byte("short"), bytes.Repeat([]byte("x"), 16<<10), []byte("y")}
	used := window()
	used.Config(bytes.Repeat([]byte("c"), 2000))
	for _, c := range []*abi.Conn{exampleConn(), long, exampleConn()} {
		for _, head := range heads {
			for _, bounds := range [][]int{nil, {1, 2, 3}, slices.Repeat([]int{9}, 70), {4}} {
				fresh := window()
				fresh.Evaluation(c, head, bounds)
				used.Evaluation(c, head, bounds)
				if !bytes.Equal(fresh.Bytes, used.Bytes) {
					t.Fatalf("head of %d bytes, bounds %v: the windows differ", len(head), bounds)
				}
			}
		}
	}
}

func TestStringsThatAreTooLongAreLeftOut(t *testing.T) {
	t.Parallel()
	c := exampleConn()
	c.Listener = strings.Repeat("l", 256)
	w := window()
	w.Evaluation(c, nil, nil)
	if i := abi.DecodeInfo((*[abi.InfoSize]byte)(w.Bytes)); i.Listener.Len != 0 || i.Listener.Ptr == 0 {
		t.Errorf("the listener is at %+v", i.Listener)
	}
}

func TestEvaluationAllocatesNothing(t *testing.T) {
	w, c, head := window(), exampleConn(), []byte("hello")
	if n := testing.AllocsPerRun(100, func() { w.Evaluation(c, head, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTokensRefuseWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	deep := abi.NewTokens()
	for range abi.MaxDepth + 1 {
		deep.Word("a").Open()
	}
	big := abi.NewTokens()
	for range 17 {
		big.Word(strings.Repeat("x", abi.MaxWord))
	}
	for _, tt := range []struct {
		tokens *abi.Tokens
		want   error
	}{
		{abi.NewTokens().Word(strings.Repeat("x", abi.MaxWord+1)), abi.ErrWord},
		{deep, abi.ErrDepth},
		{big, abi.ErrSize},
		{abi.NewTokens().Word(strings.Repeat("x", abi.MaxWord)), nil},
	} {
		if _, err := tt.tokens.Block(); !errors.Is(err, tt.want) {
			t.Errorf("got %v, want %v", err, tt.want)
		}
	}
}

// rewrite decodes a token block and encodes it again.
func rewrite(block []byte) ([]byte, error) {
	tokens := abi.NewTokens()
	for c := abi.DecodeConfig(block); ; {
		t, err := c.Next()
		if err != nil {
			return nil, err
		}
		switch t.Kind {
		case abi.TokenEnd:
			return tokens.Block()
		case abi.TokenWord:
			tokens.Word(string(t.Text))
		case abi.TokenOpen:
			tokens.Open()
		case abi.TokenClose:
			tokens.Close()
		case abi.TokenLine:
			tokens.Line()
		}
	}
}

func TestDecoderRefusesWhatNobodyWrites(t *testing.T) {
	t.Parallel()
	const end, word, open, closing, line = "\x00\x00\x00\x00\x00", "\x01\x00\x01\x00w\x00", "\x02\x00\x00\x00\x00", "\x03\x00\x00\x00\x00", "\x04\x00\x00\x00\x00"
	for name, block := range map[string]string{
		"nothing":                      "",
		"no end":                       word,
		"a word that is cut":           "\x01\x00\x05\x00ab\x00",
		"no NUL behind a word":         "\x01\x00\x01\x00wx" + end,
		"an unknown kind":              "\x05\x00\x00\x00\x00" + end,
		"a second byte":                "\x01\x01\x01\x00w\x00" + end,
		"a brace with text":            "\x02\x00\x01\x00x\x00" + closing + end,
		"an end inside a block":        open + end,
		"a closing brace too much":     closing + end,
		"a line outside of a block":    word + line + end,
		"a word behind a block":        open + closing + word + end,
		"two blocks":                   open + closing + open + closing + end,
		"an empty line":                open + line + closing + end,
		"a brace before a line's word": open + open + closing + line + closing + end,
		"a line without its end":       open + word + closing + end,
	} {
		if got, err := rewrite([]byte(block)); !errors.Is(err, abi.ErrTokens) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

// What decodes is what the encoder writes, and the end stays the end.
func FuzzTokens(f *testing.F) {
	f.Add(example(f, "tokens"))
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Add([]byte("\x02\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00rest"))
	f.Fuzz(func(t *testing.T, block []byte) {
		got, err := rewrite(block)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(block, got) {
			t.Errorf("%x decodes and encodes to %x", block, got)
		}
		c := abi.DecodeConfig(got)
		for {
			if tok, err := c.Next(); err != nil {
				t.Fatal(err)
			} else if tok.Kind == abi.TokenEnd {
				break
			}
		}
		if again, err := c.Next(); err != nil || again.Kind != abi.TokenEnd {
			t.Errorf("behind the end comes %v, %v", again, err)
		}
	})
}

func TestNamesOfExportsTellTheMatcher(t *testing.T) {
	t.Parallel()
	type split struct {
		Base, Matcher string
		OK            bool
	}
	for name, want := range map[string]split{
		"dwaar_v1_match":       {abi.ExportMatch, "", true},
		"dwaar_v1_init":        {abi.ExportInit, "", true},
		"dwaar_v1_match_login": {abi.ExportMatch, "login", true},
		"dwaar_v1_init_a_2":    {abi.ExportInit, "a_2", true},
		"dwaar_v1_match_":      {},
		"dwaar_v1_matchlogin":  {},
		"dwaar_v1_match_2a":    {},
		"dwaar_v1_match_Login": {},
		"dwaar_v1_window":      {},
		"memory":               {},
		"dwaar_v1_match_" + "a" + strings.Repeat("b", 31): {abi.ExportMatch, "a" + strings.Repeat("b", 31), true},
		"dwaar_v1_match_" + "a" + strings.Repeat("b", 32): {},
	} {
		var got split
		got.Base, got.Matcher, got.OK = abi.MatcherOf(name)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if abi.ValidKey("code") || !abi.ValidKey("codec") || abi.ValidKey("") {
		t.Error("code is the only name that is no key")
	}
}
