// Command probe is a guest that does what its head says, to see what a Go guest may.
package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"dwaar.dev/dwaar/sdk"
	"dwaar.dev/dwaar/sdk/guest"
)

var _ = guest.Main(configure)

func main() {}

type probe struct{ words string }

func configure(n *sdk.Node) (sdk.Matcher, error) {
	if n.Find("bad") != nil {
		return nil, errors.Join(sdk.Errorf(n.Find("bad").Args[0].Pos, "is bad"), errors.New("and so is all"))
	}
	return &probe{describe(n)}, nil
}

// describe writes a node back as text.
func describe(n *sdk.Node) string {
	text := strings.Join(append([]string{n.Name}, n.Texts()...), " ")
	if n.Block != nil {
		text += "{"
		for i := range n.Block {
			text += describe(&n.Block[i]) + ";"
		}
		text += "}"
	}
	return text
}

// Match obeys "COMMAND ARGUMENT\n".
func (p *probe) Match(f *sdk.Flow) (sdk.Verdict, error) {
	command, argument, _ := strings.Cut(string(f.Head), " ")
	switch command {
	case "alloc", "small": // so many objects, of 1 KiB or of 16 bytes
		n, err := strconv.Atoi(argument)
		if err != nil {
			return 0, err
		}
		size := map[string]int{"alloc": 1 << 10, "small": 16}[command]
		keep := make([][]byte, 0, 512)
		for range n {
			keep = append(keep, make([]byte, size))
		}
		return sdk.Verdict(len(keep)), nil
	case "error":
		return 0, errors.New(argument)
	case "panic":
		panic(argument)
	case "get":
		value, ok := f.Get(argument)
		f.Set("value", []byte(fmt.Sprint(len(value), ok)))
	case "now":
		f.Set("now", []byte(time.Now().UTC().Format(time.RFC3339Nano)))
		f.Set("since", []byte(time.Since(f.Accepted).String()))
	case "config":
		f.Set("config", []byte(p.words))
	case "flow":
		f.Set("flow", fmt.Appendf(nil, "%s %v %v %v %s %d %q %q %x %x %t %v", f.Network, f.Remote, f.Local,
			f.Accepted.UnixNano(), f.Listener, f.MaxHead, f.ServerName, f.ALPN, f.TLSVersion, f.CipherSuite, f.Proxied, f.Bounds))
	default:
		return sdk.No, nil
	}
	return sdk.Yes, nil
}
