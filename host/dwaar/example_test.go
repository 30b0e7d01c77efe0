package dwaar_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"dwaar.dev/dwaar/builtin"
	"dwaar.dev/dwaar/host"
	"dwaar.dev/dwaar/host/config"
	"dwaar.dev/dwaar/host/dwaar"
	"dwaar.dev/dwaar/host/target"
	"dwaar.dev/dwaar/sdk"
)

// hello matches what begins with HELLO.
type hello struct{}

func (hello) Match(f *sdk.Flow) (sdk.Verdict, error) {
	c := f.Cursor()
	if !c.Literal("HELLO ") {
		return c.No(), nil
	}
	return c.Yes(), nil
}

// greet answers, and ends the connection.
type greet struct{ text string }

func (g greet) Handle(_ context.Context, c host.Conn, _ host.Next) error {
	_, err := io.WriteString(c.Net(), g.text)
	return err
}

// A program that brings a matcher and a handler of its own, and serves the
// connections that no route takes itself.
func Example() {
	registry := new(host.Registry)
	builtin.Register(registry)
	registry.Matcher(sdk.Spec{Name: "hello", Doc: "Begins with HELLO"},
		func(*sdk.Node) (sdk.Matcher, error) { return hello{}, nil })
	registry.Handler(sdk.Spec{Name: "greet", Doc: "Says TEXT", Args: []sdk.Arg{sdk.One("TEXT", sdk.Free)}, Ends: true},
		func(_ host.Builder, n *sdk.Node) (host.Handler, error) { return greet{n.Args[0].Text}, nil })

	rest := target.New("rest")
	s, err := dwaar.New(dwaar.Options{Registry: registry, Fallback: rest})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	text := `layer4 {
		127.0.0.1:0 {
			@hello hello
			route @hello {
				greet "good morning"
			}
		}
	}`
	if err := s.Load(ctx, config.Text("Dwaarfile", text)); err != nil {
		fmt.Println(err)
		return
	}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "you asked for %s", r.URL.Path)
	})}
	go web.Serve(rest)

	addr, _ := s.Addr("127.0.0.1:0")
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(conn, "HELLO ")
	answer, _ := io.ReadAll(conn)
	fmt.Printf("%s\n", answer)

	response, err := http.Get("http://" + addr.String() + "/page")
	if err != nil {
		fmt.Println(err)
		return
	}
	page, _ := io.ReadAll(response.Body)
	fmt.Printf("%s\n", page)

	web.Close()
	stop()
	fmt.Println(s.Run(ctx))
	// Output:
	// good morning
	// you asked for /page
	// <nil>
}
