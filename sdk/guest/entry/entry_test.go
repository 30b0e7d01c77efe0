//go:build !wasip1

package entry

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/abi"
)

func TestConfigurationBecomesTheNodeOfANativeConstructor(t *testing.T) {
	t.Parallel()
	block, err := abi.NewTokens().Word("host").Word("a.org").
		Open().Word("version").Word("47").Open().Close().Line().Word("x").Line().Close().Block()
	if err != nil {
		t.Fatal(err)
	}
	got, err := nodeOf(block)
	if err != nil {
		t.Fatal(err)
	}
	at := func(token int) sdk.Pos { return sdk.Pos{Line: token + 1} }
	want := &sdk.Node{
		Pos:  at(11),
		Args: []sdk.Word{{Text: "host", Pos: at(0)}, {Text: "a.org", Pos: at(1)}},
		Block: []sdk.Node{
			{Name: "version", Pos: at(3), Args: []sdk.Word{{Text: "47", Pos: at(4)}}, Block: []sdk.Node{}},
			{Name: "x", Pos: at(8)},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("node (-want +got):\n%s", diff)
	}
}

func TestErrorsRejectAtTheirTokens(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want rejected
	}{
		{sdk.Errorf(sdk.Pos{Line: 3}, "is bad"), rejected{2, "is bad"}},
		{errors.New("all of it"), rejected{-1, "all of it"}},
		{errors.Join(sdk.Errorf(sdk.Pos{Line: 1}, "first"), errors.New("second")), rejected{0, "first"}},
	} {
		func() {
			defer func() {
				if diff := cmp.Diff(tt.want, recover(), cmp.AllowUnexported(rejected{})); diff != "" {
					t.Errorf("%v (-want +got):\n%s", tt.err, diff)
				}
			}()
			refuse(tt.err)
		}()
	}
}

// The flow of a call is made in place.
func TestFlowIsThatOfTheInfoBlock(t *testing.T) {
	b := make([]byte, abi.InfoSize+64)
	copy(b[abi.InfoSize:], ":443app.h2")
	binary.LittleEndian.PutUint32(b[abi.InfoSize+16:], 2)
	binary.LittleEndian.PutUint32(b[abi.InfoSize+20:], 5)
	abi.EncodeInfo((*[abi.InfoSize]byte)(b), &abi.Info{
		Flags: abi.FlagProxied | abi.FlagDatagrams, Transport: abi.TransportUnix, MaxHead: 99,
		Remote: netip.MustParseAddrPort("192.0.2.1:7"), Local: netip.MustParseAddrPort("[2001:db8::1]:443"),
		Listener: abi.Span{Ptr: abi.InfoSize, Len: 4}, ServerName: abi.Span{Ptr: abi.InfoSize + 4, Len: 4},
		ALPN: abi.Span{Ptr: abi.InfoSize + 8, Len: 2}, TLSVersion: 0x304, Cipher: 0x1301, Accepted: 5,
		Bounds: abi.Span{Ptr: abi.InfoSize + 16, Len: 2},
	})
	e, head := &entry{}, []byte("hello")
	e.fill(head, unsafe.Pointer(&b[0]))
	got := e.flow.Fresh()
	want := sdk.Flow{
		Network: "unixgram", Accepted: time.Unix(0, 5).UTC(),
		Remote: netip.MustParseAddrPort("192.0.2.1:7"), Local: netip.MustParseAddrPort("[2001:db8::1]:443"),
		Listener: ":443", MaxHead: 99, ServerName: "app.", ALPN: "h2", TLSVersion: 0x304, CipherSuite: 0x1301, Proxied: true,
	}
	if got.Listener != want.Listener || !cmp.Equal(e.flow.Bounds, []int{2, 5}) || string(e.flow.Head) != "hello" ||
		got.ServerName != want.ServerName || got.ALPN != want.ALPN || got.Remote != want.Remote || got.Local != want.Local ||
		!got.Accepted.Equal(want.Accepted) || got.Network != want.Network || got.MaxHead != want.MaxHead ||
		got.TLSVersion != want.TLSVersion || got.CipherSuite != want.CipherSuite || !got.Proxied {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { e.fill(head, unsafe.Pointer(&b[0])) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNetworksHaveTheirNames(t *testing.T) {
	t.Parallel()
	var got []string
	for _, transport := range []uint8{abi.TransportTCP, abi.TransportUDP, abi.TransportUnix} {
		got = append(got, network(transport, 0), network(transport, abi.FlagDatagrams))
	}
	if want := "tcp tcp udp udp unix unixgram"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// Whatever the bytes are, the node is that of a token block or there is none.
func FuzzNode(f *testing.F) {
	block, err := abi.NewTokens().Word("a").Open().Word("b").Line().Close().Block()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block)
	f.Fuzz(func(t *testing.T, block []byte) {
		n, err := nodeOf(block)
		if err != nil {
			return
		}
		tokens := abi.NewTokens()
		encode(tokens, n)
		if again, err := tokens.Block(); err != nil || !strings.HasPrefix(string(block), string(again)) {
			t.Errorf("%x became %+v, which is %x, %v", block, n, again, err)
		}
	})
}

// encode writes the arguments and the block of a node.
func encode(tokens *abi.Tokens, n *sdk.Node) {
	for _, w := range n.Args {
		tokens.Word(w.Text)
	}
	if n.Block == nil {
		return
	}
	tokens.Open()
	for i := range n.Block {
		tokens.Word(n.Block[i].Name)
		encode(tokens, &n.Block[i])
		tokens.Line()
	}
	tokens.Close()
}
