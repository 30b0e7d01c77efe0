package graph

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/dwaarfile"
	"dwaar.dev/dwaar/host/internal/prefix"
	"dwaar.dev/dwaar/sdk"
)

// is matches when a fact has a value.
type is struct{ fact, value string }

func (i is) Reads() []string { return []string{i.fact} }
func (i is) Match(f *sdk.Flow) (sdk.Verdict, error) {
	if v, ok := f.Get(i.fact); ok && v == i.value {
		return sdk.Yes, nil
	}
	return sdk.No, nil
}

// say answers with a text and ends, or continues.
type say struct {
	text host.Template
	ends bool
}

func (s say) Ends() bool { return s.ends }
func (s say) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	text, err := s.text.Expand(c.Get)
	if err != nil {
		text = "?"
	}
	if _, err := io.WriteString(c.Net(), text+"\n"); err != nil {
		return err
	}
	if s.ends {
		return nil
	}
	return next(ctx, c)
}

// upper is a handler that makes other bytes of a connection's.
type upper struct{}

func (upper) Handle(ctx context.Context, c host.Conn, next host.Next) error {
	return next(ctx, c.Wrap(shouting{c.Net()}))
}

type shouting struct{ net.Conn }

func (s shouting) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	copy(p, bytes.ToUpper(p[:n]))
	return n, err
}

type subroute struct{ host.Routes }

func testRegistry() *host.Registry {
	r := &host.Registry{}
	facts := []sdk.Fact{{Key: "is", Doc: "the text"}}
	r.Matcher(sdk.Spec{
		Name: "prefix", Doc: "begins with TEXT", Args: []sdk.Arg{sdk.Maybe("TEXT", sdk.Free)}, Facts: facts,
		Block: &sdk.Block{Options: []sdk.Spec{
			{Name: "other", Doc: "and matches", Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)}, Hoist: true},
			{Name: "not", Doc: "and does not match", Negates: true, Block: &sdk.Block{}},
		}},
	}, prefix.New)
	r.Matcher(sdk.Spec{Name: "other", Doc: "as prefix", Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)}, Facts: facts}, prefix.New)
	r.Matcher(sdk.Spec{
		Name: "is", Doc: "a fact equals VALUE", Args: []sdk.Arg{sdk.One("FACT", sdk.Free), sdk.One("VALUE", sdk.Free)},
	}, func(n *sdk.Node) (sdk.Matcher, error) { return is{n.Args[0].Text, n.Args[1].Text}, nil })
	for _, name := range []string{"say", "greet"} {
		ends := name == "say"
		r.Handler(sdk.Spec{Name: name, Doc: "answers", Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)}, Ends: ends},
			func(b host.Builder, n *sdk.Node) (host.Handler, error) {
				tmpl, err := host.ParseTemplate(n.Args[0])
				for _, f := range tmpl.Facts() {
					b.Reads(n.Args[0].Pos, f)
				}
				return say{tmpl, ends}, err
			})
	}
	r.Handler(sdk.Spec{Name: "upper", Doc: "makes letters upper case"},
		func(host.Builder, *sdk.Node) (host.Handler, error) { return upper{}, nil })
	r.Handler(sdk.Spec{
		Name: "subroute", Doc: "routes again", Need: true,
		Block: &sdk.Block{Options: sdk.Specs(phaseOptions()), Holds: sdk.HoldsRoutes},
	}, func(b host.Builder, n *sdk.Node) (host.Handler, error) { return subroute{b.Routes(n)}, nil })
	return r
}

func build(text string) (*Graph, error) {
	r := testRegistry()
	tree, err := dwaarfile.Parse("Dwaarfile", []byte(text), Grammar(r), dwaarfile.Options{})
	if err != nil {
		return nil, err
	}
	return Build(tree, r, Options{})
}

func mustBuild(t *testing.T, text string) *Graph {
	t.Helper()
	g, err := build(text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Release)
	return g
}

// The kit, for the tests of what sessions do with a graph.
var (
	MustBuild = mustBuild
	ServerOf  = server
)

func server(block string) string { return "layer4 {\n:1 {\n" + block + "\n}\n}\n" }

func TestGraphsCountTheirUsersAndDropWhatTheySharedWithTheLast(t *testing.T) {
	t.Parallel()
	g, err := build(server("route {\nsay a\n}"))
	if err != nil {
		t.Fatal(err)
	}
	if !g.Retain() {
		t.Fatal("a new graph is gone")
	}
	g.Release()
	select {
	case <-g.Done():
		t.Fatal("gone with a user")
	default:
	}
	g.Release()
	<-g.Done()
	if g.Retain() {
		t.Error("a graph that is gone was retained")
	}
}

func TestTheGraphOfATreeIsPrinted(t *testing.T) {
	t.Parallel()
	g := mustBuild(t, server("@a prefix a other ab\n@b not prefix b\nroute @a {\ngreet x\n}\nroute @b {\nsubroute {\nroute {\nsay \"in side\"\n}\n}\n}"))
	want := `server :1
  matching_timeout 3s
  1. prefix a and other ab  (@a)
       greet x
       runs in a goroutine: greet needs one
       then the routes from 2 on
  2. not prefix b  (@b)
       subroute
         matching_timeout 3s
         1. everything
              say "in side"
       runs in a goroutine: subroute needs one
  otherwise close
`
	if diff := cmp.Diff(want, g.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
